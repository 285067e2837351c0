// Models that the bank brings itself, in its own enclave's folder: sealed at rest, named by their digest. A linear model is sealed for its providers
// when it is imported, once: the same bytes go to each of them in every service, which is how a provider tells one model from another.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { canonicalJson, sha256Hex, type Json } from "../../core/canonical.ts";
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { linearModelSchema, parseLinearModel } from "../../federation/serve/linear.ts";
import { mostModelBytes, ownModelId } from "../../federation/serve/own-model.ts";
import { Pool } from "../../kernels/pool.ts";
import { sealWeights } from "../../kernels/linear/remote.ts";
import type { SecretBox } from "../keys/box.ts";
import { inspectForeignModel, readModelFile } from "../onnx.ts";

const base64 = z.base64();
const ownLinearSchema = z.strictObject({
  model: linearModelSchema,
  /** The commitment in plans is salted: weights are few bits. */
  salt: base64,
  keys: z.strictObject({ secretKey: base64, publicKey: base64 }),
  /** By provider. */
  sealed: z.record(z.string(), base64),
});
export type OwnLinear = z.output<typeof ownLinearSchema> & { readonly digest: string };
export type OwnModelKind = "linear" | "onnx";
type Store = { readonly folder: string; readonly box: SecretBox };
const linearRemote = new URL("../../kernels/linear/remote.ts", import.meta.url);
const largestLinearFile = 1024 * 1024;

/** Reads a file, seals its weights for each provider, keeps it. self: the bank, whose own features are not sealed. Returns its digest. Throws MODEL_LINEAR, DISK_FAILED. */
export async function importLinear(store: Store, options: { readonly text: string; readonly self: PartyId; readonly rng: Rng }): Promise<string> {
  if (options.text.length > largestLinearFile) throw new AppError("MODEL_LINEAR", { bytes: options.text.length });
  const model = parseLinearModel(options.text);
  const providers = [...new Set(model.features.map((f) => f.provider))].filter((p) => p !== options.self);
  if (providers.length === 0) throw new AppError("MODEL_LINEAR", { providers: 0 });
  const { secretKey, publicKey, sealed } = await sealWeights(providers.map((p) => Int32Array.from(model.features.filter((f) => f.provider === p), (f) => f.weight)));
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const own = {
    model, salt: text(options.rng(32)), keys: { secretKey: text(secretKey), publicKey: text(publicKey) },
    sealed: Object.fromEntries(providers.map((p, i) => [p, text(sealed[i] ?? new Uint8Array(0))])),
  };
  const digest = digestOfLinear(own);
  keep(store, digest, "linear", Buffer.from(JSON.stringify(own)));
  return digest;
}

/** Checks a file as its provider will, and keeps it. Throws MODEL_ONNX and what else `inspectForeignModel` refuses, DISK_FAILED. */
export async function importOnnx(store: Store, file: string): Promise<string> {
  const bytes = await readModelFile(file, mostModelBytes);
  inspectForeignModel(bytes);
  const digest = sha256Hex(bytes);
  keep(store, digest, "onnx", bytes);
  return digest;
}

/** Throws MODEL_OWN. */
export function readOwnLinear(store: Store, digest: string): OwnLinear {
  const parsed = ownLinearSchema.safeParse(JSON.parse(Buffer.from(read(store, digest, "linear")).toString("utf8")));
  if (!parsed.success || digestOfLinear(parsed.data) !== digest) throw new AppError("MODEL_OWN");
  return { ...parsed.data, digest };
}

/** The weights of one provider, a text each, as they go to it for a batch: sealed when they are first asked for, and the same from then on. Throws MODEL_OWN. */
export async function batchTexts(store: Store, { digest, model, keys }: OwnLinear, provider: PartyId): Promise<Uint8Array> {
  const path = join(placeOf(store.folder), `${digest}.batch-${provider}`);
  if (!existsSync(path)) {
    await using pool = new Pool({ threads: 1 });
    const bytes = Object.fromEntries(Object.entries(keys).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "base64"))]));
    const weights = Int32Array.from(model.features.filter((f) => f.provider === provider), (f) => f.weight);
    writeDurably(path, store.box.seal(await pool.run<Uint8Array>(linearRemote, "sealForBatch", [bytes, weights])));
  }
  return openSealed(store, path);
}

/** Throws MODEL_OWN. */
export function readOwnOnnx(store: Store, digest: string): Uint8Array {
  const bytes = read(store, digest, "onnx");
  if (sha256Hex(bytes) !== digest) throw new AppError("MODEL_OWN");
  return bytes;
}

/** What is here, by its name in answers: of one that begins with `id`, its digest. */
export function listOwn({ folder }: Pick<Store, "folder">): { readonly id: string; readonly digest: string; readonly kind: OwnModelKind }[] {
  const names = existsSync(placeOf(folder)) ? readdirSync(placeOf(folder)) : [];
  return names.flatMap((name) => {
    const found = /^([0-9a-f]{64})\.(linear|onnx)$/.exec(name);
    const [, digest, kind] = found ?? [];
    return digest === undefined ? [] : [{ id: ownModelId(digest), digest, kind: kind as OwnModelKind }];
  });
}

function digestOfLinear({ model, salt }: { readonly model: unknown; readonly salt: string }): string {
  return sha256Hex(Buffer.from(canonicalJson(["yunei/own-linear/v1", model as Json, salt])));
}

function placeOf(folder: string): string {
  return join(folder, "own");
}

function keep({ folder, box }: Store, digest: string, kind: OwnModelKind, bytes: Uint8Array): void {
  writeDurably(join(placeOf(folder), `${digest}.${kind}`), box.seal(bytes));
}

function read(store: Store, digest: string, kind: OwnModelKind): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new AppError("MODEL_OWN");
  return openSealed(store, join(placeOf(store.folder), `${digest}.${kind}`));
}

function openSealed({ box }: Store, path: string): Uint8Array {
  if (!existsSync(path)) throw new AppError("MODEL_OWN");
  try {
    return box.open(readBytes(path));
  } catch (cause) {
    throw new AppError("MODEL_OWN", {}, { cause });
  }
}
