// Sets of ids: hashing them, the cuckoo table of the one who asks, and the look-up of the other's tags.
import { digests, hashMessages } from "./blake2s";
import { TAG } from "./evaluate";

const places = memory.data(16, 16);
const lengths = memory.data(16, 16);

/** Hashes `count` ids that lie one after another at `text` (id k from offset k to offset k + 1, u32). Id k becomes element `slots[k]` (u32) of
 *  `total`: a word of 76 bits in 16 bytes, and one position in each of three tables of `size` bins (u32, table by table). */
export function hashIds(text: i32, offsets: i32, slots: i32, count: i32, total: i32, size: u64, words: i32, positions: i32): void {
  for (let i = 0; i < count; i += 4) {
    for (let k = 0; k < 4; k++) {
      const id = min(i + k, count - 1);
      const at = load<u32>(offsets + 4 * id);
      store<u32>(<i32>places + 4 * k, text + at);
      store<u32>(<i32>lengths + 4 * k, load<u32>(offsets + 4 * id + 4) - at);
    }
    hashMessages(<i32>places, <i32>lengths);
    for (let k = 0; k < min(4, count - i); k++) {
      const element = load<i32>(slots + 4 * (i + k));
      const digest = <i32>digests + 32 * k, word = words + 16 * element;
      store<u64>(word, load<u64>(digest));
      store<u64>(word + 8, load<u64>(digest + 8) & 0xfff);
      for (let table = 0; table < 3; table++) {
        const uniform = <u64>load<u32>(digest + 16 + 4 * table);
        store<u32>(positions + 4 * (table * total + element), <u32>((uniform * size) >> 32));
      }
    }
  }
}

/** How many words are equal to an earlier one. slots: mask + 1 i32 (a power of two above the count), filled with -1 at first. */
export function countRepeats(words: i32, count: i32, slots: i32, mask: i32): i32 {
  let repeats = 0;
  for (let i = 0; i < count; i++) {
    const low = load<u64>(words + 16 * i), high = load<u64>(words + 16 * i + 8);
    let slot = <i32>low & mask;
    for (;;) {
      const other = load<i32>(slots + 4 * slot);
      if (other < 0) break;
      if (load<u64>(words + 16 * other) == low && load<u64>(words + 16 * other + 8) == high) {
        repeats++;
        break;
      }
      slot = (slot + 1) & mask;
    }
    store<i32>(slots + 4 * slot, i);
  }
  return repeats;
}

/** Puts every element into one of its three bins (random walk). bins: 3 * size i32, filled with -1 at first. seed: not 0. Returns 0 when an
 *  element found no place after `limit` moves. */
export function cuckoo(positions: i32, count: i32, size: i32, bins: i32, seed: u32, limit: i32): i32 {
  let random = seed;
  for (let i = 0; i < count; i++) {
    let element = i, from = -1, moves = 0;
    for (;;) {
      let free = -1;
      for (let table = 0; table < 3; table++) {
        const bin = bins + 4 * (table * size + load<i32>(positions + 4 * (table * count + element)));
        if (load<i32>(bin) < 0) {
          free = bin;
          break;
        }
      }
      if (free >= 0) {
        store<i32>(free, element);
        break;
      }
      if (++moves > limit) return 0;
      random ^= random << 13;
      random ^= random >> 17;
      random ^= random << 5;
      let table = from < 0 ? <i32>(random % 3) : (from + 1 + <i32>(random & 1)) % 3;
      const bin = bins + 4 * (table * size + load<i32>(positions + 4 * (table * count + element)));
      const pushed = load<i32>(bin);
      store<i32>(bin, element);
      element = pushed;
      from = table;
    }
  }
  return 1;
}

/** Words of the elements in `count` bins, zero for an empty one; lists place (within these bins) and element of those that are filled and
 *  returns how many. */
export function gatherBins(bins: i32, count: i32, words: i32, out: i32, places: i32, elements: i32): i32 {
  let filled = 0;
  for (let i = 0; i < count; i++) {
    const element = load<i32>(bins + 4 * i);
    if (element < 0) {
      v128.store(out + 16 * i, i32x4.splat(0));
      continue;
    }
    v128.store(out + 16 * i, v128.load(words + 16 * element));
    store<i32>(places + 4 * filled, i);
    store<i32>(elements + 4 * filled++, element);
  }
  return filled;
}

/** Adds the tags of `count` listed elements to a look-up table of mask + 1 entries of 8 bytes (zero at first): element + 1, then four bytes of
 *  the tag. */
export function addTags(tags: i32, elements: i32, count: i32, table: i32, mask: i32): void {
  for (let i = 0; i < count; i++) {
    const element = load<i32>(elements + 4 * i);
    const tag = tags + TAG * element;
    let slot = load<i32>(tag) & mask;
    while (load<i32>(table + 8 * slot) != 0) slot = (slot + 1) & mask;
    store<i32>(table + 8 * slot, element + 1);
    store<u32>(table + 8 * slot + 4, load<u32>(tag + 4));
  }
}

/** Looks up `count` tags of the other side's table `which`; tag k stands at its position first + k. `matched` (i32 by element, -1 at first)
 *  gets the position. Only elements whose own tag is of that table count. Returns 0 when an element would match twice. */
export function lookUp(theirs: i32, count: i32, first: i32, which: i32, own: i32, tableOf: i32, table: i32, mask: i32, matched: i32): i32 {
  for (let i = 0; i < count; i++) {
    const tag = theirs + TAG * i;
    const hint = load<u32>(tag + 4);
    let slot = load<i32>(tag) & mask;
    for (;;) {
      const entry = load<i32>(table + 8 * slot);
      if (entry == 0) break;
      if (load<u32>(table + 8 * slot + 4) == hint) {
        const element = entry - 1, mine = own + TAG * element;
        const same = load<u64>(mine) == load<u64>(tag) && load<u16>(mine + 8) == load<u16>(tag + 8) && load<u8>(mine + 10) == load<u8>(tag + 10);
        if (same && <i32>load<u8>(tableOf + element) == which) {
          if (load<i32>(matched + 4 * element) >= 0) return 0;
          store<i32>(matched + 4 * element, first + i);
        }
      }
      slot = (slot + 1) & mask;
    }
  }
  return 1;
}
