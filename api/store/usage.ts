// Rows about the use of providers' items: finished jobs with their plans, and what providers reported of them.
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { usageReportSchema, type UsageReport } from "../contract/usage.ts";
import type { Tx } from "./database.ts";

export type DoneJob = { readonly id: JobId; readonly institution: string; readonly guest: PartyId; readonly endedAt: Date; readonly plan: string };

/** A page of the jobs that ended well since then, newest first, and whether it is the last one. party: those in which it is a host. */
export async function listDone(tx: Tx, options: { readonly party: PartyId | undefined; readonly since: Date; readonly limit: number; readonly skip: number }): Promise<{ jobs: DoneJob[]; isLast: boolean }> {
  const { party, since, limit: take, skip } = options;
  const select = { id: true, institutionId: true, guest: true, endedAt: true, plan: true } as const;
  const orderBy = [{ endedAt: "desc" }, { id: "desc" }] as const;
  if (party === undefined) {
    const rows = await tx.job.findMany({ where: { state: "done", endedAt: { gte: since } }, orderBy: [...orderBy], take, skip, select });
    return { jobs: rows.map(read), isLast: rows.length < take };
  }
  const mine = await tx.jobParty.findMany({ where: { partyId: party, role: "host", finishedAt: { gte: since } }, orderBy: [{ finishedAt: "desc" }, { jobId: "desc" }], take, skip, select: { jobId: true } });
  const rows = await tx.job.findMany({ where: { state: "done", id: { in: mine.map((m) => m.jobId) } }, orderBy: [...orderBy], select });
  return { jobs: rows.map(read), isLast: mine.length < take };
}

function read(row: { id: string; institutionId: string; guest: string; endedAt: Date | null; plan: string }): DoneJob {
  return { id: jobIdSchema.parse(row.id), institution: row.institutionId, guest: partyIdSchema.parse(row.guest), endedAt: row.endedAt ?? new Date(0), plan: row.plan };
}

export async function listReports(tx: Tx, jobs: readonly JobId[]): Promise<{ party: PartyId; report: UsageReport }[]> {
  const rows = await tx.providerUsage.findMany({ where: { jobId: { in: [...jobs] } }, orderBy: [{ jobId: "asc" }, { partyId: "asc" }], select: { partyId: true, body: true } });
  return rows.map(({ partyId, body }) => ({ party: partyIdSchema.parse(partyId), report: usageReportSchema.parse(JSON.parse(body)) }));
}

export async function storeReport(tx: Tx, party: PartyId, report: UsageReport, now: Date): Promise<void> {
  const data = { reportedAt: now, body: canonicalJson(report) };
  await tx.providerUsage.upsert({ where: { partyId_jobId: { partyId: party, jobId: report.job } }, create: { partyId: party, jobId: report.job, ...data }, update: data, select: { jobId: true } });
}
