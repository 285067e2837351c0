// One unit of curve work as data, so that it can cross to a worker thread, and the function that does it.
import type { Curve } from "./curve.ts";
import { pointBytes, tagBytes } from "./messages.ts";

export type SingleTask =
  | { readonly kind: "blind"; readonly ids: readonly string[]; readonly domain: string; readonly key: Uint8Array }
  | { readonly kind: "tag"; readonly ids: readonly string[]; readonly domain: string; readonly key: Uint8Array }
  | { readonly kind: "raise"; readonly points: Uint8Array; readonly key: Uint8Array }
  | { readonly kind: "finish"; readonly ids: readonly string[]; readonly points: Uint8Array; readonly key: Uint8Array };
/** many: several small ones in one message; their bytes one after the other, and all are refused when one is. */
export type CurveTask = SingleTask | { readonly kind: "many"; readonly tasks: readonly SingleTask[] };

/** Bytes that a task gives. */
export function bytesOf(task: SingleTask): number {
  if (task.kind === "raise") return task.points.length;
  return task.ids.length * (task.kind === "blind" ? pointBytes : tagBytes);
}

/** Does one task: packed bytes, in the order of its items. The task's key is wiped. Throws as `CurveWork` says. */
export function doTask(curve: Curve, task: CurveTask): Uint8Array {
  if (task.kind !== "many") return doSingle(curve, task);
  const all = new Uint8Array(task.tasks.reduce((sum, one) => sum + bytesOf(one), 0));
  let at = 0;
  for (const one of task.tasks) {
    all.set(doSingle(curve, one), at);
    at += bytesOf(one);
  }
  return all;
}

function doSingle(curve: Curve, task: SingleTask): Uint8Array {
  try {
    if (task.kind === "blind") return curve.blindIds(task.ids, task.domain, task.key);
    if (task.kind === "tag") return curve.tagIds(task.ids, task.domain, task.key);
    if (task.kind === "raise") return curve.raisePoints(task.points, task.key);
    return curve.finishTags(task.ids, task.points, task.key);
  } finally {
    task.key.fill(0);
  }
}
