// Bodies that are taken into memory whole: relayed frames, whose size is bounded and declared.
import { hash } from "node:crypto";
import type { Readable } from "node:stream";
import type { BufferPool } from "../../core/buffer-pool.ts";
import { AppError } from "../../core/errors.ts";

/** Exactly `bytes` bytes of a stream, in one piece of the pool. Throws REQUEST_LENGTH if there are more or fewer, and what the stream
 *  ends with when its sender goes away. */
export function receiveBytes(source: Readable, bytes: number, pool: BufferPool): Promise<Uint8Array> {
  const all = pool.take(bytes);
  let received = 0;
  // By events: an iterator costs several times the copy.
  return new Promise<Uint8Array>((resolve, reject) => {
    source.on("data", (chunk: Buffer) => {
      if (received + chunk.length <= bytes) chunk.copy(all, received);
      received += chunk.length;
    });
    source.once("end", () => {
      if (received === bytes) resolve(all);
      else reject(new AppError("REQUEST_LENGTH", { declared: bytes, received }));
    });
    source.once("error", reject);
    const gone = (): void => reject(new AppError("REQUEST_LENGTH", { declared: bytes, received }));
    if (source.destroyed) gone();
    else source.once("close", gone);
  });
}

/** SHA-256, hex. */
export function digestOfBytes(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}
