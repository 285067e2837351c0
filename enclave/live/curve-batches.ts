// Curve work of single questions on threads of its own: while a thread works, what comes in waits and then goes to it together. So a question costs no
// message between threads of its own, and answers become ready together, for one group to be made durable.
import { setImmediate } from "node:timers/promises";
import { AppError, isAppError } from "../../core/errors.ts";
import { CurvePool } from "../../federation/psi/curve-pool.ts";
import { bytesOf, type SingleTask } from "../../federation/psi/curve-task.ts";
import { keyBytes, type CurveWork } from "../../federation/psi/curve.ts";

type Waiting = { readonly task: SingleTask; readonly since: number; readonly resolve: (bytes: Uint8Array) => void; readonly reject: (error: unknown) => void };
/** Items of one batch: some 5 ms of work. */
const maxItems = 64;

export class CurveBatches implements CurveWork, AsyncDisposable {
  readonly workers: number;
  readonly #pool: CurvePool;
  readonly #waiting: Waiting[] = [];
  readonly #staleMs: number;
  #busy = 0;

  /** staleMs: work that has waited so long is not begun: it is refused with SERVICE_BUSY. */
  constructor(options: { readonly workers: number; readonly staleMs?: number }) {
    this.workers = options.workers;
    this.#staleMs = options.staleMs ?? Infinity;
    this.#pool = new CurvePool(options);
    // Threads take a moment to start: the first question need not wait for it.
    for (let i = 0; i < options.workers; i++) this.#pool.tag(["first"], "yunei/verify/first", new Uint8Array(keyBytes).fill(1)).catch(() => undefined);
  }
  blind(ids: readonly string[], domain: string, key: Uint8Array): Promise<Uint8Array> {
    return this.#add({ kind: "blind", ids, domain, key: key.slice() });
  }
  raise(points: Uint8Array, key: Uint8Array): Promise<Uint8Array> {
    return this.#add({ kind: "raise", points: points.slice(), key: key.slice() });
  }
  tag(ids: readonly string[], domain: string, key: Uint8Array): Promise<Uint8Array> {
    return this.#add({ kind: "tag", ids, domain, key: key.slice() });
  }
  finish(ids: readonly string[], points: Uint8Array, key: Uint8Array): Promise<Uint8Array> {
    return this.#add({ kind: "finish", ids, points: points.slice(), key: key.slice() });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }

  #add(task: SingleTask): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, since: performance.now(), resolve, reject });
      if (this.#busy < this.workers) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#busy += 1;
    // What comes in this turn of the event loop goes along.
    await setImmediate();
    while (this.#waiting.length > 0) {
      this.#refuseStale();
      await this.#send(this.#next());
    }
    this.#busy -= 1;
  }

  /** Nobody waits for these any longer, and what came after them should not wait for them either. */
  #refuseStale(): void {
    const oldest = performance.now() - this.#staleMs;
    while (this.#waiting[0] !== undefined && this.#waiting[0].since < oldest) {
      const { task, reject } = this.#waiting.shift() as Waiting;
      task.key.fill(0);
      reject(new AppError("SERVICE_BUSY"));
    }
  }

  #next(): Waiting[] {
    const batch: Waiting[] = [];
    for (let items = 0; items < maxItems && this.#waiting[0] !== undefined; ) {
      const waiting = this.#waiting.shift() as Waiting;
      batch.push(waiting);
      items += itemsOf(waiting.task);
    }
    return batch;
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      const bytes = await this.#pool.many(batch.map(({ task }) => ({ ...task, key: task.key.slice() })));
      let at = 0;
      for (const { task, resolve } of batch) {
        resolve(bytes.slice(at, at + bytesOf(task)));
        at += bytesOf(task);
      }
    } catch (error) {
      // One that cannot be done does not take the others with it.
      if (isAppError(error) && batch.length > 1) await Promise.all(batch.map((one) => this.#send([one])));
      else for (const { reject } of batch) reject(error);
    } finally {
      for (const { task } of batch) task.key.fill(0);
    }
  }
}

function itemsOf(task: SingleTask): number {
  return "ids" in task ? task.ids.length : task.points.length / 32;
}
