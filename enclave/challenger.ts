// The bank's own ONNX model beside the joint one: a file in its own enclave's folder, named by its digest. It is read and scored here;
// nobody else learns more than that the plan has one.
import { join } from "node:path";
import { sha256Hex } from "../core/canonical.ts";
import { AppError, isAppError } from "../core/errors.ts";
import { writeDurably } from "../core/files.ts";
import type { JobPlan } from "../federation/plan-schema.ts";
import type { LoadedDataset } from "./data/load.ts";
import { inspectModel, openScorer, readModelFile } from "./onnx.ts";

const maxBytes = 64 * 1024 * 1024;

/** Puts a file into an enclave's folder of models under its digest, which it returns. Throws MODEL_ONNX and what else `inspectModel` refuses. */
export async function stageChallenger(models: string, file: string): Promise<string> {
  const bytes = await readModelFile(file, maxBytes);
  inspectModel(bytes);
  const digest = sha256Hex(bytes);
  writeDurably(challengerPath(models, digest), bytes);
  return digest;
}

/** Digest of a file, for a plan. Throws MODEL_ONNX for what is no model file. */
export async function challengerDigest(file: string): Promise<string> {
  return sha256Hex(await readModelFile(file, maxBytes));
}

/** Probability of an event for every own record, undefined when the plan names no challenger. Throws JOB_CHALLENGER when its file is not there or
 *  is another one, and what `openScorer` and `Challenger.score` refuse: MODEL_ONNX, MODEL_ONNX_INPUTS, MODEL_ONNX_OUTPUT and the like. */
export async function scoreChallenger(
  { dataset, paths }: { readonly dataset: Pick<LoadedDataset, "features" | "rows">; readonly paths: { readonly models: string } }, plan: Pick<JobPlan, "params">,
): Promise<Float64Array | undefined> {
  const digest = plan.params["challenger"];
  if (typeof digest !== "string") return undefined;
  const { features } = dataset;
  await using challenger = await openScorer(await stagedModel(paths.models, digest), { featureNames: features.map((f) => f.name) });
  return await challenger.score(features);
}

async function stagedModel(models: string, digest: string): Promise<Uint8Array> {
  try {
    const bytes = await readModelFile(challengerPath(models, digest), maxBytes);
    if (sha256Hex(bytes) === digest) return bytes;
  } catch (cause) {
    if (!isAppError(cause)) throw cause;
    throw new AppError("JOB_CHALLENGER", {}, { cause });
  }
  throw new AppError("JOB_CHALLENGER");
}

function challengerPath(models: string, digest: string): string {
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new AppError("JOB_CHALLENGER");
  return join(models, "challengers", `${digest}.onnx`);
}
