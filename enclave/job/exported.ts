// The files of a whole model: written by the bank's enclave into its own folder after each was checked, and a sealed summary that names them.
import { z } from "zod";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { seededRng } from "../../core/rng.ts";
import type { WholeModel } from "../../federation/export/guest.ts";
import { boostedOnnx, scorecardOnnx } from "../../models/files/onnx.ts";
import { scorecardPmml } from "../../models/files/pmml.ts";
import { probeCard, probeTrees, type Probe } from "../../models/files/probe.ts";
import { boostedXgboost } from "../../models/files/xgboost.ts";
import { openScorer } from "../onnx.ts";
import { packageVersion } from "../version.ts";
import type { JobContext } from "./context.ts";
import { putSealed, sinkOf } from "./results.ts";

const count = z.number().int().min(0);
export const exportSummarySchema = z.strictObject({
  version: z.literal(1),
  job: z.string(),
  model: z.string(),
  kind: z.enum(["scorecard", "gbdt"]),
  files: z.array(z.strictObject({ name: z.string().regex(/^[a-z]+(?:\.[a-z]+)+$/), sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: count })).min(1).max(10),
  /** Features in the files, by party. */
  features: z.record(z.string(), count),
  /** Made-up companies on which the ONNX file gave what the model gives. */
  checkedRows: count,
});
export type ExportSummary = z.output<typeof exportSummarySchema>;

const checkedRows = 4096;
/** Probabilities in a file are float32, from sums without rounding. */
const tolerance = 2 ** -18;

type Files = { readonly files: readonly { readonly name: string; readonly content: Uint8Array | string }[]; readonly onnx: Uint8Array; readonly probe: Probe; readonly parties: readonly string[] };

/** Writes and releases. Throws MODEL_EXPORT_CHECK when the ONNX file does not score as the model does, and what the writers refuse. */
export async function keepExport(context: JobContext, whole: WholeModel): Promise<void> {
  const sink = sinkOf(context);
  const id = whole.kind === "gbdt" ? whole.trees.id : whole.card.model;
  const made = filesOf(whole, id);
  await check(made);
  for (const { name, content } of made.files) writeDurably(`${sink.folder}/${name}`, content);
  const features: Record<string, number> = {};
  for (const party of made.parties) features[party] = (features[party] ?? 0) + 1;
  const summary: ExportSummary = {
    version: 1, job: sink.plan.job, model: id, kind: whole.kind, features, checkedRows,
    files: made.files.map(({ name, content }) => ({ name, sha256: sha256Hex(content), bytes: Buffer.byteLength(content) })),
  };
  const text = `${JSON.stringify(summary, undefined, 2)}\n`;
  writeDurably(`${sink.folder}/export.json`, text);
  await putSealed(sink, { report: text });
}

function filesOf(whole: WholeModel, id: string): Files {
  const version = packageVersion();
  const rng = seededRng(new TextEncoder().encode(sha256Hex(id)), "export/probe");
  if (whole.kind === "gbdt") {
    const { model, features } = whole.trees;
    const onnx = boostedOnnx(model, features, { model: id, version });
    const files = [{ name: "model.onnx", content: onnx }, { name: "model.xgb.json", content: boostedXgboost(model, features).text }];
    return { files, onnx, probe: probeTrees(model, features, checkedRows, rng), parties: features.map((f) => f.party) };
  }
  const { card } = whole;
  const onnx = scorecardOnnx(card, version);
  const files = [{ name: "scorecard.onnx", content: onnx }, { name: "scorecard.pmml", content: scorecardPmml(card, version) }];
  return { files, onnx, probe: probeCard(card, checkedRows, rng), parties: card.features.map((f) => f.party) };
}

async function check({ onnx, probe }: Files): Promise<void> {
  await using scorer = await openScorer(onnx, { featureNames: probe.features.map((f) => f.name) });
  const scores = await scorer.score(probe.features);
  const wrong = scores.reduce((sum, p, row) => sum + (Math.abs(p - (probe.expected[row] ?? Number.NaN)) <= tolerance ? 0 : 1), 0);
  if (wrong > 0 || scores.length !== probe.expected.length) throw new AppError("MODEL_EXPORT_CHECK", { rows: scores.length, wrong });
}
