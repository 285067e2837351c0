// Moments, guest: collects every cross product of the selected WOE columns of all parties and the label, exactly.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { HintSource } from "../../kernels/api.ts";
import type { Moments } from "../../models/linear/moments.ts";
import type { Party } from "../party.ts";
import { Querier } from "../sums/querier.ts";
import { crossBits, maxOwnValues, ownValues } from "./shape.ts";

export type MomentsGuestInput = {
  readonly hosts: readonly PartyId[]; readonly jointSeed: Uint8Array; readonly rows: number; readonly label: Uint8Array;
  /** The guest's selected WOE columns; the hosts' are known by number only. */
  readonly columns: readonly Int8Array[]; readonly columnsOf: ReadonlyMap<PartyId, number>;
};

/** The moments in the order: the guest's columns, then each host's in the order of `hosts`; and the open querier for a refinement. */
export type GuestMoments = { readonly moments: Moments; readonly residualProducts: (residuals: Int32Array) => Promise<number[]> } & AsyncDisposable;

/** Moments while they are being collected. */
type Mutable = { n: number; sumX: number[]; sumY: number; xy: number[]; xx: number[] };
type Block = { readonly host: PartyId; readonly at: number; readonly d: number };

/** Runs the moments with all hosts that have selected columns. */
export async function momentsGuest(party: Party, input: MomentsGuestInput): Promise<GuestMoments> {
  const { rows, columns, columnsOf } = input;
  const own = columns.length;
  const blocks: Block[] = [];
  let d = own;
  for (const host of input.hosts) {
    const size = columnsOf.get(host) ?? 0;
    if (size > 0) blocks.push({ host, at: d, d: size });
    d += size;
  }
  const moments = await ownMoments(party, input, d);
  const active = blocks.map((b) => b.host);
  const querier = await Querier.open(party, { use: "moments", jointSeed: input.jointSeed, rows });
  const vectors = [Int32Array.from(input.label.subarray(0, rows)), ...columns.map((c) => c.subarray(0, rows))];
  const hints = new Map<PartyId, HintSource>();
  const collect = async (): Promise<void> => {
    const secrets = active.length === 0 ? [] : await querier.sendBatch(active, vectors, 127);
    party.progress(vectors.length, 2 * vectors.length);
    await Promise.all(blocks.map(async (block) => {
      const hint = await querier.hint(block.host, block.d);
      hints.set(block.host, hint);
      await receiveOwn(party, block, moments, d);
      for (const [q, sums] of (await querier.answers(block.host, 0, hint, secrets)).entries()) {
        for (const [k, sum] of sums.entries()) put(moments, d, q - 1, block.at + k, Number(sum));
      }
    }));
    await receiveCross(party, blocks, moments, d, rows);
  };
  try {
    await collect();
  } catch (error) {
    await querier[Symbol.asyncDispose]();
    throw error;
  }
  return {
    moments,
    async residualProducts(residuals) {
      const secrets = active.length === 0 ? [] : await querier.sendBatch(active, [residuals], 127);
      const products = ownProducts(columns, residuals, d);
      await Promise.all(blocks.map(async (block) => {
        const hint = hints.get(block.host);
        if (hint === undefined) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: block.host });
        const [sums = []] = await querier.answers(block.host, vectors.length, hint, secrets);
        for (const [k, sum] of sums.entries()) products[block.at + k] = Number(sum);
      }));
      return products;
    },
    [Symbol.asyncDispose]: () => querier[Symbol.asyncDispose](),
  };
}

/** Column -1 is the label. */
function put(moments: Mutable, d: number, a: number, b: number, value: number): void {
  if (a < 0) moments.xy[b] = value;
  else {
    moments.xx[a * d + b] = value;
    moments.xx[b * d + a] = value;
  }
}

async function ownMoments(party: Party, input: MomentsGuestInput, d: number): Promise<Mutable> {
  const { rows, columns, label } = input;
  const moments: Mutable = { n: rows, sumX: Array<number>(d).fill(0), sumY: 0, xy: Array<number>(d).fill(0), xx: Array<number>(d * d).fill(0) };
  const train = columns.map((c) => c.subarray(0, rows));
  const gram = columns.length === 0 ? new Float64Array(0) : await party.kernels.gram(train);
  for (let i = 0; i < rows; i++) moments.sumY += label[i] ?? 0;
  for (const [a, column] of train.entries()) {
    let sum = 0;
    let withLabel = 0;
    for (let i = 0; i < rows; i++) {
      const code = column[i] ?? 0;
      sum += code;
      if (label[i] === 1) withLabel += code;
    }
    moments.sumX[a] = sum;
    moments.xy[a] = withLabel;
    for (let b = 0; b < train.length; b++) moments.xx[a * d + b] = gram[a * train.length + b] ?? 0;
  }
  return moments;
}

function ownProducts(columns: readonly Int8Array[], residuals: Int32Array, d: number): number[] {
  const products = Array<number>(d).fill(0);
  for (const [a, column] of columns.entries()) {
    let sum = 0;
    for (let i = 0; i < residuals.length; i++) sum += (column[i] ?? 0) * (residuals[i] ?? 0);
    products[a] = sum;
  }
  return products;
}

async function receiveOwn(party: Party, block: Block, moments: Mutable, d: number): Promise<void> {
  const total = ownValues(block.d);
  const values = new Float64Array(total);
  for (let at = 0, index = 0; at < total; at += maxOwnValues, index++) {
    const part = await party.receive(block.host, "moments/own");
    const size = Math.min(maxOwnValues, total - at);
    if (part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: block.host, index });
    if (part.values.length !== size * 8 || part.last !== at + size >= total) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: block.host, index });
    values.set(new Float64Array(part.values.slice().buffer), at);
  }
  const most = moments.n * 127 * 127;
  if (values.some((v) => !Number.isSafeInteger(v) || Math.abs(v) > most)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: block.host });
  for (let a = 0, at = block.d; a < block.d; a++) {
    moments.sumX[block.at + a] = values[a] ?? 0;
    for (let b = a; b < block.d; b++) put(moments, d, block.at + a, block.at + b, values[at++] ?? 0);
  }
}

/** Adds the two halves of every host-host product. */
async function receiveCross(party: Party, blocks: readonly Block[], moments: Mutable, d: number, rows: number): Promise<void> {
  const sorted = [...blocks].sort((a, b) => (a.host < b.host ? -1 : 1));
  const received = new Map<string, BigUint64Array>();
  await Promise.all(sorted.map(async (block) => {
    const later = sorted.filter((o) => o.host > block.host);
    const earlier = sorted.filter((o) => o.host < block.host);
    for (const other of later) for (let c = 0; c < block.d; c++) received.set(`o|${block.host}|${other.host}|${c}`, await receiveHalf(party, "cross/opened", block.host, other, c, other.d));
    for (const other of earlier) for (let c = 0; c < other.d; c++) received.set(`m|${other.host}|${block.host}|${c}`, await receiveHalf(party, "cross/masks", block.host, other, c, block.d));
  }));
  for (const a of sorted) {
    for (const b of sorted.filter((o) => o.host > a.host)) {
      for (let c = 0; c < a.d; c++) {
        const opened = received.get(`o|${a.host}|${b.host}|${c}`) ?? new BigUint64Array(0);
        const masks = received.get(`m|${a.host}|${b.host}|${c}`) ?? new BigUint64Array(0);
        const sums = BigInt64Array.from(opened, (v, k) => BigInt.asIntN(crossBits, v - (masks[k] ?? 0n)));
        checkBounds(sums, rows, b.host);
        for (const [k, sum] of sums.entries()) put(moments, d, a.at + c, b.at + k, Number(sum));
      }
    }
  }
}

async function receiveHalf(party: Party, type: "cross/opened" | "cross/masks", from: PartyId, other: Block, column: number, size: number): Promise<BigUint64Array> {
  const half = await party.receive(from, type);
  if (half.peer !== other.host || half.column !== column) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, column });
  if (half.values.length !== size * 8) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: from, column });
  return new BigUint64Array(half.values.slice().buffer);
}

/** A sum of products of two 8-bit columns over n rows; anything else did not come from such columns. */
function checkBounds(sums: BigInt64Array, rows: number, host: PartyId): void {
  const bound = BigInt(rows) * 127n * 127n;
  if (sums.some((s) => s > bound || s < -bound)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host });
}
