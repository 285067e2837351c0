// Runs of full-coverage evaluations: one after the other for an institution, each a job of kind `evaluate`. When a provider does not approve in time,
// refuses or falls away, the run goes on without it by another job, under channel keys and masks of its own, as far as its terms allow. Every step
// is taken from what is stored, so a restart goes on where it was.
import { AppError, describeError, isAppError, type Code } from "../../../core/errors.ts";
import type { JobId, PartyId } from "../../../core/brand.ts";
import { canonicalJson } from "../../../core/canonical.ts";
import { jobIdSchema } from "../../../core/names.ts";
import type { Basis } from "../../../evaluation/load.ts";
import { jobRequestSchema } from "../../../federation/plan-schema.ts";
import type { EvaluationReport, RunTerms, RunView } from "../../contract/evaluations.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { nextChange } from "../../store/database.ts";
import { addRun, changeRun, clearRetry, delayRun, findRun, findRunByKey, findRunOfJob, listRuns, openRuns, pushedTo, storeFigures, type RunRow } from "../../store/evaluations.ts";
import { findByIdempotencyKey, findJob, findJobParties, listEvents, type JobRow } from "../../store/jobs.ts";
import { findCertificates } from "../../store/parties.ts";
import { cancelJob } from "../jobs.ts";
import { enqueueWebhook, eventTime } from "../webhooks.ts";
import { submitJob } from "../submit.ts";
import { chinaDay } from "./interval.ts";
import { dropPushes } from "./push-files.ts";
import { scorecardOf } from "./scorecards.ts";
import { plannedPushes } from "./subscriptions.ts";

/** Ends of a job that another one without the named provider may get round. */
const passing: ReadonlySet<Code> = new Set<Code>(["JOB_REFUSED", "JOB_PEER_TIMEOUT", "JOB_MEMBER_SUSPENDED", "JOB_MEMBER_REMOVED", "PARTY_NOT_FOUND", "JOB_DATASET_UNKNOWN"]);
/** Steps that fail for a cause that passes are repeated after 2, 4, 8, … seconds, at most ten minutes, about a week long. */
const longestPauseMs = 600_000;
const mostTries = 1000;
const ended: ReadonlySet<string> = new Set(["done", "failed", "cancelled"]);

export const newRunId = ({ env }: Pick<Platform, "env">): string => `eval_${Buffer.from(env.rng(12)).toString("hex")}`;

export function viewRun(row: RunRow): RunView {
  const { id, guest: evaluator, cause, basis, asOf, state, terms, away, attempt, job, failure, figures } = row;
  return {
    id, evaluator, cause, basis, asOf, state, hosts: terms.hosts.filter((h) => !away.includes(h)), away: [...away], attempt, job, createdAt: row.createdAt.toISOString(), endedAt: row.endedAt?.toISOString() ?? null,
    failure, scorecard: terms.scorecard ?? null, retry: row.retry === null ? null : { code: row.retry.code, at: row.retry.at.toISOString() }, partial: figures?.partial ?? null, psi: figures?.stability?.psi ?? null, verdict: figures?.stability?.verdict ?? null,
  };
}

/** By hand. Throws EVALUATION_BUSY while one of the institution on this basis has not ended, JOB_PARTIES, JOB_IDEMPOTENCY, and as `scorecardOf`. */
export async function createRun(platform: Platform, caller: InstitutionCaller, given: { readonly basis: Basis; readonly asOf?: string | undefined; readonly terms: RunTerms }, key: string | undefined): Promise<RunView> {
  const { db, env } = platform;
  const { institution, party: guest } = caller;
  if (given.terms.hosts.includes(guest)) throw new AppError("JOB_PARTIES");
  const now = env.now();
  const asOf = given.asOf ?? chinaDay(now);
  const id = newRunId(platform);
  const run = await db.write(async (tx) => {
    await nextChange(tx);
    const before = key === undefined ? undefined : await findRunByKey(tx, institution, key);
    if (before !== undefined) {
      const isSame = before.basis === given.basis && (given.asOf === undefined || before.asOf === asOf) && canonicalJson(before.terms) === canonicalJson(given.terms);
      if (!isSame) throw new AppError("JOB_IDEMPOTENCY");
      return before;
    }
    if ((await openRuns(tx, institution)).some((r) => r.basis === given.basis)) throw new AppError("EVALUATION_BUSY");
    await scorecardOf(tx, given.terms, given.basis);
    await addRun(tx, { id, institution, guest, cause: "hand", basis: given.basis, asOf, terms: given.terms, full: null, idempotencyKey: key ?? null, createdAt: new Date(now) });
    return findRun(tx, id);
  });
  if (run === undefined) throw new AppError("EVALUATION_NOT_FOUND");
  return viewRun(run);
}

export async function runsOf({ db }: Platform, { institution }: InstitutionCaller, query: { readonly limit: number; readonly cursor?: string | undefined }): Promise<{ items: RunView[]; next: RunView["id"] | null }> {
  const rows = await listRuns(db.read, institution, query.limit, query.cursor);
  return { items: rows.map(viewRun), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
}

/** What all institutions published, for supervisors. */
export async function publishedRuns({ db }: Platform, query: { readonly limit: number; readonly cursor?: string | undefined }): Promise<{ items: RunView[]; next: RunView["id"] | null }> {
  const rows = await listRuns(db.read, undefined, query.limit, query.cursor);
  return { items: rows.map(viewRun), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
}

/** Throws EVALUATION_NOT_FOUND, also for a run that was not published. */
export async function publishedFigures({ db }: Platform, id: string): Promise<{ run: RunView; figures: NonNullable<RunRow["figures"]> }> {
  const run = await findRun(db.read, id);
  if (run?.state !== "done" || run.figures === null) throw new AppError("EVALUATION_NOT_FOUND");
  return { run: viewRun(run), figures: run.figures };
}

/** An own run, or one that was published. Throws EVALUATION_NOT_FOUND. */
export async function visibleRun({ db }: Pick<Platform, "db">, { institution }: Pick<InstitutionCaller, "institution">, id: string): Promise<RunRow> {
  const run = await findRun(db.read, id);
  if (run === undefined || (run.institution !== institution && run.state !== "done")) throw new AppError("EVALUATION_NOT_FOUND");
  return run;
}

/** Throws EVALUATION_NOT_FOUND for a run of others. */
export async function cancelRun(platform: Platform, caller: InstitutionCaller, id: string): Promise<RunView> {
  const { db, env } = platform;
  const { now: run, isEnded } = await db.write(async (tx) => {
    // Under the lock: no step begins another attempt between the reading and the end.
    await nextChange(tx);
    const now = await findRun(tx, id);
    if (now === undefined || now.institution !== caller.institution) throw new AppError("EVALUATION_NOT_FOUND");
    return { now, isEnded: await changeRun(tx, now, { state: "failed", failure: { code: "JOB_CANCELLED" } }, new Date(env.now())) };
  });
  await cancelAttempts(platform, run, run.attempt);
  if (isEnded) await dropPushes(platform, id);
  return viewRun((await findRun(db.read, id)) ?? run);
}

/** The certificate whose key signed what a run pushed. Throws EVALUATION_NOT_FOUND. */
export async function evaluatorOf(platform: Platform, caller: InstitutionCaller, id: string): Promise<{ party: PartyId; identityCertificate: string }> {
  const { guest } = await visibleRun(platform, caller, id);
  const certificates = await findCertificates(platform.db.read, guest);
  if (certificates === undefined) throw new AppError("EVALUATION_NOT_FOUND");
  return { party: guest, identityCertificate: certificates.identityCertificate };
}

/** The run whose job this is, while it runs and the caller is its evaluating enclave. Throws JOB_NOT_FOUND, JOB_NOT_RUNNING. */
export async function runOfGuest(platform: Platform, party: PartyId, job: JobId): Promise<{ run: RunRow; job: JobRow }> {
  const { read } = platform.db;
  // Killed between the job and the run's note of it: the next step finds it, and an enclave may be quicker than the clock.
  if ((await findRunOfJob(read, job)) === undefined) await stepRuns(platform);
  const [run, row] = [await findRunOfJob(read, job), await findJob(read, job)];
  if (run === undefined || row === undefined || row.guest !== party) throw new AppError("JOB_NOT_FOUND");
  if (row.state !== "running" || run.state !== "running") throw new AppError("JOB_NOT_RUNNING");
  return { run, job: row };
}

/** Figures that left the evaluating enclave through its door. Again the same changes nothing. Throws RESULT_CONFLICT and as `runOfGuest`. */
export async function putFigures(platform: Platform, party: PartyId, { job, figures }: EvaluationReport): Promise<void> {
  const { run } = await runOfGuest(platform, party, job);
  const isOfRun = figures.basis === run.basis && figures.asOf === run.asOf && canonicalJson(figures.away) === canonicalJson([...run.away]);
  if (!isOfRun || !(await platform.db.write((tx) => storeFigures(tx, run.id, figures)))) throw new AppError("RESULT_CONFLICT");
}

/** One step of every institution's oldest run that has not ended: called by the clock. */
export async function stepRuns(platform: Platform): Promise<void> {
  const oldest = new Map<string, RunRow>();
  for (const run of await openRuns(platform.db.read)) if (!oldest.has(run.institution)) oldest.set(run.institution, run);
  for (const { id } of oldest.values()) {
    // As it is now: steps of others, before it in the list, took time, and a person may have cancelled it.
    const run = await findRun(platform.db.read, id);
    if (run === undefined || ended.has(run.state) || (run.retry !== null && run.retry.at.getTime() > platform.env.now())) continue;
    try {
      await step(platform, run);
      if (run.tries > 0) await platform.db.write((tx) => clearRetry(tx, run));
    } catch (error) {
      // Whatever stops one institution's run stops no other, nor what else the clock does.
      await stumble(platform, run, error);
    }
  }
}

/** A cause that passes (a full machine or disk, a log that cannot be written, a fault of ours) is waited for; only what another try would not change ends the run. */
async function stumble(platform: Platform, run: RunRow, error: unknown): Promise<void> {
  const { db, env } = platform;
  const code = isAppError(error) ? error.code : "PLATFORM_INTERNAL";
  const tries = run.tries + 1;
  env.log.warn("evaluation.step-failed", { code, tries, reason: error instanceof Error ? error.name : "unknown" });
  try {
    if (!passes(code) || tries > mostTries) return await fail(platform, run, code, isAppError(error) ? error.facts["party"] : undefined);
    const at = new Date(env.now() + Math.min(longestPauseMs, 1000 * 2 ** Math.min(tries, 20)));
    await db.write((tx) => delayRun(tx, run, { tries, code, at }));
  } catch (again) {
    // Not even that can be written: the next tick finds the run as it was.
    env.log.error("evaluation.step-failed", { code, reason: again instanceof Error ? again.name : "unknown" });
  }
  return undefined;
}

function passes(code: Code): boolean {
  const { status } = describeError(code);
  return status === 429 || status >= 500;
}

async function step(platform: Platform, run: RunRow): Promise<void> {
  if (run.state === "waiting" || run.job === null) return start(platform, run);
  const job = await findJob(platform.db.read, run.job);
  if (job === undefined) return fail(platform, run, "JOB_NOT_FOUND");
  if (job.state === "awaiting-approval") return lookAtApprovals(platform, run, job);
  if (job.state === "done") {
    if (run.figures === null) return fail(platform, run, "RESULT_NOT_READY");
    await publish(platform, run);
    platform.env.log.info("evaluation.done", { job: job.id, partial: run.figures.partial });
    return undefined;
  }
  if (job.state === "cancelled") return fail(platform, run, "JOB_CANCELLED");
  if (job.state !== "failed") return undefined;
  const { code, party } = job.failure ?? { code: "JOB_INTERNAL" as const, party: null };
  const isAway = party !== null && passing.has(code) && presentOf(run).includes(party);
  return isAway ? goOnWithout(platform, run, [party], code, job) : fail(platform, run, code, party ?? undefined);
}

/** The end, and the news of it to every institution that was pushed something, in one commit. */
async function publish({ db, env }: Platform, run: RunRow): Promise<void> {
  const { id } = run;
  const now = env.now();
  await db.write(async (tx) => {
    await nextChange(tx);
    if (!(await changeRun(tx, run, { state: "done" }, new Date(now)))) return;
    for (const institution of await pushedTo(tx, id)) {
      await enqueueWebhook(tx, institution, { id: `${id}|push`, body: { type: "evaluation.push", timestamp: eventTime(now), data: { evaluation: id } } }, now);
    }
  });
}

const presentOf = ({ terms, away }: RunRow): PartyId[] => terms.hosts.filter((h) => !away.includes(h));
const keyOf = (run: Pick<RunRow, "id">, attempt: number): string => `${run.id}-${attempt}`;

async function start(platform: Platform, run: RunRow): Promise<void> {
  const { db, env } = platform;
  await cancelAttempts(platform, run, run.attempt - 1);
  await dropPushes(platform, run.id);
  const caller = { institution: run.institution, party: run.guest };
  const key = keyOf(run, run.attempt);
  // Submitted, and then the process was killed.
  const known = await findByIdempotencyKey(db.read, run.institution, key);
  const job = known === undefined ? await submit(platform, caller, run, key) : jobIdSchema.parse(known.id);
  if (job === undefined) return;
  const isOpen = await db.write((tx) => changeRun(tx, run, { state: "running", job }, new Date(env.now())));
  // Cancelled while it was submitted, or another step went on without somebody.
  if (!isOpen) await cancelJob(platform, caller, job);
}

async function submit(platform: Platform, caller: InstitutionCaller, run: RunRow, key: string): Promise<JobId | undefined> {
  const { basis, asOf, away, terms } = run;
  const full = run.full === null ? undefined : await findRun(platform.db.read, run.full);
  const { card, local } = await scorecardOf(platform.db.read, terms, basis);
  const params = {
    basis, card: card.digest, asOf, away: [...away], whenAway: terms.whenAway, pushes: await plannedPushes(platform, card), ...(local === undefined ? {} : { scorecard: local }),
    ...(full?.state === "done" && full.job !== null ? { full: full.job } : {}),
  };
  const request = jobRequestSchema.parse({ kind: "evaluate", guest: run.guest, hosts: presentOf(run), purpose: "credit-evaluation", params });
  try {
    return (await submitJob(platform, caller, request, key)).id;
  } catch (error) {
    if (!isAppError(error)) throw error;
    // Submitted by another step at the same moment, with other subscriptions.
    const known = error.code === "JOB_IDEMPOTENCY" ? await findByIdempotencyKey(platform.db.read, run.institution, key) : undefined;
    if (known !== undefined) return jobIdSchema.parse(known.id);
    const party = presentOf(run).find((p) => p === error.facts["party"]);
    if (party === undefined || !passing.has(error.code)) throw error;
    await goOnWithout(platform, run, [party], error.code);
    return undefined;
  }
}

/** Waits for the evaluating enclave itself, and for providers as long as the terms say. */
async function lookAtApprovals(platform: Platform, run: RunRow, job: JobRow): Promise<void> {
  const { db, env } = platform;
  const states = await listEvents(db.read, job.id, 0, 20, "state");
  const since = states.find((e) => e.type === "state" && e.state === "awaiting-approval")?.at ?? job.createdAt.toISOString();
  if (env.now() - Date.parse(since) < run.terms.approvalSeconds * 1000) return;
  const missing = (await findJobParties(db.read, job.id)).filter((p) => p.role === "host" && p.approval === null).map((p) => p.party);
  if (missing.length > 0) await goOnWithout(platform, run, missing, "EVALUATION_PROVIDERS", job);
}

/** seen: the job that gave the reason; where it is in another state by now (the last approval came), nothing is changed. */
async function goOnWithout(platform: Platform, run: RunRow, missing: readonly PartyId[], why: Code, seen?: JobRow): Promise<void> {
  const { db, env } = platform;
  const away = run.terms.hosts.filter((h) => run.away.includes(h) || missing.includes(h));
  const left = run.terms.hosts.length - away.length;
  env.log.info("evaluation.away", { providers: missing.length, left, why });
  if (run.terms.whenAway === "fail" || left < run.terms.leastHosts) return fail(platform, run, run.terms.whenAway === "fail" ? why : "EVALUATION_PROVIDERS", missing[0]);
  await db.write(async (tx) => {
    await nextChange(tx);
    if (seen !== undefined && (await findJob(tx, seen.id))?.state !== seen.state) return;
    await changeRun(tx, run, { state: "waiting", job: null, away, attempt: run.attempt + 1 }, new Date(env.now()));
  });
  return undefined;
}

async function fail(platform: Platform, run: RunRow, code: Code, party?: unknown): Promise<void> {
  const { db, env } = platform;
  const isEnded = await db.write((tx) => changeRun(tx, run, { state: "failed", failure: { code, ...(typeof party === "string" ? { party } : {}) } }, new Date(env.now())));
  // It is at another attempt by now, or ended otherwise: that is none of this step's.
  if (!isEnded) return;
  await cancelAttempts(platform, run, run.attempt);
  await dropPushes(platform, run.id);
  env.log.warn("evaluation.failed", { code });
}

/** Jobs of the run up to that attempt end: none of them may come to life beside its successor. */
async function cancelAttempts(platform: Platform, run: RunRow, upTo: number): Promise<void> {
  const caller = { institution: run.institution, party: run.guest };
  for (let attempt = 1; attempt <= upTo; attempt++) {
    const known = await findByIdempotencyKey(platform.db.read, run.institution, keyOf(run, attempt));
    const job = known === undefined ? undefined : await findJob(platform.db.read, known.id);
    if (job !== undefined && !ended.has(job.state)) await cancelJob(platform, caller, job.id);
  }
}
