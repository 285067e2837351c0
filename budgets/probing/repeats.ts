// One company asked about again and again by one institution. A provider does not see a bank's own features, so it cannot tell a score under varied features
// from the same one: what it sees is how often, and under a linear model each question with other features of the bank is one more equation.
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { Counter } from "../counts/counter.ts";
import type { KeyedHash } from "../hashes.ts";
import type { BudgetStore } from "../store.ts";
import { windowOf, type ProbingPolicy } from "./policy.ts";
import { judge, scopeOf, type Judgement } from "./verdict.ts";

export class RepeatWatch {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #policyFor: (institution: PartyId) => ProbingPolicy;

  constructor(options: { store: BudgetStore; now: Clock; policyFor: (institution: PartyId) => ProbingPolicy }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#policyFor = options.policyFor;
  }

  /** Judges a question before it is answered, and counts it if it is admitted. model: a public name, or what else has a count of its own. Throws BUDGET_STATE. */
  ask(asked: { readonly institution: PartyId; readonly company: KeyedHash; readonly model: string }): Judgement {
    return this.#store.atomic(() => {
      const policy = this.#policyFor(asked.institution);
      const now = this.#now();
      const scope = scopeOf(asked.institution, asked.model, asked.company);
      const counter = new Counter(this.#store, `probe|${policy.windowSeconds}|repeats|${scope}`, windowOf(policy), now);
      const { refuse } = policy.repeats;
      const judgement = judge({
        store: this.#store, now, slowMs: policy.slowSeconds * 1000,
        measures: [{ signal: "repeats", scope, measured: counter.used + 1, thresholds: policy.repeats, freeAt: refuse === undefined || counter.used + 1 < refuse ? undefined : counter.freeAt(Math.ceil(refuse) - 2) }],
      });
      if (judgement.admitted) counter.add(1);
      return judgement;
    });
  }
}
