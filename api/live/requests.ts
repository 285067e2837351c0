// What a bank's program does with a running service: learns its key, and has sealed requests answered. An Idempotency-Key and its bytes give one
// answer, also while the first request is still under way.
import type { JobId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { isServing, jobPlanSchema, type JobPlan } from "../../federation/plan-schema.ts";
import type { InstitutionCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { findJob, findJobParties } from "../store/jobs.ts";
import { listIdentities } from "../store/parties.ts";
import { ServicesHealth } from "./health.ts";
import type { LiveRelay, LiveService } from "./relay.ts";

const keptForMs = 600_000;
const maxKept = 20_000;

type Kept = { readonly at: number; readonly digest: string; readonly answer: Promise<string> };

export class ServiceRequests {
  readonly #platform: Platform;
  readonly #relay: LiveRelay;
  readonly #health: ServicesHealth;
  readonly #kept = new Map<string, Kept>();
  readonly #owned = new Map<string, { readonly at: number; readonly service: LiveService }>();

  constructor(platform: Platform, relay: LiveRelay) {
    this.#health = new ServicesHealth(platform.env.now);
    this.#platform = platform;
    this.#relay = relay;
  }

  /** Throws SERVICE_NOT_FOUND, SERVICE_NOT_RUNNING. */
  async describe(caller: InstitutionCaller, id: JobId) {
    const { job, service } = await this.#own(caller, id);
    const rows = await findJobParties(this.#platform.db.read, id);
    const approval = rows.find((row) => row.party === service.guest)?.approval;
    const { identityCertificate } = (await listIdentities(this.#platform.db.read)).find((row) => row.party === service.guest && row.state === "active") ?? {};
    if (approval === undefined || approval === null || identityCertificate === undefined) throw new AppError("SERVICE_NOT_RUNNING");
    return {
      id, guest: service.guest, planDigest: job.planDigest, expiresAt: job.expiresAt.toISOString(), approval, identityCertificate,
      connected: service.parties.filter((p) => this.#relay.isConnected(p)), away: service.parties.filter((p) => !this.#relay.isConnected(p)), health: this.#health.of(id),
    };
  }

  /** Throws SERVICE_*. key: the Idempotency-Key, if any. */
  async ask(caller: InstitutionCaller, id: JobId, jwe: string, key: string | undefined): Promise<string> {
    const service = await this.#ownFresh(caller, id);
    if (key === undefined) return this.#ask(id, service, jwe);
    const now = this.#platform.env.now();
    for (const [old, { at }] of this.#kept) {
      if (now - at < keptForMs && this.#kept.size < maxKept) break;
      this.#kept.delete(old);
    }
    const name = `${caller.institution}|${id}|${key}`;
    const digest = sha256Hex(jwe);
    const known = this.#kept.get(name);
    if (known !== undefined && known.digest !== digest) throw new AppError("SERVICE_IDEMPOTENCY");
    if (known !== undefined) return known.answer;
    const answer = this.#ask(id, service, jwe);
    this.#kept.set(name, { at: now, digest, answer });
    // What failed may be tried again under the same key.
    answer.catch(() => this.#kept.delete(name));
    return answer;
  }

  async #ask(id: JobId, service: LiveService, jwe: string): Promise<string> {
    const began = performance.now();
    try {
      const answer = await this.#relay.ask(id, service, jwe);
      this.#health.answered(id, performance.now() - began);
      return answer;
    } catch (error) {
      this.#health.refused(id, isAppError(error) ? error.code : "PLATFORM_INTERNAL");
      throw error;
    }
  }

  /** Looked up at most once a second: a service that has ended refuses within that. */
  async #ownFresh(caller: InstitutionCaller, id: JobId): Promise<LiveService> {
    const now = this.#platform.env.now();
    const name = `${caller.institution}|${id}`;
    const known = this.#owned.get(name);
    if (known !== undefined && now - known.at < 1_000 && known.service.expiresAt > now) return known.service;
    const { service } = await this.#own(caller, id);
    if (this.#owned.size >= maxKept) this.#owned.clear();
    this.#owned.set(name, { at: now, service });
    return service;
  }

  async #own(caller: InstitutionCaller, id: JobId) {
    const job = await findJob(this.#platform.db.read, id);
    if (job === undefined || job.institution !== caller.institution || !isServing(job.kind as JobPlan["kind"])) throw new AppError("SERVICE_NOT_FOUND");
    const service = await findService(this.#platform, id);
    if (service === undefined) throw new AppError("SERVICE_NOT_RUNNING");
    return { job, service };
  }
}

/** A service that runs now, with the parties of its plan. */
export async function findService(platform: Pick<Platform, "db" | "env">, id: JobId): Promise<LiveService | undefined> {
  const job = await findJob(platform.db.read, id);
  if (job === undefined || !isServing(job.kind as JobPlan["kind"]) || job.state !== "running" || job.expiresAt.getTime() <= platform.env.now()) return undefined;
  const { guest, hosts } = jobPlanSchema.parse(JSON.parse(job.plan));
  return { guest, parties: [guest, ...hosts], expiresAt: job.expiresAt.getTime() };
}
