// One company asked with varied claims: a value is found by guessing (equality) or by halving (ranges). Counted per institution, company and item
// with the bits that answers can tell, and over all companies, where few guesses about each add up. A claim made before tells nothing new.
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { Counter } from "../counts/counter.ts";
import type { KeyedHash } from "../hashes.ts";
import type { BudgetStore } from "../store.ts";
import { excessOf, windowOf, type ProbingPolicy } from "./policy.ts";
import { judge, scopeOf, type Judgement } from "./verdict.ts";

export type ClaimAsked = {
  readonly institution: PartyId; readonly company: KeyedHash; readonly item: string;
  /** Digest of the claim, or what names a blind question (quota/ask.ts, `claimMember`). */
  readonly claim: string;
  /** Most bits that the answer tells (quota/ask.ts, `answerBits`). */
  readonly bits: number;
};

export class ClaimWatch {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #policyFor: (institution: PartyId) => ProbingPolicy;

  constructor(options: { store: BudgetStore; now: Clock; policyFor: (institution: PartyId) => ProbingPolicy }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#policyFor = options.policyFor;
  }

  /** Judges a claim before it is answered, and remembers it if it is admitted. Throws BUDGET_STATE. */
  ask(asked: ClaimAsked): Judgement {
    return this.#store.atomic(() => {
      const policy = this.#policyFor(asked.institution);
      const now = this.#now();
      const counter = (...parts: readonly string[]): Counter =>
        new Counter(this.#store, `probe|${policy.windowSeconds}|${scopeOf(asked.institution, ...parts)}`, windowOf(policy), now);
      const value = scopeOf(asked.institution, asked.company, asked.item);
      const claims = counter("claims", asked.company, asked.item);
      const bits = counter("bits", asked.company, asked.item);
      const values = counter("values");
      const varied = counter("varied");
      // A claim that is counted already stays counted, and is free.
      const isNew = claims.weightOf(asked.claim, 1) > 0;
      const isVaried = isNew && claims.used > 0;
      const most = (limit: number | undefined, weight: number): number => (limit ?? Infinity) - 1 - weight;
      const judgement = judge({
        store: this.#store, now, slowMs: policy.slowSeconds * 1000,
        measures: !isNew ? [] : [
          { signal: "claims", scope: value, measured: claims.used + 1, thresholds: policy.claims, freeAt: claims.freeAt(most(policy.claims.refuse, 1)) },
          { signal: "bits", scope: value, measured: bits.used + asked.bits, thresholds: policy.bits, freeAt: bits.freeAt(most(policy.bits.refuse, asked.bits)) },
          ...(isVaried ? [{
            signal: "claim-spread" as const, scope: asked.institution, measured: excessOf(varied.used + 1, values.used, policy.claimSpread), thresholds: policy.claimSpread.excess,
            freeAt: now + policy.windowSeconds * 1000,
          }] : []),
        ],
      });
      if (judgement.admitted) {
        claims.addMember(asked.claim, 1);
        bits.addMember(asked.claim, asked.bits);
        values.addMember(`${asked.company}|${asked.item}`, 1);
        if (isVaried) varied.add(1);
      }
      return judgement;
    });
  }
}
