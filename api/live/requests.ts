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
import { KeptAnswers } from "./kept-answers.ts";
import type { LiveRelay, LiveService } from "./relay.ts";

/** One of a score has 1 KB, one of a verification may have many. */
const keptBounds = { ms: 600_000, answers: 20_000, bytes: 64 * 2 ** 20 } as const;
const maxOwned = 20_000;

export class ServiceRequests {
  readonly #platform: Platform;
  readonly #relay: LiveRelay;
  readonly #health: ServicesHealth;
  readonly #kept = new KeptAnswers(keptBounds);
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
    return this.#kept.once(`${caller.institution}|${id}|${key}`, sha256Hex(jwe), this.#platform.env.now(), () => this.#ask(id, service, jwe));
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
    if (this.#owned.size >= maxOwned) this.#owned.clear();
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
