// What the guest's enclave keeps and releases at the end of a training job: report and scores in its own folder, and both
// sealed to the institution at the platform.
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import type { EntityId } from "../../core/brand.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import type { GuestHalf } from "../../federation/scorecard/finish.ts";
import { renderReport } from "../../report/html.ts";
import { writeDurably } from "../store/files.ts";
import type { Platform } from "../transport/platform.ts";
import { peakRssMb } from "./phases.ts";
import { buildReport, type ReportInput } from "./report.ts";
import { sealResult } from "./seal-result.ts";
import { packageVersion } from "../version.ts";

export type KeepInput = Omit<ReportInput, "peakRssMb" | "yuneiVersion" | "modelDigest" | "rowOrderDigest"> & {
  readonly ids: readonly EntityId[]; readonly folder: string; readonly platform: Platform;
};

/** Writes report.json, report.html and scores.csv, then releases the sealed copies. Repeating it gives the same files. */
export async function keepGuestResult(input: KeepInput): Promise<void> {
  const { result, folder, plan, platform } = input;
  const report = buildReport({
    ...input, peakRssMb: peakRssMb(), yuneiVersion: packageVersion(), modelDigest: digestOf(input.half),
    rowOrderDigest: sha256Hex(result.alignment.rowOrder),
  });
  const scores = scoresCsv(input);
  writeDurably(`${folder}/report.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  writeDurably(`${folder}/report.html`, renderReport(report));
  writeDurably(`${folder}/scores.csv`, scores);
  await platform.putModel(plan.job, { model: input.half.model, kind: "scorecard", digests: { [input.self]: report.digests?.["model"] ?? "" } });
  await platform.putResult(plan.job, "scores", await sealResult(scores, plan.sealTo, "text/csv"));
  await platform.putResult(plan.job, "report", await sealResult(JSON.stringify(report), plan.sealTo, "application/json"));
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
  plan: JobPlan; half: GuestHalf; scores: BatchScores; ids: readonly EntityId[]; folder: string; platform: Platform;
}): Promise<void> {
  const { plan, half, scores, ids, folder, platform } = input;
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
  await platform.putResult(plan.job, "scores", await sealResult(text, plan.sealTo, "text/csv"));
  await platform.putResult(plan.job, "report", await sealResult(JSON.stringify(summary), plan.sealTo, "application/json"));
}
