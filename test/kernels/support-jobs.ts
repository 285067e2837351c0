// Functions that the pool's tests run in threads.
import { threadId } from "node:worker_threads";
import { AppError } from "../../core/errors.ts";

export function squares(values: Float64Array): { total: number; squares: Float64Array; thread: number } {
  const out = values.map((x) => x * x);
  return { total: out.reduce((a, b) => a + b, 0), squares: out, thread: threadId };
}
export function refuse(rows: number): never {
  throw new AppError("KERNEL_RANGE", { rows });
}
export function crash(): unknown {
  return Buffer.alloc(-1);
}
export function unclonable(): unknown {
  return { f: () => 1 };
}
export function die(): never {
  process.exit(3);
}
export function waitForever(): Promise<never> {
  return new Promise(() => undefined);
}
export function openCounter(start: number): object {
  let total = start;
  return {
    add: (x: number) => (total += x),
    waitForever,
  };
}
