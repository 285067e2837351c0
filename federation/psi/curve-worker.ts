// A worker thread of the curve pool: takes a task, answers with packed bytes or with why not. Holds nothing between tasks.
// Only `curve-pool.ts` starts it; nothing imports it.
import { parentPort } from "node:worker_threads";
import { isAppError, type Code, type Facts } from "../../core/errors.ts";
import { doTask, type CurveTask } from "./curve-task.ts";
import { loadCurve } from "./curve.ts";

export type CurveReply = { readonly bytes: Uint8Array } | { readonly refused: Code; readonly facts: Facts } | { readonly broken: string };

const curve = await loadCurve();
parentPort?.on("message", (task: CurveTask) => {
  try {
    const bytes = doTask(curve, task);
    parentPort?.postMessage({ bytes } satisfies CurveReply, [bytes.buffer as ArrayBuffer]);
  } catch (error) {
    const name = error instanceof Error ? error.name : "unknown";
    parentPort?.postMessage((isAppError(error) ? { refused: error.code, facts: error.facts } : { broken: name }) satisfies CurveReply, []);
  }
});
