// A scorer's heavy part in a thread of its own: one object, opened when it is first asked and again after it was lost. What waits is bounded, by number and,
// where calls have a limit of time, by time; the limit itself counts from the moment at which a call has the thread to itself.
import { setTimeout as delay } from "node:timers/promises";
import type { Transferable } from "node:worker_threads";
import { AppError, isAppError, type Code } from "../../../core/errors.ts";
import { Pool, type Remote } from "../../../kernels/pool.ts";

export type ThreadOptions = {
  readonly module: URL; readonly open: string; readonly args: readonly unknown[];
  /** A call that takes longer ends the thread, and fails with this code. One that has waited for others as long is not begun, and fails with SERVICE_BUSY. */
  readonly limit?: { readonly ms: number; readonly code: Code };
  /** Calls that may wait. */
  readonly mostWaiting?: number;
};

const mostOverruns = 3;

export class ScorerThread implements AsyncDisposable {
  readonly #o: ThreadOptions;
  #pool: Pool | undefined;
  #remote: Promise<Remote> | undefined;
  #waiting = 0;
  /** Resolves when the last call that was begun, or waits, is over. */
  #last: Promise<unknown> = Promise.resolve();
  #overruns = 0;
  #isOver = false;

  constructor(options: ThreadOptions) {
    this.#o = options;
  }

  /** More would only come too late. */
  get isBusy(): boolean {
    return this.#waiting >= (this.#o.mostWaiting ?? 32);
  }

  /** Opens the object now. Throws what its opening throws, and the limit's code. */
  async start(): Promise<void> {
    await this.#bounded(this.#open());
  }

  /** transfer: buffers of the arguments that are given away. */
  async call<T>(method: string, args: readonly unknown[], transfer: readonly Transferable[] = []): Promise<T> {
    this.#waiting += 1;
    try {
      return await this.#inTurn(() => this.#bounded(this.#open().then((remote) => remote.call<T>(method, args, transfer))));
    } catch (error) {
      if (isAppError(error) && error.code === "KERNEL_WORKER_LOST") this.#remote = undefined;
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Calls with a limit one after the other, so that none is charged with another's time; one that ends the thread takes no other along. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { limit } = this.#o;
    if (limit === undefined) return work();
    const before = this.#last;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    this.#last = over;
    const asked = performance.now();
    try {
      await before;
      // A model that never ends is not started for every question again.
      if (this.#overruns >= mostOverruns) throw new AppError(limit.code);
      if (performance.now() - asked >= limit.ms) throw new AppError("SERVICE_BUSY");
      return await work();
    } finally {
      resolve();
    }
  }

  async #open(): Promise<Remote> {
    // A question that comes late starts no thread that nobody would end.
    if (this.#isOver) throw new AppError("KERNEL_WORKER_LOST");
    this.#pool ??= new Pool({ threads: 1 });
    const { module, open, args } = this.#o;
    this.#remote ??= this.#pool.open(0, module, open, args);
    this.#remote.catch(() => { this.#remote = undefined; });
    return this.#remote;
  }

  async #bounded<T>(work: Promise<T>): Promise<T> {
    const { limit } = this.#o;
    if (limit === undefined) return work;
    const done = new AbortController();
    const late = delay(limit.ms, undefined, { signal: done.signal }).then(
      () => {
        // What runs in the library's own code ends with the thread, not before it returns.
        this.#overruns += 1;
        void this.#drop();
        throw new AppError(limit.code);
      },
      () => new Promise<never>(() => undefined),
    );
    try {
      return await Promise.race([work, late]);
    } finally {
      done.abort();
      work.catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    this.#remote = undefined;
    await pool?.[Symbol.asyncDispose]();
  }
}
