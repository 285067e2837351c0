// The platform's side of enclave workers in memory: plans, approvals, the relay, results. A test may be a hostile platform:
// change what a party pulls, lose answers, refuse, say something else about a job.
import type { EnclaveJob } from "../../api/contract.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { JobEnd, Platform } from "../../enclave/transport/platform.ts";
import { planDigest, type DatasetSummary, type JobPlan } from "../../federation/plan-schema.ts";

export type Frame = { readonly job: JobId; readonly from: PartyId; readonly to: PartyId; readonly seq: number };
type Held = { readonly plan: JobPlan; notice: EnclaveJob; change: number; readonly finished: Set<PartyId> };
/** Called before a call of a party is served; may throw in its place. */
export type Hook = (call: keyof Platform, party: PartyId, frame?: Frame) => void;

export class Exchange {
  readonly datasets = new Map<PartyId, DatasetSummary>();
  readonly certificates = new Map<string, string>();
  readonly results = new Map<string, string>();
  readonly said: { readonly party: PartyId; readonly job: JobId; readonly end: JobEnd }[] = [];
  before: Hook = () => {};
  /** After a frame was stored: the answer may be lost. */
  stored: (frame: Frame) => void = () => {};
  /** What a party gets in place of a frame. */
  pulled: (frame: Frame, sealed: Uint8Array) => Uint8Array = (_, sealed) => sealed;
  /** Frames that their receiver needs no more: job/from/to/number. */
  readonly forgotten = new Set<string>();
  readonly #jobs = new Map<JobId, Held>();
  readonly #frames = new Map<string, Uint8Array>();
  #change = 0;
  #waiters: (() => void)[] = [];

  submit(plan: JobPlan): void {
    const notice: EnclaveJob = {
      id: plan.job, state: "awaiting-approval", plan: canonicalJson(plan as unknown as Json), planDigest: planDigest(plan), approvals: {}, refusals: {}, failure: null,
    };
    this.#jobs.set(plan.job, { plan, notice, change: 0, finished: new Set() });
    this.tell(plan.job, {});
  }

  /** Says something about a job to its parties. */
  tell(job: JobId, change: Partial<EnclaveJob>): void {
    const held = this.#held(job);
    held.notice = { ...held.notice, ...change };
    held.change = ++this.#change;
    this.#wake();
  }
  notice(job: JobId): EnclaveJob {
    return this.#held(job).notice;
  }
  frames(job: JobId, from: PartyId, to: PartyId): Uint8Array[] {
    const all: Uint8Array[] = [];
    for (let frame; (frame = this.#frames.get(keyOf({ job, from, to, seq: all.length }))) !== undefined; ) all.push(frame);
    return all;
  }

  /** The platform as one party sees it. */
  platform(self: PartyId): Platform {
    const at = (call: keyof Platform, frame?: Frame): void => this.before(call, self, frame);
    return {
      publishDataset: async (summary) => {
        at("publishDataset");
        this.datasets.set(self, summary);
      },
      jobs: async (cursor, waitSeconds, signal) => {
        at("jobs");
        const news = (): Held[] => [...this.#jobs.values()].filter((h) => h.change > cursor && [h.plan.guest, ...h.plan.hosts].includes(self));
        await this.#until(() => news().length > 0, waitSeconds, signal);
        return { cursor: Math.max(cursor, ...news().map((h) => h.change)), jobs: news().map((h) => h.notice) };
      },
      parties: async () => {
        at("parties");
        return this.certificates;
      },
      approve: async (job, jws) => {
        at("approve");
        const held = this.#held(job);
        if (held.notice.approvals[self] === jws) return;
        if (held.notice.state !== "awaiting-approval") throw new AppError("JOB_ENDED");
        const approvals = { ...held.notice.approvals, [self]: jws };
        const all = [held.plan.guest, ...held.plan.hosts].every((p) => approvals[p] !== undefined);
        this.tell(job, { approvals, ...(all && held.notice.state === "awaiting-approval" ? { state: "running" } : {}) });
      },
      refuse: async (job, code) => {
        at("refuse");
        this.#end(job, self, { state: "failed", code });
      },
      report: async () => at("report"),
      finish: async (job, end) => {
        at("finish");
        this.said.push({ party: self, job, end });
        this.#end(job, self, end);
      },
      putModel: async (job, model) => {
        at("putModel");
        this.#once(`${job}/model`, canonicalJson(model));
      },
      putResult: async (job, name, jwe) => {
        at("putResult");
        this.#once(`${job}/${name}`, jwe);
      },
      put: async (job, to, seq, sealed) => {
        const frame = { job, from: self, to, seq };
        at("put", frame);
        this.#checkRuns(job);
        const known = this.#frames.get(keyOf(frame));
        if (known !== undefined && !Buffer.from(known).equals(sealed)) throw new AppError("RELAY_CONFLICT", { seq });
        if (known === undefined && seq !== this.frames(job, self, to).length) throw new AppError("RELAY_GAP");
        this.#frames.set(keyOf(frame), Uint8Array.from(sealed));
        this.#wake();
        this.stored(frame);
      },
      pull: async (job, from, seq, waitSeconds, signal, take) => {
        const frame = { job, from, to: self, seq };
        at("pull", frame);
        this.#checkRuns(job);
        await this.#until(() => this.#frames.has(keyOf(frame)) || this.#held(job).notice.state !== "running", waitSeconds, signal);
        this.#checkRuns(job);
        if (this.forgotten.has(keyOf(frame))) throw new AppError("RELAY_FORGOTTEN", { seq });
        const sealed = this.#frames.get(keyOf(frame));
        if (sealed === undefined) return undefined;
        // Lent, as by the real transport: what is kept of it beyond the call would change.
        const lent = Uint8Array.from(this.pulled(frame, sealed));
        try {
          return take(lent);
        } finally {
          lent.fill(0xee);
        }
      },
      forget: async (job, from, first, below) => {
        at("forget");
        for (let seq = first; seq < below; seq++) this.forgotten.add(keyOf({ job, from, to: self, seq }));
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #held(job: JobId): Held {
    const held = this.#jobs.get(job);
    if (held === undefined) throw new AppError("JOB_NOT_FOUND");
    return held;
  }
  #checkRuns(job: JobId): void {
    if (this.#held(job).notice.state !== "running") throw new AppError("JOB_ENDED");
  }
  #end(job: JobId, self: PartyId, end: JobEnd): void {
    const held = this.#held(job);
    if (["done", "failed", "cancelled"].includes(held.notice.state)) return;
    if (end.state === "failed") {
      const failure = { code: end.code, party: (end.party ?? self) as PartyId, step: null, en: "", zh: "" };
      this.tell(job, { state: "failed", failure });
      return;
    }
    held.finished.add(self);
    if ([held.plan.guest, ...held.plan.hosts].every((p) => held.finished.has(p))) this.tell(job, { state: "done" });
  }
  #once(name: string, text: string): void {
    if ((this.results.get(name) ?? text) !== text) throw new AppError("RESULT_CONFLICT");
    this.results.set(name, text);
  }
  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
  async #until(isThere: () => boolean, waitSeconds: number, signal: AbortSignal): Promise<void> {
    const end = performance.now() + waitSeconds * 1000;
    while (!isThere() && performance.now() < end && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, end - performance.now()));
        signal.addEventListener("abort", () => resolve(), { once: true });
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    if (signal.aborted) throw new AppError("JOB_PLATFORM_UNREACHABLE");
  }
}

const keyOf = ({ job, from, to, seq }: Frame): string => `${job}/${from}/${to}/${seq}`;
