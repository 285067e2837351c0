// How long staged batches stay: they are companies' data that the bank put here for one scoring. A batch that an open job names stays; all others go a
// month after they were staged or last scored (an objection has twenty days, and is scored again from them), sooner when there are too many bytes of them.
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { jsonOf } from "../../core/canonical.ts";
import type { Clock, Log } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import type { StateDatabase } from "../store/database.ts";
import { batchFolder } from "./load.ts";

const day = 86_400_000;
export const keptDays = 30;
/** Of all staged batches. */
export const mostBytes = 16 * 2 ** 30;
/** What was just staged may have a job that this enclave has not heard of. */
const untouchedMs = day;
const everyMs = 3_600_000;

export type StagedBatch = {
  /** Its digest. */
  readonly batch: string; readonly bytes: number;
  /** ms; usedAt: when it was staged, or the last job with it ended. */
  readonly stagedAt: number; readonly usedAt: number;
  /** Jobs that are not over and score it. */
  readonly jobs: readonly string[];
};

/** All that lie here, those used last at the end. Throws ENCLAVE_STATE. */
export function stagedBatches(folder: string, db: StateDatabase): StagedBatch[] {
  const place = batchFolder(folder);
  const uses = usesOf(db);
  const names = existsSync(place) ? readdirSync(place) : [];
  return names.flatMap((name): StagedBatch[] => {
    const batch = /^([0-9a-f]{64})\.csv$/.exec(name)?.[1];
    const stat = batch === undefined ? undefined : statSync(join(place, name), { throwIfNoEntry: false });
    if (batch === undefined || stat === undefined) return [];
    const used = uses.get(batch);
    return [{ batch, bytes: stat.size, stagedAt: stat.mtimeMs, usedAt: Math.max(stat.mtimeMs, used?.endedAt ?? 0), jobs: used?.open ?? [] }];
  }).sort((a, b) => a.usedAt - b.usedAt);
}

/** Removes what nobody needs any more, and what a killed staging left; returns how many batches. Throws ENCLAVE_STATE. */
export function sweepBatches(folder: string, db: StateDatabase, options: { readonly now: number; readonly days?: number; readonly bytes?: number; readonly except?: string }): number {
  const { now, days = keptDays, bytes = Infinity, except } = options;
  const staged = stagedBatches(folder, db);
  let left = staged.reduce((sum, b) => sum + b.bytes, 0);
  let removed = 0;
  for (const { batch, bytes: size, usedAt, jobs } of staged) {
    const age = now - usedAt;
    if (jobs.length > 0 || batch === except || age < Math.min(untouchedMs, days * day)) continue;
    if (age < days * day && left <= bytes) continue;
    rmSync(fileOf(folder, batch), { force: true });
    left -= size;
    removed += 1;
  }
  for (const name of existsSync(batchFolder(folder)) ? readdirSync(batchFolder(folder)) : []) {
    const path = join(batchFolder(folder), name);
    if (name.startsWith("incoming-") && now - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now) >= untouchedMs) rmSync(path, { force: true });
  }
  return removed;
}

/** Removes one, by its digest or the beginning of it. Throws BATCH_UNKNOWN, and BATCH_IN_USE while a job that is not over names it. */
export function removeBatch(folder: string, db: StateDatabase, id: string): StagedBatch {
  const [found, other] = stagedBatches(folder, db).filter(({ batch }) => batch.startsWith(id));
  if (found === undefined || other !== undefined) throw new AppError("BATCH_UNKNOWN", { found: found === undefined ? 0 : 2 });
  if (found.jobs.length > 0) throw new AppError("BATCH_IN_USE", { jobs: found.jobs.length });
  rmSync(fileOf(folder, found.batch), { force: true });
  return found;
}

/** Bytes of all that lie here. */
export function stagedBytes(folder: string): number {
  return readdirSync(batchFolder(folder)).reduce((sum, name) => sum + (statSync(join(batchFolder(folder), name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Every hour until the signal aborts. */
export async function serveSweeps(parts: { readonly folder: string; readonly db: StateDatabase; readonly now: Clock; readonly log: Log }, signal: AbortSignal): Promise<void> {
  const { folder, db, now, log } = parts;
  while (!signal.aborted) {
    try {
      const removed = sweepBatches(folder, db, { now: now(), bytes: mostBytes });
      if (removed > 0) log.info("batches-removed", { batches: removed });
    } catch (error) {
      log.error("batches-not-removed", { code: isAppError(error) ? error.code : "DISK_FAILED" });
    }
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

const namedSchema = z.object({ kind: z.literal("score"), params: z.object({ batch: z.string() }) });
type Uses = { readonly open: readonly string[]; readonly endedAt: number };

function usesOf(db: StateDatabase): ReadonlyMap<string, Uses> {
  const uses = new Map<string, Uses>();
  // Plans are canonical JSON. Of one of another version only this is read.
  for (const { job, state, plan, finished_at: at } of db.each(`select job, state, plan, finished_at from jobs where plan like '%"kind":"score"%'`)) {
    const batch = namedSchema.safeParse(jsonOf(String(plan))).data?.params.batch;
    if (batch === undefined) continue;
    const { open, endedAt } = uses.get(batch) ?? { open: [], endedAt: 0 };
    uses.set(batch, state === "seen" || state === "approved" ? { open: [...open, String(job)], endedAt } : { open, endedAt: Math.max(endedAt, Number(at ?? 0)) });
  }
  return uses;
}

function fileOf(folder: string, batch: string): string {
  return join(batchFolder(folder), `${batch}.csv`);
}
