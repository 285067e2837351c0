// Near-duplicate queries: aggregates over two sets that differ in few companies tell about these few. Each new set is held against the kept sketches of
// all earlier ones of the institution and data set. When the history is full a new set is refused: dropping the oldest would let it be washed out.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { KeyedHash } from "../hashes.ts";
import { readRow, type BudgetStore } from "../store.ts";
import type { ProbingPolicy } from "./policy.ts";
import { countsOf, differenceOf, sketchDeviation, sketchOf, sketchText } from "./sketch.ts";
import { judge, scopeOf, type Judgement, type Measure } from "./verdict.ts";

/** An estimate counts as below a threshold up to so many standard deviations above it, so that a true difference below it is hardly ever missed. */
export const marginDeviations = 4;

/** Digest, size, until. */
const historySchema = z.array(z.tuple([z.string(), z.int(), z.int()]));

export class SetWatch {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #policyFor: (institution: PartyId) => ProbingPolicy;

  constructor(options: { store: BudgetStore; now: Clock; policyFor: (institution: PartyId) => ProbingPolicy }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#policyFor = options.policyFor;
  }

  /** Judges a query over a set of companies (keyed hashes, rising) before it is answered. The same set again is free. Throws BUDGET_COMPANY_SET, BUDGET_STATE. */
  ask(asked: { institution: PartyId; dataset: string; companies: Iterable<KeyedHash> }): Judgement {
    const sketch = sketchOf(asked.companies);
    return this.#store.atomic(() => {
      const policy = this.#policyFor(asked.institution);
      const now = this.#now();
      const scope = scopeOf(asked.institution, asked.dataset);
      const rowOf = (digest: string): string => `probe-set|${scope}|${digest}`;
      const history = (readRow(this.#store, `probe-sets|${scope}`, historySchema) ?? []).filter(([, , until]) => until > now);
      const known = history.find(([digest]) => digest === sketch.digest);
      const measures: Measure[] = [];
      if (!known && history.length > 0) {
        const near = history.map(([digest, size, until]) => ({ until, difference: differenceOf(sketch, { size, counts: this.#counts(rowOf(digest)) }) }))
          .reduce((a, b) => (b.difference < a.difference ? b : a));
        const measured = near.difference / (1 + marginDeviations * sketchDeviation);
        measures.push({ signal: "near-set", scope, measured, thresholds: policy.sets.differences, falling: true, freeAt: near.until });
      }
      if (!known && history.length >= policy.sets.history) {
        const first = Math.min(...history.map(([, , until]) => until));
        measures.push({ signal: "set-history", scope, measured: history.length, thresholds: { refuse: policy.sets.history }, freeAt: first });
      }
      const judgement = judge({ store: this.#store, now, slowMs: policy.slowSeconds * 1000, measures });
      if (judgement.admitted) {
        const until = now + policy.windowSeconds * 1000;
        const later = [...history.filter((row) => row !== known), [sketch.digest, sketch.size, until] as const];
        this.#store.put(`probe-sets|${scope}`, JSON.stringify(later), Math.max(...later.map(([, , end]) => end)));
        this.#store.put(rowOf(sketch.digest), JSON.stringify(sketchText(sketch)), until);
      }
      return judgement;
    });
  }

  #counts(key: string): Int32Array {
    const text = readRow(this.#store, key, z.string());
    if (text === undefined) throw new AppError("BUDGET_STATE");
    return countsOf(text);
  }
}
