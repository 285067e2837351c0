// BLAKE2s (RFC 7693), four messages at once: lane k of every vector belongs to message k.

/** Initial state as 8 words: the IV combined with the parameter block. Set by `setState`. */
const initial = memory.data(32, 16);
/** State of the four messages: 8 vectors. */
const state = memory.data(128, 16);
/** Their current blocks: 16 vectors. */
const block = memory.data(256, 16);
/** Their digests: 4 x 32 bytes. */
export const digests = memory.data(128, 16);
/** Message schedule (RFC 7693 section 2.7), as byte offsets into `block`. */
const sigma = memory.data<u8>([
  0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240,
  224, 160, 64, 128, 144, 240, 208, 96, 16, 192, 0, 32, 176, 112, 80, 48,
  176, 128, 192, 0, 80, 32, 240, 208, 160, 224, 48, 96, 112, 16, 144, 64,
  112, 144, 48, 16, 208, 192, 176, 224, 32, 96, 80, 160, 64, 0, 240, 128,
  144, 0, 80, 112, 32, 64, 160, 240, 224, 16, 176, 192, 96, 128, 48, 208,
  32, 192, 96, 160, 0, 176, 128, 48, 64, 208, 112, 80, 240, 224, 16, 144,
  192, 80, 16, 240, 224, 208, 64, 160, 0, 112, 96, 48, 144, 32, 128, 176,
  208, 176, 112, 224, 192, 16, 48, 144, 80, 0, 240, 64, 128, 96, 32, 160,
  96, 240, 224, 144, 176, 48, 0, 128, 192, 32, 208, 112, 16, 64, 160, 80,
  160, 32, 128, 64, 112, 96, 16, 80, 240, 176, 144, 224, 48, 192, 208, 0,
]);

export function setState(words: i32): void {
  v128.store(<i32>initial, v128.load(words));
  v128.store(<i32>initial, v128.load(words, 16), 16);
}

// @ts-ignore: decorator
@inline function rotate16(x: v128): v128 {
  return i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
// @ts-ignore: decorator
@inline function rotate8(x: v128): v128 {
  return i8x16.shuffle(x, x, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
}
// @ts-ignore: decorator
@inline function rotate(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(x, bits), i32x4.shl(x, 32 - bits));
}
// @ts-ignore: decorator
@inline function sum(a: v128, b: v128, s: i32): v128 {
  return i32x4.add(i32x4.add(a, b), v128.load(<i32>block + <i32>load<u8>(s)));
}

/** One compression of each lane. bytes: the lanes' counters; final: all ones in the lanes whose last block this is. */
function compress(bytes: v128, final: v128): void {
  let v0 = v128.load(<i32>state), v1 = v128.load(<i32>state, 16), v2 = v128.load(<i32>state, 32), v3 = v128.load(<i32>state, 48);
  let v4 = v128.load(<i32>state, 64), v5 = v128.load(<i32>state, 80), v6 = v128.load(<i32>state, 96), v7 = v128.load(<i32>state, 112);
  let v8 = i32x4.splat(0x6a09e667), v9 = i32x4.splat(0xbb67ae85), v10 = i32x4.splat(0x3c6ef372), v11 = i32x4.splat(0xa54ff53a);
  let v12 = v128.xor(i32x4.splat(0x510e527f), bytes), v13 = i32x4.splat(0x9b05688c);
  let v14 = v128.xor(i32x4.splat(0x1f83d9ab), final), v15 = i32x4.splat(0x5be0cd19);
  for (let s = <i32>sigma, end = s + 160; s < end; s += 16) {
    v0 = sum(v0, v4, s); v1 = sum(v1, v5, s + 2); v2 = sum(v2, v6, s + 4); v3 = sum(v3, v7, s + 6);
    v12 = rotate16(v128.xor(v12, v0)); v13 = rotate16(v128.xor(v13, v1)); v14 = rotate16(v128.xor(v14, v2)); v15 = rotate16(v128.xor(v15, v3));
    v8 = i32x4.add(v8, v12); v9 = i32x4.add(v9, v13); v10 = i32x4.add(v10, v14); v11 = i32x4.add(v11, v15);
    v4 = rotate(v128.xor(v4, v8), 12); v5 = rotate(v128.xor(v5, v9), 12); v6 = rotate(v128.xor(v6, v10), 12); v7 = rotate(v128.xor(v7, v11), 12);
    v0 = sum(v0, v4, s + 1); v1 = sum(v1, v5, s + 3); v2 = sum(v2, v6, s + 5); v3 = sum(v3, v7, s + 7);
    v12 = rotate8(v128.xor(v12, v0)); v13 = rotate8(v128.xor(v13, v1)); v14 = rotate8(v128.xor(v14, v2)); v15 = rotate8(v128.xor(v15, v3));
    v8 = i32x4.add(v8, v12); v9 = i32x4.add(v9, v13); v10 = i32x4.add(v10, v14); v11 = i32x4.add(v11, v15);
    v4 = rotate(v128.xor(v4, v8), 7); v5 = rotate(v128.xor(v5, v9), 7); v6 = rotate(v128.xor(v6, v10), 7); v7 = rotate(v128.xor(v7, v11), 7);

    v0 = sum(v0, v5, s + 8); v1 = sum(v1, v6, s + 10); v2 = sum(v2, v7, s + 12); v3 = sum(v3, v4, s + 14);
    v15 = rotate16(v128.xor(v15, v0)); v12 = rotate16(v128.xor(v12, v1)); v13 = rotate16(v128.xor(v13, v2)); v14 = rotate16(v128.xor(v14, v3));
    v10 = i32x4.add(v10, v15); v11 = i32x4.add(v11, v12); v8 = i32x4.add(v8, v13); v9 = i32x4.add(v9, v14);
    v5 = rotate(v128.xor(v5, v10), 12); v6 = rotate(v128.xor(v6, v11), 12); v7 = rotate(v128.xor(v7, v8), 12); v4 = rotate(v128.xor(v4, v9), 12);
    v0 = sum(v0, v5, s + 9); v1 = sum(v1, v6, s + 11); v2 = sum(v2, v7, s + 13); v3 = sum(v3, v4, s + 15);
    v15 = rotate8(v128.xor(v15, v0)); v12 = rotate8(v128.xor(v12, v1)); v13 = rotate8(v128.xor(v13, v2)); v14 = rotate8(v128.xor(v14, v3));
    v10 = i32x4.add(v10, v15); v11 = i32x4.add(v11, v12); v8 = i32x4.add(v8, v13); v9 = i32x4.add(v9, v14);
    v5 = rotate(v128.xor(v5, v10), 7); v6 = rotate(v128.xor(v6, v11), 7); v7 = rotate(v128.xor(v7, v8), 7); v4 = rotate(v128.xor(v4, v9), 7);
  }
  update(0, v128.xor(v0, v8));
  update(16, v128.xor(v1, v9));
  update(32, v128.xor(v2, v10));
  update(48, v128.xor(v3, v11));
  update(64, v128.xor(v4, v12));
  update(80, v128.xor(v5, v13));
  update(96, v128.xor(v6, v14));
  update(112, v128.xor(v7, v15));
}

// @ts-ignore: decorator
@inline function update(at: i32, change: v128): void {
  v128.store(<i32>state + at, v128.xor(v128.load(<i32>state + at), change));
}

function restart(): void {
  for (let i = 0; i < 8; i++) v128.store(<i32>state + 16 * i, v128.load32_splat(<i32>initial + 4 * i));
}

/** Four 16-byte strings to four vectors of their words, and (the same) back. */
// @ts-ignore: decorator
@inline function transposeWords(a: v128, b: v128, c: v128, d: v128, to: i32, stride: i32): void {
  const ab0 = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd0 = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ab1 = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cd1 = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v128.store(to, i8x16.shuffle(ab0, cd0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(to + stride, i8x16.shuffle(ab0, cd0, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
  v128.store(to + 2 * stride, i8x16.shuffle(ab1, cd1, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
  v128.store(to + 3 * stride, i8x16.shuffle(ab1, cd1, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
}

function loadBlocks(a: i32, b: i32, c: i32, d: i32): void {
  for (let q = 0; q < 64; q += 16) {
    transposeWords(v128.load(a + q), v128.load(b + q), v128.load(c + q), v128.load(d + q), <i32>block + 4 * q, 16);
  }
}

function storeDigests(): void {
  const s = <i32>state, out = <i32>digests;
  transposeWords(v128.load(s), v128.load(s, 16), v128.load(s, 32), v128.load(s, 48), out, 32);
  transposeWords(v128.load(s, 64), v128.load(s, 80), v128.load(s, 96), v128.load(s, 112), out + 16, 32);
}

/** Digests of four messages of exactly one block (64 bytes) each. */
export function hashBlocks(a: i32, b: i32, c: i32, d: i32): void {
  restart();
  loadBlocks(a, b, c, d);
  compress(i32x4.splat(64), i32x4.splat(-1));
  storeDigests();
}

/** Where `hashMessages` builds padded blocks. */
const padded = memory.data(256, 16);
/** State before a block, for lanes that ended. */
const held = memory.data(128, 16);

/** Digests of four messages of any length: addresses and lengths at `at` (four u32) and `lengths` (four u32). */
export function hashMessages(at: i32, lengths: i32): void {
  restart();
  let longest = 0;
  for (let k = 0; k < 16; k += 4) longest = max(longest, load<i32>(lengths + k));
  const lengthOf = v128.load(lengths);
  const blocks = max(1, (longest + 63) >> 6);
  for (let n = 0; n < blocks; n++) {
    memory.fill(padded, 0, 256);
    for (let k = 0; k < 4; k++) {
      const rest = load<i32>(lengths + 4 * k) - 64 * n;
      if (rest > 0) memory.copy(padded + 64 * k, load<u32>(at + 4 * k) + 64 * n, min(64, rest));
    }
    loadBlocks(<i32>padded, <i32>padded + 64, <i32>padded + 128, <i32>padded + 192);
    // A lane that ended before keeps its state.
    const running = n == 0 ? i32x4.splat(-1) : i32x4.gt_s(lengthOf, i32x4.splat(64 * n));
    const last = i32x4.le_s(lengthOf, i32x4.splat(64 * n + 64));
    for (let i = 0; i < 128; i += 16) v128.store(<i32>held + i, v128.load(<i32>state + i));
    compress(i32x4.min_s(lengthOf, i32x4.splat(64 * n + 64)), last);
    for (let i = 0; i < 128; i += 16) {
      v128.store(<i32>state + i, v128.bitselect(v128.load(<i32>state + i), v128.load(<i32>held + i), running));
    }
  }
  storeDigests();
}
