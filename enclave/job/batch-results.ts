// What the guest's enclave keeps and releases at the end of a scoring: a line per company, written in pieces, and a summary that says by which model,
// when, with which providers and under which receipts.
import { existsSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { EntityId } from "../../core/brand.ts";
import { readBytes, writePiecesDurably } from "../../core/files.ts";
import type { Refused } from "../../federation/align/guest.ts";
import { consentHosts } from "../../federation/consents/needed.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import { receiptDigest } from "../../receipts/receipt.ts";
import type { JobContext } from "./context.ts";
import type { ExplanationSummary } from "./explain.ts";
import { csv, once, putSealed, sinkOf, type Scale } from "./results.ts";

const linesPerPiece = 20_000;

type Scored = {
  readonly model: string; readonly digest: string; readonly scaling: Scale; readonly scores: BatchScores; readonly ids: readonly EntityId[]; readonly explanations?: ExplanationSummary | undefined;
};
type Marks = ReadonlyMap<string, readonly string[]>;

/** Keeps and releases the scores of a batch. */
export async function keepScores(context: JobContext, scored: Scored): Promise<void> {
  const { scores, ids, explanations } = scored;
  const { records, marks: marksOf, now } = context.tools;
  const sink = sinkOf(context);
  const isChecked = consentHosts(sink.plan).length > 0;
  // 征信业管理条例 第二十五条: what is under objection is marked where it is used.
  const marks = marksOf(sink.plan.hosts.filter((host) => !scores.away.includes(host)));
  const marked = marks.size === 0 ? 0 : ids.reduce((n, id) => n + (marks.has(id) ? 1 : 0), 0);
  const scoredAt = await records.once(sink.plan.job, "scored-at", () => new Date(now()).toISOString());
  const summary = {
    version: 1, job: sink.plan.job, model: scored.model, modelDigest: scored.digest, scoredAt, rows: ids.length, partial: scores.away.length > 0, away: [...scores.away], alignedByHost: Object.fromEntries(scores.byHost),
    /** Digest of each provider's receipt of this scoring. */
    receipts: Object.fromEntries(scores.receipts.map(({ host, receipt }) => [host, receiptDigest(receipt)])),
    ...(isChecked && { refused: refusedCounts(scores.refused) }), ...(marked > 0 && { objections: marked }), ...(explanations && { explanations }),
  };
  // Once: an objection may come or go while the job is run again after a restart.
  const path = `${sink.folder}/scores.csv`;
  if (!existsSync(path)) await writePiecesDurably(path, scoreLines(scored, { isChecked, marks: marked > 0 ? marks : undefined }));
  const report = await once(`${sink.folder}/score.json`, () => `${JSON.stringify(summary, undefined, 2)}\n`);
  await putSealed(sink, { scores: () => readBytes(path), report: JSON.stringify(JSON.parse(report)) });
}

/** Lines in pieces, with a breath between them: a large batch must not keep this enclave from its other work. */
async function* scoreLines({ scaling, scores, ids }: Scored, { isChecked, marks }: { isChecked: boolean; marks: Marks | undefined }): AsyncGenerator<string> {
  const { refused, odds, away } = scores;
  const partial = away.length > 0 ? ",1" : ",0";
  let piece = `id,points,probability,partial${isChecked ? ",refused" : ""}${marks === undefined ? "" : ",objection"}\n`;
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] ?? "";
    const code = refused.size === 0 ? undefined : refused.get(i)?.code;
    const logOdds = odds[i] ?? 0;
    piece += `${csv(id)},`;
    piece += code === undefined ? `${pointsOfOdds(logOdds, scaling).toFixed(2)},${sigmoid(logOdds).toFixed(6)}` : ",";
    piece += isChecked ? `${partial},${code ?? ""}` : partial;
    piece += marks === undefined ? "\n" : `,${marks.get(id)?.join(" ") ?? ""}\n`;
    if ((i + 1) % linesPerPiece !== 0) continue;
    yield piece;
    piece = "";
    await setImmediate();
  }
  yield piece;
}

/** How many companies were left out for want of a consent, by code and by provider. */
function refusedCounts(refused: Refused): { companies: number; codes: Record<string, number>; hosts: Record<string, number> } {
  const codes: Record<string, number> = {};
  const hosts: Record<string, number> = {};
  for (const one of refused.values()) {
    codes[one.code] = (codes[one.code] ?? 0) + 1;
    for (const host of one.hosts) hosts[host] = (hosts[host] ?? 0) + 1;
  }
  return { companies: refused.size, codes, hosts };
}
