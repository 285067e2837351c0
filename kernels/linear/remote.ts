// Both sides of scores under an encrypted model, and of joint trees, as objects that live in a worker thread (kernels/pool.ts opens them by name): a product takes 10 ms.
import { systemRng } from "../../core/rng.ts";
import { AppError } from "../../core/errors.ts";
import { WeightApplier } from "./applier.ts";
import { ModelOwner } from "./owner.ts";
import type { Masking } from "./flood.ts";
import { linearPlainBits, tablePrimeBits } from "./params.ts";
import { packSealed, unpackSealed } from "./packed.ts";
import { LinearEngine } from "./seal.ts";
import { TableSelector } from "./selector.ts";
import { TableOwner, type TableKeys } from "./tables.ts";

export type RemoteApplier = {
  applyToOne(codes: Int16Array, masking: Masking): Uint8Array;
  apply(columns: readonly Int16Array[], from: number, rows: number, mask?: Int32Array): Uint8Array;
};
export type RemoteOwner = {
  /** The sum of these answers modulo 2^28, signed, for each of `rows` companies. Throws KERNEL_TEXT. */
  openSum(answers: readonly Uint8Array[], rows: number): Int32Array;
  /** The same of one company, whose answers are of use together alone. */
  openOne(answers: readonly Uint8Array[]): number;
};

/** packed: what the bank sent. The flood and the masks over other coefficients are this process's own randomness. Throws KERNEL_TEXT. */
export async function openApplier(packed: Uint8Array): Promise<RemoteApplier> {
  const applier = new WeightApplier(await LinearEngine.load(), unpackSealed(packed), systemRng);
  return {
    applyToOne: (codes, masking) => applier.applyToOne(codes, masking).slice(),
    apply: (columns, from, rows, mask) => applier.apply(columns, from, rows, mask).slice(),
  };
}

export async function openOwner(keys: { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array }): Promise<RemoteOwner> {
  const owner = ModelOwner.restore(await LinearEngine.load(), keys);
  const unused = 32 - linearPlainBits;
  return {
    openOne: (answers) => owner.openOne(answers),
    openSum(answers, rows) {
      const sum = new Int32Array(rows);
      for (const answer of answers) {
        const part = owner.open(answer, rows);
        for (const [i, value] of part.entries()) sum[i] = (sum[i] ?? 0) + value;
      }
      // Modulo 2^32 as the array takes it, so modulo 2^28, too.
      return sum.map((value) => (value << unused) >> unused);
    },
  };
}

/** The same weights for batches, under the same key: a text per weight. Throws KERNEL_RANGE, KERNEL_TEXT. */
export async function sealForBatch(keys: { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array }, weights: Int32Array): Promise<Uint8Array> {
  using engine = await LinearEngine.load();
  using owner = ModelOwner.restore(engine, keys);
  return packSealed(owner.seal(weights));
}

/** Seals the weights of each provider under one new key, once per model: as one polynomial, for one company at a time. Throws KERNEL_RANGE. */
export async function sealWeights(parts: readonly Int32Array[]): Promise<{ readonly secretKey: Uint8Array; readonly publicKey: Uint8Array; readonly sealed: readonly Uint8Array[] }> {
  using engine = await LinearEngine.load();
  using owner = ModelOwner.create(engine);
  if (parts.length < 1) throw new AppError("KERNEL_RANGE", { weights: 0 });
  return { ...owner.keys, sealed: parts.map((weights) => packSealed(owner.sealForOne(weights))) };
}

export type RemoteTables = {
  seal(entries: Int32Array): Uint8Array;
  open(answers: readonly Uint8Array[]): number;
};
export type RemoteSelector = { select(text: Uint8Array, picks: readonly number[], masking: Masking): Uint8Array };

/** A new key for the tables of joint trees. */
export async function makeTableKeys(): Promise<TableKeys> {
  using engine = await LinearEngine.load(tablePrimeBits);
  return TableOwner.create(engine);
}

/** Throws KERNEL_TEXT. */
export async function openTables(keys: TableKeys): Promise<RemoteTables> {
  const owner = new TableOwner(await LinearEngine.load(tablePrimeBits), keys);
  return { seal: (entries) => owner.seal(entries).slice(), open: (answers) => owner.open(answers) };
}

/** Flood and hiding are this process's own randomness. Throws KERNEL_TEXT. */
export async function openSelector(publicKey: Uint8Array): Promise<RemoteSelector> {
  const selector = new TableSelector(await LinearEngine.load(tablePrimeBits), publicKey, systemRng);
  return { select: (text, picks, masking) => selector.select(text, picks, masking).slice() };
}
