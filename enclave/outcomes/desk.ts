// What a bank's operator does with returned outcomes beside the running enclave: takes files in, reports on model versions, compares them, makes labels
// for a new training job, and decides what counts leave.
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { RejectMethod } from "../../models/outcomes/reject.ts";
import { enclavePaths, type EnclaveConfig } from "../config.ts";
import { DataSession } from "../data/duckdb.ts";
import { loadOwn } from "../data/own.ts";
import { defaultLimits, locate, openSource } from "../data/source.ts";
import { columnOf, withCause } from "../data/table.ts";
import type { SecretBox } from "../keys/box.ts";
import type { Policy } from "../policy.ts";
import type { StateDatabase } from "../store/database.ts";
import { developmentOf, keepDevelopment, type Development } from "./development.ts";
import { importOutcomes, type ImportResult } from "./import.ts";
import { labelsOf, writeLabels, type LabelOptions, type LabelsManifest } from "./labels.ts";
import { LoanStore } from "./loans.ts";
import { compareOn, countsOf, reportOf, sampleOf, type Comparison, type OutcomeReport, type OutcomeSample, type ReportSettings } from "./report.ts";
import { readOutcomeFile } from "./rows.ts";
import { GivenScores, joinScores, modelDigests, scoreMonths, scoresOf } from "./scores.ts";
import { nextCounts, tellCounts } from "./told.ts";

export type OutcomeDeskParts = { readonly folder: string; readonly config: Pick<EnclaveConfig, "dataset" | "dataFolder" | "ownData">; readonly db: StateDatabase; readonly box: SecretBox; readonly memoryKey: Uint8Array; readonly env: Env };
export type Joined = Awaited<ReturnType<typeof joinScores>>;
export type AboutModel = ReportSettings & {
  /** Id or digest of the version; default: the one that most loans were granted by. */
  readonly model?: string | undefined;
  readonly asOf?: string | undefined;
  /** CSV or Parquet with probability and label, in place of the training job's test part. It is kept for later reports. */
  readonly development?: string | undefined;
};
type Tested = { readonly sample: OutcomeSample; readonly model: string; readonly development: Development };

export class OutcomeDesk {
  readonly #p: OutcomeDeskParts;
  readonly loans: LoanStore;
  readonly #scores: GivenScores;
  readonly #results: string;

  constructor(parts: OutcomeDeskParts) {
    this.#p = parts;
    this.loans = new LoanStore(parts);
    this.#scores = new GivenScores(parts);
    this.#results = enclavePaths(parts.folder).results;
  }

  /** Throws what `readOutcomeFile` throws; rows before that were taken. */
  async importFile(options: { readonly file: string; readonly columns?: ReadonlyMap<string, string> | undefined; readonly correct?: boolean | undefined; readonly signal?: AbortSignal | undefined; readonly progress?: ((rows: number) => void) | undefined }): Promise<ImportResult & { readonly joined: Joined }> {
    const { db, env, config } = this.#p;
    const hash = createHash("sha256");
    await locate({ file: basename(options.file) }, dirname(options.file), defaultLimits, {});
    await pipeline(createReadStream(options.file), hash);
    const result = await importOutcomes(readOutcomeFile(options), {
      ...options, db, loans: this.loans, now: env.now(), idKind: config.dataset.idKind, file: hash.digest("hex"), models: modelDigests(db),
    });
    return { ...result, joined: await this.join() };
  }

  join(): Promise<Joined> {
    return joinScores({ db: this.#p.db, loans: this.loans, scores: this.#scores, results: this.#results });
  }

  async report(about: AboutModel): Promise<OutcomeReport> {
    return reportOf({ ...about, ...(await this.#tested(about)) }, this.#p.env.rng);
  }

  /** against: the version that granted the loans. job: a batch of the model's own over the same companies; default: scores that it gave as a shadow. */
  async compare(about: AboutModel & { readonly model: string; readonly against: string; readonly job?: string | undefined }): Promise<Comparison> {
    await this.join();
    const [model, against] = [this.#digestOf(about.model), this.#digestOf(about.against)];
    const beside = about.job === undefined ? undefined : new Map<string, number>();
    if (about.job !== undefined) for await (const { id, probability } of scoresOf(join(this.#results, about.job, "scores.csv"))) beside?.set(id, probability);
    return compareOn(this.loans, {
      ...about, model, against, development: await this.#development(model, about.development),
      scoreOf: (company, loan) => (beside === undefined
        ? this.#scores.of(company, loan.originated - scoreMonths, loan.originated).find((s) => s.model === model)?.given.probability : beside.get(company)),
    });
  }

  /** What would leave now, and whether it is new. */
  async counts(about: AboutModel): Promise<ReturnType<typeof nextCounts>> {
    return nextCounts(this.#p.db, countsOf({ ...about, ...(await this.#tested(about)) }));
  }

  /** Throws OUTCOME_POLICY before anything is read. */
  async tell(about: AboutModel, policy: Policy | undefined): Promise<ReturnType<typeof tellCounts>> {
    if (policy?.outcomes !== "counts") throw new AppError("OUTCOME_POLICY");
    return tellCounts(this.#p.db, countsOf({ ...about, ...(await this.#tested(about)) }), { policy, now: this.#p.env.now() });
  }

  /** Writes labels for a new training job into a folder; withFeatures: as a whole data set. Throws OUTCOME_WEIGHTS, JOB_PARAMS for raw tables, which take
   *  their label from their population. */
  async exportLabels(options: Pick<LabelOptions, "definition" | "badRateFactor" | "testFrom"> & { readonly out: string; readonly method: RejectMethod; readonly model?: string | undefined; readonly asOf?: string | undefined; readonly withFeatures: boolean }): Promise<{ readonly manifest: LabelsManifest; readonly matched: number | null }> {
    const { dataset, dataFolder } = this.#p.config;
    await this.join();
    // Without reject inference a label needs no score.
    const scoring = options.method === "none" ? { scoring: (loan: { readonly score?: number | undefined; readonly model?: string | undefined }) => ({ score: loan.score ?? 0.5, model: loan.model ?? "0".repeat(64) }) } : {};
    const sample = sampleOf(this.loans, { asOf: options.asOf, ...scoring });
    const model = options.model === undefined ? (options.method === "none" ? undefined : mostUsed(sample)) : this.#digestOf(options.model);
    const { rows, manifest } = labelsOf(sample, { ...options, model, rng: this.#p.env.rng });
    mkdirSync(options.out, { recursive: true, mode: 0o700 });
    if (options.withFeatures && !("features" in dataset)) throw new AppError("JOB_PARAMS");
    const features = options.withFeatures && "features" in dataset ? { definition: dataset, folder: dataFolder } : undefined;
    return writeLabels({ out: options.out, rows, manifest, features });
  }

  async #tested(about: AboutModel): Promise<Tested> {
    await this.join();
    const sample = sampleOf(this.loans, { asOf: about.asOf });
    const model = about.model === undefined ? mostUsed(sample) : this.#digestOf(about.model);
    return { sample, model, development: await this.#development(model, about.development) };
  }

  async #development(model: string, file: string | undefined): Promise<Development> {
    const { db, box, config, memoryKey, env } = this.#p;
    if (file !== undefined) return keepDevelopment(model, await readDevelopment(file), { db, box });
    return developmentOf(model, { db, box, results: this.#results, data: () => loadOwn(config, memoryKey, env.log) });
  }

  /** Throws OUTCOME_MODEL for an id that is none of this enclave's. */
  #digestOf(text: string): string {
    const digest = /^[0-9a-f]{64}$/.test(text) ? text : modelDigests(this.#p.db).get(text);
    if (digest === undefined) throw new AppError("OUTCOME_MODEL");
    return digest;
  }
}

/** The version that most loans have a score of. */
function mostUsed({ loans }: OutcomeSample): string {
  const counts = new Uint32Array(loans.models.length);
  for (const place of loans.model) counts[place] = (counts[place] ?? 0) + 1;
  return loans.models[counts.indexOf(Math.max(...counts))] ?? "";
}

/** Throws DATA_*, OUTCOME_DEVELOPMENT. */
async function readDevelopment(file: string): Promise<Development> {
  const located = await locate({ file: basename(file) }, dirname(file), defaultLimits, {});
  await using session = await DataSession.open({ files: [located.path], threads: 1 });
  const source = await openSource(session, located, defaultLimits);
  const sql = ["probability", "label"].map((name) => `TRY_CAST(${columnOf(source, name, {}).sql} AS DOUBLE)`).join(", ");
  const probability: number[] = [];
  const label: number[] = [];
  await withCause(session, source, async (fault) => {
    for await (const chunk of session.chunks(`SELECT ${sql} FROM ${source.from}`, fault)) for (const [p, y] of chunk.getRows()) {
      if (typeof p !== "number" || (y !== 0 && y !== 1)) throw new AppError("OUTCOME_DEVELOPMENT", { row: label.length + 1 });
      probability.push(p);
      label.push(y);
    }
  });
  return { probability: Float64Array.from(probability), label: Uint8Array.from(label), source: "file" };
}
