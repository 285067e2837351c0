// What a service by a model that the bank brings asks for: its providers, and what its plan says of the model, from what lies in the bank's own enclave.
import type { PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { systemRng } from "../core/rng.ts";
import { enclavePaths, readConfig } from "../enclave/config.ts";
import { statedFeatures } from "../enclave/job/kinds/own-models.ts";
import { SecretBox } from "../enclave/keys/box.ts";
import { listOwn, readOwnLinear, readOwnOnnx } from "../enclave/own-models/store.ts";
import { modelShapeSchema, type ModelShape } from "../federation/score/params.ts";
import { explained } from "./arguments.ts";

export type OwnModelRequest = { readonly hosts: readonly PartyId[]; readonly params: Readonly<Record<string, unknown>> };
/** For an ONNX model: its provider, its inputs in order, and those of them that are the bank's own columns. */
export type OwnModelOptions = { readonly ownModel: string; readonly provider?: PartyId | undefined; readonly inputs?: readonly string[] | undefined; readonly columns?: readonly string[] | undefined };

/** Throws CLI_ARGUMENT for what only an ONNX model takes, rather than pass it over. */
export function forOnnxAlone({ provider, inputs, columns }: Partial<Omit<OwnModelOptions, "ownModel">>): void {
  if (provider !== undefined || inputs !== undefined || columns !== undefined) throw explained("CLI_ARGUMENT", "--provider, --inputs and --columns go with an ONNX model of the bank's own");
}

/** What a batch by such a model asks for. Throws MODEL_OWN, CLI_ARGUMENT. */
export function ownBatch(folder: string, options: Omit<OwnModelOptions, "columns">): { readonly hosts: readonly PartyId[]; readonly shape: ModelShape } {
  const { hosts, params: { protection, columns: _none, ...rest } } = ownModelRequest(folder, options);
  return { hosts, shape: modelShapeSchema.parse({ kind: protection, ...rest }) };
}

/** folder: of the bank's enclave. Throws MODEL_OWN, CLI_ARGUMENT. */
export function ownModelRequest(folder: string, { ownModel, provider, inputs, columns }: OwnModelOptions): OwnModelRequest {
  const paths = enclavePaths(folder);
  const { party: self } = readConfig(folder);
  const found = listOwn({ folder: paths.models }).find(({ id, digest }) => id === ownModel || digest === ownModel);
  if (found === undefined) throw new AppError("MODEL_OWN");
  const { digest } = found;
  const store = { folder: paths.models, box: SecretBox.open(paths.box, systemRng) };
  if (found.kind === "linear") {
    forOnnxAlone({ provider, inputs, columns });
    const features = statedFeatures(readOwnLinear(store, digest).model, self);
    return { hosts: [...new Set(features.map((f) => f.party))], params: { protection: "encrypted-model", digest, features } };
  }
  if (provider === undefined || inputs === undefined) throw explained("CLI_ARGUMENT", "an ONNX model needs --provider and --inputs");
  return { hosts: [provider], params: { protection: "whole-model", digest, bytes: readOwnOnnx(store, digest).length, inputs, columns: columns ?? [] } };
}
