// Worker threads of one process: pure functions by name, and objects that live in a thread (kernel parts).
// Threads start with their first work, do not keep the process alive while idle, and are replaced if one is lost.
import { availableParallelism } from "node:os";
import { Worker, type Transferable } from "node:worker_threads";
import { AppError, type Code } from "../core/errors.ts";
import type { Reply, Request } from "./workers/thread.ts";

type Waiting = { resolve(value: unknown): void; reject(error: unknown): void };
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** One thread and the calls that it owes. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onLost: (thread: Thread) => void;
  #nextId = 0;
  #lost = false;

  constructor(onLost: (thread: Thread) => void) {
    this.#onLost = onLost;
    this.#worker = new Worker(new URL("./workers/thread.ts", import.meta.url));
    this.#worker.unref();
    this.#worker.on("message", (reply: Reply) => this.#settle(reply));
    this.#worker.on("error", (error) => this.#lose(error));
    this.#worker.on("exit", () => this.#lose(undefined));
  }
  get load(): number {
    return this.#waiting.size;
  }
  send(request: DistributiveOmit<Request, "id">, transfer: readonly Transferable[]): Promise<unknown> {
    if (this.#lost) return Promise.reject(new AppError("KERNEL_WORKER_LOST"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ ...request, id }, transfer);
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
    });
  }
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
  #settle(reply: Reply): void {
    const call = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.ok) call?.resolve(reply.value);
    else if (reply.code !== undefined) call?.reject(new AppError(reply.code as Code, reply.facts ?? {}));
    else call?.reject(new AppError("KERNEL_WORKER_FAILED", {}, { cause: reply.error }));
  }
  #lose(cause: unknown): void {
    if (this.#lost) return;
    this.#lost = true;
    const facts = { pending: this.#waiting.size };
    for (const call of this.#waiting.values()) call.reject(new AppError("KERNEL_WORKER_LOST", facts, { cause }));
    this.#waiting.clear();
    this.#onLost(this);
  }
}

/** An object in a thread. Its calls run in order. */
export type Remote = AsyncDisposable & {
  call<T>(method: string, args: readonly unknown[], transfer?: readonly Transferable[]): Promise<T>;
};

export class Pool implements AsyncDisposable {
  readonly size: number;
  readonly #threads: (Thread | undefined)[];
  readonly #open = new Map<number, Thread>();
  #nextHandle = 0;
  #disposed = false;

  /** threads: default the machine's parallelism, at most 2. */
  constructor(options: { readonly threads?: number } = {}) {
    this.size = Math.max(1, Math.trunc(options.threads ?? Math.min(2, availableParallelism())));
    this.#threads = Array.from({ length: this.size }, () => undefined);
  }

  /** Objects that are open in threads. */
  get liveHandles(): number {
    return this.#open.size;
  }

  /** Runs the export `name` of a module of this program (a file: URL) in the least busy thread. Arrays in its result are moved.
   *  Throws the function's AppError, KERNEL_WORKER_FAILED with the cause, or KERNEL_WORKER_LOST. */
  async run<T>(moduleUrl: string | URL, name: string, args: readonly unknown[], transfer: readonly Transferable[] = []): Promise<T> {
    const thread = this.#thread(this.#leastBusy());
    return (await thread.send({ kind: "run", url: fileUrl(moduleUrl), name, args }, transfer)) as T;
  }

  /** Opens the object that the export `name` returns, in thread `slot` modulo the size of the pool. */
  async open(slot: number, moduleUrl: string | URL, name: string, args: readonly unknown[]): Promise<Remote> {
    const thread = this.#thread(slot % this.size);
    const handle = this.#nextHandle++;
    this.#open.set(handle, thread);
    let closed = false;
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      // A lost thread took its objects along, and removed the handle.
      if (this.#open.delete(handle)) await thread.send({ kind: "close", handle, args: [] }, []).catch(() => undefined);
    };
    try {
      await thread.send({ kind: "open", url: fileUrl(moduleUrl), name, args, handle }, []);
    } catch (error) {
      await close();
      throw error;
    }
    return {
      call: async <T>(method: string, callArgs: readonly unknown[], transfer: readonly Transferable[] = []) => {
        if (closed) throw new AppError("KERNEL_DISPOSED");
        return (await thread.send({ kind: "call", handle, name: method, args: callArgs }, transfer)) as T;
      },
      [Symbol.asyncDispose]: close,
    };
  }

  /** Ends all threads; what they still owed is rejected with KERNEL_WORKER_LOST. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await Promise.all(this.#threads.map(async (thread) => thread?.terminate()));
  }

  #leastBusy(): number {
    let best = 0;
    for (const [slot, thread] of this.#threads.entries()) {
      if ((thread?.load ?? 0) < (this.#threads[best]?.load ?? 0)) best = slot;
    }
    return best;
  }
  #thread(slot: number): Thread {
    if (this.#disposed) throw new AppError("KERNEL_DISPOSED");
    const thread = this.#threads[slot] ?? new Thread((lost) => this.#forget(lost));
    this.#threads[slot] = thread;
    return thread;
  }
  #forget(lost: Thread): void {
    for (const [slot, thread] of this.#threads.entries()) if (thread === lost) this.#threads[slot] = undefined;
    for (const [handle, thread] of this.#open) if (thread === lost) this.#open.delete(handle);
  }
}

function fileUrl(url: string | URL): string {
  const text = String(url);
  // Only code that was installed with the program: no data: or http: modules.
  if (!text.startsWith("file:")) throw new TypeError("a worker module must be a file: URL");
  return text;
}
