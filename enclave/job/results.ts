// What the guest's enclave keeps and releases at the end of a training job: report and scores in its own folder, and both
// sealed to the institution at the platform.
import { existsSync } from "node:fs";
import { csvField } from "../../core/csv.ts";
import type { EntityId } from "../../core/brand.ts";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import type { Log } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { evaluatePart } from "../../models/metrics/evaluate.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import type { Refused } from "../../federation/align/guest.ts";
import type { Split } from "../../federation/align/split.ts";
import type { Model } from "../../federation/finish/end.ts";
import type { JobPlan, TrainingKind } from "../../federation/plan-schema.ts";
import { renderReport } from "../../report/html.ts";
import { jointReportSchema } from "../../report/schema.ts";
import type { Platform } from "../transport/platform.ts";
import { reach } from "../transport/reach.ts";
import { packageVersion } from "../version.ts";
import { bankConsents } from "./consents.ts";
import type { JobContext } from "./context.ts";
import { peakRssMb } from "./phases.ts";
import type { JobReceipt } from "./receipt.ts";
import { buildReport, type KindParts, type ReportInput } from "./report/base.ts";
import { sealResult } from "./seal-result.ts";

/** A trained model of any kind, as far as its results are concerned. */
export type Trained = Pick<ReportInput, "alignment" | "label" | "odds" | "metrics" | "guestOnly" | "opened" | "hosts" | "budgets"> & {
  readonly kind: TrainingKind;
  readonly model: Model;
  readonly scaling: Scale;
  /** What only this kind has in its report. */
  readonly parts: () => KindParts;
  /** More files for the bank's own folder, by name: they do not leave it. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
};
export type Scale = { readonly points: number; readonly odds: number; readonly pdo: number };

/** What the guest's role of a training job is given. Throws JOB_NOT_LABELLED, or JOB_PARAMS when the plan wants a split that this enclave was not given. */
export async function trainingData(context: JobContext, split: Split) {
  const { tools, intersection, input: { plan } } = context;
  const { dataset } = tools;
  if (dataset.label === undefined) throw new AppError("JOB_NOT_LABELLED");
  if (split.kind === "file" && tools.trainOf === undefined) throw new AppError("JOB_PARAMS");
  return {
    hosts: plan.hosts, ids: dataset.ids, label: dataset.label, features: dataset.features, trainOf: split.kind === "file" ? tools.trainOf : undefined,
    setSecret: tools.setSecret, intersection, consents: await bankConsents(context, dataset.ids),
  };
}

/** Writes report.json, report.html and scores.csv, then releases the sealed copies. Repeated after a restart it finds what it
 *  has made before: times differ from run to run and every sealing is another one, but a result is stored once. */
export async function keepTraining(context: JobContext, trained: Trained): Promise<void> {
  const { tools, input, ledger, phases } = context;
  const { plan } = input;
  const sink = sinkOf(context);
  const self = tools.identity.party;
  const createdAt = await tools.records.once(plan.job, "created-at", () => new Date(tools.now()).toISOString());
  const text = await once(`${sink.folder}/report.json`, () => {
    const report = buildReport({
      ...trained, plan, planDigest: input.planDigest, self, parts: trained.parts(), ledger: ledger.lines(), ledgerDigest: ledger.digest(), phases: phases.times(), rounds: phases.rounds(),
      layers: tools.layers, createdAt, peakRssMb: peakRssMb(), challenger: challengerOf(context, trained), yuneiVersion: packageVersion(), modelDigest: trained.model.digest, rowOrderDigest: sha256Hex(trained.alignment.rowOrder),
    });
    return `${JSON.stringify(report, undefined, 2)}\n`;
  });
  const scores = await once(`${sink.folder}/scores.csv`, () => scoresCsv(tools.dataset.ids, trained));
  writeDurably(`${sink.folder}/report.html`, renderReport(jointReportSchema.parse(JSON.parse(text))));
  if (trained.alignment.refused.size > 0) writeDurably(`${sink.folder}/refused.csv`, refusedCsv(tools.dataset.ids, trained.alignment.refused));
  for (const [name, content] of Object.entries(trained.files ?? {})) writeDurably(`${sink.folder}/${name}`, content);
  await reach(() => tools.platform.putModel(plan.job, { model: trained.model.id, kind: trained.kind, digests: { [self]: trained.model.digest } }), sink);
  await putSealed(sink, { scores, report: JSON.stringify(JSON.parse(text)) });
}

/** What the report says of the bank's own model: measured on the rows of the joint one. */
function challengerOf({ challenger, input: { plan } }: JobContext, { alignment: { rows, trainRows }, label }: Trained): ReportInput["challenger"] {
  if (challenger === undefined) return undefined;
  const odds = Float64Array.from(rows, (record) => logit(challenger[record] ?? 0));
  return {
    digest: String(plan.params["challenger"]),
    metrics: { train: evaluatePart(odds, label, 0, trainRows), test: evaluatePart(odds, label, trainRows, label.length) },
  };
}

/** Log odds of a probability; 0 and 1 stand for the nearest that has any. */
function logit(probability: number): number {
  const least = 2 ** -40;
  const p = Math.min(1 - least, Math.max(least, probability));
  return Math.log(p / (1 - p));
}

/** Where the results of a job go. */
export type Sink = {
  readonly plan: JobPlan; readonly folder: string; readonly platform: Platform; readonly receipt: JobReceipt; readonly signal: AbortSignal; readonly log: Log;
};

/** A text or its bytes, made when they are sealed: a large one is not kept in memory for longer. */
type Sealable = string | (() => Uint8Array);

/** Seals results to the institution, signs the receipt for what was sealed, and hands the results to the platform: none leaves without a receipt
 *  that is kept. also: digests of what else leaves with them, by name. Whether the platform's log has it already is not waited for: the log may be down, and the receipt goes there in its turn. */
export async function putSealed(sink: Sink, texts: { readonly scores?: Sealable; readonly report: Sealable }, also: Readonly<Record<string, string>> = {}): Promise<void> {
  const { plan, folder, platform } = sink;
  const sealed: { name: keyof typeof texts; jwe: string }[] = [];
  for (const [name, type] of [["scores", "text/csv"], ["report", "application/json"]] as const) {
    const text = texts[name];
    if (text !== undefined) sealed.push({ name, jwe: await once(`${folder}/${name}.jwe`, () => sealResult(typeof text === "string" ? text : text(), plan.sealTo, type)) });
  }
  sink.receipt.make(digestOf({ ...also, ...Object.fromEntries(sealed.map(({ name, jwe }) => [name, sha256Hex(jwe)])) }));
  for (const { name, jwe } of sealed) await reach(() => platform.putResult(plan.job, name, jwe), sink);
}

/** The text of a file, made first when it is not there yet. */
export async function once(path: string, make: () => string | Promise<string>): Promise<string> {
  if (!existsSync(path)) writeDurably(path, await make());
  return Buffer.from(readBytes(path)).toString("utf8");
}

function scoresCsv(ids: readonly EntityId[], { alignment: { rows, trainRows }, odds, scaling }: Trained): string {
  const lines = ["id,points,probability,part"];
  for (const [row, record] of rows.entries()) {
    const part = row < trainRows ? "train" : "test";
    lines.push(`${csv(ids[record] ?? "")},${pointsOfOdds(odds[row] ?? 0, scaling).toFixed(2)},${sigmoid(odds[row] ?? 0).toFixed(6)},${part}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Quoted when needed; a leading formula character is made harmless for spreadsheets. */
export function csv(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return csvField(safe);
}

/** Companies that are in no row of a training job for want of a consent: a file of the bank's own, which does not leave. */
function refusedCsv(ids: readonly EntityId[], refused: Refused): string {
  const lines = [...refused].sort(([a], [b]) => a - b).map(([record, { code, hosts }]) => `${csv(ids[record] ?? "")},${code},${hosts.join(" ")}`);
  return `${["id,code,providers", ...lines].join("\n")}\n`;
}

export function sinkOf({ tools, receipt, input: { plan, signal } }: JobContext): Sink {
  return { plan, folder: `${tools.paths.results}/${plan.job}`, platform: tools.platform, receipt, signal, log: tools.log };
}
