// Buffers of megabytes that are used again: fresh ones are zeroed by the operating system page by page, and so many bytes outside of
// the heap make the garbage collector run for nearly every message.

/** Below this a fresh buffer is cheaper. */
const smallBytes = 64 * 1024;

export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  readonly #lent = new WeakSet<ArrayBufferLike>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** maxBytes: how much may lie idle. */
  constructor(maxBytes = 32 * 1024 * 1024) {
    this.#maxBytes = maxBytes;
  }

  /** A buffer of exactly `bytes` bytes with anything in it. Whoever does not give it back leaves it to the garbage collector. */
  take(bytes: number): Buffer<ArrayBuffer> {
    if (bytes < smallBytes) return Buffer.allocUnsafeSlow(bytes);
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const known = this.#free.get(size)?.pop();
    if (known !== undefined) this.#bytes -= size;
    const slab = known ?? Buffer.allocUnsafeSlow(size).buffer;
    this.#lent.add(slab);
    return Buffer.from(slab, 0, bytes);
  }

  /** Takes a buffer back that nobody looks at any more. Bytes that are not from here, or are back already, are left alone. */
  give(bytes: Uint8Array): void {
    const slab = bytes.buffer;
    if (!(slab instanceof ArrayBuffer) || !this.#lent.delete(slab) || this.#bytes + slab.byteLength > this.#maxBytes) return;
    const free = this.#free.get(slab.byteLength) ?? [];
    this.#free.set(slab.byteLength, free);
    free.push(slab);
    this.#bytes += slab.byteLength;
  }
}
