// What services and batches have in common where the bank brings the model: what the plan says of it is what it is, and where it lies.
import { canonicalJson } from "../../../core/canonical.ts";
import type { PartyId } from "../../../core/brand.ts";
import { AppError } from "../../../core/errors.ts";
import type { EncryptedModel } from "../../../federation/serve/own-model.ts";
import { readOwnLinear, readOwnOnnx, type OwnLinear } from "../../own-models/store.ts";
import type { JobContext } from "../context.ts";

/** The bank's linear model of that digest, for these providers of it. Throws MODEL_OWN when the plan says something else of it. */
export function statedLinear(context: JobContext, stated: EncryptedModel): OwnLinear {
  const { input: { plan }, tools } = context;
  const own = readOwnLinear(storeOf(context), stated.digest);
  const features = statedFeatures(own.model, tools.identity.party).filter((f) => plan.hosts.includes(f.party));
  if (canonicalJson(features) !== canonicalJson(stated.features)) throw new AppError("MODEL_OWN");
  return own;
}

/** The bank's ONNX file of that digest and size. Throws MODEL_OWN. */
export function statedOnnx(context: JobContext, stated: { readonly digest: string; readonly bytes: number }): Uint8Array {
  const model = readOwnOnnx(storeOf(context), stated.digest);
  if (model.length !== stated.bytes) throw new AppError("MODEL_OWN");
  return model;
}

/** The features of a linear model as its plan states them: those of the providers, without weights. */
export function statedFeatures({ features }: OwnLinear["model"], self: PartyId): EncryptedModel["features"] {
  return features.filter((f) => f.provider !== self).map(({ name, provider, centre, scale, missing }) => ({ name, party: provider, centre, scale, missing }));
}

export function storeOf({ tools }: JobContext) {
  if (tools.live === undefined) throw new AppError("JOB_PARAMS");
  return { folder: tools.paths.models, box: tools.live.box };
}
