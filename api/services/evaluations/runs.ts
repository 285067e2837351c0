// Runs of full-coverage evaluations: one after the other for an institution, each a job of kind `evaluate`. When a provider does not approve in time,
// refuses or falls away, the run goes on without it by another job, under channel keys and masks of its own, as far as its terms allow. Every step
// is taken from what is stored, so a restart goes on where it was.
import { AppError, isAppError, type Code } from "../../../core/errors.ts";
import type { JobId, PartyId } from "../../../core/brand.ts";
import { canonicalJson } from "../../../core/canonical.ts";
import { jobIdSchema } from "../../../core/names.ts";
import type { Basis } from "../../../evaluation/load.ts";
import { publishedCards } from "../../../federation/evaluate/params.ts";
import { jobRequestSchema } from "../../../federation/plan-schema.ts";
import type { EvaluationReport, RunTerms, RunView } from "../../contract/evaluations.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { nextChange } from "../../store/database.ts";
import { addRun, changeRun, findRun, findRunByKey, findRunOfJob, listRuns, openRuns, pushedTo, storeFigures, type RunRow } from "../../store/evaluations.ts";
import { findByIdempotencyKey, findJob, findJobParties, listEvents, type JobRow } from "../../store/jobs.ts";
import { findCertificates } from "../../store/parties.ts";
import { cancelJob } from "../jobs.ts";
import { enqueueWebhook, eventTime } from "../webhooks.ts";
import { submitJob } from "../submit.ts";
import { chinaDay } from "./interval.ts";
import { plannedPushes } from "./subscriptions.ts";

/** Ends of a job that another one without the named provider may get round. */
const passing: ReadonlySet<Code> = new Set<Code>(["JOB_REFUSED", "JOB_PEER_TIMEOUT", "JOB_MEMBER_SUSPENDED", "JOB_MEMBER_REMOVED", "PARTY_NOT_FOUND", "JOB_DATASET_UNKNOWN"]);
const ended: ReadonlySet<string> = new Set(["done", "failed", "cancelled"]);

export const newRunId = ({ env }: Pick<Platform, "env">): string => `eval_${Buffer.from(env.rng(12)).toString("hex")}`;

export function viewRun(row: RunRow): RunView {
  const { id, guest: evaluator, cause, basis, asOf, state, terms, away, attempt, job, failure, figures } = row;
  return {
    id, evaluator, cause, basis, asOf, state, hosts: terms.hosts.filter((h) => !away.includes(h)), away: [...away], attempt, job, createdAt: row.createdAt.toISOString(), endedAt: row.endedAt?.toISOString() ?? null,
    failure, partial: figures?.partial ?? null, psi: figures?.stability?.psi ?? null, verdict: figures?.stability?.verdict ?? null,
  };
}

/** By hand. Throws EVALUATION_BUSY while one of the institution on this basis has not ended, JOB_PARTIES, JOB_IDEMPOTENCY. */
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

/** An own run, or one that was published. Throws EVALUATION_NOT_FOUND. */
export async function visibleRun({ db }: Pick<Platform, "db">, { institution }: Pick<InstitutionCaller, "institution">, id: string): Promise<RunRow> {
  const run = await findRun(db.read, id);
  if (run === undefined || (run.institution !== institution && run.state !== "done")) throw new AppError("EVALUATION_NOT_FOUND");
  return run;
}

/** Throws EVALUATION_NOT_FOUND for a run of others. */
export async function cancelRun(platform: Platform, caller: InstitutionCaller, id: string): Promise<RunView> {
  const { db, env } = platform;
  const run = await findRun(db.read, id);
  if (run === undefined || run.institution !== caller.institution) throw new AppError("EVALUATION_NOT_FOUND");
  await db.write((tx) => changeRun(tx, id, { state: "failed", failure: { code: "JOB_CANCELLED" } }, new Date(env.now())));
  await cancelAttempts(platform, run, run.attempt);
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
  for (const run of oldest.values()) {
    try {
      await step(platform, run);
    } catch (error) {
      // Whatever stops one institution's run stops no other, nor what else the clock does; a fault of ours is tried again.
      if (isAppError(error)) await fail(platform, run, error.code, error.facts["party"]);
      else platform.env.log.error("evaluation.step-failed", { reason: error instanceof Error ? error.name : "unknown" });
    }
  }
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
  return isAway ? goOnWithout(platform, run, [party], code) : fail(platform, run, code, party ?? undefined);
}

/** The end, and the news of it to every institution that was pushed something, in one commit. */
async function publish({ db, env }: Platform, { id }: RunRow): Promise<void> {
  const now = env.now();
  await db.write(async (tx) => {
    await nextChange(tx);
    if (!(await changeRun(tx, id, { state: "done" }, new Date(now)))) return;
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
  const caller = { institution: run.institution, party: run.guest };
  const key = keyOf(run, run.attempt);
  // Submitted, and then the process was killed.
  const known = await findByIdempotencyKey(db.read, run.institution, key);
  const job = known === undefined ? await submit(platform, caller, run, key) : jobIdSchema.parse(known.id);
  if (job === undefined) return;
  const isOpen = await db.write((tx) => changeRun(tx, run.id, { state: "running", job }, new Date(env.now())));
  // Cancelled while it was submitted.
  if (!isOpen) await cancelJob(platform, caller, job);
}

async function submit(platform: Platform, caller: InstitutionCaller, run: RunRow, key: string): Promise<JobId | undefined> {
  const { basis, asOf, away, terms } = run;
  const full = run.full === null ? undefined : await findRun(platform.db.read, run.full);
  const params = {
    basis, card: publishedCards[basis].digest, asOf, away: [...away], whenAway: terms.whenAway, pushes: await plannedPushes(platform, basis),
    ...(full?.state === "done" && full.job !== null ? { full: full.job } : {}),
  };
  const request = jobRequestSchema.parse({ kind: "evaluate", guest: run.guest, hosts: presentOf(run), purpose: "credit-evaluation", params });
  try {
    return (await submitJob(platform, caller, request, key)).id;
  } catch (error) {
    if (!isAppError(error)) throw error;
    // The machine is full: the next tick tries again.
    if (error.code === "JOB_TOO_MANY") return undefined;
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
  if (missing.length > 0) await goOnWithout(platform, run, missing, "EVALUATION_PROVIDERS");
}

async function goOnWithout(platform: Platform, run: RunRow, missing: readonly PartyId[], why: Code): Promise<void> {
  const { db, env } = platform;
  const away = run.terms.hosts.filter((h) => run.away.includes(h) || missing.includes(h));
  const left = run.terms.hosts.length - away.length;
  env.log.info("evaluation.away", { providers: missing.length, left, why });
  if (run.terms.whenAway === "fail" || left < run.terms.leastHosts) return fail(platform, run, run.terms.whenAway === "fail" ? why : "EVALUATION_PROVIDERS", missing[0]);
  await db.write((tx) => changeRun(tx, run.id, { state: "waiting", job: null, away, attempt: run.attempt + 1 }, new Date(env.now())));
  return undefined;
}

async function fail(platform: Platform, run: RunRow, code: Code, party?: unknown): Promise<void> {
  const { db, env } = platform;
  await db.write((tx) => changeRun(tx, run.id, { state: "failed", failure: { code, ...(typeof party === "string" ? { party } : {}) } }, new Date(env.now())));
  await cancelAttempts(platform, run, run.attempt);
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
