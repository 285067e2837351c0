// What several kernel tests need: small worlds, reference arithmetic with big integers, and a host part without threads.
import { createHash } from "node:crypto";
import type { Rng } from "../../core/env.ts";
import { seededRng } from "../../core/rng.ts";
import type { AnswerOptions, HintKeeper, PlainColumns, QuerySecret, SumsHost, SumsQuerier } from "../../kernels/api.ts";
import type { CellNoise } from "../../kernels/noise.ts";
import { HintOpener } from "../../kernels/opener.ts";
import { hintBytesPerCell, modulus, ringDegree, sumsParams } from "../../kernels/params.ts";
import { polyBytes, SumsWasm } from "../../kernels/wasm.ts";

export const bytesOf = (label: string): Uint8Array => new Uint8Array(createHash("sha256").update(label).digest());
export const rngOf = (label: string): Rng => seededRng(bytesOf(label), "test");

/** Uniform integers in [0, below). */
export function integers(rng: Rng, count: number, below: number): number[] {
  const words = new Uint32Array(rng(4 * count).buffer);
  return Array.from(words, (w) => Math.floor((w / 2 ** 32) * below));
}

type Chunks = { readonly cells: number; readonly list: readonly { firstCell: number; bytes: Uint8Array }[] };

export async function collect(host: SumsHost, chunkCells = 64): Promise<Chunks & { readonly list: { firstCell: number; bytes: Uint8Array }[] }> {
  const list: { firstCell: number; bytes: Uint8Array }[] = [];
  for await (const chunk of host.hint(chunkCells)) list.push(chunk);
  return { cells: host.cells, list };
}

/** A batch of one vector. */
export async function ask(querier: SumsQuerier, values: Int32Array, options: { maxCode: number; rng: Rng; tBits?: number; noise?: CellNoise }): Promise<{ bytes: Uint8Array; secret: QuerySecret }> {
  const { rng, noise, ...rest } = options;
  const { bytes, secrets } = await querier.query([values], { ...rest, rngs: [rng], ...(noise && { noise: [noise] }) });
  return { bytes, secret: secrets[0] as QuerySecret };
}
export async function reply(host: SumsHost, query: Uint8Array, flood: Rng, mask?: AnswerOptions["mask"]): Promise<{ answer: Uint8Array; masks: BigUint64Array | undefined }> {
  const { answers, masks } = await host.answer(query, [{ flood, mask }]);
  return { answer: answers, masks: masks[0] };
}
export async function keep(querier: SumsQuerier, hint: Chunks): Promise<HintKeeper> {
  const keeper = querier.keep(hint.cells);
  for (const chunk of hint.list) await keeper.add(chunk);
  return keeper;
}
export async function openOne(querier: SumsQuerier, answer: Uint8Array, hint: Chunks, secret: QuerySecret, masked = false): Promise<bigint[]> {
  return [...(await querier.open(answer, await keep(querier, hint), [secret], masked))[0] ?? []];
}

const half = modulus / 2n;
/** round(t (y - H s) / q) mod t, with big integers. answer: y / 2^60 rounded; hint: (H s)_0 / 2^52 over the rounded hint. */
export function decodeSum(answer: number, hint: bigint, tBits: number): bigint {
  const noisy = (BigInt(answer) << BigInt(sumsParams.answerDrop)) - (hint << BigInt(sumsParams.hintDrop));
  const reduced = ((noisy % modulus) + modulus) % modulus;
  return BigInt.asUintN(tBits, ((reduced << BigInt(tBits)) + half) / modulus);
}

/** (H s)_0 of some hint cells for every secret, by the module. */
export function hintProducts(secrets: readonly Uint8Array[], cells: readonly Uint8Array[]): bigint[][] {
  const wasm = new SumsWasm();
  const at = wasm.allocate(hintBytesPerCell * cells.length);
  for (const [c, bytes] of cells.entries()) wasm.bytes.set(bytes, at + c * hintBytesPerCell);
  const opener = new HintOpener(wasm);
  opener.use(secrets.map((trits) => ({ trits, tBits: 38, largestSum: undefined })));
  const words = new BigInt64Array(opener.products(at, cells.length).slice().buffer);
  const wide = (i: number): bigint => BigInt.asUintN(64, words[2 * i] ?? 0n) + ((words[2 * i + 1] ?? 0n) << 64n);
  return secrets.map((_, k) => cells.map((_cell, c) => wide(k * cells.length + c)));
}

/** The sums in the clear. */
export function plainSums(columns: PlainColumns, values: Int32Array): bigint[] {
  if (columns.kind === "codes") return columns.columns.map((c) => BigInt(values.reduce((sum, v, i) => sum + v * (c[i] ?? 0), 0)));
  return columns.features.flatMap((f) => {
    const sums = new Float64Array(f.bins);
    for (const [i, v] of values.entries()) sums[f.binOf[i] ?? 0] = (sums[f.binOf[i] ?? 0] ?? 0) + v;
    return Array.from(sums, (s) => BigInt(s));
  });
}

/** The integer in [0, q) with these residues. */
export function fromResidues(residues: ArrayLike<number>): bigint {
  let x = 0n;
  for (const [k, p] of sumsParams.primes.entries()) {
    const prime = BigInt(p);
    const rest = modulus / prime;
    x += BigInt(residues[k] ?? 0) * rest * inverse(rest % prime, prime);
  }
  return x % modulus;
}

export function centred(x: bigint): bigint {
  const reduced = ((x % modulus) + modulus) % modulus;
  return reduced > modulus / 2n ? reduced - modulus : reduced;
}

export function inverse(x: bigint, p: bigint): bigint {
  let result = 1n;
  let square = x % p;
  for (let e = p - 2n; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * square) % p;
    square = (square * square) % p;
  }
  return result;
}

/** A query's bytes with every residue set by the function (coefficient, lane). */
export function packQuery(coefficients: number, residue: (i: number, lane: number) => number): Uint8Array {
  const out = new Uint8Array(coefficients * 13);
  for (let i = 0; i < coefficients; i++) {
    let word = 0n;
    for (let lane = 3; lane >= 0; lane--) word = (word << 26n) | BigInt(residue(i, lane));
    for (let k = 0; k < 13; k++) out[i * 13 + k] = Number((word >> BigInt(8 * k)) & 255n);
  }
  return out;
}

export function unpackCoefficient(bytes: Uint8Array, i: number): number[] {
  let word = 0n;
  for (let k = 12; k >= 0; k--) word = (word << 8n) | BigInt(bytes[13 * i + k] ?? 0);
  return [0, 1, 2, 3].map((lane) => Number((word >> BigInt(26 * lane)) & 0x3ffffffn));
}

/** Coefficient i of a hint cell (in units of 2^52). */
export function hintCoefficient(cell: Uint8Array, i: number): bigint {
  const view = new DataView(cell.buffer, cell.byteOffset, cell.byteLength);
  const nibble = ((cell[24576 + (i % 2048)] ?? 0) >> (i < 2048 ? 0 : 4)) & 15;
  const word = (plane: number) => BigInt(view.getUint16(8192 * plane + 2 * i, true));
  return word(0) | (word(1) << 16n) | (word(2) << 32n) | (BigInt(nibble) << 48n);
}

/** The cells of a hint chunk. */
export function cellsOf(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / hintBytesPerCell }, (_, c) => bytes.subarray(c * hintBytesPerCell, (c + 1) * hintBytesPerCell));
}

/** The trits of packed bytes. */
export function unpackTrits(packed: Uint8Array): number[] {
  return Array.from({ length: ringDegree }, (_, i) => (Math.floor((packed[Math.floor(i / 5)] ?? 0) / 3 ** (i % 5)) % 3) - 1);
}

/** a * b in Z_p[x]/(x^4096 + 1) for every prime, through the module: both in coefficient form, four lanes. */
export function negacyclicProduct(wasm: SumsWasm, a: Uint32Array, b: Uint32Array): Uint32Array {
  const [pa, pb, out, acc] = [wasm.allocate(polyBytes), wasm.allocate(polyBytes), wasm.allocate(polyBytes), wasm.allocate(2 * polyBytes)] as const;
  wasm.words(pa, a.length).set(a);
  wasm.words(pb, b.length).set(b);
  wasm.fn.forward(pb);
  const transformed = wasm.words(pb, b.length);
  for (let i = 0; i < transformed.length; i++) transformed[i] = (transformed[i] ?? 0) % (sumsParams.primes[i & 3] ?? 1);
  wasm.fn.multiplyInto(acc, pa, pb);
  wasm.fn.foldTo(out, acc);
  wasm.fn.inverse(out);
  return wasm.words(out, a.length).map((x, i) => {
    const p = sumsParams.primes[i & 3] ?? 1;
    return Number((BigInt(x) * inverse(4096n, BigInt(p))) % BigInt(p));
  });
}
