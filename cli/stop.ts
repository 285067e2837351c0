// A process that runs until it is stopped, in the foreground of this one: signals go on to it, its end is our end.
import type { ChildProcess } from "node:child_process";
import { AppError } from "../core/errors.ts";

/** Resolves with the exit status to use: 0 after a stop that was asked for, whatever way the child took. */
export function exitWith(child: ChildProcess): Promise<number> {
  let asked = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      asked = true;
      child.kill(signal);
    });
  }
  return new Promise<number>((resolve, reject) => {
    child.once("error", (cause) => reject(new AppError("CLI_PROCESS", {}, { cause })));
    child.once("exit", (code) => resolve(asked ? 0 : (code ?? 1)));
  });
}
