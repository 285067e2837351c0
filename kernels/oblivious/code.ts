// The binary linear codes of the oblivious-transfer extension. Two different code words differ in at least 128 places: what hides the pads that
// the receiver did not choose is the sender's secret at those places.

/** Bytes of a code word in tables: its columns and zeros. */
export const rowBytes = 64;

export type LinearCode = {
  /** Bits of a code word: a multiple of 16, at most 480. */
  readonly columns: number;
  /** Bits of a message. */
  readonly bits: number;
  /** Least number of places in which two code words differ. */
  readonly distance: number;
  /** The code words of the unit messages, `rowBytes` each, for 8 * ceil(bits / 8) message bits (the last ones zero). */
  readonly rows: Uint8Array;
};

/** Bytes of a message of this code. */
export function messageBytes(code: LinearCode): number {
  return Math.ceil(code.bits / 8);
}

/** Columns of each code. */
export const codeColumns = { repetition: 128, walshHadamard: 256, bch: 480 } as const;
export type CodeName = keyof typeof codeColumns;

export function codeOf(name: CodeName): LinearCode {
  if (name === "repetition") return repetition();
  return name === "bch" ? bch() : walshHadamard();
}

/** Repetition [128, 1, 128], for one of two choices (Ishai et al., CRYPTO 2003). */
export function repetition(): LinearCode {
  const rows = new Uint8Array(8 * rowBytes).fill(0xff, 0, 16);
  return { columns: 128, bits: 1, distance: 128, rows };
}

/** Walsh-Hadamard [256, 8, 128]: place i of the word of c is the parity of i & c. For one of at most 256 choices (Kolesnikov and Kumaresan,
 *  CRYPTO 2013). */
export function walshHadamard(): LinearCode {
  const rows = new Uint8Array(8 * rowBytes);
  for (let bit = 0; bit < 8; bit++) for (let i = 0; i < 256; i++) if ((i >> bit) & 1) setBit(rows, bit * rowBytes, i);
  return { columns: 256, bits: 8, distance: 128, rows };
}

const places = 511;
const designedDistance = 171;
const keptPlaces = 480;

/** For sets: a BCH code [511, 76, 171] without its last 31 places: [480, 76, at least 140]. By the BCH bound: the generator vanishes at a^1..a^170,
 *  a of order 511. The code of Orru, Orsini and Scholl (CT-RSA 2017), shortened so that a word and its number are one hash block. */
export function bch(): LinearCode {
  const { exp, log } = fieldOf512();
  let generator = [1];
  const covered = new Set<number>();
  for (let power = 1; power < designedDistance; power++) {
    if (covered.has(power)) continue;
    let factor = [1];
    for (let conjugate = power; !covered.has(conjugate); conjugate = (conjugate * 2) % places) {
      covered.add(conjugate);
      // factor * (x - a^conjugate), coefficients in the field.
      const root = exp[conjugate] ?? 0;
      factor = [...factor, 0].map((_, i) => (factor[i - 1] ?? 0) ^ times(exp, log, factor[i] ?? 0, root));
    }
    generator = timesBinary(generator, factor);
  }
  const bits = places - (generator.length - 1);
  const rows = new Uint8Array(8 * Math.ceil(bits / 8) * rowBytes);
  for (let shift = 0; shift < bits; shift++) {
    for (const [i, coefficient] of generator.entries()) if (coefficient && shift + i < keptPlaces) setBit(rows, shift * rowBytes, shift + i);
  }
  return { columns: keptPlaces, bits, distance: designedDistance - (places - keptPlaces), rows };
}

/** For each place of a code word, the message bits that it is the sum of: one byte per eight message bits. */
export function picksOf(code: LinearCode): Uint8Array {
  const groups = messageBytes(code);
  const picks = new Uint8Array(code.columns * groups);
  for (let i = 0; i < code.columns; i++) {
    for (let bit = 0; bit < 8 * groups; bit++) if (bitAt(code.rows, bit * rowBytes, i)) setBit(picks, i * groups, bit);
  }
  return picks;
}

/** Code words of every value of every message byte, each combined (and) with `mask` of `rowBytes` bytes: 256 of them per message byte. */
export function wordTables(code: LinearCode, mask: Uint8Array): Uint8Array {
  const tables = new Uint8Array(messageBytes(code) * 256 * rowBytes);
  for (let value = 0; value < tables.length / rowBytes; value++) {
    const [group, x] = [value >> 8, value & 255];
    if (x === 0) continue;
    const low = 31 - Math.clz32(x & -x);
    for (let k = 0; k < rowBytes; k++) {
      const unit = (code.rows[(8 * group + low) * rowBytes + k] ?? 0) & (mask[k] ?? 0);
      tables[value * rowBytes + k] = (tables[((group << 8) | (x & (x - 1))) * rowBytes + k] ?? 0) ^ unit;
    }
  }
  return tables;
}

function bitAt(bytes: Uint8Array, from: number, i: number): number {
  return ((bytes[from + (i >> 3)] ?? 0) >> (i & 7)) & 1;
}
function setBit(bytes: Uint8Array, from: number, i: number): void {
  bytes[from + (i >> 3)] = (bytes[from + (i >> 3)] ?? 0) | (1 << (i & 7));
}

/** Powers and logarithms of a = x in GF(2)[x] / (x^9 + x^4 + 1), which is primitive. */
function fieldOf512(): { readonly exp: Uint16Array; readonly log: Uint16Array } {
  const exp = new Uint16Array(2 * places);
  const log = new Uint16Array(512);
  for (let i = 0, x = 1; i < places; i++) {
    exp[i] = x;
    exp[i + places] = x;
    log[x] = i;
    x = (x << 1) ^ (x & 256 ? 0b1000010001 : 0);
  }
  return { exp, log };
}
function times(exp: Uint16Array, log: Uint16Array, a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : (exp[(log[a] ?? 0) + (log[b] ?? 0)] ?? 0);
}
function timesBinary(a: readonly number[], b: readonly number[]): number[] {
  const out = Array.from({ length: a.length + b.length - 1 }, () => 0);
  for (const [i, x] of a.entries()) if (x) for (const [j, y] of b.entries()) out[i + j] = (out[i + j] ?? 0) ^ y;
  return out;
}
