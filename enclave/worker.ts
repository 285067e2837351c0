// The enclave worker: loads the data, publishes its sizes, follows the jobs that concern it, lets the policy judge, runs
// what everybody approved, and resumes after a restart. One instance per state folder.
import { createHmac } from "node:crypto";
import type { EnclaveJob } from "../api/contract.ts";
import type { JobId, PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { AppError, type Code } from "../core/errors.ts";
import { planDigest, type DatasetSummary, type JobPlan } from "../federation/plan-schema.ts";
import type { FreshIntersections } from "../federation/align/intersection.ts";
import type { CurveWork } from "../federation/psi/curve.ts";
import type { Kernels } from "../kernels/api.ts";
import { loadBatch } from "./batch.ts";
import { featureGroups } from "./data/definition.ts";
import { Budgets } from "./budgets.ts";
import { createEphemeralKey } from "./channel/session.ts";
import { enclavePaths, type EnclaveConfig } from "./config.ts";
import type { ActiveLayer } from "./confinement.ts";
import type { LoadedDataset } from "./data/load.ts";
import { signApproval } from "./job/approval.ts";
import { JobRecords, type LocalState } from "./job/records.ts";
import { runJob } from "./job/run.ts";
import type { Identity } from "./keys/identity.ts";
import type { SecretBox } from "./keys/box.ts";
import { judge, readPolicy, type Policy, type Verdict } from "./policy.ts";
import type { StateDatabase } from "./store/database.ts";
import { removeTree } from "../core/files.ts";
import { openTags, type Tags } from "./tags/shelves.ts";
import type { Platform } from "./transport/platform.ts";
import { reach } from "./transport/reach.ts";

export type WorkerParts = {
  readonly folder: string; readonly config: EnclaveConfig; readonly env: Env; readonly identity: Identity; readonly db: StateDatabase;
  readonly box: SecretBox; readonly platform: Platform; readonly kernels: Kernels; readonly curve: CurveWork; readonly intersections: FreshIntersections;
  readonly dataset: LoadedDataset; readonly summary: DatasetSummary; readonly trainOf: Uint8Array | undefined; readonly layers: readonly ActiveLayer[];
  /** Secret of this enclave under which ids are remembered in budgets and set digests are salted. */
  readonly memoryKey: Uint8Array;
};

const waitSeconds = 20;
const decisionPollMs = 1_000;
const ended: ReadonlySet<string> = new Set(["done", "failed", "cancelled"]);
/** States of a job that this enclave has not finished with. */
const open: ReadonlySet<string> = new Set(["seen", "approved"]);

export class EnclaveWorker {
  readonly #p: WorkerParts;
  readonly #records: JobRecords;
  readonly #budgets: Budgets;
  readonly #tags: Tags;
  readonly #running = new Map<JobId, { readonly abort: AbortController; readonly task: Promise<void> }>();

  constructor(parts: WorkerParts) {
    this.#p = parts;
    const { db, box, env } = parts;
    this.#records = new JobRecords({ db, box, rng: env.rng, now: env.now });
    this.#budgets = new Budgets(db, env.now, parts.memoryKey);
    this.#tags = openTags({ db, box, rng: env.rng, folder: enclavePaths(parts.folder).tags });
  }

  /** Serves until the signal aborts; then waits for running jobs to stop (they resume at the next start). */
  async serve(signal: AbortSignal): Promise<void> {
    this.#sweep();
    const halt = new AbortController();
    try {
      await this.#follow(AbortSignal.any([signal, halt.signal]));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      halt.abort(signal.reason);
      await Promise.allSettled([...this.#running.values()].map((r) => r.task));
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    await this.#reach(() => this.#p.platform.publishDataset(this.#p.summary), signal);
    this.#p.env.log.info("ready", { rows: this.#p.summary.rows, features: this.#p.summary.features });
    let cursor = 0;
    const waiting = new Map<JobId, EnclaveJob>();
    for (;;) {
      const patience = waiting.size > 0 ? decisionPollMs / 1000 : waitSeconds;
      const news = await this.#reach(() => this.#p.platform.jobs(cursor, patience, signal), signal);
      cursor = news.cursor;
      for (const job of news.jobs) waiting.set(job.id, job);
      for (const [id, job] of waiting) if (await this.#handle(job, signal)) waiting.delete(id);
    }
  }

  /** Frames of jobs that ended just before this enclave was stopped, and tags of data that are no more. */
  #sweep(): void {
    this.#tags.made.sweep(this.#p.summary.snapshotDigest);
    this.#tags.got.sweep();
    const { inbox } = enclavePaths(this.#p.folder);
    for (const { job, state } of this.#records.list()) if (!open.has(state)) removeTree(`${inbox}/${job}`);
  }

  /** True when nothing is left to do until the job changes again. */
  async #handle(notice: EnclaveJob, signal: AbortSignal): Promise<boolean> {
    try {
      const state = this.#records.state(notice.id);
      const isKilledAtEnd = notice.state === "done" && state === "approved" && !this.#running.has(notice.id);
      if (ended.has(notice.state) && !isKilledAtEnd) return this.#stop(notice);
      if (state !== undefined && !open.has(state)) return await this.#tellAgain(notice.id, state, signal);
      const plan = this.#records.see(notice.plan, notice.planDigest);
      if (plan.job !== notice.id) throw new AppError("PROTOCOL_MALFORMED");
      if (notice.state === "running" || isKilledAtEnd) return this.#start(plan, notice, signal);
      return await this.#answer(plan, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Another party has just ended it: the notice of that is on its way.
      if (codeOf(error) !== "JOB_ENDED") this.#p.env.log.error("job-not-handled", { job: notice.id, code: codeOf(error) });
      return true;
    }
  }

  async #answer(plan: JobPlan, signal: AbortSignal): Promise<boolean> {
    const { env, platform } = this.#p;
    const known = this.#records.approval(plan.job);
    const verdict = this.#judge(plan).verdict;
    const decision = this.#records.decision(plan.job);
    if (verdict.kind === "refuse" || decision === "refuse") {
      const code = verdict.kind === "refuse" ? verdict.code : "POLICY_REFUSED";
      env.log.info("refused", { job: plan.job, code });
      await this.#reach(() => platform.refuse(plan.job, code), signal);
      this.#records.end(plan.job, "refused", code);
      return true;
    }
    if (known === undefined && verdict.kind === "ask" && decision === undefined) return false;
    const jws = known ?? await this.#approve(plan);
    await this.#reach(() => platform.approve(plan.job, jws), signal);
    env.log.info("approved", { job: plan.job });
    return true;
  }

  /** The local policy's word on a plan. A file that cannot be read allows nothing. */
  #judge(plan: JobPlan): { verdict: Verdict; policy: Policy | undefined } {
    const { identity, summary, env, folder } = this.#p;
    const refuse = (code: Code): { verdict: Verdict; policy: undefined } => ({ verdict: { kind: "refuse", code }, policy: undefined });
    if (!(Date.parse(plan.expiresAt) > env.now())) return refuse("JOB_EXPIRED");
    try {
      const policy = readPolicy(enclavePaths(folder).policy);
      return { verdict: judge(plan, identity.party, policy, summary, { experiments: this.#p.config.experiments === true, hasTags: this.#tags.made.canServe(plan.guest, summary) }), policy };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return refuse(error.code);
    }
  }

  async #approve(plan: JobPlan): Promise<string> {
    const { identity, env, summary } = this.#p;
    this.#records.prepare(plan.job, createEphemeralKey());
    const secrets = this.#records.secrets(plan.job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    const jws = await signApproval({
      job: plan.job, party: identity.party, planDigest: planDigest(plan), snapshotDigest: summary.snapshotDigest,
      channelKey: secrets.ephemeral.publicX, at: new Date(env.now()).toISOString(),
    }, identity.signKey);
    this.#records.approved(plan.job, jws);
    return jws;
  }

  /** Starts a job that everybody approved, or goes on with it after a restart. */
  #start(plan: JobPlan, notice: EnclaveJob, signal: AbortSignal): boolean {
    if (this.#running.has(plan.job) || this.#records.state(plan.job) !== "approved") return true;
    const abort = new AbortController();
    const both = AbortSignal.any([abort.signal, signal]);
    // Nothing may be thrown into nowhere: what stops a job is told to the platform or belongs to a shutdown.
    const task = this.#run(plan, notice, both, signal)
      .catch((error: unknown) => this.#p.env.log.error("job-not-ended", { job: plan.job, code: codeOf(error) }))
      .finally(() => this.#running.delete(plan.job));
    this.#running.set(plan.job, { abort, task });
    return true;
  }

  async #run(plan: JobPlan, notice: EnclaveJob, signal: AbortSignal, shutdown: AbortSignal): Promise<void> {
    const p = this.#p;
    const { platform, env, identity } = p;
    const paths = enclavePaths(p.folder);
    try {
      const { verdict, policy } = this.#judge(plan);
      if (policy === undefined || verdict.kind === "refuse") throw new AppError(verdict.kind === "refuse" ? verdict.code : "POLICY_MISSING");
      await runJob({
        identity, db: p.db, records: this.#records, budgets: this.#budgets, platform, kernels: p.kernels, curve: p.curve, tags: this.#tags, intersections: p.intersections, policy,
        dataset: p.dataset, loadBatch: (batch) => loadBatch(p.folder, batch, p.config.dataset, env.log), trainOf: p.trainOf, setSecret: (host) => this.#setSecret(host), groups: featureGroups(p.config.dataset), layers: p.layers, paths,
        peerTimeoutMs: p.config.peerTimeoutSeconds * 1000, now: env.now, log: env.log,
      }, { plan, planDigest: notice.planDigest, approvals: notice.approvals, rule: verdict.rule, signal, isOver: notice.state === "done" });
      await this.#reach(() => platform.finish(plan.job, { state: "done" }), signal);
      this.#records.end(plan.job, "done");
      env.log.info("job-done", { job: plan.job });
    } catch (error) {
      // A shutdown: the job resumes at the next start. Its end at the platform is recorded already.
      if (shutdown.aborted) return;
      if (!signal.aborted) await this.#fail(plan.job, error, shutdown);
    }
    removeTree(`${paths.inbox}/${plan.job}`);
  }

  async #fail(job: JobId, error: unknown, shutdown: AbortSignal): Promise<void> {
    const { platform, env } = this.#p;
    const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
    const peer = error instanceof AppError ? (error.facts["peer"] ?? error.facts["party"]) : undefined;
    env.log.error("job-failed", { job, code, ...(error instanceof AppError ? error.facts : { at: placeOf(error) }) });
    this.#records.end(job, "failed", code);
    await this.#reach(() => platform.finish(job, { state: "failed", code, ...(typeof peer === "string" ? { party: peer } : {}) }), shutdown);
  }

  /** The platform believes that this enclave still works on a job: it was killed before it could say that it had ended. */
  async #tellAgain(job: JobId, state: LocalState, signal: AbortSignal): Promise<boolean> {
    const { platform } = this.#p;
    const code = this.#records.code(job) ?? "JOB_INTERNAL";
    if (state === "refused") await this.#reach(() => platform.refuse(job, code), signal);
    else if (state === "failed" || state === "cancelled") await this.#reach(() => platform.finish(job, { state: "failed", code }), signal);
    return true;
  }

  #stop(notice: EnclaveJob): boolean {
    const running = this.#running.get(notice.id);
    const state = this.#records.state(notice.id);
    // A job that is done runs to its end here, too.
    if (state === undefined || !open.has(state) || (running !== undefined && notice.state === "done")) return true;
    const code = notice.failure?.code ?? "JOB_CANCELLED";
    this.#records.end(notice.id, notice.state === "failed" ? "failed" : "cancelled", code);
    // A running one removes its frames when it has stopped: one may just be coming in.
    if (running === undefined) removeTree(`${enclavePaths(this.#p.folder).inbox}/${notice.id}`);
    else running.abort.abort(new AppError(code));
    this.#p.env.log.info("job-stopped", { job: notice.id, code });
    return true;
  }

  #setSecret(host: PartyId): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#p.memoryKey).update(`yunei/set-secret/v1|${host}`).digest());
  }

  #reach<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return reach(call, { signal, log: this.#p.env.log });
  }
}

function codeOf(error: unknown): string {
  return error instanceof AppError ? error.code : "JOB_INTERNAL";
}

/** Where an unexpected error came from: its kind, file and line of our own code, never its message, which may quote data. */
export function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = error.stack?.split("\n").filter((line) => line.startsWith("    at ")).join("\n") ?? "";
  return `${error.name} ${/([\w-]+\.ts:\d+)/.exec(frames)?.[1] ?? "unknown"}`;
}
