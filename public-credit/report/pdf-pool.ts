// PDFs in worker threads, a few at a time: a long report takes seconds, and the server's thread has others to answer.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { AppError } from "../../core/errors.ts";
import type { CreditReport } from "./schema.ts";

const maxRunning = 2;
const maxWaiting = 32;

export class PdfPool {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Throws PLATFORM_BUSY when too many wait. */
  async render(report: CreditReport, digest: string): Promise<Uint8Array> {
    if (this.#running >= maxRunning) {
      if (this.#waiting.length >= maxWaiting) throw new AppError("PLATFORM_BUSY");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await inWorker(report, digest);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next(); // hands its place on
    }
  }
}

async function inWorker(report: CreditReport, digest: string): Promise<Uint8Array> {
  const worker = new Worker(new URL("./pdf-worker.ts", import.meta.url), { workerData: { report, digest }, resourceLimits: { maxOldGenerationSizeMb: 512 } });
  try {
    const [bytes] = (await once(worker, "message")) as [Uint8Array];
    return bytes;
  } finally {
    await worker.terminate();
  }
}
