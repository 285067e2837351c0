// Extraction of a model by chosen queries. Against a linear model or a scorecard one query per degree of freedom is enough when the score is exact
// (Tramèr, Zhang, Juels, Reiter, Ristenpart, USENIX Security 2016); attacks step one coordinate at a time or draw vectors at random. Here the company's
// part of a score is unknown to whoever asks, so the queries that tell something are those about a company that was asked about before, with other own
// features. PRADA (Juuti, Szyller, Marchal, Asokan, EuroS&P 2019) looks at the distribution of distances between queries; values are not seen here, so the
// distance is the number of coordinates whose keyed hashes differ.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { Counter } from "../counts/counter.ts";
import { coordinateBytes, type KeyedHash, type VectorHash } from "../hashes.ts";
import { readRow, type BudgetStore } from "../store.ts";
import { excessOf, maxVectors, windowOf, type ProbingPolicy } from "./policy.ts";
import { judge, scopeOf, type Judgement, type Measure } from "./verdict.ts";

export type VectorAsked = {
  readonly institution: PartyId; readonly company: KeyedHash; readonly vector: VectorHash;
  /** Model and version, a public name. */
  readonly model: string;
  /** Free numbers of the model's part over these features: coefficients, bins less features, leaves. */
  readonly degreesOfFreedom: number;
};

/** Below it a model has hardly anything to extract, and corrections of a clerk would be refused. */
const fewestVariants = 4;

/** Time, vector, coordinate in which it differs from an earlier one, or -1. */
const rowSchema = z.array(z.tuple([z.int(), z.string(), z.int().min(-1)])).max(maxVectors);

export class VectorWatch {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #policyFor: (institution: PartyId) => ProbingPolicy;

  constructor(options: { store: BudgetStore; now: Clock; policyFor: (institution: PartyId) => ProbingPolicy }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#policyFor = options.policyFor;
  }

  /** Judges a score query before it is answered, and remembers it if it is admitted. The same vector again is free. Throws BUDGET_ASK, BUDGET_STATE. */
  ask(asked: VectorAsked): Judgement {
    const { institution, model, company, vector, degreesOfFreedom } = asked;
    if (!Number.isSafeInteger(degreesOfFreedom) || degreesOfFreedom < 1) throw new AppError("BUDGET_ASK");
    const bytes = Buffer.from(vector, "base64");
    if (bytes.length === 0 || bytes.length % coordinateBytes !== 0) throw new AppError("BUDGET_ASK");
    return this.#store.atomic(() => {
      const policy = this.#policyFor(institution);
      const now = this.#now();
      const windowMs = policy.windowSeconds * 1000;
      const key = `probe-vectors|${scopeOf(institution, model, company)}`;
      // What lies in the future, after a clock was set back, stays.
      const known = (readRow(this.#store, key, rowSchema) ?? []).filter(([at]) => at + windowMs > now);
      if (known.some(([, v]) => v === vector)) return { verdict: "allow", admitted: true, findings: [] };
      const counter = (name: string): Counter => new Counter(this.#store, `probe|${policy.windowSeconds}|${scopeOf(institution, name, model)}`, windowOf(policy), now);
      const companies = counter("companies");
      const steps = counter("steps");
      const step = stepOf(bytes, known.map(([, v]) => Buffer.from(v, "base64")));
      const measures = known.length === 0 ? [] : measuresOf(policy, scopeOf(institution, model, company), known, step, degreesOfFreedom);
      if (step >= 0) {
        const excess = excessOf(steps.used + 1, companies.used, policy.extraction) / degreesOfFreedom;
        measures.push({ signal: "extraction", scope: scopeOf(institution, model), measured: excess, thresholds: policy.extraction.excess, freeAt: now + windowMs });
      }
      const judgement = judge({ store: this.#store, now, slowMs: policy.slowSeconds * 1000, measures });
      if (judgement.admitted) {
        const kept = [...known, [now, vector, step] as [number, string, number]].slice(-maxVectors);
        this.#store.put(key, JSON.stringify(kept), Math.max(...kept.map(([at]) => at)) + windowMs);
        companies.addMember(company, 1);
        if (step >= 0) steps.add(1);
      }
      return judgement;
    });
  }
}

function measuresOf(policy: ProbingPolicy, scope: string, known: z.output<typeof rowSchema>, step: number, degreesOfFreedom: number): Measure[] {
  // When the n-th newest leaves the window there are fewer than n.
  const freeAt = (times: readonly number[], refuse: number | undefined): number | undefined => {
    const at = refuse === undefined ? undefined : times.toSorted((a, b) => b - a)[Math.max(0, Math.ceil(refuse) - 2)];
    return at === undefined ? undefined : at + policy.windowSeconds * 1000;
  };
  const refuse = Math.min(policy.variants.refuse ?? Infinity, Math.max(fewestVariants, degreesOfFreedom));
  const variants = { ...policy.variants, ...(policy.variants.refuse === undefined ? {} : { refuse }) };
  const stepped = known.filter(([, , s]) => s >= 0);
  const swept = stepped.filter(([, , s]) => s === step);
  const measures: Measure[] = [{ signal: "variants", scope, measured: known.length, thresholds: variants, freeAt: freeAt(known.map(([at]) => at), variants.refuse) }];
  if (step >= 0) {
    measures.push({ signal: "steps", scope, measured: stepped.length + 1, thresholds: policy.steps, freeAt: freeAt(stepped.map(([at]) => at), policy.steps.refuse) });
    measures.push({ signal: "sweep", scope, measured: swept.length + 1, thresholds: policy.sweep, freeAt: freeAt(swept.map(([at]) => at), policy.sweep.refuse) });
  }
  return measures;
}

/** The coordinate in which a vector differs from an earlier one, if it is the only one; else -1. Throws BUDGET_ASK for vectors of another length. */
function stepOf(vector: Buffer, earlier: readonly Buffer[]): number {
  let found = -1;
  for (const other of earlier) {
    if (other.length !== vector.length) throw new AppError("BUDGET_ASK");
    let differing = 0;
    let at = -1;
    for (let i = 0; i < vector.length && differing < 2; i += coordinateBytes) {
      if (vector.readUInt32LE(i) !== other.readUInt32LE(i)) {
        differing++;
        at = i / coordinateBytes;
      }
    }
    if (differing === 1) found = at;
  }
  return found;
}
