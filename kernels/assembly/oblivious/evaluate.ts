// Hashes of rows: pads of oblivious transfers and tags of set elements. A hashed block is a row and its number (and part).
import { addWord } from "./code";
import { digests, hashBlocks } from "./blake2s";
import { ROW } from "./transpose";

/** Bytes of a tag. */
export const TAG: i32 = 11;
const blocks = memory.data(256, 16);

// @ts-ignore: decorator
@inline function storeTag(k: i32, to: i32): void {
  const from = <i32>digests + 32 * k;
  store<u64>(to, load<u64>(from));
  store<u16>(to + 8, load<u16>(from + 8));
  store<u8>(to + 10, load<u8>(from + 10));
}

/** Tags of the rows whose places in this chunk are listed (u32); the number of a row is `first` plus its place. They go to the slots
 *  of `tags` that are listed beside (u32). */
export function tagRows(rows: i32, first: i32, places: i32, slots: i32, count: i32, tags: i32): void {
  for (let i = 0; i < count; i += 4) {
    for (let k = 0; k < 4; k++) {
      const place = load<i32>(places + 4 * min(i + k, count - 1));
      memory.copy(blocks + 64 * k, rows + place * ROW, 60);
      store<i32>(<i32>blocks + 64 * k + 60, first + place);
    }
    hashBlocks(<i32>blocks, <i32>blocks + 64, <i32>blocks + 128, <i32>blocks + 192);
    for (let k = 0; k < min(4, count - i); k++) storeTag(k, tags + load<i32>(slots + 4 * (i + k)) * TAG);
  }
}

/** Tags of the elements that are listed (u32): each on the row at its own position (`positions`, u32 by element; row `begin` of the
 *  table is the first of the chunk), with its word (16 bytes by element) and the masked code tables. They go to the element's slot. */
export function tagElements(rows: i32, first: i32, begin: i32, positions: i32, words: i32, list: i32, count: i32, tables: i32, groups: i32, tags: i32): void {
  for (let i = 0; i < count; i += 4) {
    for (let k = 0; k < 4; k++) {
      const element = load<i32>(list + 4 * min(i + k, count - 1));
      const place = load<i32>(positions + 4 * element) - begin;
      const block = <i32>blocks + 64 * k;
      addWord(rows + place * ROW, words + 16 * element, tables, groups, block);
      store<i32>(block + 60, first + place);
    }
    hashBlocks(<i32>blocks, <i32>blocks + 64, <i32>blocks + 128, <i32>blocks + 192);
    for (let k = 0; k < min(4, count - i); k++) storeTag(k, tags + load<i32>(list + 4 * (i + k)) * TAG);
  }
}

// @ts-ignore: decorator
@inline function keep(k: i32, part: i32, bytes: i32, to: i32): void {
  memory.copy(to + 32 * part, digests + 32 * k, min(32, bytes - 32 * part));
}

/** Pads of `count` rows of 32 bytes (64 apart) for all `choices`: `bytes` each, row by row, choice by choice. words: the masked code
 *  words of the choices, 64 bytes each. first: number of the first row. */
export function padRows(rows: i32, first: i32, count: i32, words: i32, choices: i32, bytes: i32, out: i32): void {
  const parts = (bytes + 31) >> 5;
  const total = count * choices * parts;
  let row = 0, choice = 0, part = 0, pads = out;
  for (let i = 0; i < total; i += 4) {
    const filled = min(4, total - i);
    let toRow = row, toChoice = choice, toPart = part;
    for (let k = 0; k < filled; k++) {
      const block = <i32>blocks + 64 * k, from = rows + toRow * ROW, word = words + toChoice * ROW;
      v128.store(block, v128.xor(v128.load(from), v128.load(word)));
      v128.store(block, v128.xor(v128.load(from, 16), v128.load(word, 16)), 16);
      v128.store(block, i32x4(first + toRow, toPart, 0, 0), 32);
      v128.store(block, i32x4.splat(0), 48);
      if (++toPart < parts) continue;
      toPart = 0;
      if (++toChoice < choices) continue;
      toChoice = 0;
      toRow++;
    }
    hashBlocks(<i32>blocks, <i32>blocks + 64, <i32>blocks + 128, <i32>blocks + 192);
    for (let k = 0; k < filled; k++) {
      keep(k, part, bytes, pads);
      if (++part < parts) continue;
      part = 0;
      pads += bytes;
    }
    row = toRow;
    choice = toChoice;
  }
}
