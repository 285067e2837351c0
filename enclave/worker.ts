// The enclave worker: loads the data, publishes its sizes, follows the jobs that concern it, lets the policy judge, runs
// what everybody approved, and resumes after a restart. One instance per state folder.
import { createHmac } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { EnclaveJob } from "../api/contract.ts";
import type { JobId, PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { AppError, type Code } from "../core/errors.ts";
import { isServing, planDigest, type JobPlan } from "../federation/plan-schema.ts";
import type { FreshIntersections } from "../federation/align/intersection.ts";
import type { CurveWork } from "../federation/psi/curve.ts";
import type { Kernels } from "../kernels/api.ts";
import type { NoteSigner } from "../receipts/note.ts";
import { Noticed } from "../audit/noticed.ts";
import type { Audit } from "../audit/trail.ts";
import { isStoppedError } from "../audit/log.ts";
import type { HeadExchange } from "./audit/heads.ts";
import { JobAudit } from "./audit/job-audit.ts";
import { auditPaths } from "./audit/open.ts";
import { loadBatch } from "./batch/load.ts";
import { featureGroups } from "./data/definition.ts";
import type { Budgets } from "./budgets.ts";
import { openBudgets } from "./charges/open.ts";
import { createEphemeralKey } from "./channel/session.ts";
import { enclavePaths, type EnclaveConfig } from "./config.ts";
import type { ActiveLayer } from "./confinement.ts";
import type { ConsentDesk } from "./consents/desk.ts";
import { codeOf, placeOf } from "./fault.ts";
import { serviceKeyOf } from "./live/request.ts";
import { signApproval } from "./job/approval.ts";
import { JobReceipt } from "./job/receipt.ts";
import { JobRecords, type LocalState } from "./job/records.ts";
import { runJob } from "./job/run.ts";
import type { Identity } from "./keys/identity.ts";
import type { SecretBox } from "./keys/box.ts";
import { Ledger } from "./ledger.ts";
import { approvalsNeeded, countDecisions } from "./operators/decisions.ts";
import { readOperators } from "./operators/list.ts";
import { fitsData, judge, readPolicy, type Policy, type Verdict } from "./policy.ts";
import { pinnedBy, type DataVersions, type Pinned } from "./refresh/versions.ts";
import { ReceiptBook } from "./receipts/book.ts";
import { ServedModels } from "./serving/served.ts";
import { deliverReceipts } from "./receipts/courier.ts";
import { witnessLog } from "./receipts/witnessing.ts";
import type { StateDatabase } from "./store/database.ts";
import { consentsNow } from "./summary.ts";
import { removeTree } from "../core/files.ts";
import { openTags, type Tags } from "./tags/shelves.ts";
import { unwatchable } from "./watch/sources.ts";
import { markScores } from "./subject/marks.ts";
import { followObjections, ObjectionBook } from "./subject/objections.ts";
import { answerUsesRequests } from "./subject/uses.ts";
import type { LiveTransport } from "./transport/live.ts";
import type { LogPlatform } from "./transport/log.ts";
import type { SubjectPlatform } from "./transport/subject.ts";
import type { Platform } from "./transport/platform.ts";
import { reach } from "./transport/reach.ts";

export type WorkerParts = {
  readonly folder: string; readonly config: EnclaveConfig; readonly env: Env; readonly identity: Identity; readonly db: StateDatabase;
  readonly box: SecretBox; readonly platform: Platform; readonly kernels: Kernels; readonly curve: CurveWork; readonly intersections: FreshIntersections;
  readonly data: DataVersions; readonly layers: readonly ActiveLayer[];
  /** Secret of this enclave under which ids are remembered in budgets and set digests are salted. */
  readonly memoryKey: Uint8Array;
  /** Authorisation, where companies are named by their credit codes. */
  readonly consents?: ConsentDesk | undefined;
  /** Rights of companies: looks at uses, objections. */
  readonly rights?: SubjectPlatform | undefined;
  /** The platform's transparency log, and the key by which this enclave is a witness of it. */
  readonly log: LogPlatform; readonly witness: NoteSigner;
  readonly audit: Audit;
  /** For standing services. */
  readonly live?: LiveTransport | undefined; readonly evaluation?: Parameters<typeof runJob>[0]["evaluation"];
  readonly heads?: HeadExchange | undefined;
};

const waitSeconds = 20;
const decisionPollMs = 1_000;
/** Before work that has stopped begins again. */
const pauseMs = 15_000;
const ended: ReadonlySet<string> = new Set(["done", "failed", "cancelled"]);
/** States of a job that this enclave has not finished with. */
const open: ReadonlySet<string> = new Set(["seen", "approved"]);

export class EnclaveWorker {
  readonly #p: WorkerParts;
  readonly #records: JobRecords;
  readonly #budgets: Budgets;
  readonly #tags: Tags;
  readonly #receipts: ReceiptBook;
  readonly #objections: ObjectionBook;
  readonly #audit: JobAudit;
  readonly #served: ServedModels;
  readonly #noticed: Noticed;
  readonly #running = new Map<JobId, { readonly abort: AbortController; readonly task: Promise<void> }>();

  constructor(parts: WorkerParts) {
    this.#p = parts;
    const { db, box, env } = parts;
    this.#records = new JobRecords({ db, box, rng: env.rng, now: env.now });
    const audit = new JobAudit(parts.audit, db, parts.identity.party);
    this.#audit = audit;
    const { policy, config, operators } = enclavePaths(parts.folder);
    const { noticed, settings } = auditPaths(parts.folder);
    this.#noticed = new Noticed(parts.audit, noticed, { policy, config, operators, audit: settings });
    this.#budgets = openBudgets({ db, now: env.now, key: parts.memoryKey, audit, policyFile: policy });
    this.#receipts = new ReceiptBook({ db, box, rng: env.rng, key: parts.identity.signKey, certificate: parts.identity.identityCertificate, onUses: (job, companies) => audit.used(job, companies) });
    this.#objections = new ObjectionBook({ db, box });
    this.#served = new ServedModels({ db, box, memoryKey: parts.memoryKey, now: env.now, log: env.log });
    this.#tags = openTags({ db, box, rng: env.rng, folder: enclavePaths(parts.folder).tags });
  }

  /** Serves until the signal aborts; then waits for running jobs to stop (they resume at the next start). */
  async serve(signal: AbortSignal): Promise<void> {
    this.#sweep();
    await this.#p.audit.record({ actor: { role: "enclave" }, action: "process.started", objects: { snapshot: this.#p.data.current.summary.snapshotDigest } });
    await this.#noticed.look();
    const halt = new AbortController();
    const both = AbortSignal.any([signal, halt.signal]);
    const receipts = [this.#deliver(both), this.#witness(both), this.#followConsents(both), ...this.#serveCompanies(both), this.#beside("heads-stopped", this.#p.heads?.serve(both) ?? Promise.resolve())];
    try {
      await this.#follow(both);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      halt.abort(signal.reason);
      await Promise.allSettled([...receipts, ...[...this.#running.values()].map((r) => r.task)]);
      await this.#p.audit.record({ actor: { role: "enclave" }, action: "process.stopped" }).catch(() => this.#p.env.log.error("audit.stopped", { stopping: true }));
    }
  }

  /** Receipts go to the log beside the jobs: these wait for no log, and their errors end no job. */
  #deliver(signal: AbortSignal): Promise<void> {
    const { db, log: platform, env } = this.#p;
    return this.#beside("receipts-stopped", deliverReceipts({ db, book: this.#receipts, platform, log: env.log, signal }));
  }

  /** Withdrawals count as soon as their list is there, also between jobs. */
  #followConsents(signal: AbortSignal): Promise<void> {
    return this.#beside("consents-stopped", this.#p.consents?.follow(signal) ?? Promise.resolve());
  }

  /** Companies ask for their uses and object, also between jobs. */
  #serveCompanies(signal: AbortSignal): Promise<void>[] {
    const { rights: platform, consents, db, identity, env, folder, config } = this.#p;
    if (platform === undefined || consents === undefined) return [];
    const { party, identityCertificate: certificate } = identity;
    const scored = { db, folder, results: enclavePaths(folder).results, idColumn: config.dataset.idColumn };
    return [
      this.#steadily("uses-stopped", signal, () => answerUsesRequests({ party, db, book: this.#receipts, certificate, platform, log: this.#p.log, env, audit: this.#audit, trust: () => consents.basis.trust }, signal)),
      this.#steadily("objections-stopped", signal, () => followObjections({ book: this.#objections, platform, env, mark: (notice) => markScores(scored, notice) }, signal)),
    ];
  }

  /** Begins again after a refusal of the platform (this party was suspended for a while) or of the disk. */
  async #steadily(event: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await work().catch((error: unknown) => {
        if (!signal.aborted) this.#p.env.log.error(event, { code: codeOf(error), at: placeOf(error) });
      });
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #witness(signal: AbortSignal): Promise<void> {
    const { db, identity, witness: signer, log: platform, env } = this.#p;
    return this.#beside("witness-stopped", witnessLog({ db, identity, signer, platform, env, signal }));
  }

  async #beside(event: string, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#p.env.log.error(event, { code: codeOf(error), at: placeOf(error) });
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { data, platform, env } = this.#p;
    await data.tell((summary) => this.#reach(() => platform.publishDataset(summary()), signal));
    env.log.info("ready", { rows: data.current.summary.rows, features: data.current.summary.features });
    let cursor = 0;
    const waiting = new Map<JobId, EnclaveJob>();
    for (;;) {
      const patience = waiting.size > 0 ? decisionPollMs / 1000 : waitSeconds;
      const news = await this.#reach(() => this.#p.platform.jobs(cursor, patience, signal), signal);
      cursor = news.cursor;
      await this.#noticed.lookIfWritable();
      for (const job of news.jobs) waiting.set(job.id, job);
      for (const [id, job] of waiting) if (await this.#handle(job, signal)) waiting.delete(id);
    }
  }

  /** Frames of jobs that ended just before this enclave was stopped, and tags of data that are no more. */
  #sweep(): void {
    this.#tags.made.sweep(this.#p.data.current.summary.snapshotDigest);
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
      // Nothing is decided while it cannot be written down; the same notice is looked at again.
      if (isStoppedError(error)) return false;
      // Another party has just ended it: the notice of that is on its way.
      if (codeOf(error) !== "JOB_ENDED") this.#p.env.log.error("job-not-handled", { job: notice.id, code: codeOf(error) });
      return true;
    }
  }

  async #answer(plan: JobPlan, signal: AbortSignal): Promise<boolean> {
    const { env, platform } = this.#p;
    const known = this.#records.approval(plan.job);
    await this.#noticed.look();
    const { verdict, policy } = this.#judge(plan, "new");
    const rule = verdict.kind === "refuse" ? -1 : (policy?.allow.indexOf(verdict.rule) ?? -1);
    const decision = await this.#decisionOn(plan, verdict);
    if (verdict.kind === "refuse" || decision === "refuse") {
      const code = verdict.kind === "refuse" ? verdict.code : "POLICY_REFUSED";
      env.log.info("refused", { job: plan.job, code });
      await this.#audit.refused(plan, { rule: rule < 0 ? undefined : rule, byPerson: verdict.kind !== "refuse" }, code);
      await this.#reach(() => platform.refuse(plan.job, code), signal);
      this.#records.end(plan.job, "refused", code);
      return true;
    }
    if (known === undefined && verdict.kind === "ask" && decision === undefined) {
      this.#audit.asked(plan, rule);
      return false;
    }
    await this.#audit.approved(plan, { rule, byPerson: verdict.kind === "ask" && decision === "approve" });
    const jws = known ?? await this.#approve(plan);
    await this.#reach(() => platform.approve(plan.job, jws), signal);
    env.log.info("approved", { job: plan.job });
    return true;
  }

  /** What the operators have said. Where the rule wants four eyes, approvals are signatures of two different operators; anybody here may refuse. */
  async #decisionOn(plan: JobPlan, verdict: Verdict): Promise<"approve" | "refuse" | undefined> {
    const said = this.#records.decision(plan.job);
    if (verdict.kind === "refuse" || verdict.rule.approve !== "four-eyes" || said === "refuse") return said;
    try {
      const matter = { job: plan.job, party: this.#p.identity.party, planDigest: planDigest(plan) };
      const { approved, refused } = await countDecisions(this.#records.operatorDecisions(plan.job), matter, readOperators(enclavePaths(this.#p.folder).operators));
      return refused.length > 0 ? "refuse" : approved.length >= approvalsNeeded ? "approve" : undefined;
    } catch (error) {
      // A list that cannot be read names nobody; it is looked at again.
      if (!(error instanceof AppError)) throw error;
      this.#p.env.log.error("operators-not-read", { job: plan.job, code: error.code });
      return undefined;
    }
  }

  /** The local policy's word on a plan, over the data in service or, once it was approved, those that it names. A file that cannot be read allows nothing. */
  #judge(plan: JobPlan, about: "new" | "approved"): { verdict: Verdict; policy: Policy | undefined } {
    const { identity, env, folder, data } = this.#p;
    const { dataset, summary } = (about === "approved" ? data.of(plan, identity.party) : undefined) ?? data.current;
    const refuse = (code: Code): { verdict: Verdict; policy: undefined } => ({ verdict: { kind: "refuse", code }, policy: undefined });
    if (!(Date.parse(plan.expiresAt) > env.now())) return refuse("JOB_EXPIRED");
    try {
      const policy = readPolicy(enclavePaths(folder).policy);
      return { verdict: judge(plan, identity.party, policy, summary, { experiments: this.#p.config.experiments === true, hasTags: this.#tags.made.canServe(plan.guest, summary), watchable: (p) => unwatchable(p, { dataset, self: identity.party, db: this.#p.db }), ...consentsNow(this.#p.config, dataset, policy) }), policy };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return refuse(error.code);
    }
  }

  async #approve(plan: JobPlan): Promise<string> {
    const { identity, env, data } = this.#p;
    this.#records.prepare(plan.job, createEphemeralKey());
    const secrets = this.#records.secrets(plan.job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    const jws = await signApproval({
      job: plan.job, party: identity.party, planDigest: planDigest(plan), snapshotDigest: (isServing(plan.kind) ? undefined : plan.datasets[identity.party]?.snapshotDigest) ?? data.current.summary.snapshotDigest,
      channelKey: secrets.ephemeral.publicX, ...(isServing(plan.kind) && plan.guest === identity.party ? { serviceKey: serviceKeyOf(secrets.seed).x } : {}), at: new Date(env.now()).toISOString(),
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
      .finally(() => {
        this.#running.delete(plan.job);
        this.#p.data.release(this.pinned());
      });
    this.#running.set(plan.job, { abort, task });
    return true;
  }

  async #run(plan: JobPlan, notice: EnclaveJob, signal: AbortSignal, shutdown: AbortSignal): Promise<void> {
    const p = this.#p;
    const { platform, env, identity } = p;
    const paths = enclavePaths(p.folder);
    try {
      const { verdict, policy } = this.#judge(plan, "approved");
      if (policy === undefined || verdict.kind === "refuse") throw new AppError(verdict.kind === "refuse" ? verdict.code : "POLICY_MISSING");
      using opened = p.data.open(plan, identity.party, (summary) => fitsData(plan, identity.party, summary));
      await this.#noticed.look();
      await this.#audit.started(plan);
      await runJob({
        audit: this.#audit,
        identity, db: p.db, records: this.#records, budgets: this.#budgets, platform, receipts: this.#receipts, kernels: p.kernels, curve: p.curve, tags: this.#tags, intersections: p.intersections, policy,
        evaluation: p.evaluation, live: p.live && { transport: p.live, box: p.box, rng: env.rng, served: this.#served },
        dataset: opened.dataset, data: opened.data, unfit: opened.unfit, loadBatch: (batch, expected) => loadBatch(p.folder, batch, p.config.dataset, env.log, expected), trainOf: opened.trainOf, setSecret: (host) => this.#setSecret(host), consents: p.consents, marks: (providers) => this.#objections.marks(providers), groups: featureGroups(p.config.dataset), layers: p.layers, paths,
        peerTimeoutMs: p.config.peerTimeoutSeconds * 1000, now: env.now, log: env.log,
      }, { plan, planDigest: notice.planDigest, approvals: notice.approvals, rule: verdict.rule, signal, isOver: notice.state === "done" });
      await this.#audit.ended(plan, undefined, this.#receipts.of(plan.job)?.jws);
      await this.#reach(() => platform.finish(plan.job, { state: "done" }), signal);
      this.#records.end(plan.job, "done");
      env.log.info("job-done", { job: plan.job });
    } catch (error) {
      // A shutdown: the job resumes at the next start. Its end at the platform is recorded already.
      if (shutdown.aborted) return;
      this.#receiptOfEnded(plan);
      await this.#audit.endedBadly(plan, codeOf(signal.aborted ? signal.reason : error), this.#receipts.of(plan.job)?.jws);
      if (!signal.aborted) await this.#fail(plan.job, error, shutdown);
    }
    p.heads?.soon();
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
    if (running === undefined) {
      this.#audit.stopped(notice.id, code);
      this.#receiptOfEnded(this.#records.see(notice.plan, notice.planDigest));
      removeTree(`${enclavePaths(this.#p.folder).inbox}/${notice.id}`);
      this.#p.data.release(this.pinned());
    } else running.abort.abort(new AppError(code));
    this.#p.env.log.info("job-stopped", { job: notice.id, code });
    return true;
  }

  /** A job that did not end well has used what it has used: its companies find that, too. */
  #receiptOfEnded(plan: JobPlan): void {
    const { db, identity, env } = this.#p;
    const uses = this.#receipts.uses(plan.job);
    if (uses.digest().count === 0) return;
    const ledger = new Ledger(db, plan, identity.party);
    new JobReceipt(this.#receipts, { plan, planDigest: planDigest(plan), self: identity.party, ledger, uses, seeds: () => ({}), now: env.now }).make();
  }

  /** The versions of the data that open jobs name. */
  pinned(): readonly Pinned[] {
    return pinnedBy(this.#records.open(), this.#p.identity.party, (job) => this.#running.has(job));
  }

  #setSecret(host: PartyId): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#p.memoryKey).update(`yunei/set-secret/v1|${host}`).digest());
  }

  #reach<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return reach(call, { signal, log: this.#p.env.log });
  }
}
