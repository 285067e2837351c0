// Runs an evaluation's task on a worker thread, so that the enclave goes on with its other jobs.
import { Worker } from "node:worker_threads";
import { AppError } from "../../core/errors.ts";
import type { SealedPart } from "./push.ts";
import type { EvaluationOutcome, EvaluationTask, ResealTask } from "./task.ts";
import type { Work, WorkerReply } from "./worker.ts";

/** Throws what the task throws, the signal's reason once it has aborted, and JOB_INTERNAL for a thread that died. */
export function compute(task: EvaluationTask, signal: AbortSignal): Promise<EvaluationOutcome> {
  return onThread({ evaluate: task }, signal) as Promise<EvaluationOutcome>;
}

/** Throws as `compute`. */
export function reseal(task: ResealTask, signal: AbortSignal): Promise<SealedPart> {
  return onThread({ reseal: task }, signal) as Promise<SealedPart>;
}

async function onThread(work: Work, signal: AbortSignal): Promise<unknown> {
  signal.throwIfAborted();
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: work });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  worker.on("message", (reply: WorkerReply) => {
    if ("outcome" in reply) resolve(reply.outcome);
    else reject("refused" in reply ? new AppError(reply.refused, reply.facts) : new AppError("JOB_INTERNAL", {}, { cause: new Error(reply.broken) }));
  });
  worker.on("error", () => reject(new AppError("JOB_INTERNAL")));
  worker.on("exit", () => reject(new AppError("JOB_INTERNAL")));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    await worker.terminate();
  }
}
