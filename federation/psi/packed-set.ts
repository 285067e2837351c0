// A set of fixed-length byte strings, numbered in order of insertion: open addressing over flat memory, because a million
// of them as JavaScript strings would cost a hundred megabytes.

export class PackedSet {
  readonly #itemBytes: number;
  #items: Uint8Array;
  #slots: Int32Array;
  #size = 0;

  /** itemBytes >= 16; bytes 8 to 11 of an item must be close to uniform (they choose its slot). */
  constructor(itemBytes: number) {
    this.#itemBytes = itemBytes;
    this.#items = new Uint8Array(itemBytes * 64);
    this.#slots = new Int32Array(128).fill(-1);
  }
  get size(): number {
    return this.#size;
  }
  /** Whether the item at `offset` of `bytes` was new. */
  add(bytes: Uint8Array, offset: number): boolean {
    const slot = this.#slotOf(bytes, offset);
    if (this.#slots[slot] !== -1) return false;
    if ((this.#size + 1) * this.#itemBytes > this.#items.length) this.#grow();
    this.#items.set(bytes.subarray(offset, offset + this.#itemBytes), this.#size * this.#itemBytes);
    this.#slots[this.#slotOf(bytes, offset)] = this.#size++;
    return true;
  }
  /** Adds all items of `bytes`; false as soon as one was there already. */
  addAll(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; at += this.#itemBytes) if (!this.add(bytes, at)) return false;
    return true;
  }
  /** The number of that item, or -1. */
  find(bytes: Uint8Array, offset: number): number {
    return this.#slots[this.#slotOf(bytes, offset)] as number;
  }

  /** The slot that holds the item, or the free one where it belongs. Slots are at most half full. */
  #slotOf(bytes: Uint8Array, offset: number): number {
    const mask = this.#slots.length - 1;
    let slot = wordAt(bytes, offset + 8) & mask;
    for (;;) {
      const item = this.#slots[slot] as number;
      if (item < 0 || this.#equals(item, bytes, offset)) return slot;
      slot = (slot + 1) & mask;
    }
  }
  #equals(item: number, bytes: Uint8Array, offset: number): boolean {
    const start = item * this.#itemBytes;
    for (let k = 0; k < this.#itemBytes; k++) if (this.#items[start + k] !== bytes[offset + k]) return false;
    return true;
  }
  #grow(): void {
    const items = new Uint8Array(this.#items.length * 2);
    items.set(this.#items);
    this.#items = items;
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let item = 0; item < this.#size; item++) this.#slots[this.#slotOf(items, item * this.#itemBytes)] = item;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const byte = (k: number): number => bytes[at + k] as number;
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
}
