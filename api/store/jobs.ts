// Rows of jobs, their parties and events. Every change of a job goes through `applyChange`, under the lock of `nextChange`.
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { AppError, describeError, type Code } from "../../core/errors.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { jobEventSchema, jobStateSchema, type JobEvent, type JobStateName } from "../contract.ts";
import { changeJob, hasEnded, newJob, type JobChange, type JobMachine } from "../job-state.ts";
import type { Tx } from "./database.ts";
import { createChannels } from "./relay.ts";

export type FailureView = { code: Code; party: PartyId | null; step: string | null; en: string; zh: string };
export type JobRow = {
  id: JobId;
  institution: string;
  guest: PartyId;
  kind: string;
  purpose: string;
  state: JobStateName;
  plan: string;
  planDigest: string;
  createdAt: Date;
  expiresAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  failure: FailureView | null;
};
export type JobPartyRow = {
  party: PartyId;
  role: "guest" | "host";
  approval: string | null;
  refusalCode: string | null;
  finishedAt: Date | null;
  status: string | null;
};
export type NewJob = {
  id: JobId;
  institution: string;
  guest: PartyId;
  hosts: readonly PartyId[];
  kind: string;
  purpose: string;
  plan: string;
  planDigest: string;
  createdAt: Date;
  expiresAt: Date;
  idempotencyKey: string | undefined;
  requestDigest: string;
  /** Credential and holder, when a person submitted it. */
  submitter?: Person | undefined;
  /** Waits for a second person of the institution before the parties get the plan. */
  isHeld?: boolean;
};
export type Person = { readonly credential: string; readonly holder: string };
/** What is kept of an event: all but its number and time. */
export type EventBody = JobEvent extends infer E
  ? E extends { type: "status" }
    ? never
    : E extends unknown
      ? Omit<E, "n" | "at">
      : never
  : never;

const jobColumns = {
  id: true,
  institutionId: true,
  guest: true,
  kind: true,
  purpose: true,
  state: true,
  plan: true,
  planDigest: true,
  createdAt: true,
  expiresAt: true,
  startedAt: true,
  endedAt: true,
  failureCode: true,
  failureParty: true,
  failureStep: true,
} as const;
type RawJob = {
  id: string;
  institutionId: string;
  guest: string;
  kind: string;
  purpose: string;
  state: string;
  plan: string;
  planDigest: string;
  createdAt: Date;
  expiresAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  failureCode: string | null;
  failureParty: string | null;
  failureStep: string | null;
};

function toJob(raw: RawJob): JobRow {
  const { institutionId, failureCode, failureParty, failureStep, ...rest } = raw;
  return {
    ...rest,
    institution: institutionId,
    id: jobIdSchema.parse(raw.id),
    guest: partyIdSchema.parse(raw.guest),
    state: jobStateSchema.parse(raw.state),
    failure: failureCode === null ? null : failureView(failureCode as Code, failureParty, failureStep),
  };
}

function failureView(code: Code, party: string | null, step: string | null): FailureView {
  const { en, zh } = describeError(code);
  return { code, party: party === null ? null : partyIdSchema.parse(party), step, en, zh };
}

export async function findJob(tx: Tx, id: string): Promise<JobRow | undefined> {
  const row = await tx.job.findUnique({ where: { id }, select: jobColumns });
  return row === null ? undefined : toJob(row);
}

export async function findJobParties(tx: Tx, id: string): Promise<JobPartyRow[]> {
  const rows = await tx.jobParty.findMany({
    where: { jobId: id },
    orderBy: [{ role: "asc" }, { partyId: "asc" }],
    select: { partyId: true, role: true, approval: true, refusalCode: true, finishedAt: true, status: true },
  });
  return rows.map(({ partyId, role, ...rest }) => ({
    ...rest,
    party: partyIdSchema.parse(partyId),
    role: role === "guest" ? "guest" : "host",
  }));
}

export async function findByIdempotencyKey(
  tx: Tx,
  institution: string,
  key: string,
): Promise<{ id: string; requestDigest: string } | undefined> {
  const where = { institutionId_idempotencyKey: { institutionId: institution, idempotencyKey: key } };
  return (await tx.job.findUnique({ where, select: { id: true, requestDigest: true } })) ?? undefined;
}

export function countOpenJobs(tx: Tx, institution: string): Promise<number> {
  return tx.job.count({ where: { institutionId: institution, endedAt: null } });
}

/** A page of an institution's jobs, newest first, after the job `cursor`. */
export async function listJobs(tx: Tx, institution: string, limit: number, cursor: string | undefined): Promise<JobRow[]> {
  const rows = await tx.job.findMany({
    where: { institutionId: institution },
    orderBy: [{ createdAt: "desc" }, { id: "desc" }],
    take: limit,
    select: jobColumns,
    ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  });
  return rows.map(toJob);
}

/** Jobs of a party in the order in which they changed last, after change number `after`. */
export async function followJobs(tx: Tx, party: string, after: number, limit: number): Promise<{ change: number; id: string }[]> {
  const rows = await tx.jobParty.findMany({
    where: { partyId: party, change: { gt: after } },
    orderBy: { change: "asc" },
    take: limit,
    select: { jobId: true, change: true },
  });
  return rows.map((row) => ({ change: row.change, id: row.jobId }));
}

export async function createJob(tx: Tx, change: number, job: NewJob): Promise<void> {
  const { institution, hosts, idempotencyKey, submitter, isHeld = false, ...rest } = job;
  const start = newJob(job.guest, hosts);
  const states = isHeld ? [start] : [start, changeJob(start, { type: "planned" })];
  const by = { submitterId: submitter?.credential ?? null, submitter: submitter?.holder ?? null };
  await tx.job.create({
    data: { ...rest, ...by, institutionId: institution, idempotencyKey: idempotencyKey ?? null, state: states.at(-1)?.at ?? start.at },
    select: { id: true },
  });
  await tx.jobParty.createMany({
    // 0 is before every cursor: a held job is in no party's feed.
    data: start.parties.map((party) => ({ jobId: job.id, partyId: party, role: party === job.guest ? "guest" : "host", change: isHeld ? 0 : change })),
  });
  await createChannels(tx, job.id, start.parties);
  await addEvents(
    tx,
    job.id,
    job.createdAt,
    states.map((m): EventBody => ({ type: "state", state: m.at, failure: null })),
  );
}

export type Applied = { before: JobMachine; after: JobMachine };

/**
 * Applies one change of the pure machine to the stored job. `change` must come from `nextChange` in this transaction.
 * Throws JOB_NOT_FOUND and what the machine throws.
 */
export async function applyChange(tx: Tx, change: number, id: string, event: JobChange, now: Date): Promise<Applied> {
  const job = await findJob(tx, id);
  if (job === undefined) throw new AppError("JOB_NOT_FOUND");
  const rows = await findJobParties(tx, id);
  const before: JobMachine = {
    at: job.state,
    guest: job.guest,
    parties: rows.map((row) => row.party),
    approved: rows.filter((row) => row.approval !== null).map((row) => row.party),
    finished: rows.filter((row) => row.finishedAt !== null).map((row) => row.party),
  };
  const after = changeJob(before, event);
  if (after === before) return { before, after };
  const events: EventBody[] = [];
  const finished = after.finished.filter((party) => !before.finished.includes(party));
  for (const party of after.approved.filter((p) => !before.approved.includes(p)))
    events.push({ type: "approved", party: partyIdSchema.parse(party) });
  for (const party of finished) events.push({ type: "party-done", party: partyIdSchema.parse(party) });
  await tx.jobParty.updateMany({ where: { jobId: id, partyId: { in: finished } }, data: { finishedAt: now } });
  if (after.at !== before.at) {
    const failure =
      after.failure === undefined ? null : failureView(after.failure.code, after.failure.party ?? null, after.failure.step ?? null);
    events.push({ type: "state", state: after.at, failure });
  }
  await tx.job.update({
    where: { id },
    data: {
      state: after.at,
      failureCode: after.failure?.code ?? null,
      failureParty: after.failure?.party ?? null,
      failureStep: after.failure?.step ?? null,
      ...(after.at === "running" && before.at !== "running" ? { startedAt: now } : {}),
      ...(finished.includes(job.guest) ? { guestDoneAt: now } : {}),
      ...(hasEnded(after.at) ? { endedAt: now } : {}),
    },
    select: { id: true },
  });
  // What ended before its second person had approved it was never shown to the parties.
  if (before.at !== "submitted" || after.at === "awaiting-approval") await tx.jobParty.updateMany({ where: { jobId: id }, data: { change } });
  await addEvents(tx, id, now, events);
  return { before, after };
}

/** Who submitted a job; undefined for the institution's program. */
export async function findSubmitter(tx: Tx, id: string): Promise<Person | undefined> {
  const row = await tx.job.findUnique({ where: { id }, select: { submitterId: true, submitter: true } });
  return row?.submitterId == null || row.submitter === null ? undefined : { credential: row.submitterId, holder: row.submitter };
}

export async function storeRelease(tx: Tx, id: string, by: Person, now: Date): Promise<void> {
  await tx.job.update({ where: { id }, data: { releaserId: by.credential, releaser: by.holder, releasedAt: now }, select: { id: true } });
}

/** Open jobs of an institution, or in which a party takes part. */
export async function findOpenJobs(tx: Tx, of: { readonly institution: string | null; readonly party: string }): Promise<string[]> {
  const open = await tx.job.findMany({ where: { endedAt: null }, select: { id: true, institutionId: true } });
  const own = open.filter((row) => row.institutionId === of.institution).map((row) => row.id);
  const others = open.map((row) => row.id).filter((id) => !own.includes(id));
  const joined = await tx.jobParty.findMany({ where: { jobId: { in: others }, partyId: of.party }, select: { jobId: true } });
  return [...own, ...joined.map((row) => row.jobId)];
}

export async function storeApproval(tx: Tx, id: string, party: string, jws: string, now: Date): Promise<void> {
  await tx.jobParty.update({
    where: { jobId_partyId: { jobId: id, partyId: party } },
    data: { approval: jws, approvedAt: now },
    select: { role: true },
  });
}

export async function storeRefusal(tx: Tx, id: string, party: string, code: Code): Promise<void> {
  await tx.jobParty.update({
    where: { jobId_partyId: { jobId: id, partyId: party } },
    data: { refusalCode: code },
    select: { role: true },
  });
}

export async function storeStatus(tx: Tx, id: string, party: string, status: Json): Promise<void> {
  await tx.jobParty.update({
    where: { jobId_partyId: { jobId: id, partyId: party } },
    data: { status: canonicalJson(status) },
    select: { role: true },
  });
}

export function countEvents(tx: Tx, id: string): Promise<number> {
  return tx.jobEvent.count({ where: { jobId: id } });
}

/** Appends events. Numbers are taken under the lock of `nextChange`. */
export async function addEvents(tx: Tx, id: string, at: Date, bodies: readonly EventBody[]): Promise<void> {
  const last = await tx.jobEvent.findFirst({ where: { jobId: id }, orderBy: { n: "desc" }, select: { n: true } });
  const first = (last?.n ?? 0) + 1;
  await tx.jobEvent.createMany({
    data: bodies.map((body, i) => ({
      jobId: id,
      n: first + i,
      at,
      type: body.type,
      partyId: "party" in body ? body.party : null,
      body: canonicalJson(body as unknown as Json),
    })),
  });
}

/** Events after number `after`, oldest first; of one type only if that is given. */
export async function listEvents(tx: Tx, id: string, after: number, limit: number, type?: JobEvent["type"]): Promise<JobEvent[]> {
  const rows = await tx.jobEvent.findMany({
    where: { jobId: id, n: { gt: after }, ...(type === undefined ? {} : { type }) },
    orderBy: { n: "asc" },
    take: limit,
    select: { n: true, at: true, body: true },
  });
  return rows.map((row) => jobEventSchema.parse({ ...(JSON.parse(row.body) as object), n: row.n, at: row.at.toISOString() }));
}

/** Open jobs whose time is over, and running ones whose guest has been done since before `doneBefore`. */
export async function findDue(tx: Tx, now: Date, doneBefore: Date): Promise<{ id: string; kind: JobPlan["kind"]; expiredForMs: number }[]> {
  const rows = await tx.job.findMany({
    where: { endedAt: null, OR: [{ expiresAt: { lt: now } }, { guestDoneAt: { lt: doneBefore } }] },
    take: 100,
    select: { id: true, kind: true, expiresAt: true },
  });
  return rows.map((row) => ({ id: row.id, kind: row.kind as JobPlan["kind"], expiredForMs: now.getTime() - row.expiresAt.getTime() }));
}
