// What may be said of an unexpected error.
import { AppError } from "../core/errors.ts";

export function codeOf(error: unknown): string {
  return error instanceof AppError ? error.code : "JOB_INTERNAL";
}

/** Where it came from: its kind, file and line of our own code, never its message, which may quote data. */
export function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = error.stack?.split("\n").filter((line) => line.startsWith("    at ")).join("\n") ?? "";
  return `${error.name} ${/([\w-]+\.ts:\d+)/.exec(frames)?.[1] ?? "unknown"}`;
}
