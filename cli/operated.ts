// An operator's command on the machine of an enclave, as entries of that enclave's audit log: one, durable before the command acts, and how it
// ended. Nothing is done when the first cannot be written.
import type { Objects } from "../audit/entry.ts";
import { LogHashes } from "../audit/hashes.ts";
import { operated, spoolOf } from "../audit/spool.ts";
import { systemRng } from "../core/rng.ts";
import { auditPaths } from "../enclave/audit/open.ts";
import { enclavePaths } from "../enclave/config.ts";
import { memoryKeyOf } from "../enclave/data/own.ts";

export type OperatorCommand = {
  readonly word: string; readonly objects?: Objects; readonly facts?: Readonly<Record<string, number | boolean | string>>;
  /** Code of the company whose data are shown; it stands there as a keyed hash. */
  readonly company?: string;
};

/** folder: of the enclave. Throws DISK_FAILED, and what the command throws. */
export function asOperator<T>(folder: string, { company, ...command }: OperatorCommand, work: () => Promise<T> | T): Promise<T> {
  const about = company === undefined ? {} : { company: new LogHashes(memoryKeyOf(enclavePaths(folder).box)).company(company) };
  return operated(spoolOf(auditPaths(folder).folder), { rng: systemRng, now: Date.now }, { ...command, ...about }, work);
}
