// What the guest's enclave keeps and releases at the end of a training job: report and scores in its own folder, and both
// sealed to the institution at the platform.
import { existsSync } from "node:fs";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import type { EntityId } from "../../core/brand.ts";
import type { Log } from "../../core/env.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import type { GuestHalf } from "../../federation/scorecard/finish.ts";
import { renderReport } from "../../report/html.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import type { Platform } from "../transport/platform.ts";
import { reach } from "../transport/reach.ts";
import { peakRssMb } from "./phases.ts";
import { buildReport, type ReportInput } from "./report.ts";
import { sealResult } from "./seal-result.ts";
import { packageVersion } from "../version.ts";

export type KeepInput = Omit<ReportInput, "peakRssMb" | "yuneiVersion" | "modelDigest" | "rowOrderDigest"> & {
  readonly ids: readonly EntityId[];
} & Sink;

/** Writes report.json, report.html and scores.csv, then releases the sealed copies. Repeated after a restart it finds what it
 *  has made before: times differ from run to run and every sealing is another one, but a result is stored once. */
export async function keepGuestResult(input: KeepInput): Promise<void> {
  const { result, folder, plan } = input;
  const modelDigest = digestOf(input.half);
  const text = await once(`${folder}/report.json`, () => {
    const report = buildReport({ ...input, peakRssMb: peakRssMb(), yuneiVersion: packageVersion(), modelDigest, rowOrderDigest: sha256Hex(result.alignment.rowOrder) });
    return `${JSON.stringify(report, undefined, 2)}\n`;
  });
  const scores = await once(`${folder}/scores.csv`, () => scoresCsv(input));
  writeDurably(`${folder}/report.html`, renderReport(jointReportSchema.parse(JSON.parse(text))));
  const notice = { model: input.half.model, kind: "scorecard", digests: { [input.self]: modelDigest } };
  await reach(() => input.platform.putModel(plan.job, notice), input);
  await putSealed(input, { scores, report: JSON.stringify(JSON.parse(text)) });
}

/** Where the results of a job go. */
export type Sink = { readonly plan: JobPlan; readonly folder: string; readonly platform: Platform; readonly signal: AbortSignal; readonly log: Log };

/** Seals both results to the institution and hands them to the platform. */
async function putSealed(sink: Sink, texts: { readonly scores: string; readonly report: string }): Promise<void> {
  const { plan, folder, platform } = sink;
  for (const [name, type] of [["scores", "text/csv"], ["report", "application/json"]] as const) {
    const sealed = await once(`${folder}/${name}.jwe`, () => sealResult(texts[name], plan.sealTo, type));
    await reach(() => platform.putResult(plan.job, name, sealed), sink);
  }
}

/** The text of a file, made first when it is not there yet. */
async function once(path: string, make: () => string | Promise<string>): Promise<string> {
  if (!existsSync(path)) writeDurably(path, await make());
  return Buffer.from(readBytes(path)).toString("utf8");
}

function scoresCsv(input: KeepInput): string {
  const { result, ids, params } = input;
  const { odds } = result.fitted.stage;
  const { scaling } = params.scorecard;
  const { rows, trainRows } = result.alignment;
  const lines = ["id,points,probability,part"];
  for (const [row, record] of rows.entries()) {
    const part = row < trainRows ? "train" : "test";
    lines.push(`${csv(ids[record] ?? "")},${pointsOfOdds(odds[row] ?? 0, scaling).toFixed(2)},${sigmoid(odds[row] ?? 0).toFixed(6)},${part}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Quoted when needed; a leading formula character is made harmless for spreadsheets. */
function csv(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Keeps and releases the scores of a batch. */
export async function keepScores(input: {
  half: GuestHalf; scores: BatchScores; ids: readonly EntityId[];
} & Sink): Promise<void> {
  const { plan, half, scores, ids, folder } = input;
  const partial = scores.away.length > 0 ? 1 : 0;
  const lines = ["id,points,probability,partial"];
  for (const [i, id] of ids.entries()) {
    const odds = scores.odds[i] ?? 0;
    lines.push(`${csv(id)},${pointsOfOdds(odds, half.scaling).toFixed(2)},${sigmoid(odds).toFixed(6)},${partial}`);
  }
  const text = `${lines.join("\n")}\n`;
  const summary = { version: 1, job: plan.job, model: half.model, rows: ids.length, partial: partial === 1, away: [...scores.away], alignedByHost: Object.fromEntries(scores.byHost) };
  writeDurably(`${folder}/scores.csv`, text);
  writeDurably(`${folder}/score.json`, `${JSON.stringify(summary, undefined, 2)}\n`);
  await putSealed(input, { scores: text, report: JSON.stringify(summary) });
}
