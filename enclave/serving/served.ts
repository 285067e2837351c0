// Which of the bank's running services answers a request: the router that every service for scores consults. It follows the record of changes while it
// runs. Requests are opened and answered inside the bank's enclave: the platform does not see where a company goes.
import { setImmediate } from "node:timers/promises";
import type { OpenedRequest } from "../live/request.ts";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import type { JobId } from "../../core/brand.ts";
import type { Clock, Log } from "../../core/env.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { replay, type Deployment } from "../../serving/registry/machine.ts";
import { routerOf, type Route, type Router } from "../../serving/registry/routing.ts";
import { ShadowScoring, type Scored } from "../../serving/registry/shadow.ts";
import { VersionStatistics } from "../../serving/registry/statistics.ts";
import type { SecretBox } from "../keys/box.ts";
import { GivenScores, type GivenScore } from "../outcomes/scores.ts";
import type { StateDatabase } from "../store/database.ts";
import { routingKey, ServingStore, type KeptStatistics } from "./store.ts";

export type Role = GivenScore["role"];
type ScoredAnswer = Extract<ServiceAnswer, { status: "scored" }>;
/** As what a service answers: for whom it was asked, and what the answer says of that. */
export type AnswersAs = { readonly asked: JobId; /** monitoring: of a loan that was granted before; outcomes are not held against it. */ readonly role: Role | "monitoring"; readonly served?: NonNullable<ScoredAnswer["served"]> };
/** settled: resolves when what the answer rests on is durable; nothing leaves before. */
export type Answered = { readonly answer: ServiceAnswer; readonly settled: () => Promise<void> };
/** A service for scores that runs here. Each question is charged to the budgets of the service itself. */
export type StandingService = { readonly service: JobId; readonly modelDigest: string; score(request: OpenedRequest, as: AnswersAs): Promise<Answered> };

export type ServedParts = { readonly db: StateDatabase; readonly box: SecretBox; readonly memoryKey: Uint8Array; readonly now: Clock; readonly log: Log };
type Slot = {
  readonly revision: number; readonly deployment: Deployment | undefined;
  /** undefined with the code of what forbids answers. */
  readonly route: Router | undefined; readonly code: Code | undefined;
  readonly statistics: VersionStatistics; readonly shadows: ShadowScoring; changed: boolean;
};
/** How soon a change is followed. */
const followMs = 500;
/** How often figures of versions are written down. */
const keepMs = 10_000;

export class ServedModels {
  readonly #p: ServedParts;
  readonly #store: ServingStore;
  readonly #key: Uint8Array;
  readonly #standing = new Map<JobId, StandingService>();
  readonly #slots = new Map<string, Slot>();
  #slotOf: ReadonlyMap<JobId, string> = new Map();
  /** Bound services by deployment and model, the newest last. */
  #bound: ReadonlyMap<string, readonly JobId[]> = new Map();
  #followedAt = -Infinity;
  #keptAt = -Infinity;

  constructor(parts: ServedParts) {
    this.#p = parts;
    this.#store = new ServingStore(parts.db);
    this.#key = routingKey(parts.memoryKey);
  }

  /** Where a service notes the scores that it gives, for outcomes to come. */
  scores(): GivenScores {
    return new GivenScores(this.#p);
  }

  /** A service begins to answer; disposing ends that. */
  stand(service: StandingService): Disposable {
    this.#standing.set(service.service, service);
    return {
      [Symbol.dispose]: () => {
        // Begun again meanwhile.
        if (this.#standing.get(service.service) === service) this.#standing.delete(service.service);
      },
    };
  }

  /** Who answers for a service when nobody is routed: the champion of its deployment, the service itself where it stands in none. undefined while that does not run. */
  standingFor(service: JobId): StandingService | undefined {
    this.#follow();
    const name = this.#slotOf.get(service);
    if (name === undefined) return this.#standing.get(service);
    const deployment = this.#slots.get(name)?.deployment;
    const champion = deployment?.versions.find((v) => v.version === deployment.champion);
    return champion === undefined ? undefined : this.#serviceOf(name, champion.model);
  }

  /** The answer to a request that was sent to this service: by itself unless it belongs to a deployment. Shadows are asked after the answer is there. */
  async answer(asked: StandingService, request: OpenedRequest): Promise<Answered> {
    this.#follow();
    const name = this.#slotOf.get(asked.service);
    const slot = name === undefined ? undefined : this.#slots.get(name);
    if (slot === undefined) return asked.score(request, { asked: asked.service, role: "champion" });
    const { deployment } = slot;
    if (slot.route === undefined || deployment === undefined) return this.#refused(asked, request, slot.code ?? "SERVING_NO_CHAMPION");
    // A candidate is tried by itself: nobody is sent there.
    if (deployment.versions.some((v) => v.model === asked.modelDigest && v.state === "candidate")) return asked.score(request, { asked: asked.service, role: "champion" });
    const route = this.#standingRoute(slot.route(request.company), deployment);
    const by = this.#serviceOf(deployment.name, route.answer.model);
    if (by === undefined) return this.#refused(asked, request, "SERVING_AWAY");
    const role = roleOf(route);
    const served = { by: by.service, deployment: deployment.name, version: route.answer.version, role, revision: route.revision };
    return this.#scored(slot, route, request, { by, as: { asked: asked.service, role, served } });
  }

  async #scored(slot: Slot, route: Route, request: OpenedRequest, { by, as }: { readonly by: StandingService; readonly as: AnswersAs }): Promise<Answered> {
    let answered: Answered | undefined;
    try {
      await slot.shadows.answer(route, async (version) => {
        if (version !== route.answer.version) return this.#shadow(slot, version, request);
        answered = await by.score(request, as);
        return scoredOf(answered.answer);
      });
    } catch (error) {
      // A refusal is an answer; it was observed as one without a score.
      if (answered === undefined) throw error;
    } finally {
      slot.changed = true;
      this.#keep();
    }
    if (answered === undefined) throw new AppError("PLATFORM_INTERNAL");
    return answered;
  }

  /** In a later turn: the answer goes first. What comes of it stays here. */
  async #shadow({ deployment }: Slot, version: number, request: OpenedRequest): Promise<Scored> {
    await setImmediate();
    const model = deployment?.versions[version - 1]?.model ?? "";
    const service = this.#serviceOf(deployment?.name ?? "", model);
    if (service === undefined) throw new AppError("SERVING_AWAY");
    const { answer, settled } = await service.score(request, { asked: service.service, role: "shadow" });
    await settled();
    return scoredOf(answer);
  }

  /** Where a canary's or challenger's service does not run, the champion answers. */
  #standingRoute(route: Route, { name, versions, champion }: Deployment): Route {
    if (this.#serviceOf(name, route.answer.model) !== undefined) return route;
    const first = versions.find((v) => v.version === champion);
    return first === undefined ? route : { ...route, answer: first };
  }

  #serviceOf(deployment: string, model: string): StandingService | undefined {
    return this.#bound.get(`${deployment}|${model}`)?.map((service) => this.#standing.get(service)).findLast((s) => s?.modelDigest === model);
  }

  #refused({ service }: StandingService, request: OpenedRequest, code: Code): Answered {
    return { answer: { version: 1, id: request.id, service, at: new Date(this.#p.now()).toISOString(), status: "refused", code }, settled: () => Promise.resolve() };
  }

  /** Reads what has changed, at most twice a second. */
  #follow(): void {
    const now = this.#p.now();
    if (now - this.#followedAt < followMs && now >= this.#followedAt) return;
    this.#followedAt = now;
    const services = this.#store.services();
    this.#slotOf = new Map(services.map((s) => [s.service, s.deployment]));
    this.#bound = new Map([...Map.groupBy(services, (s) => `${s.deployment}|${s.model}`)].map(([key, of]) => [key, of.map((s) => s.service)]));
    for (const [name, revision] of this.#store.revisions()) if (this.#slots.get(name)?.revision !== revision) this.#slots.set(name, this.#slot(name, revision));
  }

  #slot(name: string, revision: number): Slot {
    const before = this.#slots.get(name);
    const statistics = before?.statistics ?? new VersionStatistics({ now: this.#p.now });
    const shadows = before?.shadows ?? new ShadowScoring({ now: () => performance.now(), observe: (o) => statistics.observe(o) });
    try {
      const deployment = replay(this.#store.events(name));
      if (deployment === undefined) throw new AppError("SERVING_UNKNOWN");
      this.#p.log.info("serving.followed", { deployment: name, revision });
      return { revision, deployment, ...routeOf(deployment, this.#key), statistics, shadows, changed: false };
    } catch (error) {
      if (!isAppError(error)) throw error;
      // Nothing is served from a record that does not fit together.
      this.#p.log.error("serving.not-followed", { deployment: name, revision, code: error.code });
      return { revision, deployment: undefined, route: undefined, code: error.code, statistics, shadows, changed: false };
    }
  }

  /** Figures of versions, for commands beside the enclave: counts and times, no company. */
  #keep(): void {
    const now = this.#p.now();
    if (now - this.#keptAt < keepMs && now >= this.#keptAt) return;
    this.#keptAt = now;
    for (const [name, slot] of this.#slots) {
      if (!slot.changed) continue;
      slot.changed = false;
      this.#p.db.runSoon("insert or replace into serving_statistics values (?, ?, ?)", name, now, JSON.stringify({ versions: slot.statistics.summaries(), skipped: slot.shadows.skipped } satisfies KeptStatistics));
    }
  }

  /** Resolves when no shadow is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#slots.values()].map((s) => s.shadows.idle()));
  }
}

function routeOf(deployment: Deployment, key: Uint8Array): { readonly route: Router | undefined; readonly code: Code | undefined } {
  if (deployment.champion === null) return { route: undefined, code: "SERVING_NO_CHAMPION" };
  return { route: routerOf(deployment, key), code: undefined };
}

function roleOf({ answer: { state } }: Route): Exclude<Role, "shadow"> {
  return state === "canary" || state === "challenger" ? state : "champion";
}

/** Throws where there is no score. */
function scoredOf(answer: ServiceAnswer): Scored {
  if (answer.status !== "scored") throw new AppError("SERVICE_REQUEST");
  const p = Math.min(1 - 2 ** -40, Math.max(2 ** -40, answer.probability));
  return { logOdds: Math.log(p / (1 - p)), partial: answer.partial };
}
