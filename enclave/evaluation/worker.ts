// The thread that works out a run: one task, one answer. Only `compute.ts` starts it; nothing imports it.
import { parentPort, workerData } from "node:worker_threads";
import { isAppError, type Code, type Facts } from "../../core/errors.ts";
import { evaluateTask, type EvaluationOutcome, type EvaluationTask } from "./task.ts";

export type WorkerReply = { readonly outcome: EvaluationOutcome } | { readonly refused: Code; readonly facts: Facts } | { readonly broken: string };

try {
  parentPort?.postMessage({ outcome: await evaluateTask(workerData as EvaluationTask) } satisfies WorkerReply, []);
} catch (error) {
  const broken = error instanceof Error ? error.name : "unknown";
  parentPort?.postMessage((isAppError(error) ? { refused: error.code, facts: error.facts } : { broken }) satisfies WorkerReply, []);
}
