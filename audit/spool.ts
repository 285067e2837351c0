// What commands do beside a running process (an operator's, on the same machine) and cannot write into its log: they leave it here, each
// a file that is durable before the command acts, and the process takes it into its chain.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isAppError } from "../core/errors.ts";
import type { Clock, Rng } from "../core/env.ts";
import { readBytes, writeDurably } from "../core/files.ts";
import { eventSchema, type AuditEvent, type Objects } from "./entry.ts";

const leftSchema = z.strictObject({ event: eventSchema, at: z.number() });
export type Left = { readonly file: string; readonly event: AuditEvent };
const maxTaken = 1000;

/** Where it lies in the folder of a log. */
export function spoolOf(folder: string): string {
  return join(folder, "spool");
}

/** Leaves one event, durable on return. Throws DISK_FAILED. */
export function leave(folder: string, event: AuditEvent, env: { readonly rng: Rng; readonly now: Clock }): void {
  const id = Buffer.from(env.rng(12)).toString("hex");
  const at = env.now();
  const checked = eventSchema.parse({ ...event, request: id });
  // After what lies there already, also within the same millisecond.
  const latest = Number((namesIn(folder).at(-1) ?? "0").split("-", 1)[0]);
  const place = Math.max(at, Number.isSafeInteger(latest) && latest < at + 60_000 ? latest + 1 : at);
  writeDurably(join(folder, `${String(place).padStart(15, "0")}-${id}.json`), JSON.stringify({ event: checked, at }));
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")).sort() : [];
}

/** Oldest first; a file that is none of ours becomes an event of its own. */
export function left(folder: string): Left[] {
  return namesIn(folder).slice(0, maxTaken).map((name) => {
    const file = join(folder, name);
    try {
      const { event, at } = leftSchema.parse(JSON.parse(Buffer.from(readBytes(file)).toString("utf8")));
      return { file, event: { ...event, facts: { ...event.facts, leftAt: at } } };
    } catch {
      return { file, event: { actor: { role: "unknown" }, action: "operator.command" as const, outcome: "AUDIT_FORMAT" } };
    }
  });
}

export function taken({ file }: Left): void {
  rmSync(file, { force: true });
}

/** Runs a command of an operator between two events, "begun" and how it ended. Nothing is done when the first cannot be written. made: what came
 *  of it, for the second. */
export async function operated<T>(folder: string, env: { readonly rng: Rng; readonly now: Clock }, command: Omit<AuditEvent, "outcome" | "action" | "actor"> & { readonly word: string }, work: () => Promise<T> | T, made: (result: T) => Objects = () => ({})): Promise<T> {
  const { word, ...rest } = command;
  const event = { ...rest, actor: { role: "operator" }, action: "operator.command" as const, facts: { ...rest.facts, command: word } };
  leave(folder, { ...event, outcome: "begun" }, env);
  try {
    const result = await work();
    leave(folder, { ...event, objects: { ...event.objects, ...made(result) }, outcome: "ok" }, env);
    return result;
  } catch (error) {
    leave(folder, { ...event, outcome: isAppError(error) ? error.code : "PLATFORM_INTERNAL" }, env);
    throw error;
  }
}
