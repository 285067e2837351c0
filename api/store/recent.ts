// Frames that were just stored and that somebody is about to read: kept in memory until then, at most so many bytes. Nothing
// depends on one being here; row or file has it.
import type { BufferPool } from "../../core/buffer-pool.ts";

const maxFrames = 4096;

export type RecentFrame = { readonly digest: string; readonly body: Uint8Array };

export class Recent {
  readonly #pool: BufferPool;
  readonly #frames = new Map<string, RecentFrame>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** pool: to which the memory of a body goes back that nobody has taken. */
  constructor(maxBytes: number, pool: BufferPool) {
    this.#maxBytes = maxBytes;
    this.#pool = pool;
  }

  /** Keeps a frame, whose body must be nobody else's; the oldest ones make room. */
  keep(key: string, frame: RecentFrame): void {
    this.#remove(key);
    this.#frames.set(key, frame);
    this.#bytes += frame.body.length;
    for (const oldest of this.#frames.keys()) {
      if (this.#bytes <= this.#maxBytes && this.#frames.size <= maxFrames) break;
      this.#remove(oldest);
    }
  }

  /** The frame, which is then kept no more. */
  take(key: string): RecentFrame | undefined {
    const frame = this.#frames.get(key);
    if (this.#frames.delete(key)) this.#bytes -= frame?.body.length ?? 0;
    return frame;
  }

  /** Lets go of everything with such a key. */
  drop(isDropped: (key: string) => boolean): void {
    for (const key of this.#frames.keys()) if (isDropped(key)) this.#remove(key);
  }

  #remove(key: string): void {
    const frame = this.take(key);
    if (frame !== undefined) this.#pool.give(frame.body);
  }
}
