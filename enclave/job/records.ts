// The rows of this enclave's jobs: state, plan, approval, and the job's secrets (seed and channel key) sealed at rest.
import { z } from "zod";
import type { JobId } from "../../core/brand.ts";
import type { Clock, Rng } from "../../core/env.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { jobPlanSchema, planDigest, type JobPlan } from "../../federation/plan-schema.ts";
import type { EphemeralKey } from "../channel/session.ts";
import type { SecretBox } from "../keys/box.ts";
import { Checkpoints } from "../store/checkpoints.ts";
import type { StateDatabase } from "../store/database.ts";

export type LocalState = "seen" | "approved" | "refused" | "done" | "failed" | "cancelled";
export type Secrets = { readonly seed: Uint8Array; readonly ephemeral: EphemeralKey };
const seedBytes = 32;

export class JobRecords {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #rng: Rng;
  readonly #now: Clock;

  constructor(options: { db: StateDatabase; box: SecretBox; rng: Rng; now: Clock }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#rng = options.rng;
    this.#now = options.now;
  }

  state(job: JobId): LocalState | undefined {
    return this.#db.get("select state from jobs where job = ?", job)?.["state"] as LocalState | undefined;
  }

  /** Remembers a plan when it is first seen. The same job with another plan is refused. */
  see(planText: string, digest: string): JobPlan {
    const parsed = jobPlanSchema.safeParse(parseJson(planText));
    if (!parsed.success || planDigest(parsed.data) !== digest) throw new AppError("PROTOCOL_MALFORMED", { bytes: planText.length });
    const plan = parsed.data;
    const known = this.#db.get("select digest from jobs where job = ?", plan.job);
    if (known !== undefined && known["digest"] !== digest) throw new AppError("APPROVAL_INVALID");
    this.#db.run("insert or ignore into jobs (job, state, plan, digest, created_at) values (?, 'seen', ?, ?, ?)", plan.job, planText, digest, this.#now());
    return plan;
  }

  /** Makes the job's secrets, durable before the approval can leave. */
  prepare(job: JobId, ephemeral: EphemeralKey): void {
    const seed = this.#rng(seedBytes);
    const secrets = JSON.stringify({ seed: Buffer.from(seed).toString("base64"), key: Buffer.from(ephemeral.privatePkcs8).toString("base64"), x: ephemeral.publicX });
    this.#db.run("update jobs set secrets = ? where job = ? and secrets is null", this.#box.seal(Buffer.from(secrets)), job);
  }

  secrets(job: JobId): Secrets | undefined {
    const sealed = this.#db.get("select secrets from jobs where job = ?", job)?.["secrets"];
    if (!(sealed instanceof Uint8Array)) return undefined;
    const { seed, key, x } = JSON.parse(Buffer.from(this.#box.open(sealed)).toString("utf8")) as { seed: string; key: string; x: string };
    return { seed: new Uint8Array(Buffer.from(seed, "base64")), ephemeral: { privatePkcs8: new Uint8Array(Buffer.from(key, "base64")), publicX: x } };
  }

  /** The checkpoints of a running job, as files in `folder`. Throws ENCLAVE_KEYS when the job's secrets are gone. */
  checkpoints(job: JobId, folder: string): Checkpoints {
    const secrets = this.secrets(job);
    if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
    return new Checkpoints({ db: this.#db, job, folder, seed: secrets.seed, rng: this.#rng });
  }

  approved(job: JobId, jws: string): void {
    this.#db.run("update jobs set state = 'approved', approval = ? where job = ?", jws, job);
  }

  approval(job: JobId): string | undefined {
    const jws = this.#db.get("select approval from jobs where job = ?", job)?.["approval"];
    return typeof jws === "string" ? jws : undefined;
  }

  /** Why it ended, when it did not end well. */
  code(job: JobId): Code | undefined {
    return (this.#db.get("select code from jobs where job = ?", job)?.["code"] ?? undefined) as Code | undefined;
  }

  /** Ends a job here: its channel key and seed and the messages are erased, from the file and from its log too. */
  end(job: JobId, state: "refused" | "done" | "failed" | "cancelled", code?: Code): void {
    this.#db.run("delete from checkpoints where job = ?", job);
    this.#db.run("delete from memo where job = ? and key like 'consents|%'", job);
    this.#db.run("update inbox set frame = null where job = ? and frame is not null", job);
    this.#db.run("update jobs set state = ?, code = ?, secrets = null, finished_at = ? where job = ?", state, code ?? null, this.#now(), job);
    this.#db.settle();
  }

  /** A value that is made once per job and stays the same over restarts: a time, a receipt. */
  async once<T>(job: JobId, key: string, make: () => Promise<T> | T): Promise<T> {
    const known = this.#db.get("select value from memo where job = ? and key = ?", job, key)?.["value"];
    if (typeof known === "string") return JSON.parse(known) as T;
    const value = await make();
    this.#db.run("insert into memo values (?, ?, ?)", job, key, JSON.stringify(value));
    return value;
  }

  /** Keeps what an audit needs after the job's own secrets are erased, sealed at rest: a supervisor to whom the operator shows it
   *  can re-run each query and compare it with the commitment in the signed message. */
  keepForAudit(job: JobId, seeds: Readonly<Record<string, string>>): void {
    const sealed = Buffer.from(this.#box.seal(Buffer.from(JSON.stringify(seeds)))).toString("base64");
    this.#db.run("insert or replace into memo values (?, 'audit', ?)", job, sealed);
  }

  /** Seeds by label (64 hex digits), or undefined when the job made no commitment or did not end well. */
  auditSeeds(job: JobId): Readonly<Record<string, string>> | undefined {
    const sealed = this.#db.get("select value from memo where job = ? and key = 'audit'", job)?.["value"];
    if (typeof sealed !== "string") return undefined;
    return z.record(z.string(), z.string()).parse(JSON.parse(Buffer.from(this.#box.open(Buffer.from(sealed, "base64"))).toString("utf8")));
  }

  /** The operator's answer to a job that the policy leaves to a person. */
  decision(job: JobId): "approve" | "refuse" | undefined {
    return this.#db.get("select decision from decisions where job = ?", job)?.["decision"] as "approve" | "refuse" | undefined;
  }

  decide(job: JobId, decision: "approve" | "refuse"): void {
    this.#db.run("insert or replace into decisions values (?, ?, ?)", job, decision, this.#now());
  }

  /** Signed words of operators on a plan, oldest first, as they are: who reads them checks them. */
  operatorDecisions(job: JobId): string[] {
    return this.#db.all("select jws from operator_decisions where job = ? order by at, rowid", job).map((row) => String(row["jws"]));
  }

  addOperatorDecision(job: JobId, operator: string, jws: string): void {
    this.#db.run("insert or ignore into operator_decisions values (?, ?, ?, ?)", job, operator, jws, this.#now());
  }

  /** Plans that were approved here and have not ended. */
  open(): JobPlan[] {
    return this.#db.all("select plan from jobs where state = 'approved'").map((r) => jobPlanSchema.parse(JSON.parse(String(r["plan"]))));
  }

  list(): { job: string; state: string; code: string | null; plan: string }[] {
    return this.#db.all("select job, state, code, plan from jobs order by created_at desc").map((r) => ({
      job: String(r["job"]), state: String(r["state"]), code: typeof r["code"] === "string" ? r["code"] : null, plan: String(r["plan"]),
    }));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
