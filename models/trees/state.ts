// The state of a training between two trees, as bytes: what a restarted guest needs to go on and end with the identical model.
import { z } from "zod";
import { digestOf } from "../../core/canonical.ts";
import { decodeFrame, encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import type { Columns, KnownColumn } from "./columns.ts";
import type { GrowInput } from "./grow.ts";
import { cutKey, cutSchema, symmetricTreeSchema, type SymmetricTree } from "./model.ts";

const stateType = "trees/state/v1";
const bytes = z.instanceof(Uint8Array);
const stateSchema = z.strictObject({
  /** Digest of what the training is about: parameters, features and sizes. */
  of: z.string(),
  base: z.int(),
  /** Trees of the model that the run went on from; the others are its own. */
  before: z.int().min(0),
  trees: z.array(symmetricTreeSchema),
  losses: z.array(z.number()),
  orders: z.array(z.union([z.null(), z.array(z.int().min(0).max(254)).max(254)])),
  known: z.array(z.strictObject({
    feature: z.int().min(0),
    patterns: z.int().min(1).max(256),
    packed: bytes,
    cuts: z.array(z.strictObject({ cut: cutSchema, right: bytes })),
  })),
});
export type Progress = {
  readonly base: number;
  readonly before: number;
  readonly trees: readonly SymmetricTree[];
  readonly losses: readonly number[];
};

/** Digest of everything that two runs must share for one to go on from the other's state. */
export function trainingDigest(input: GrowInput): string {
  const features = input.features.map(({ party, name, kind, bins, orderedBins, missingBin, binOf }) =>
    ({ party, name, kind, bins, orderedBins, missingBin, own: binOf !== undefined }));
  return digestOf({ features, params: { ...input.params }, rows: input.rows, trainRows: input.trainRows });
}

/** Size: trees, and ceil(log2 patterns) bits (rounded up to 1, 2, 4 or 8) per row and host feature with cuts. */
export function encodeState(digest: string, progress: Progress, columns: Columns): Uint8Array {
  const known = columns.features.flatMap((_, feature) => {
    const column = columns.known(feature);
    if (column === undefined) return [];
    const { patterns } = column;
    return [{ feature, patterns, packed: pack(column.patternOf, patterns), cuts: column.cuts.map(({ cut, right }) => ({ cut, right })) }];
  });
  const orders = columns.features.map((_, f) => columns.orders[f] ?? null);
  return encodeFrame(stateType, { of: digest, ...progress, orders, known });
}

/** Puts the hosts' bits back into `columns` (made without orders). Throws MODEL_TREE_STATE for other bytes, or another training. */
export function restoreState(state: Uint8Array, digest: string, columns: Columns): Progress {
  let body: unknown;
  try {
    const frame = decodeFrame(state);
    body = frame.type === stateType ? frame.body : undefined;
  } catch (cause) {
    throw new AppError("MODEL_TREE_STATE", { bytes: state.length }, { cause });
  }
  const parsed = stateSchema.safeParse(body);
  if (!parsed.success) throw new AppError("MODEL_TREE_STATE", { bytes: state.length });
  const { of, base, before, trees, losses, orders, known } = parsed.data;
  if (of !== digest || orders.length !== columns.features.length) throw new AppError("MODEL_TREE_STATE", { same: false });
  orders.forEach((order, f) => {
    if (order !== null) columns.setOrder(f, order);
  });
  for (const { feature, patterns, packed, cuts } of known) {
    const fits = feature < columns.features.length && packed.length === packedLength(columns.rows, patterns);
    if (!fits) throw new AppError("MODEL_TREE_STATE", { feature });
    const options = columns.options(feature).options.map((o) => o.key);
    const column: KnownColumn = {
      patterns,
      patternOf: unpack(packed, columns.rows, patterns),
      cuts: cuts.map(({ cut, right }) => ({ cut, right, option: options.indexOf(cutKey(cut)) })),
    };
    const wrong = column.cuts.some((c) => c.option < 0 || c.right.length !== patterns || c.cut.feature !== feature);
    if (wrong) throw new AppError("MODEL_TREE_STATE", { feature });
    columns.restore(feature, column);
  }
  for (const tree of trees) for (const cut of tree.cuts) columns.note(cut);
  return { base, before, trees, losses };
}

function width(patterns: number): number {
  return patterns <= 2 ? 1 : patterns <= 4 ? 2 : patterns <= 16 ? 4 : 8;
}

function packedLength(rows: number, patterns: number): number {
  return Math.ceil((rows * width(patterns)) / 8);
}

function pack(codes: Uint8Array, patterns: number): Uint8Array {
  const bits = width(patterns);
  if (bits === 8) return codes;
  const packed = new Uint8Array(packedLength(codes.length, patterns));
  const perByte = 8 / bits;
  for (let i = 0; i < codes.length; i++) {
    const at = Math.trunc(i / perByte);
    packed[at] = (packed[at] as number) | ((codes[i] as number) << ((i % perByte) * bits));
  }
  return packed;
}

function unpack(packed: Uint8Array, rows: number, patterns: number): Uint8Array {
  const bits = width(patterns);
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  return Uint8Array.from({ length: rows }, (_, i) => ((packed[Math.trunc(i / perByte)] as number) >> ((i % perByte) * bits)) & mask);
}
