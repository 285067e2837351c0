// The operator's commands on the machine, each between two entries that the running platform takes into its log.
import type { Objects } from "../../audit/entry.ts";
import { operated, spoolOf } from "../../audit/spool.ts";
import type { Env } from "../../core/env.ts";
import { auditPaths } from "./open.ts";

const readOnly: ReadonlySet<string> = new Set(["close", "listParties", "listPeople"]);

/** The same commands; one that changes something is refused when its entry cannot be written (DISK_FAILED). */
export function auditedAdmin<A extends object>(admin: A, data: string, env: Env): A {
  const spool = spoolOf(auditPaths(data).folder);
  const wrapped = Object.entries(admin).map(([name, value]): [string, unknown] => {
    if (typeof value !== "function" || readOnly.has(name)) return [name, value];
    const command = value as (...args: unknown[]) => Promise<unknown>;
    return [name, (...args: unknown[]) => operated(spool, env, { word: name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`), objects: objectsOf(args[0]) }, () => command(...args), madeBy)];
  });
  return Object.fromEntries(wrapped) as A;
}

/** The party, institution or credential that a command names or makes. */
function objectsOf(named: unknown): Objects {
  if (typeof named !== "object" || named === null) return objectOf(named);
  const { credential, guest, institution, id } = named as Readonly<Record<string, unknown>>;
  return { ...objectOf(id), ...objectOf(institution), ...objectOf(guest), ...objectOf(credential) };
}

/** A text that a command gives back is a token: nothing of it is looked at. */
function madeBy(result: unknown): Objects {
  return typeof result === "object" ? objectsOf(result) : {};
}

function objectOf(name: unknown): Objects {
  if (typeof name !== "string" || !/^[a-z][a-z0-9_-]{0,63}$/.test(name)) return {};
  if (/^cred_[0-9a-f]{24}$/.test(name)) return { credential: name };
  return name.startsWith("inst_") ? { institution: name } : { party: name };
}
