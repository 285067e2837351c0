// Curve work on worker threads, so that a party's event loop stays free. Threads start with the first task and do not keep
// the process alive while they idle.
import { Worker } from "node:worker_threads";
import { AppError } from "../../core/errors.ts";
import { doTask, type CurveTask, type SingleTask } from "./curve-task.ts";
import type { CurveReply } from "./curve-worker.ts";
import { loadCurve, type CurveWork } from "./curve.ts";

type Job = { readonly task: CurveTask; resolve(bytes: Uint8Array): void; reject(error: unknown): void };
type Thread = { readonly worker: Worker; job: Job | undefined };

export class CurvePool implements CurveWork, AsyncDisposable {
  readonly workers: number;
  readonly #threads: Thread[] = [];
  readonly #queue: Job[] = [];
  #closed = false;

  constructor(options: { readonly workers?: number } = {}) {
    this.workers = options.workers ?? 2;
  }
  blind(ids: readonly string[], domain: string, key: Uint8Array): Promise<Uint8Array> {
    return this.#run({ kind: "blind", ids, domain, key: key.slice() });
  }
  raise(points: Uint8Array, key: Uint8Array): Promise<Uint8Array> {
    return this.#run({ kind: "raise", points: points.slice(), key: key.slice() });
  }
  tag(ids: readonly string[], domain: string, key: Uint8Array): Promise<Uint8Array> {
    return this.#run({ kind: "tag", ids, domain, key: key.slice() });
  }
  finish(ids: readonly string[], points: Uint8Array, key: Uint8Array): Promise<Uint8Array> {
    return this.#run({ kind: "finish", ids, points: points.slice(), key: key.slice() });
  }
  /** Several small tasks as one; each is refused when one is. Their keys are wiped. */
  many(tasks: readonly SingleTask[]): Promise<Uint8Array> {
    return this.#run({ kind: "many", tasks });
  }
  /** Threads that are alive now. */
  get threads(): number {
    return this.#threads.length;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const job of this.#queue.splice(0)) job.reject(closedError());
    await Promise.all(this.#threads.splice(0).map(async (thread) => {
      await thread.worker.terminate();
      thread.job?.reject(closedError());
    }));
  }

  #run(task: CurveTask): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject });
      this.#next();
    });
  }
  #next(): void {
    const thread = this.#threads.find((t) => !t.job) ?? (this.#threads.length < this.workers ? this.#start() : undefined);
    const job = thread && this.#queue.shift();
    if (!job) return;
    thread.job = job;
    thread.worker.ref();
    thread.worker.postMessage(job.task, "points" in job.task ? [job.task.points.buffer as ArrayBuffer] : []);
    for (const { key } of job.task.kind === "many" ? job.task.tasks : [job.task]) key.fill(0);
    this.#next();
  }
  #start(): Thread {
    const thread: Thread = { worker: new Worker(new URL("./curve-worker.ts", import.meta.url)), job: undefined };
    thread.worker.on("message", (reply: CurveReply) => this.#finish(thread, reply));
    thread.worker.on("error", (error) => this.#drop(thread, error));
    thread.worker.on("exit", () => this.#drop(thread, new Error("a curve thread ended")));
    this.#threads.push(thread);
    return thread;
  }
  #finish(thread: Thread, reply: CurveReply): void {
    const job = thread.job;
    thread.job = undefined;
    thread.worker.unref();
    if ("bytes" in reply) job?.resolve(reply.bytes);
    else job?.reject("refused" in reply ? new AppError(reply.refused, reply.facts) : new Error(reply.broken));
    this.#next();
  }
  /** A thread that died takes its task with it; the next task starts a new one. */
  #drop(thread: Thread, error: unknown): void {
    const at = this.#threads.indexOf(thread);
    if (at < 0) return;
    this.#threads.splice(at, 1);
    thread.job?.reject(error);
    this.#next();
  }
}

/** The same work on the caller's own thread: for small sets and tests. */
export async function inlineCurve(): Promise<CurveWork> {
  const curve = await loadCurve();
  const run = async (task: CurveTask) => doTask(curve, task);
  return {
    workers: 1,
    blind: (ids, domain, key) => run({ kind: "blind", ids, domain, key: key.slice() }),
    raise: (points, key) => run({ kind: "raise", points, key: key.slice() }),
    tag: (ids, domain, key) => run({ kind: "tag", ids, domain, key: key.slice() }),
    finish: (ids, points, key) => run({ kind: "finish", ids, points, key: key.slice() }),
  };
}

function closedError(): Error {
  return new Error("the curve pool is closed");
}
