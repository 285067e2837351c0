// Entry of a pool thread: runs named exports, and keeps the objects that they open until they are closed.
// Arrays that a function returns are moved, not copied: it must not keep them.
import { parentPort } from "node:worker_threads";
import { isAppError } from "../../core/errors.ts";

export type Request = { readonly id: number; readonly args: readonly unknown[] } & (
  | { readonly kind: "run"; readonly url: string; readonly name: string }
  | { readonly kind: "open"; readonly url: string; readonly name: string; readonly handle: number }
  | { readonly kind: "call"; readonly handle: number; readonly name: string }
  | { readonly kind: "close"; readonly handle: number }
);
export type Reply = { readonly id: number } & (
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code?: string; readonly facts?: Record<string, number | boolean>; readonly error?: unknown }
);
type Method = (...args: readonly unknown[]) => unknown;

const port = parentPort;
if (port) {
  const objects = new Map<number, object>();
  port.on("message", (request: Request) => {
    perform(objects, request).then(
      (value) => port.postMessage({ id: request.id, ok: true, value } satisfies Reply, movable(value)),
      (error: unknown) => port.postMessage(failure(request.id, error)),
    ).catch((error: unknown) => port.postMessage(failure(request.id, error)));
  });
}

async function perform(objects: Map<number, object>, request: Request): Promise<unknown> {
  if (request.kind === "close") return void objects.delete(request.handle);
  if (request.kind === "call") {
    const object = objects.get(request.handle) as Record<string, Method | undefined> | undefined;
    return object?.[request.name]?.(...request.args);
  }
  const exports = (await import(request.url)) as Record<string, Method | undefined>;
  const made = exports[request.name];
  if (!made) throw new TypeError(`no export ${request.name}`);
  const value = await made(...request.args);
  if (request.kind === "run") return value;
  objects.set(request.handle, value as object);
  return undefined;
}

/** The buffers of a result that can be moved: whole, not shared, of the value itself or its direct members. */
function movable(value: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const members: unknown[] = ArrayBuffer.isView(value) ? [value] : value !== null && typeof value === "object" ? Object.values(value) : [];
  for (const item of members) {
    if (ArrayBuffer.isView(item) && item.buffer instanceof ArrayBuffer && item.byteLength === item.buffer.byteLength) found.add(item.buffer);
  }
  return [...found];
}

function failure(id: number, error: unknown): Reply {
  if (isAppError(error)) return { id, ok: false, code: error.code, facts: { ...error.facts } as Record<string, number | boolean> };
  return { id, ok: false, error: error instanceof Error ? error : new Error("thrown value is not an error") };
}
