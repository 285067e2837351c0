// A job's states and, at its end, what was relayed for it, as entries: also where no request is the cause (a clock, a removed member).
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { hasEnded, type JobMachine } from "../job-state.ts";
import type { Platform } from "../platform.ts";
import { findJob } from "../store/jobs.ts";
import { listTraffic } from "../store/relay.ts";

const actor = { role: "platform" };

/** Throws AUDIT_STOPPED. */
export function auditState(platform: Platform, job: JobId, after: JobMachine): void {
  const { failure } = after;
  platform.audit.note({
    actor, action: "job.state", outcome: failure?.code ?? "ok", objects: { job, ...(failure?.party === undefined ? {} : { party: failure.party }) }, facts: { state: after.at },
  });
  if (hasEnded(after.at)) {
    auditEnd(platform, job).catch((error: unknown) => platform.env.log.error("audit.job-end", { job, code: error instanceof AppError ? error.code : "PLATFORM_INTERNAL" }));
  }
}

/** The totals of each channel come from the database: a sum in memory that was lost with a killed process is missing in none of them. */
async function auditEnd({ db, audit }: Platform, job: JobId): Promise<void> {
  const row = await findJob(db.read, job);
  const objects = { job, ...(row === undefined ? {} : { plan: row.planDigest }) };
  for (const { from, to, messages, bytes } of await listTraffic(db.read, job)) {
    audit.note({ actor, action: "relay.sums", objects: { ...objects, party: to }, facts: { sender: from, messages, bytes } });
  }
}
