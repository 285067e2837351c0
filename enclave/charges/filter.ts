// Which rows there may be (Bloom, CACM 1970): a question about a new company asks the database for none of the rows that cannot be there, each of which costs a
// round through the locks of the file. It never says no to a row that is there; beyond some four million rows it says yes more often, which costs time alone.
const bits = 2 ** 25;
const rounds = 5;

export class KeyFilter {
  readonly #bits = new Uint32Array(bits / 32);

  add(key: string): void {
    let [at, step] = hashesOf(key);
    for (let i = 0; i < rounds; i++, at = (at + step) >>> 0) {
      const bit = at & (bits - 1);
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] as number) | (1 << (bit & 31));
    }
  }

  mayHave(key: string): boolean {
    let [at, step] = hashesOf(key);
    for (let i = 0; i < rounds; i++, at = (at + step) >>> 0) {
      const bit = at & (bits - 1);
      if (((this.#bits[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** Two FNV-1a hashes; the company in a key is a keyed hash already. */
function hashesOf(key: string): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x85ebca6b);
  }
  return [a >>> 0, (b | 1) >>> 0];
}
