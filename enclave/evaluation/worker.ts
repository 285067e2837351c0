// The thread that works out a run: one piece of work, one answer. Only `compute.ts` starts it; nothing imports it.
import { parentPort, workerData } from "node:worker_threads";
import { isAppError, type Code, type Facts } from "../../core/errors.ts";
import { evaluateTask, resealTask, type EvaluationTask, type ResealTask } from "./task.ts";

export type Work = { readonly evaluate: EvaluationTask } | { readonly reseal: ResealTask };
export type WorkerReply = { readonly outcome: unknown } | { readonly refused: Code; readonly facts: Facts } | { readonly broken: string };

try {
  const work = workerData as Work;
  parentPort?.postMessage({ outcome: "evaluate" in work ? await evaluateTask(work.evaluate) : await resealTask(work.reseal) } satisfies WorkerReply, []);
} catch (error) {
  const broken = error instanceof Error ? error.name : "unknown";
  parentPort?.postMessage((isAppError(error) ? { refused: error.code, facts: error.facts } : { broken }) satisfies WorkerReply, []);
}
