// Rows of full-coverage evaluations: runs, schedules, subscriptions, and what was pushed.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import type { Code } from "../../core/errors.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { figuresSchema, type Figures } from "../../evaluation/figures.ts";
import type { Basis } from "../../evaluation/load.ts";
import { evaluationSubscriptionSchema, runTermsSchema, scheduleTermsSchema, type EvaluationSubscriptionView, type RunTerms, type RunView, type ScheduleTerms } from "../contract/evaluations.ts";
import type { Tx } from "./database.ts";

export type RunRow = {
  readonly id: string; readonly institution: string; readonly guest: PartyId; readonly cause: RunView["cause"]; readonly basis: Basis; readonly asOf: string; readonly terms: RunTerms;
  readonly away: readonly PartyId[]; readonly state: RunView["state"]; readonly attempt: number; readonly job: ReturnType<typeof jobIdSchema.parse> | null; readonly full: string | null;
  /** Steps in a row that failed for a cause that passes. */
  readonly tries: number; readonly retry: { readonly code: Code; readonly at: Date } | null;
  readonly failure: { readonly code: Code; readonly party: PartyId | null } | null; readonly figures: Figures | null; readonly idempotencyKey: string | null;
  readonly createdAt: Date; readonly startedAt: Date | null; readonly endedAt: Date | null;
};
type Stored = NonNullable<Awaited<ReturnType<Tx["evaluationRun"]["findUnique"]>>>;

function toRun(row: Stored): RunRow {
  const { institutionId, jobId, fullId, failureCode, failureParty, retryCode, retryAt, terms, away, figures, guest, ...rest } = row;
  return {
    ...rest, institution: institutionId, guest: partyIdSchema.parse(guest), cause: rest.cause as RunRow["cause"], basis: rest.basis as Basis, state: rest.state as RunRow["state"],
    terms: runTermsSchema.parse(JSON.parse(terms)), away: partyIdSchema.array().parse(JSON.parse(away)), job: jobId === null ? null : jobIdSchema.parse(jobId), full: fullId,
    failure: failureCode === null ? null : { code: failureCode as Code, party: failureParty === null ? null : partyIdSchema.parse(failureParty) },
    figures: figures === null ? null : figuresSchema.parse(JSON.parse(figures)), retry: retryCode === null || retryAt === null ? null : { code: retryCode as Code, at: retryAt },
  };
}

export type NewRun = Pick<RunRow, "id" | "institution" | "guest" | "cause" | "basis" | "asOf" | "terms" | "full" | "idempotencyKey" | "createdAt">;

export async function addRun(tx: Tx, { institution, full, terms, ...rest }: NewRun): Promise<void> {
  await tx.evaluationRun.create({ data: { ...rest, institutionId: institution, fullId: full, terms: canonicalJson(terms), away: "[]", state: "waiting", attempt: 1 }, select: { id: true } });
}

export async function findRun(tx: Tx, id: string): Promise<RunRow | undefined> {
  const row = await tx.evaluationRun.findUnique({ where: { id } });
  return row === null ? undefined : toRun(row);
}

export async function findRunByKey(tx: Tx, institutionId: string, idempotencyKey: string): Promise<RunRow | undefined> {
  const row = await tx.evaluationRun.findUnique({ where: { institutionId_idempotencyKey: { institutionId, idempotencyKey } } });
  return row === null ? undefined : toRun(row);
}

/** The run of which this job is the present attempt. */
export async function findRunOfJob(tx: Tx, job: string): Promise<RunRow | undefined> {
  const row = await tx.evaluationRun.findFirst({ where: { jobId: job } });
  return row === null ? undefined : toRun(row);
}

/** What was published, and with an institution all of its own runs; newest first, after the run `cursor`. */
export async function listRuns(tx: Tx, institutionId: string | undefined, limit: number, cursor: string | undefined): Promise<RunRow[]> {
  const rows = await tx.evaluationRun.findMany({
    where: institutionId === undefined ? { state: "done" } : { OR: [{ institutionId }, { state: "done" }] }, orderBy: [{ createdAt: "desc" }, { id: "desc" }], take: limit, ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  });
  return rows.map(toRun);
}

/** Runs that have not ended, oldest first. */
export async function openRuns(tx: Tx, institutionId?: string): Promise<RunRow[]> {
  const rows = await tx.evaluationRun.findMany({ where: { state: { in: ["waiting", "running"] }, ...(institutionId === undefined ? {} : { institutionId }) }, orderBy: [{ createdAt: "asc" }, { id: "asc" }] });
  return rows.map(toRun);
}

/** A step of this attempt is taken again later; nothing where the run has moved on. */
export async function delayRun(tx: Tx, { id, attempt }: Pick<RunRow, "id" | "attempt">, { tries, code, at }: { readonly tries: number; readonly code: Code; readonly at: Date }): Promise<void> {
  await tx.evaluationRun.updateMany({ where: { id, attempt, state: { in: ["waiting", "running"] } }, data: { tries, retryCode: code, retryAt: at } });
}

/** A step went well again. */
export async function clearRetry(tx: Tx, { id, attempt }: Pick<RunRow, "id" | "attempt">): Promise<void> {
  await tx.evaluationRun.updateMany({ where: { id, attempt }, data: { tries: 0, retryCode: null, retryAt: null } });
}

/** Changes a run that is still at this attempt and has not ended; false when it has moved on. Another attempt has figures of its own. */
export async function changeRun(
  tx: Tx, { id, attempt: at }: Pick<RunRow, "id" | "attempt">, change: { readonly state: RunRow["state"]; readonly job?: string | null; readonly away?: readonly PartyId[]; readonly attempt?: number; readonly failure?: { readonly code: Code; readonly party?: string | undefined } }, now: Date,
): Promise<boolean> {
  const { state, job, away, attempt, failure } = change;
  const isEnd = state === "done" || state === "failed";
  const { count } = await tx.evaluationRun.updateMany({
    where: { id, attempt: at, state: { in: ["waiting", "running"] } },
    data: {
      state, ...(job === undefined ? {} : { jobId: job }), ...(away === undefined ? {} : { away: canonicalJson([...away]) }), ...(attempt === undefined ? {} : { attempt, figures: null }),
      ...(failure === undefined ? {} : { failureCode: failure.code, failureParty: failure.party ?? null }), ...(state === "running" ? { startedAt: now } : {}), ...(isEnd ? { endedAt: now } : {}),
    },
  });
  return count === 1;
}

/** Stores the figures of an open run once; false when others are there. */
export async function storeFigures(tx: Tx, id: string, figures: Figures): Promise<boolean> {
  const text = canonicalJson(figures);
  const { count } = await tx.evaluationRun.updateMany({ where: { id, state: "running", OR: [{ figures: null }, { figures: text }] }, data: { figures: text } });
  return count === 1;
}

export type ScheduleRow = { readonly institution: string; readonly terms: ScheduleTerms; readonly state: "active" | "paused"; readonly nextDueAt: Date; readonly lastDueAt: Date | null };
type StoredSchedule = NonNullable<Awaited<ReturnType<Tx["evaluationSchedule"]["findUnique"]>>>;
const toSchedule = ({ institutionId, terms, state, nextDueAt, lastDueAt }: StoredSchedule): ScheduleRow => (
  { institution: institutionId, terms: scheduleTermsSchema.parse(JSON.parse(terms)), state: state as ScheduleRow["state"], nextDueAt, lastDueAt });

export async function findSchedule(tx: Tx, institutionId: string): Promise<ScheduleRow | undefined> {
  const row = await tx.evaluationSchedule.findUnique({ where: { institutionId } });
  return row === null ? undefined : toSchedule(row);
}

export async function putSchedule(tx: Tx, institutionId: string, terms: ScheduleTerms, nextDueAt: Date, now: Date): Promise<void> {
  const data = { terms: canonicalJson(terms), state: "active", nextDueAt, changedAt: now };
  await tx.evaluationSchedule.upsert({ where: { institutionId }, create: { institutionId, ...data }, update: data, select: { state: true } });
}

export async function changeSchedule(tx: Tx, institutionId: string, change: { readonly state?: ScheduleRow["state"]; readonly nextDueAt?: Date; readonly lastDueAt?: Date }, now: Date): Promise<boolean> {
  return (await tx.evaluationSchedule.updateMany({ where: { institutionId }, data: { ...change, changedAt: now } })).count === 1;
}

export async function dueSchedules(tx: Tx, now: Date): Promise<ScheduleRow[]> {
  return (await tx.evaluationSchedule.findMany({ where: { state: "active", nextDueAt: { lte: now } }, orderBy: { nextDueAt: "asc" } })).map(toSchedule);
}

export type SubscriptionRow = Omit<EvaluationSubscriptionView, "bases"> & { readonly institution: string };
type StoredSubscription = NonNullable<Awaited<ReturnType<Tx["evaluationSubscription"]["findUnique"]>>>;
function toSubscription({ institutionId, terms, createdAt, endedAt, ...rest }: StoredSubscription): SubscriptionRow {
  const view = evaluationSubscriptionSchema.omit({ bases: true }).parse({ ...rest, ...(JSON.parse(terms) as object), createdAt: createdAt.toISOString(), endedAt: endedAt?.toISOString() ?? null });
  return { ...view, institution: institutionId };
}

export type NewSubscription = Pick<SubscriptionRow, "id" | "institution" | "name" | "purpose" | "provinces" | "sectors" | "grades">;

export async function addSubscription(tx: Tx, { id, institution, name, purpose, ...filters }: NewSubscription, now: Date): Promise<SubscriptionRow> {
  return toSubscription(await tx.evaluationSubscription.create({ data: { id, institutionId: institution, name, purpose, terms: canonicalJson(filters), state: "active", createdAt: now } }));
}

export async function listSubscriptions(tx: Tx, where: { readonly institution?: string; readonly state?: "active" }, limit: number): Promise<SubscriptionRow[]> {
  const { institution, state } = where;
  const rows = await tx.evaluationSubscription.findMany({
    where: { ...(institution === undefined ? {} : { institutionId: institution }), ...(state === undefined ? {} : { state }) }, orderBy: [{ createdAt: "desc" }, { id: "desc" }], take: limit,
  });
  return rows.map(toSubscription);
}

export async function endSubscription(tx: Tx, id: string, institutionId: string, now: Date): Promise<SubscriptionRow | undefined> {
  await tx.evaluationSubscription.updateMany({ where: { id, institutionId, state: "active" }, data: { state: "ended", endedAt: now } });
  const row = await tx.evaluationSubscription.findUnique({ where: { id } });
  return row?.institutionId === institutionId ? toSubscription(row) : undefined;
}

export type PushRow = { readonly runId: string; readonly institutionId: string; readonly purpose: string; readonly part: number; readonly bytes: number; readonly digest: string; readonly createdAt: Date };
export type PushId = Pick<PushRow, "runId" | "institutionId" | "purpose" | "part">;

export async function addPush(tx: Tx, row: PushRow): Promise<void> {
  await tx.evaluationPush.create({ data: row, select: { part: true } });
}

export async function findPush(tx: Tx, id: PushId): Promise<PushRow | undefined> {
  return (await tx.evaluationPush.findUnique({ where: { runId_institutionId_purpose_part: id } })) ?? undefined;
}

export function pushesOfRun(tx: Tx, runId: string): Promise<PushRow[]> {
  return tx.evaluationPush.findMany({ where: { runId } });
}

/** Bytes of all that a run pushed. */
export async function pushedBytes(tx: Tx, runId: string): Promise<number> {
  const { _sum: sum } = await tx.evaluationPush.aggregate({ where: { runId }, _sum: { bytes: true } });
  return sum.bytes ?? 0;
}

/** Made before then, oldest first. */
export function oldPushes(tx: Tx, before: Date, limit: number): Promise<PushRow[]> {
  return tx.evaluationPush.findMany({ where: { createdAt: { lt: before } }, orderBy: [{ createdAt: "asc" }, { runId: "asc" }, { part: "asc" }], take: limit });
}

export async function deletePush(tx: Tx, { runId, institutionId, purpose, part }: PushId): Promise<void> {
  await tx.evaluationPush.deleteMany({ where: { runId, institutionId, purpose, part } });
}

/** Institutions that a run pushed something to. */
export async function pushedTo(tx: Tx, runId: string): Promise<string[]> {
  const rows = await tx.evaluationPush.findMany({ where: { runId }, distinct: ["institutionId"], orderBy: { institutionId: "asc" }, select: { institutionId: true } });
  return rows.map((row) => row.institutionId);
}

/** Of runs that are done, newest first. */
export async function listPushes(tx: Tx, institutionId: string, runId: string | undefined, limit: number): Promise<{ push: PushRow; run: RunRow }[]> {
  const rows = await tx.evaluationPush.findMany({ where: { institutionId, ...(runId === undefined ? {} : { runId }) }, orderBy: [{ createdAt: "desc" }, { runId: "desc" }, { purpose: "asc" }, { part: "asc" }], take: limit });
  const runs = new Map((await tx.evaluationRun.findMany({ where: { id: { in: [...new Set(rows.map((r) => r.runId))] }, state: "done" } })).map((row) => [row.id, toRun(row)]));
  return rows.flatMap((push) => {
    const run = runs.get(push.runId);
    return run === undefined ? [] : [{ push, run }];
  });
}
