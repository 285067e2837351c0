// What institutions and enclaves do with a job after it was submitted. Everything acknowledged is committed first.
import { isServing, type JobPlan } from "../../federation/plan-schema.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError, type Code } from "../../core/errors.ts";
import type { EnclaveEvent, EnclaveJob, JobStateName, JobView } from "../contract.ts";
import type { InstitutionCaller } from "../http/route.ts";
import { hasEnded, type JobChange } from "../job-state.ts";
import { each } from "../each.ts";
import { auditState } from "../audit/jobs.ts";
import type { Platform } from "../platform.ts";
import { isSamePerson } from "./credentials.ts";
import { enqueueJobEnd } from "./webhooks.ts";
import { nextChange, type Tx } from "../store/database.ts";
import {
  addEvents,
  applyChange,
  countEvents,
  findDue,
  findJob,
  findJobParties,
  findOpenJobs,
  findSubmitter,
  followJobs,
  listEvents,
  storeApproval,
  storeRefusal,
  storeRelease,
  storeStatus,
  type Applied,
  type EventBody,
  type JobRow,
  type Person,
} from "../store/jobs.ts";
import { findModelOfJob, listResults, listTraffic } from "../store/relay.ts";

/** A job of this institution; any other does not exist for it. Throws JOB_NOT_FOUND. */
export async function ownJob(platform: Platform, caller: InstitutionCaller, id: JobId): Promise<JobRow> {
  const job = await findJob(platform.db.read, id);
  if (job === undefined || job.institution !== caller.institution) throw new AppError("JOB_NOT_FOUND");
  return job;
}

/** A job in which this party takes part. Throws JOB_NOT_FOUND. */
export async function jobOfParty(platform: Platform, party: string, id: JobId): Promise<{ job: JobRow; parties: PartyId[] }> {
  const job = await findJob(platform.db.read, id);
  const parties = (await findJobParties(platform.db.read, id)).map((row) => row.party);
  if (job === undefined || job.state === "submitted" || !parties.some((p) => p === party)) throw new AppError("JOB_NOT_FOUND");
  return { job, parties };
}

export function summarise(job: JobRow) {
  return {
    id: job.id,
    kind: job.kind as JobPlan["kind"],
    purpose: job.purpose as JobView["purpose"],
    guest: job.guest,
    state: job.state,
    planDigest: job.planDigest,
    createdAt: job.createdAt.toISOString(),
    expiresAt: job.expiresAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    endedAt: job.endedAt?.toISOString() ?? null,
    failure: job.failure,
  };
}

export async function viewJob(platform: Platform, caller: InstitutionCaller, id: JobId): Promise<JobView> {
  const job = await ownJob(platform, caller, id);
  const tx = platform.db.read;
  const parties = (await findJobParties(tx, id)).map((row) => ({
    party: row.party,
    role: row.role,
    approved: row.approval !== null,
    finished: row.finishedAt !== null,
    status: readStatus(row.status),
  }));
  const phases = new Map<string, JobView["phases"][number]>();
  for (const event of await listEvents(tx, id, 0, platform.limits.eventsPerJob, "phase-finished")) {
    if (event.type !== "phase-finished") continue;
    const { party, phase, wallSeconds, cpuSeconds, peakRssMb } = event;
    phases.set(`${party} ${phase}`, { party, phase, wallSeconds, cpuSeconds, peakRssMb }); // said twice after a restart: the last counts
  }
  const traffic = (await listTraffic(tx, id)).map((row) => ({ ...row, from: row.from as PartyId, to: row.to as PartyId }));
  const results: JobView["results"] = (await listResults(tx, id)).map((row) => row.name as "report" | "scores");
  if ((await findModelOfJob(tx, id)) !== undefined) results.push("model");
  return { ...summarise(job), parties, phases: [...phases.values()], traffic, results };
}

type Status = NonNullable<JobView["parties"][number]["status"]>;

export function readStatus(text: string | null): Status | null {
  return text === null ? null : (JSON.parse(text) as Status);
}

export async function cancelJob(platform: Platform, caller: InstitutionCaller, id: JobId): Promise<JobView> {
  await ownJob(platform, caller, id);
  await change(platform, id, { type: "cancel" });
  return viewJob(platform, caller, id);
}

/**
 * The second person's approval of a submission; its plan then goes to the parties. Again changes nothing.
 * Throws JOB_NOT_FOUND, JOB_ENDED, JOB_SAME_PERSON, JOB_PLAN_DIGEST.
 */
export async function releaseJob(platform: Platform, caller: InstitutionCaller & { readonly person: Person }, id: JobId, planDigest: string): Promise<JobView> {
  const { person } = caller;
  const now = new Date(platform.env.now());
  const applied = await platform.db.write(async (tx) => {
    const number = await nextChange(tx);
    const job = await findJob(tx, id);
    if (job === undefined || job.institution !== caller.institution) throw new AppError("JOB_NOT_FOUND");
    if (hasEnded(job.state)) throw new AppError("JOB_ENDED");
    if (job.planDigest !== planDigest) throw new AppError("JOB_PLAN_DIGEST");
    const submitter = await findSubmitter(tx, id);
    if (submitter !== undefined && isSamePerson(submitter, person)) throw new AppError("JOB_SAME_PERSON");
    if (job.state === "submitted") await storeRelease(tx, id, person, now);
    return changeAndTell(tx, number, id, { type: "planned" }, now);
  });
  announce(platform, id, applied);
  return viewJob(platform, caller, id);
}

/** Ends the open jobs of a suspended or removed institution or node, in the caller's transaction. Returns what to announce once it is committed. */
export async function endJobsOf(
  tx: Tx, number: number, member: { institution: string | null; party: PartyId }, code: "JOB_MEMBER_SUSPENDED" | "JOB_MEMBER_REMOVED", now: Date,
): Promise<{ id: JobId; applied: Applied }[]> {
  const ended: { id: JobId; applied: Applied }[] = [];
  for (const id of await findOpenJobs(tx, member)) {
    const failure = { code, party: member.party } as const;
    ended.push({ id: id as JobId, applied: await changeAndTell(tx, number, id as JobId, { type: "fail", failure }, now) });
  }
  return ended;
}

/** The feed of one party: at most `limit` jobs that changed after the cursor, undefined if there is none. */
export async function feed(
  platform: Platform,
  party: PartyId,
  cursor: number,
  limit: number,
): Promise<{ cursor: number; jobs: EnclaveJob[] } | undefined> {
  const changed = await followJobs(platform.db.read, party, cursor, limit);
  const last = changed.at(-1);
  if (last === undefined) return undefined;
  const jobs: EnclaveJob[] = [];
  for (const { id } of changed) {
    const job = await findJob(platform.db.read, id);
    if (job === undefined) continue;
    const rows = await findJobParties(platform.db.read, id);
    const approvals = Object.fromEntries(rows.flatMap((row) => (row.approval === null ? [] : [[row.party, row.approval]])));
    const refusals = Object.fromEntries(rows.flatMap((row) => (row.refusalCode === null ? [] : [[row.party, row.refusalCode as Code]])));
    jobs.push({ id: job.id, state: job.state, plan: job.plan, planDigest: job.planDigest, approvals, refusals, failure: job.failure });
  }
  return { cursor: last.change, jobs };
}

/** Stores a signature as it is. The same again changes nothing. Throws JOB_NOT_FOUND, JOB_ENDED, JOB_APPROVAL. */
export async function approve(platform: Platform, party: PartyId, id: JobId, jws: string): Promise<JobStateName> {
  const now = new Date(platform.env.now());
  const { after, before } = await platform.db.write(async (tx) => {
    const number = await nextChange(tx);
    const own = (await findJobParties(tx, id)).find((row) => row.party === party);
    if (own === undefined) throw new AppError("JOB_NOT_FOUND");
    if (own.approval !== null && own.approval !== jws) throw new AppError("JOB_APPROVAL");
    const applied = await changeAndTell(tx, number, id, { type: "approve", party }, now);
    if (own.approval === null && hasEnded(applied.before.at)) throw new AppError("JOB_ENDED");
    if (own.approval === null) await storeApproval(tx, id, party, jws, now);
    return applied;
  });
  announce(platform, id, { before, after });
  return after.at;
}

/** Throws JOB_NOT_FOUND. */
export async function refuse(platform: Platform, party: PartyId, id: JobId, code: Code): Promise<JobStateName> {
  const now = new Date(platform.env.now());
  const applied = await platform.db.write(async (tx) => {
    const result = await changeAndTell(tx, await nextChange(tx), id, { type: "refuse", party }, now);
    if (result.after !== result.before) await storeRefusal(tx, id, party, code);
    return result;
  });
  announce(platform, id, applied);
  return applied.after.at;
}

/** What a party says of its own part. Throws JOB_NOT_FOUND, JOB_NOT_RUNNING. */
export async function reportState(
  platform: Platform,
  party: PartyId,
  id: JobId,
  said: { state: "done" } | { state: "failed"; code: Code; party?: string | undefined; step?: string | undefined },
): Promise<JobStateName> {
  const { parties } = await jobOfParty(platform, party, id);
  if (said.state === "done") return change(platform, id, { type: "finish", party });
  // It may name the peer that it blames, but only one of the job; else it is itself.
  const named = parties.find((p) => p === said.party) ?? party;
  return change(platform, id, {
    type: "fail",
    failure: { code: said.code, party: named, ...(said.step === undefined ? {} : { step: said.step }) },
  });
}

/** Throws JOB_NOT_FOUND, JOB_EVENTS. After the end events are taken and dropped. */
export async function reportEvents(platform: Platform, party: PartyId, id: JobId, events: readonly EnclaveEvent[]): Promise<JobStateName> {
  const { job, parties } = await jobOfParty(platform, party, id);
  if (hasEnded(job.state)) return job.state;
  const now = new Date(platform.env.now());
  const kept: EventBody[] = [];
  let status: Status | undefined;
  for (const event of events) {
    const at = now.toISOString();
    if (event.type === "progress") status = { at, phase: event.phase, fraction: event.fraction, waitingFor: null };
    else if (event.type === "waiting") {
      if (!parties.includes(event.peer)) throw new AppError("REQUEST_INVALID", {});
      status = {
        at,
        phase: status?.phase ?? null,
        fraction: status?.fraction ?? null,
        waitingFor: { peer: event.peer, messageType: event.messageType },
      };
    } else {
      kept.push({ ...event, party });
      status = { at, phase: event.phase, fraction: event.type === "phase-started" ? 0 : 1, waitingFor: null };
    }
  }
  await platform.db.write(async (tx) => {
    if (kept.length > 0) {
      await nextChange(tx); // the lock under which event numbers are taken
      if ((await countEvents(tx, id)) + kept.length > platform.limits.eventsPerJob)
        throw new AppError("JOB_EVENTS", { limit: platform.limits.eventsPerJob });
      await addEvents(tx, id, now, kept);
    }
    if (status !== undefined) await storeStatus(tx, id, party, status);
  });
  platform.wakeups.wake(`job:${id}`);
  return job.state;
}

/** Ends jobs whose time is over and those whose hosts do not come back after the guest was done. */
/** Enclaves end a service by themselves when its term is over; those that are away hold it up no longer. */
const termGraceMs = 15_000;

export async function endDueJobs(platform: Platform): Promise<void> {
  const now = platform.env.now();
  await each(await findDue(platform.db.read, new Date(now), new Date(now - platform.limits.settleMs)), async ({ id, kind, expiredForMs }) => {
    if (expiredForMs <= 0) await change(platform, id as JobId, { type: "settle" });
    else if (!isServing(kind)) await change(platform, id as JobId, { type: "expire" });
    else if (expiredForMs > termGraceMs) await change(platform, id as JobId, { type: "term" });
  }, platform.env.log);
}

async function change(platform: Platform, id: JobId, event: JobChange): Promise<JobStateName> {
  const now = new Date(platform.env.now());
  const applied = await platform.db.write(async (tx) => changeAndTell(tx, await nextChange(tx), id, event, now));
  announce(platform, id, applied);
  return applied.after.at;
}

/** Applies a change, and queues the callbacks of the institution when it was the end. */
async function changeAndTell(tx: Tx, number: number, id: JobId, event: JobChange, now: Date): Promise<Applied> {
  const applied = await applyChange(tx, number, id, event, now);
  if (hasEnded(applied.after.at) && !hasEnded(applied.before.at)) await enqueueJobEnd(tx, id, applied.after, now);
  return applied;
}

/** Wakes everybody who waits for this job; after its end also those who wait for a frame. */
export function wakeParties(platform: Platform, id: JobId, parties: readonly string[]): void {
  platform.wakeups.wake(`job:${id}`);
  for (const party of parties) platform.wakeups.wake(`feed:${party}`);
}

export function announce(platform: Platform, id: JobId, { before, after }: Applied): void {
  if (after === before) return;
  wakeParties(platform, id, after.parties);
  if (after.at === before.at) return;
  platform.env.log.info("job.state", { job: id, state: after.at, ...(after.failure === undefined ? {} : { code: after.failure.code }) });
  auditState(platform, id, after);
  if (!hasEnded(after.at)) return;
  for (const from of after.parties) for (const to of after.parties) platform.wakeups.wake(`relay:${id}:${from}:${to}`);
}
