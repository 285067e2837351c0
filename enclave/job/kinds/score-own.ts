// Batch scoring by a model that the bank brings: it goes to the providers first, through the job's channels (federation/serve/README.md, protections).
import { existsSync } from "node:fs";
import { canonicalJson, sha256Hex, type Json } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { readBytes, writeDurably } from "../../../core/files.ts";
import type { GuestConsents } from "../../../federation/consents/guest.ts";
import type { BatchScores } from "../../../federation/score/guest.ts";
import { scoreEncryptedGuest, scoreWholeGuest } from "../../../federation/score/own-guest.ts";
import { scoreEncryptedHost, scoreWholeHost } from "../../../federation/score/own-host.ts";
import type { OwnShape } from "../../../federation/score/params.ts";
import { codesOf } from "../../../federation/serve/linear.ts";
import { ownModelId } from "../../../federation/serve/own-model.ts";
import type { Batch } from "../../batch/load.ts";
import { linearThread, numericFeatures, providersSum } from "../../live/scorers/encrypted.ts";
import { onnxThread, wholeScaling } from "../../live/scorers/whole.ts";
import { openModel, receiveModel, sealModel, sendModel } from "../../own-models/deliver.ts";
import { batchTexts } from "../../own-models/store.ts";
import type { HostTools, JobContext } from "../context.ts";
import { withConsents } from "../consents.ts";
import type { Scale } from "../results.ts";
import { statedLinear, statedOnnx, storeOf } from "./own-models.ts";

type Scored = { readonly model: string; readonly digest: string; readonly scaling: Scale; readonly scores: BatchScores; readonly explainer?: undefined };

/** Throws MODEL_OWN, JOB_MODEL_UNKNOWN, KERNEL_TEXT, KERNEL_SUM_IMPOSSIBLE. */
export async function scoreOwnGuest(context: JobContext, batch: Batch, shape: OwnShape, consents: GuestConsents | undefined): Promise<Scored> {
  const { tools, input: { plan }, party, intersection } = context;
  const { hosts } = plan;
  const input = { hosts, ids: batch.ids, setSecret: tools.setSecret, intersection, consents };
  const named = { model: ownModelId(shape.digest), digest: shape.digest };
  if (shape.kind === "whole-model") {
    const model = statedOnnx(context, shape);
    await Promise.all(hosts.map((host) => sendModel(party, host, "serve/whole-model", sealModel(party, host, model))));
    return { ...named, scaling: wholeScaling, scores: { ...await scoreWholeGuest(party, input), away: [] } };
  }
  const own = statedLinear(context, shape);
  const { features, intercept, unit, scaling } = own.model;
  const ownFeatures = features.filter((f) => f.provider === tools.identity.party);
  const columns = numericFeatures(batch, ownFeatures);
  const store = storeOf(context);
  // One after another: sealing takes a thread, and each of a batch's models is large.
  for (const host of hosts) await sendModel(party, host, "serve/encrypted-model", await batchTexts(store, own, host));
  await using thread = linearThread(own);
  const away = [...new Set(features.map((f) => f.provider))].filter((p) => p !== tools.identity.party && !hosts.includes(p));
  const missing = features.filter((f) => away.includes(f.provider)).reduce((sum, f) => sum + f.weight * f.missing, 0);
  const { sums, ...answered } = await scoreEncryptedGuest(party, { ...input, openSum: (texts, rows) => providersSum(thread, own, texts, rows) });
  const ownSums = new Float64Array(batch.rows);
  for (const [j, f] of ownFeatures.entries()) {
    const codes = codesOf(columns[j] as (typeof columns)[number], f, (row) => row, batch.rows);
    for (const [row, code] of codes.entries()) ownSums[row] = (ownSums[row] as number) + f.weight * code;
  }
  const odds = Float64Array.from(sums, (sum, record) => intercept + unit * (sum + missing + (ownSums[record] as number)));
  for (const record of answered.refused.keys()) odds[record] = Number.NaN;
  return { ...named, scaling, scores: { ...answered, odds, away } };
}

/** Throws JOB_MODEL_UNKNOWN, KERNEL_TEXT, and what a whole model is refused with. */
export async function scoreOwnHost(context: JobContext, hostTools: HostTools, shape: OwnShape): Promise<void> {
  const { tools, input: { plan }, party } = context;
  const { party: self } = tools.identity;
  const stated = { id: ownModelId(shape.digest), digest: shape.digest };
  const { dataset } = tools;
  if (shape.kind === "whole-model") {
    const model = openModel(party, plan.guest, await receiveModel(party, plan.guest, "serve/whole-model"));
    if (model.length !== shape.bytes || sha256Hex(model) !== shape.digest) throw new AppError("MODEL_OWN");
    const columns = shape.inputs.map((name, column) => dataset.features.find((f) => f.name === name) ?? raiseInputs(column));
    await using thread = onnxThread({ model, inputs: shape.inputs, kinds: columns.map((f) => f.kind) });
    await thread.start();
    const { party: holding, host } = withConsents(context, hostTools, shape.inputs);
    await scoreWholeHost(holding, { ...host, stated, model: ownModelId(sha256Hex(Buffer.from(canonicalJson([shape.digest, shape.inputs, []])))) }, columns, (rows) => (
      thread.call("score", [rows], rows.map((f) => (f.kind === "numeric" ? f.values : f.codes).buffer as ArrayBuffer))));
    return;
  }
  const transforms = shape.features.filter((f) => f.party === self);
  const columns = numericFeatures(dataset, transforms);
  const packed = await receiveModel(party, plan.guest, "serve/encrypted-model");
  await using thread = linearThread(packed);
  await thread.start();
  const { party: holding, host } = withConsents(context, hostTools, transforms.map((f) => f.name));
  const model = ownModelId(sha256Hex(Buffer.concat([packed, Buffer.from(canonicalJson(transforms as unknown as Json))])));
  await scoreEncryptedHost(holding, { ...host, stated, model }, {
    columns, transforms, apply: (codes, rows, mask) => thread.call("apply", [codes, 0, rows, mask]),
    kept: async (index, make) => {
      // Randomness of the answer is not the job's: after a restart the same bytes must leave.
      const path = `${tools.paths.inbox}/${plan.job}/answer-${index}.text`;
      if (!existsSync(path)) writeDurably(path, await make());
      return readBytes(path);
    },
  });
}

function raiseInputs(column: number): never {
  throw new AppError("MODEL_ONNX_INPUTS", { column, found: false });
}
