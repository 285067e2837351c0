// Scores that this enclave gave out, so that a loan's outcome finds the score that it was granted by. Those of batches lie in the bank's own folder of
// results; those of services are kept here: one a month per company and model version, sealed, under a keyed hash of the company.
import { createHmac } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { digestOf, type Json } from "../../core/canonical.ts";
import { jobPlanSchema, type JobPlan } from "../../federation/plan-schema.ts";
import { isOwnShape, scoreJobSchema } from "../../federation/score/params.ts";
import { monthNumber } from "../../models/outcomes/record.ts";
import { DataSession } from "../data/duckdb.ts";
import { defaultLimits, locate, openSource } from "../data/source.ts";
import { halfDigestsSchema } from "../job/halves.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";
import type { KeptLoan, LoanKey, LoanStore } from "./loans.ts";

/** How a version stood when it gave the score: only what was answered counts as the score of a loan. */
export const scoreRoles = ["champion", "canary", "challenger", "shadow"] as const;
const givenSchema = z.strictObject({ probability: z.number().gt(0).lt(1), at: z.number(), service: z.string(), role: z.enum(scoreRoles) });
export type GivenScore = z.output<typeof givenSchema>;
export type Scored = GivenScore & { readonly company: string; /** Digest of the model version. */ readonly model: string };
/** Scores are kept for so long where no loan took them over. */
export const keptMonths = 24;
/** Scores that wait for a disk that fails: the oldest are given up beyond it. */
const maxPending = 100_000;

export class GivenScores {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #memoryKey: Uint8Array;
  #pending: Scored[] = [];

  constructor(options: { readonly db: StateDatabase; readonly box: SecretBox; readonly memoryKey: Uint8Array }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#memoryKey = options.memoryKey;
  }

  /** A probability of 0 or 1 says nothing that outcomes could be held against. */
  note(score: Scored): void {
    if (score.probability > 0 && score.probability < 1) this.#pending.push(score);
  }

  /** Within the transaction of the caller; what is undone with it is written with the next. The latest of a month counts. */
  write(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    this.#db.atEnd((isCommitted) => {
      if (!isCommitted) this.#pending = [...pending, ...this.#pending].slice(-maxPending);
    });
    for (const { company, model, ...given } of pending) {
      const month = monthNumber(new Date(given.at).toISOString().slice(0, 7));
      this.#db.run("insert or replace into outcome_scores values (?, ?, ?, ?)", this.#keyOf(company), model, month, this.#box.seal(Buffer.from(JSON.stringify(given))));
    }
  }

  /** Of one company, of all model versions, in these months, latest first. */
  of(company: string, from: number, to: number): { readonly model: string; readonly given: GivenScore }[] {
    return this.#db.all("select model, sealed from outcome_scores where company = ? and month between ? and ? order by month desc", this.#keyOf(company), from, to).flatMap(({ model, sealed }) => {
      if (!(sealed instanceof Uint8Array)) return [];
      const given = givenSchema.safeParse(JSON.parse(Buffer.from(this.#box.open(sealed)).toString("utf8")));
      return given.success ? [{ model: String(model), given: given.data }] : [];
    });
  }

  /** What a version answered in one month, of each company once; shadows are no answers. */
  probabilities(model: string, month: number): Float64Array {
    const found: number[] = [];
    for (const { sealed } of this.#db.each("select sealed from outcome_scores where model = ? and month = ?", model, month)) {
      const given = sealed instanceof Uint8Array ? givenSchema.safeParse(JSON.parse(Buffer.from(this.#box.open(sealed)).toString("utf8"))).data : undefined;
      if (given !== undefined && given.role !== "shadow") found.push(given.probability);
    }
    return Float64Array.from(found);
  }

  /** Probabilities of two model versions for the same company in the same month. */
  *pairs(a: string, b: string, { from, to }: { readonly from: number; readonly to: number }): Generator<readonly [a: number, b: number]> {
    const sql = "select x.sealed as a, y.sealed as b from outcome_scores x join outcome_scores y on y.company = x.company and y.month = x.month and y.model = ? where x.model = ? and x.month between ? and ?";
    const open = (sealed: unknown): GivenScore | undefined => (sealed instanceof Uint8Array ? givenSchema.safeParse(JSON.parse(Buffer.from(this.#box.open(sealed)).toString("utf8"))).data : undefined);
    for (const row of this.#db.each(sql, b, a, from, to)) {
      const [first, second] = [open(row["a"]), open(row["b"])];
      if (first !== undefined && second !== undefined) yield [first.probability, second.probability];
    }
  }

  #keyOf(company: string): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#memoryKey).update(`yunei/scored-company/v1|${company}`).digest().subarray(0, 16));
  }
}

/** Removes scores that no loan took over in time. */
export function sweepScores(db: StateDatabase, now: number): void {
  db.run("delete from outcome_scores where month < ?", monthNumber(new Date(now).toISOString().slice(0, 7)) - keptMonths);
}

/** Digests of the halves of this enclave's own model versions, by their ids. */
export function modelDigests(db: StateDatabase): Map<string, string> {
  return new Map(db.all("select model, half, digests from models where kind like '%-guest'").map((r) => {
    const digests = r["digests"] === null ? undefined : halfDigestsSchema.parse(JSON.parse(String(r["digests"])));
    return [String(r["model"]), digests?.half ?? digestOf(JSON.parse(String(r["half"])) as Json)];
  }));
}

/** A score counts for a loan that was made in its month or up to so many months later. */
export const scoreMonths = 6;
type Wanted = { readonly key: LoanKey; loan: KeptLoan; /** ms */ at: number };

export type JoinOptions = { readonly db: StateDatabase; readonly loans: LoanStore; readonly scores: GivenScores; readonly results: string };

/** Finds the scores of loans that came without one: the last answer that the enclave gave about the company at most `scoreMonths` before. Returns how many
 *  were found, and how many are still without. */
export async function joinScores({ db, loans, scores, results }: JoinOptions): Promise<{ readonly service: number; readonly batch: number; readonly without: number }> {
  const wanted = new Map<string, Wanted[]>();
  let without = 0;
  for (const { key, loan } of loans.all()) {
    if (loan.score !== undefined) continue;
    without += 1;
    if (loan.company === undefined) continue;
    wanted.set(loan.company, [...(wanted.get(loan.company) ?? []), { key, loan, at: -Infinity }]);
  }
  if (wanted.size === 0) return { service: 0, batch: 0, without };
  for (const [company, of] of wanted) for (const one of of) {
    const found = scores.of(company, one.loan.originated - scoreMonths, one.loan.originated).find(({ model, given }) => given.role !== "shadow" && fits(one.loan, model));
    if (found !== undefined) take(one, { model: found.model, score: found.given.probability, from: "service", at: found.given.at });
  }
  await joinBatches({ db, results }, wanted);
  const found = [...wanted.values()].flat().filter((w) => w.loan.score !== undefined);
  for (let i = 0; i < found.length; i += 250) db.transaction(() => {
    for (const { key, loan } of found.slice(i, i + 250)) loans.put(key, loan);
  });
  const service = found.filter((f) => f.loan.from === "service").length;
  return { service, batch: found.length - service, without: without - found.length };
}

/** Where the bank named the model version, no other's score counts. */
function fits(loan: KeptLoan, model: string): boolean {
  return loan.model === undefined || loan.model === model;
}

function take(one: Wanted, { at, ...found }: { readonly model: string; readonly score: number; readonly from: "service" | "batch"; readonly at: number }): void {
  if (at <= one.at) return;
  one.loan = { ...one.loan, ...found };
  one.at = at;
}

async function joinBatches({ db, results }: { readonly db: StateDatabase; readonly results: string }, wanted: ReadonlyMap<string, Wanted[]>): Promise<void> {
  const digests = modelDigests(db);
  for (const row of db.all("select plan from jobs where state = 'done' order by created_at desc")) {
    const plan = jobPlanSchema.safeParse(JSON.parse(String(row["plan"])));
    if (!plan.success || plan.data.kind !== "score") continue;
    const model = modelOfBatch(plan.data, digests);
    const at = Date.parse(plan.data.createdAt);
    const month = monthNumber(plan.data.createdAt.slice(0, 7));
    if (model === undefined) continue;
    for await (const { id, probability } of scoresOf(join(results, plan.data.job, "scores.csv"))) {
      for (const one of wanted.get(id) ?? []) {
        if (month <= one.loan.originated && month >= one.loan.originated - scoreMonths && fits(one.loan, model)) take(one, { model, score: probability, from: "batch", at });
      }
    }
  }
}

/** The digest of the version that scored a batch: of one of this enclave's, or of a model that the bank brought. */
function modelOfBatch({ model, params }: JobPlan, digests: ReadonlyMap<string, string>): string | undefined {
  const shape = scoreJobSchema.safeParse(params).data?.shape;
  return shape !== undefined && isOwnShape(shape) ? shape.digest : digests.get(model ?? "");
}

/** Companies and probabilities of one file of scores of this enclave's; none when it is not there. Companies without a score are left out. */
export async function* scoresOf(file: string): AsyncGenerator<{ readonly id: string; readonly probability: number; readonly part: string }> {
  if (!existsSync(file)) return;
  const located = await locate({ file: "scores.csv" }, join(file, ".."), defaultLimits, {});
  await using session = await DataSession.open({ files: [located.path], threads: 1 });
  const source = await openSource(session, located, defaultLimits);
  const column = (name: string): string => source.columns.find((c) => c.name === name)?.sql ?? "NULL";
  for await (const chunk of session.chunks(`SELECT ${column("id")}, ${column("probability")}, ${column("part")} FROM ${source.from}`, { code: "DATA_CSV_SYNTAX" })) {
    for (const [id, text, part] of chunk.getRows()) {
      const probability = Number(text ?? Number.NaN);
      if (typeof id === "string" && probability > 0 && probability < 1) yield { id, probability, part: String(part ?? "") };
    }
  }
}

