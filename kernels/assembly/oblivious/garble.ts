// Garbled gates with two inputs (Yao), rows ordered by colour (point and permute, Beaver, Micali and Rogaway 1990), the first row left out (Naor,
// Pinkas and Sumner 1999): three rows of 16 bytes a gate. A label is 16 bytes; its colour is its lowest bit. A row is hidden by the hash of both labels, the gate's number and
// the row's place. A wire at the garbler: its two labels, colour 0 first. No branch and no address depends on a secret.
import { digests, hashBlocks } from "./blake2s";

const blocks = memory.data(256, 16);
/** Labels of a wire that is not kept. */
const scratch = memory.data(32, 16);

// @ts-ignore: decorator
@inline function fillBlock(k: i32, a: v128, b: v128, number: i32, place: i32): void {
  const block = <i32>blocks + 64 * k;
  v128.store(block, a);
  v128.store(block, b, 16);
  v128.store(block, i32x4(number, place, 0, 0), 32);
  v128.store(block, i32x4.splat(0), 48);
}

// @ts-ignore: decorator
@inline function hashFilled(): void {
  hashBlocks(<i32>blocks, <i32>blocks + 64, <i32>blocks + 128, <i32>blocks + 192);
}

/** One gate. a, b: wires (of an input that the evaluator knows, its labels by value in place of colour); truth: bit 2 i + j is the output for label i of a and j of b;
 *  spare: 16 random bytes; table: 48 bytes; out: a wire. Returns the value that the output's label of colour 0 stands for. */
export function garbleGate(a: i32, b: i32, number: i32, truth: i32, spare: i32, table: i32, out: i32): i32 {
  for (let place = 0; place < 4; place++) fillBlock(place, v128.load(a + 16 * (place >> 1)), v128.load(b + 16 * (place & 1)), number, place);
  hashFilled();
  const first = v128.load(<i32>digests);
  const colour = <i32>load<u8>(digests) & 1;
  const random = v128.load(spare);
  const lowest = i32x4(1, 0, 0, 0);
  const other = v128.or(v128.andnot(random, lowest), i32x4(1 - colour, 0, 0, 0));
  const both = v128.xor(first, other);
  for (let place = 1; place < 4; place++) {
    const differs = i32x4.splat(-(((truth >> place) ^ truth) & 1));
    v128.store(table + 16 * place - 16, v128.xor(v128.load(<i32>digests + 32 * place), v128.xor(first, v128.and(differs, both))));
  }
  const swap = v128.and(i32x4.splat(-colour), both);
  v128.store(out, v128.xor(first, swap));
  v128.store(out, v128.xor(other, swap), 16);
  return (truth ^ colour) & 1;
}

/** Compares the evaluator's integer with the garbler's `value`, `depth` bits each, lowest first: the state is 1 while what was seen of the evaluator's is (isAtLeast ? not
 *  below : not above) what was seen of the garbler's. inputs: wires by value; state: a wire that stands for 1 with its label of colour 0, replaced by that of the result.
 *  Gates are numbered from `number` on. Returns the value of the result's label of colour 0. */
export function garbleChain(inputs: i32, value: i64, depth: i32, isAtLeast: i32, number: i32, spares: i32, tables: i32, state: i32): i32 {
  let zero = 1;
  for (let k = 0; k < depth; k++) {
    const bit = <i32>(value >> k) & 1;
    // Where the bits differ the evaluator's bit decides: its own value where it is not to be below, the reverse where not to be above.
    const decided = 1 - bit ^ (1 - isAtLeast);
    let truth = 0;
    for (let place = 0; place < 4; place++) {
      const held = zero ^ (place >> 1);
      const same = 1 ^ bit ^ (place & 1);
      truth |= ((held & same) | (decided & (1 - same))) << place;
    }
    zero = garbleGate(state, inputs + 32 * k, number + k, truth, spares + 16 * k, tables + 48 * k, <i32>scratch);
    v128.store(state, v128.load(<i32>scratch));
    v128.store(state, v128.load(<i32>scratch, 16), 16);
  }
  return zero;
}

/** What the evaluator gets of a gate of which it has both labels. Its block `k` was hashed. */
// @ts-ignore: decorator
@inline function opened(k: i32, place: i32, table: i32): v128 {
  // The row of place 0 is zeros, and is not there.
  let row = i32x4.splat(0);
  for (let p = 1; p < 4; p++) row = v128.or(row, v128.and(v128.load(table + 16 * p - 16), i32x4.splat(-<i32>(p == place))));
  return v128.xor(v128.load(<i32>digests + 32 * k), row);
}

// @ts-ignore: decorator
@inline function placeOf(label: i32, second: i32): i32 {
  return ((<i32>load<u8>(label) & 1) << 1) | second;
}

/** Evaluates two chains side by side: that of the first `depth` inputs, and that of the others. labels: 16 bytes an input; values: a byte each; tables: 48 bytes a gate, in
 *  the order of the inputs, which is that of the numbers; states: the labels of both states, replaced by those of the results. */
export function evaluateChains(labels: i32, values: i32, depth: i32, tables: i32, states: i32): void {
  for (let k = 0; k < depth; k++) {
    const first = placeOf(states, <i32>load<u8>(values + k));
    const second = placeOf(states + 16, <i32>load<u8>(values + depth + k));
    fillBlock(0, v128.load(states), v128.load(labels + 16 * k), k, first);
    fillBlock(1, v128.load(states, 16), v128.load(labels + 16 * (depth + k)), depth + k, second);
    hashFilled();
    v128.store(states, opened(0, first, tables + 48 * k));
    v128.store(states, opened(1, second, tables + 48 * (depth + k)), 16);
  }
}

/** Evaluates a gate of two wires of which the labels are at `labels`; the result's label goes to `out`. */
export function evaluateGate(labels: i32, number: i32, table: i32, out: i32): void {
  const place = placeOf(labels, <i32>load<u8>(labels + 16) & 1);
  fillBlock(0, v128.load(labels), v128.load(labels, 16), number, place);
  hashFilled();
  v128.store(out, opened(0, place, table));
}

/** 16 bytes by which a label is known, for each of two. number: of no gate. */
export function tagLabels(labels: i32, number: i32, out: i32): void {
  for (let k = 0; k < 2; k++) fillBlock(k, v128.load(labels + 16 * k), i32x4.splat(0), number, 0);
  hashFilled();
  v128.store(out, v128.load(<i32>digests));
  v128.store(out, v128.load(<i32>digests, 32), 16);
}
