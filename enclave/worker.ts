// The enclave worker: loads the data, publishes its sizes, follows the jobs that concern it, lets the policy judge, runs
// what everybody approved, and resumes after a restart. One instance per state folder.
import { createHmac } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { EnclaveJob } from "../api/contract.ts";
import type { JobId, PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { planDigest, type DatasetSummary, type JobPlan } from "../federation/plan-schema.ts";
import type { SetIntersection } from "../federation/psi/intersection.ts";
import type { Kernels } from "../kernels/api.ts";
import { loadBatch } from "./batch.ts";
import { Budgets } from "./budgets.ts";
import { createEphemeralKey } from "./channel/session.ts";
import { enclavePaths, type EnclaveConfig } from "./config.ts";
import type { ActiveLayer } from "./confinement.ts";
import type { LoadedDataset } from "./data/load.ts";
import { signApproval } from "./job/approval.ts";
import { JobRecords } from "./job/records.ts";
import { runJob } from "./job/run.ts";
import type { Identity } from "./keys/identity.ts";
import type { SecretBox } from "./keys/box.ts";
import { judge, readPolicy } from "./policy.ts";
import type { StateDatabase } from "./store/database.ts";
import { removeTree } from "./store/files.ts";
import type { Platform } from "./transport/platform.ts";

export type WorkerParts = {
  readonly folder: string; readonly config: EnclaveConfig; readonly env: Env; readonly identity: Identity; readonly db: StateDatabase;
  readonly box: SecretBox; readonly platform: Platform; readonly kernels: Kernels; readonly intersection: SetIntersection;
  readonly dataset: LoadedDataset; readonly summary: DatasetSummary; readonly trainOf: Uint8Array | undefined; readonly layers: readonly ActiveLayer[];
  /** Secret of this enclave under which ids are remembered in budgets and set digests are salted. */
  readonly memoryKey: Uint8Array;
};

const waitSeconds = 20;
const decisionPollMs = 1_000;
const firstBackOffMs = 200;
const maxBackOffMs = 10_000;
const ended = new Set(["done", "failed", "cancelled"]);

export class EnclaveWorker {
  readonly #p: WorkerParts;
  readonly #records: JobRecords;
  readonly #budgets: Budgets;
  readonly #running = new Map<JobId, { readonly abort: AbortController; readonly task: Promise<void> }>();

  constructor(parts: WorkerParts) {
    this.#p = parts;
    const { db, box, env } = parts;
    this.#records = new JobRecords({ db, box, rng: env.rng, now: env.now });
    this.#budgets = new Budgets(db, env.now, parts.memoryKey);
  }

  /** Serves until the signal aborts; then waits for running jobs to stop (they resume at the next start). */
  async serve(signal: AbortSignal): Promise<void> {
    await this.#retry(() => this.#p.platform.publishDataset(this.#p.summary), signal);
    this.#p.env.log.info("ready", { rows: this.#p.summary.rows, features: this.#p.summary.features });
    let cursor = 0;
    const waiting = new Map<JobId, EnclaveJob>();
    while (!signal.aborted) {
      const patience = waiting.size > 0 ? decisionPollMs / 1000 : waitSeconds;
      const news = await this.#retry(() => this.#p.platform.jobs(cursor, patience, signal), signal);
      if (news === undefined) break;
      cursor = news.cursor;
      for (const job of news.jobs) waiting.set(job.id, job);
      for (const [id, job] of waiting) if (await this.#handle(job, signal)) waiting.delete(id);
    }
    for (const { abort } of this.#running.values()) abort.abort(signal.reason);
    await Promise.allSettled([...this.#running.values()].map((r) => r.task));
  }

  /** True when nothing is left to do until the job changes again. */
  async #handle(notice: EnclaveJob, signal: AbortSignal): Promise<boolean> {
    try {
      if (ended.has(notice.state)) return this.#stop(notice);
      const state = this.#records.state(notice.id);
      if (state !== undefined && state !== "seen" && state !== "approved") return true;
      const plan = this.#records.see(notice.plan, notice.planDigest);
      if (notice.state === "running") return this.#start(plan, notice, signal);
      return await this.#answer(plan, signal);
    } catch (error) {
      if (signal.aborted) return true;
      this.#p.env.log.error("job-not-handled", { job: notice.id, code: codeOf(error) });
      return true;
    }
  }

  async #answer(plan: JobPlan, signal: AbortSignal): Promise<boolean> {
    const { identity, env, platform, summary } = this.#p;
    const known = this.#records.approval(plan.job);
    const policy = readPolicy(enclavePaths(this.#p.folder).policy);
    const verdict = judge(plan, identity.party, policy, summary);
    const decision = this.#records.decision(plan.job);
    if (verdict.kind === "refuse" || decision === "refuse") {
      const code = verdict.kind === "refuse" ? verdict.code : "POLICY_REFUSED";
      env.log.info("refused", { job: plan.job, code });
      await this.#retry(() => platform.refuse(plan.job, code), signal);
      this.#records.end(plan.job, "refused", code);
      return true;
    }
    if (known === undefined && verdict.kind === "ask" && decision === undefined) return false;
    const jws = known ?? await this.#approve(plan);
    await this.#retry(() => platform.approve(plan.job, jws), signal);
    env.log.info("approved", { job: plan.job });
    return true;
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
    const task = this.#run(plan, notice, both, signal).finally(() => this.#running.delete(plan.job));
    this.#running.set(plan.job, { abort, task });
    return true;
  }

  async #run(plan: JobPlan, notice: EnclaveJob, signal: AbortSignal, shutdown: AbortSignal): Promise<void> {
    const p = this.#p;
    const { platform, env, identity } = p;
    const paths = enclavePaths(p.folder);
    try {
      const policy = readPolicy(paths.policy);
      const verdict = judge(plan, identity.party, policy, p.summary);
      if (policy === undefined || verdict.kind === "refuse") throw new AppError(verdict.kind === "refuse" ? verdict.code : "POLICY_MISSING");
      await runJob({
        identity, db: p.db, records: this.#records, budgets: this.#budgets, platform, kernels: p.kernels, intersection: p.intersection, policy,
        dataset: p.dataset, loadBatch: (batch) => loadBatch(p.folder, batch, p.config.dataset, env.log), trainOf: p.trainOf, setSecret: (host) => this.#setSecret(host), layers: p.layers, paths,
        peerTimeoutMs: p.config.peerTimeoutSeconds * 1000, now: env.now, log: env.log,
      }, { plan, planDigest: notice.planDigest, approvals: notice.approvals, rule: verdict.rule, signal });
      await this.#retry(() => platform.finish(plan.job, { state: "done" }), shutdown);
      this.#records.end(plan.job, "done");
      env.log.info("job-done", { job: plan.job });
    } catch (error) {
      // Stopped from outside: by a shutdown (the job resumes at the next start) or by its cancellation (already recorded).
      if (signal.aborted) return;
      const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
      const peer = error instanceof AppError ? (error.facts["peer"] ?? error.facts["party"]) : undefined;
      env.log.error("job-failed", { job: plan.job, code, ...(error instanceof AppError ? factsOf(error) : placeOf(error)) });
      this.#records.end(plan.job, "failed", code);
      await this.#retry(() => platform.finish(plan.job, { state: "failed", code, ...(typeof peer === "string" ? { party: peer } : {}) }), shutdown);
    }
    removeTree(`${paths.inbox}/${plan.job}`);
  }

  #stop(notice: EnclaveJob): boolean {
    const running = this.#running.get(notice.id);
    const state = this.#records.state(notice.id);
    if (running !== undefined && notice.state !== "done") {
      running.abort.abort(new AppError("JOB_CANCELLED"));
      this.#records.end(notice.id, "cancelled", "JOB_CANCELLED");
      removeTree(`${enclavePaths(this.#p.folder).inbox}/${notice.id}`);
    } else if (running === undefined && (state === "seen" || state === "approved")) this.#records.end(notice.id, "cancelled", "JOB_CANCELLED");
    return true;
  }

  #setSecret(host: PartyId): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#p.memoryKey).update(`yunei/set-secret/v1|${host}`).digest());
  }

  /** Repeats while the platform cannot be reached; undefined when the signal aborts. */
  async #retry<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    for (let backOff = firstBackOffMs; !signal.aborted; backOff = Math.min(backOff * 2, maxBackOffMs)) {
      try {
        return await call();
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!(error instanceof AppError) || error.code !== "JOB_PLATFORM_UNREACHABLE") throw error;
        this.#p.env.log.warn("platform-unreachable", { retryMs: backOff });
        await delay(backOff, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }
}

function codeOf(error: unknown): string {
  return error instanceof AppError ? error.code : "JOB_INTERNAL";
}

function factsOf(error: AppError): Record<string, number | boolean | string> {
  return { ...error.facts };
}

/** Where an unexpected error came from: file and line of our own code, never its message, which may quote data. */
function placeOf(error: unknown): Record<string, string> {
  const frame = error instanceof Error ? /([\w-]+\.ts:\d+)/.exec(error.stack?.split("\n").slice(1).join("\n") ?? "")?.[1] : undefined;
  return { kind: error instanceof Error ? error.name : typeof error, at: frame ?? "unknown" };
}
