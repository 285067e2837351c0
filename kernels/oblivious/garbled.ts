// One comparison under a garbled circuit (Yao): whether the garbler's integer lies between the evaluator's two. Both ends are compared bit by bit, lowest first, and the two
// results meet in one gate; the labels of the evaluator's bits are pads of oblivious transfers. Some 20 us for the garbler and 15 us for the evaluator: in the caller's thread.
import { blake2sState, useSession } from "./blake2s.ts";
import { ObliviousWasm } from "./wasm.ts";

export const labelBytes = 16;
/** Rows that are sent of each gate. */
const tableBytes = 3 * labelBytes;
/** Bits of an integer at most. */
export const maxDepth = 63;
/** The number under which results are tagged: of no gate. */
const resultNumber = 2 ** 31 - 1;

/** Bits of the evaluator's input: those of the greatest, then those of the least integer, lowest first. */
export const inputsOf = (depth: number): number => 2 * depth;
const gatesOf = (depth: number): number => inputsOf(depth) + 1;
export const tablesBytes = (depth: number): number => gatesOf(depth) * tableBytes;
/** Random bytes that one circuit takes: a label for each gate and for both beginnings. */
export const spareBytes = (depth: number): number => (gatesOf(depth) + 2) * labelBytes;
export const resultsBytes = 2 * labelBytes;

/** What the garbler sends: three rows a gate, and the tags of the results 0 and 1. */
export type GarbledInterval = { readonly tables: Uint8Array; readonly results: Uint8Array };
/** The evaluator's bits, a byte each, in the order of `inputsOf`. from, to: integers of `depth` bits. */
export function bitsOf({ from, to }: { readonly from: bigint; readonly to: bigint }, depth: number): Uint8Array {
  return Uint8Array.from({ length: inputsOf(depth) }, (_, k) => Number(((k < depth ? to : from) >> BigInt(k % depth)) & 1n));
}

export class GarbledWork {
  readonly #wasm = new ObliviousWasm();
  readonly #state = this.#wasm.allocate(32);
  readonly #labels = this.#wasm.allocate(2 * inputsOf(maxDepth) * labelBytes);
  readonly #values = this.#wasm.allocate(inputsOf(maxDepth));
  readonly #spares = this.#wasm.allocate(spareBytes(maxDepth));
  readonly #tables = this.#wasm.allocate(tablesBytes(maxDepth));
  /** Wires of the two states and of the result. */
  readonly #wires = this.#wasm.allocate(6 * labelBytes);
  readonly #results = this.#wasm.allocate(resultsBytes);

  /**
   * domain: 16 bytes that name this circuit; never twice with the same labels. labels: both of each of the evaluator's bits, that of 0 first. value: an integer of `depth`
   * bits; undefined for none, which lies in no interval. random: `spareBytes`.
   */
  garble(options: { readonly domain: Uint8Array; readonly labels: Uint8Array; readonly value: bigint | undefined; readonly depth: number; readonly random: Uint8Array }): GarbledInterval {
    const { domain, labels, value, depth, random } = options;
    const { fn } = this.#wasm;
    if (depth > maxDepth || labels.length !== 2 * inputsOf(depth) * labelBytes || random.length !== spareBytes(depth)) throw new RangeError("labels of another circuit");
    useSession(this.#wasm, this.#state, blake2sState(domain));
    const { bytes } = this.#wasm;
    bytes.set(labels, this.#labels);
    bytes.set(random, this.#spares);
    const [wire, tables, spares] = [2 * labelBytes, this.#tables, this.#spares];
    const chain = (at: 0 | 1): number => {
      const first = at * depth;
      // It begins with 1, under a label that everybody knows.
      const state = this.#wires + at * wire;
      const other = spares + (gatesOf(depth) + at) * labelBytes;
      bytes.fill(0, state, state + labelBytes);
      bytes.copyWithin(state + labelBytes, other, other + labelBytes);
      bytes[state + labelBytes] = (bytes[state + labelBytes] as number) | 1;
      return fn.garbleChain(this.#labels + first * wire, value ?? 0n, depth, 1 - at, first, spares + first * labelBytes, tables + first * tableBytes, state);
    };
    // Values of the labels of colour 0; both have to be 1.
    const [to, from] = [chain(0), chain(1)];
    let truth = 0;
    for (let place = 0; place < 4; place++) truth |= ((to ^ (place >> 1)) & (from ^ (place & 1)) & Number(value !== undefined)) << place;
    const last = inputsOf(depth);
    const out = this.#wires + 2 * wire;
    const zero = fn.garbleGate(this.#wires, this.#wires + wire, last, truth, spares + last * labelBytes, tables + last * tableBytes, out);
    fn.tagLabels(out, resultNumber, this.#results);
    const sent = { tables: bytes.slice(tables, tables + tablesBytes(depth)), results: new Uint8Array(resultsBytes) };
    for (const colour of [0, 1]) sent.results.set(bytes.subarray(this.#results + colour * labelBytes, this.#results + (colour + 1) * labelBytes), (zero ^ colour) * labelBytes);
    this.#wipe();
    return sent;
  }

  /** The result; undefined when the label that comes out is neither of them. labels, bits: the evaluator's own, one of each. */
  evaluate(options: GarbledInterval & { readonly domain: Uint8Array; readonly labels: Uint8Array; readonly bits: Uint8Array; readonly depth: number }): boolean | undefined {
    const { domain, labels, bits, depth, tables, results } = options;
    const { fn } = this.#wasm;
    if (depth > maxDepth || labels.length !== inputsOf(depth) * labelBytes || bits.length !== inputsOf(depth) || tables.length !== tablesBytes(depth) || results.length !== resultsBytes) return undefined;
    useSession(this.#wasm, this.#state, blake2sState(domain));
    const { bytes } = this.#wasm;
    bytes.set(labels, this.#labels);
    bytes.set(bits, this.#values);
    bytes.set(tables, this.#tables);
    bytes.fill(0, this.#wires, this.#wires + 6 * labelBytes);
    fn.evaluateChains(this.#labels, this.#values, depth, this.#tables, this.#wires);
    const out = this.#wires + 4 * labelBytes;
    const last = inputsOf(depth);
    fn.evaluateGate(this.#wires, last, this.#tables + last * tableBytes, out);
    fn.tagLabels(out, resultNumber, this.#results);
    const tag = Buffer.from(bytes.slice(this.#results, this.#results + labelBytes));
    const said = [0, 1].filter((value) => tag.equals(results.subarray(value * labelBytes, (value + 1) * labelBytes)));
    this.#wipe();
    return said.length === 1 ? said[0] === 1 : undefined;
  }

  #wipe(): void {
    this.#wasm.bytes.fill(0, this.#labels, this.#results + resultsBytes);
  }
}
