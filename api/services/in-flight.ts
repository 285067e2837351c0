// Bounds the bodies that are being received at once, so that many large uploads cannot fill the disk's queue or memory.
import { AppError } from "../../core/errors.ts";

export class InFlight {
  #bytes = 0;
  readonly #max: number;

  constructor(maxBytes: number) {
    this.#max = maxBytes;
  }

  /** Runs `work` with room for so many bytes. Throws PLATFORM_BUSY. */
  async during<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    // One body is always let through, so that a small setting cannot block for ever.
    if (this.#bytes > 0 && this.#bytes + bytes > this.#max) throw new AppError("PLATFORM_BUSY");
    this.#bytes += bytes;
    try {
      return await work();
    } finally {
      this.#bytes -= bytes;
    }
  }
}
