// One unit of curve work as data, so that it can cross to a worker thread, and the function that does it.
import type { Curve } from "./curve.ts";

export type CurveTask =
  | { readonly kind: "blind"; readonly ids: readonly string[]; readonly domain: string; readonly key: Uint8Array }
  | { readonly kind: "tag"; readonly ids: readonly string[]; readonly domain: string; readonly key: Uint8Array }
  | { readonly kind: "raise"; readonly points: Uint8Array; readonly key: Uint8Array }
  | { readonly kind: "finish"; readonly ids: readonly string[]; readonly points: Uint8Array; readonly key: Uint8Array };

/** Does one task: packed bytes, in the order of its items. The task's key is wiped. Throws as `CurveWork` says. */
export function doTask(curve: Curve, task: CurveTask): Uint8Array {
  try {
    if (task.kind === "blind") return curve.blindIds(task.ids, task.domain, task.key);
    if (task.kind === "tag") return curve.tagIds(task.ids, task.domain, task.key);
    if (task.kind === "raise") return curve.raisePoints(task.points, task.key);
    return curve.finishTags(task.ids, task.points, task.key);
  } finally {
    task.key.fill(0);
  }
}
