// The record of served models in the bank's own database: changes of each deployment in order, and which services stand for which version's model.
import { createHmac } from "node:crypto";
import type { JobId } from "../../core/brand.ts";
import { canonicalJson, digestOf, jsonOf, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema } from "../../core/names.ts";
import { jobPlanSchema, type JobPlan } from "../../federation/plan-schema.ts";
import type { RegistryEvent } from "../../serving/registry/events.ts";
import type { VersionSummary } from "../../serving/registry/statistics.ts";
import type { EventStore } from "../../serving/registry/registry.ts";
import { halfDigestsSchema } from "../job/halves.ts";
import { modelDigests } from "../outcomes/scores.ts";
import type { StateDatabase } from "../store/database.ts";

export type BoundService = { readonly service: JobId; readonly deployment: string; readonly model: string };

export class ServingStore implements EventStore {
  readonly #db: StateDatabase;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  async names(): Promise<readonly string[]> {
    return [...this.revisions().keys()];
  }

  async read(deployment: string): Promise<readonly unknown[]> {
    return this.events(deployment);
  }

  async append(event: RegistryEvent): Promise<boolean> {
    return this.#db.transaction(() => this.appendWithin(event));
  }

  /** The same within a transaction of the caller. */
  appendWithin({ deployment, revision, ...rest }: RegistryEvent): boolean {
    const last = Number(this.#db.get("select max(revision) as last from serving_events where deployment = ?", deployment)?.["last"] ?? 0);
    if (last !== revision - 1) return false;
    this.#db.run("insert into serving_events values (?, ?, ?)", deployment, revision, canonicalJson({ deployment, revision, ...rest }));
    return true;
  }

  /** As they are written; undefined for one that is no JSON: `replay` refuses the record. */
  events(deployment: string): unknown[] {
    return this.#db.all("select event from serving_events where deployment = ? order by revision", deployment).map((r) => jsonOf(String(r["event"])));
  }

  /** The last revision of each deployment, by name. */
  revisions(): Map<string, number> {
    return new Map(this.#db.all("select deployment, max(revision) as last from serving_events group by deployment order by deployment").map((r) => [String(r["deployment"]), Number(r["last"])]));
  }

  /** The newest last. */
  services(): BoundService[] {
    return this.#db.all("select service, deployment, model from serving_services order by bound_at, service").map((r) => ({ service: jobIdSchema.parse(r["service"]), deployment: String(r["deployment"]), model: String(r["model"]) }));
  }

  /** Whether a service stands in the deployment already. Throws SERVING_SERVICE when it stands in another one, or serves another purpose than those that
   *  are there. */
  fits({ service, deployment }: Pick<BoundService, "service" | "deployment">): boolean {
    const known = this.services().find((s) => s.service === service);
    const purpose = this.planOf(service)?.purpose;
    const others = this.services().filter((s) => s.deployment === deployment).map((s) => this.planOf(s.service)?.purpose);
    if ((known !== undefined && known.deployment !== deployment) || others.some((p) => p !== purpose)) throw new AppError("SERVING_SERVICE");
    return known !== undefined;
  }

  /** Lets a service stand for the version with its model. The same again changes nothing. Throws as `fits`. */
  bind(bound: BoundService, at: number): void {
    this.#db.transaction(() => this.bindWithin(bound, at));
  }

  /** The same within a transaction of the caller. */
  bindWithin({ service, deployment, model }: BoundService, at: number): void {
    if (!this.fits({ service, deployment })) this.#db.run("insert into serving_services values (?, ?, ?, ?)", service, deployment, model, at);
  }

  planOf(job: string): JobPlan | undefined {
    const row = this.#db.get("select plan from jobs where job = ?", job);
    return row === undefined ? undefined : jobPlanSchema.parse(JSON.parse(String(row["plan"])));
  }

  /** Digest of the model of one of this bank's services for scores, and of what the model takes in. Throws SERVING_SERVICE when the job is none. */
  modelOf(service: JobId, self: string): { readonly model: string; readonly inputs: string } {
    const plan = this.planOf(service);
    if (plan?.kind !== "serve" || plan.guest !== self) throw new AppError("SERVING_SERVICE");
    const own = plan.params["digest"];
    if (typeof own === "string") return { model: own, inputs: digestOf((plan.params["features"] ?? plan.params["inputs"] ?? null) as Json) };
    const model = modelDigests(this.#db).get(plan.model ?? "");
    if (model === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    const digests = this.#db.get("select digests from models where model = ?", plan.model ?? "")?.["digests"];
    return { model, inputs: typeof digests === "string" ? halfDigestsSchema.parse(JSON.parse(digests)).bins : model };
  }
}

/** What each version did since the enclave began. */
export type KeptStatistics = { readonly versions: readonly VersionSummary[]; /** Shadow scores left out because too many were under way. */ readonly skipped: number };

export function keptStatisticsOf(db: StateDatabase, deployment: string): KeptStatistics | undefined {
  const body = db.get("select body from serving_statistics where deployment = ?", deployment)?.["body"];
  return typeof body === "string" ? (JSON.parse(body) as KeptStatistics) : undefined;
}

/** Secret by which companies fall into slots: of this enclave, the same for as long as its state key is. */
export function routingKey(memoryKey: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", memoryKey).update("yunei/serving-route-key/v1").digest());
}
