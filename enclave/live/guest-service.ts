// A service at the bank's own enclave: opens the requests of the bank's programs, asks the providers, adds the bank's own part, and answers.
import type { LiveMessage } from "../../api/contract/live.ts";
import { requestIdBytes } from "../../api/contract/live.ts";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { checkFrame, type TypedBody } from "../../federation/messages.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { oddsOf } from "../../federation/score/guest.ts";
import type { GuestHalf } from "../../federation/scorecard/finish.ts";
import { ServeGuest, type Outcome } from "../../federation/serve/guest.ts";
import type { Feature } from "../../models/features.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import { frameDigest } from "../channel/seal.ts";
import { bestConsent } from "../consents/guest.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import { releaseAnswer, releaseLive } from "../release.ts";
import type { LiveLine } from "../transport/live.ts";
import { epochOf, LiveEpoch, nonceBytes } from "./epoch.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import { openRequest, SeenRequests, serviceKeyOf, type OpenedRequest } from "./request.ts";
import type { Standing } from "./standing.ts";

const ends = { in: { from: "host", to: "guest" }, out: { from: "guest", to: "host" } } as const;
/** Requests under way; more are refused as busy. */
const maxWaiting = 256;
/** Numbers that are reserved at once, durably, so that a restart begins above all that were used. */
const reservedAtOnce = 4096;
const marksAgeMs = 5_000;
const collectEveryMs = 30_000;

export type GuestServiceOptions = { readonly half: GuestHalf; readonly modelDigest: string; readonly seed: Uint8Array; readonly consents: ConsentDesk | undefined; readonly signal: AbortSignal };

export class GuestService implements Disposable {
  readonly #s: Standing;
  readonly #o: GuestServiceOptions;
  readonly #machine: ServeGuest;
  readonly #line: LiveLine;
  /** The plan's, before anybody is asked: a program in a loop uses up nothing at the providers. */
  readonly #budgets: ServiceBudgets;
  readonly #key: ReturnType<typeof serviceKeyOf>["key"];
  readonly #epochs = new Map<PartyId, LiveEpoch>();
  /** Nonces of greetings that wait for their answer: each makes one epoch. */
  readonly #greeted = new Map<PartyId, Uint8Array>();
  readonly #recordOf: ReadonlyMap<string, number>;
  readonly #seen = new SeenRequests<Awaited<ReturnType<typeof releaseAnswer>>>();
  readonly #collecting: NodeJS.Timeout;
  #waiting = 0;
  #nextN: number;
  #marks: { readonly at: number; readonly of: ReadonlyMap<string, readonly string[]> } = { at: -Infinity, of: new Map() };
  #timer: NodeJS.Timeout | undefined;

  constructor(standing: Standing, options: GuestServiceOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, params, dataset, uses, live } = standing;
    this.#key = serviceKeyOf(options.seed).key;
    this.#recordOf = new Map<string, number>(dataset.ids.map((id, record) => [id, record]));
    this.#nextN = uses.lastN + 1;
    this.#machine = new ServeGuest({
      hosts: plan.hosts, params, port: { ask: (host, body) => this.#ask(host, body), probe: (host) => this.#greet(host), next: () => this.#next() },
    });
    this.#budgets = new ServiceBudgets({
      db: standing.tools.db, budgets: standing.tools.budgets, now: standing.tools.now, guest: plan.guest, dataset: "service", model: plan.job,
      limits: { ...params, setsPerCompany: 1, maxModelsPerCompany: Infinity },
    });
    const collect = (): void => void options.consents?.collect(options.signal).catch(() => undefined);
    collect();
    this.#collecting = setInterval(collect, collectEveryMs);
    this.#line = live.open(plan.job, {
      take: (message) => this.#take(message),
      connected: () => {
        for (const host of plan.hosts) this.#greet(host);
        this.#schedule();
      },
      disconnected: () => {
        for (const host of plan.hosts) this.#down(host);
      },
    });
    this.#schedule();
  }

  #take({ kind, peer, payload }: LiveMessage): void {
    try {
      if (kind === "request") this.#requested(payload);
      else {
        const host = this.#s.plan.hosts.find((h) => h === peer);
        if (host === undefined) return;
        if (kind === "hello") this.#greeting(host, payload);
        else if (kind === "away") this.#down(host);
        else if (kind === "sealed") this.#answered(host, payload);
      }
    } catch (error) {
      this.#s.fail(error);
    }
    this.#schedule();
  }

  /** Never twice with one nonce: the keys of an epoch depend on both. */
  #greet(host: PartyId): void {
    const nonce = this.#s.tools.rng(nonceBytes);
    this.#greeted.set(host, nonce);
    this.#line.hello(host, nonce);
  }

  #greeting(host: PartyId, payload: Uint8Array): void {
    const nonce = this.#greeted.get(host);
    const echoed = payload.subarray(nonceBytes);
    if (nonce === undefined || payload.length !== 2 * nonceBytes || Buffer.compare(echoed, nonce) !== 0) return;
    this.#greeted.delete(host);
    this.#epochs.set(host, new LiveEpoch(this.#s.sessionOf(host), nonce, payload.subarray(0, nonceBytes)));
    this.#machine.up(host);
  }

  #down(host: PartyId): void {
    this.#epochs.delete(host);
    this.#machine.down(host, performance.now());
  }

  #answered(host: PartyId, sealed: Uint8Array): void {
    const epoch = this.#epochs.get(host);
    // Of an epoch that is over.
    if (epoch === undefined || (sealed.length >= nonceBytes && epochOf(sealed) !== epoch.id)) return;
    try {
      const frame = epoch.open(sealed);
      const { type, body } = checkFrame(frame, ends.in);
      this.#s.ledger.enter(host, "received", type, frame.length, frameDigest(frame));
      if (type === "serve/part") this.#machine.part(host, body as TypedBody<"serve/part">);
      else if (type === "serve/refused") this.#machine.refused(host, body as TypedBody<"serve/refused">);
      else throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: host });
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#s.dropped(host, error.code);
      this.#machine.garbage(host, performance.now());
    }
  }

  #ask(host: PartyId, body: TypedBody<"serve/ask">): void {
    const sent = releaseLive({
      type: "serve/ask", body, to: host, ends: ends.out, ledger: this.#s.ledger, settled: () => this.#s.settled(undefined, { soon: true }), epoch: () => this.#epochs.get(host),
    });
    void this.#sent(host, sent);
  }

  async #sent(host: PartyId, sent: ReturnType<typeof releaseLive>): Promise<void> {
    try {
      const frame = await sent;
      if (frame !== undefined && this.#line.sealed(host, frame)) return;
      this.#down(host);
      this.#schedule();
    } catch (error) {
      this.#s.fail(error);
    }
  }

  #next(): number {
    const { uses, tools } = this.#s;
    if (this.#nextN > uses.lastN) {
      uses.lastN = this.#nextN + reservedAtOnce;
      tools.db.transaction(() => uses.write());
    }
    return this.#nextN++;
  }

  #requested(payload: Uint8Array): void {
    const id = payload.slice(0, requestIdBytes);
    if (id.length !== requestIdBytes) return;
    if (this.#waiting >= maxWaiting) {
      this.#line.refuse(id, "SERVICE_BUSY");
      return;
    }
    void this.#served(id, Buffer.from(payload.subarray(requestIdBytes)).toString("latin1"));
  }

  async #served(id: Uint8Array, jwe: string): Promise<void> {
    this.#waiting += 1;
    try {
      this.#line.answer(id, await this.#serve(jwe));
    } catch (error) {
      this.#line.refuse(id, isAppError(error) ? error.code : "PLATFORM_INTERNAL");
      if (!isAppError(error) || error.code === "ENCLAVE_STATE") this.#s.fail(error);
    } finally {
      this.#waiting -= 1;
    }
  }

  async #serve(jwe: string) {
    const { plan, tools } = this.#s;
    const request = await openRequest(jwe, { key: this.#key, service: plan.job, now: tools.now() });
    // Also a request that the platform hands in again: its answer can only be opened by who made it.
    return this.#seen.once(`${request.id}|${request.answerKey}`, tools.now(), async () => {
      const answer = await this.#answer(request);
      return releaseAnswer({ answer, key: request.answerKey, settled: () => this.#s.settled(() => this.#budgets.write()) });
    });
  }

  async #answer(request: OpenedRequest): Promise<ServiceAnswer> {
    const { plan, tools } = this.#s;
    const base = { version: 1, id: request.id, service: plan.job } as const;
    const refused = (code: string, party?: PartyId): ServiceAnswer => ({ ...base, at: new Date(tools.now()).toISOString(), status: "refused", code, ...(party !== undefined && { party }) });
    const own = this.#ownFeatures(request);
    if (own === undefined) return refused("SERVICE_REQUEST");
    const over = this.#budgets.charge(request.company, "");
    if (over !== undefined) return refused(over);
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#machine.ask({ company: request.company, consent: (host) => this.#consentOf(host, request) }, performance.now(), resolve);
      this.#schedule();
    });
    if (!outcome.ok) return refused(outcome.code, outcome.party);
    if (outcome.holders.length === 0 && !own.isKnown) return refused("SERVICE_COMPANY_UNKNOWN");
    return this.#score(request, outcome, own.features);
  }

  #score(request: OpenedRequest, { total, present, holders }: Extract<Outcome, { ok: true }>, features: readonly Feature[]): ServiceAnswer {
    const { half, modelDigest } = this.#o;
    const { plan, self, tools, uses } = this.#s;
    const away = half.hosts.filter((h) => !present.some((p) => p === h) && half.columns.some((c) => c.party === h));
    const [odds = Number.NaN] = oddsOf(half, self, features, Int8Array.of(total), away);
    const score = pointsOfOdds(odds, half.scaling);
    const answer: Omit<Extract<ServiceAnswer, { status: "scored" }>, "receipt"> = {
      version: 1, id: request.id, service: plan.job, at: new Date(tools.now()).toISOString(), status: "scored", score, probability: sigmoid(odds), model: half.model, modelDigest,
      partial: away.length > 0, away: [...away], holders: [...holders], objections: [...(this.#objections().get(request.company) ?? [])],
    };
    return { ...answer, receipt: uses.noteOutput(JSON.stringify(answer)) };
  }

  #consentOf(host: PartyId, { company, consent }: OpenedRequest): string {
    const { plan, tools } = this.#s;
    const { consents } = this.#o;
    if (plan.datasets[host]?.consents !== true) return "";
    return consent ?? (consents && bestConsent(consents.store, plan, { host, subject: company, now: tools.now() })?.jws) ?? "";
  }

  /** The bank's columns of the model: those of the request, else of its data set. undefined for a value of the wrong type. */
  #ownFeatures({ company, columns }: OpenedRequest): { readonly features: readonly Feature[]; readonly isKnown: boolean } | undefined {
    const { self, dataset } = this.#s;
    const record = this.#recordOf.get(company) ?? -1;
    const features: Feature[] = [];
    for (const { name, own, party } of this.#o.half.columns) {
      if (party !== self) continue;
      const feature = dataset.features.find((f) => f.name === name);
      if (feature === undefined || own === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
      const given = columns?.[name];
      if (given === undefined) features.push(alignFeature(feature, Int32Array.of(columns === undefined ? record : -1)));
      else if (feature.kind === "numeric" && typeof given !== "string") features.push({ ...feature, values: Float64Array.of(given ?? Number.NaN) });
      else if (feature.kind === "categorical" && typeof given !== "number") features.push({ ...feature, ...(given === null ? { codes: Int32Array.of(-1) } : { levels: [given], codes: Int32Array.of(0) }) });
      else return undefined;
    }
    return { features, isKnown: record >= 0 || columns !== undefined };
  }

  #objections(): ReadonlyMap<string, readonly string[]> {
    const { tools, plan } = this.#s;
    const now = tools.now();
    if (now - this.#marks.at > marksAgeMs) this.#marks = { at: now, of: tools.marks(plan.hosts) };
    return this.#marks.of;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (!this.#line.isConnected && this.#machine.waiting === 0) return;
    const wait = this.#machine.nextTick() - performance.now();
    if (wait === Infinity) return;
    this.#timer = setTimeout(() => {
      try {
        this.#machine.tick(performance.now());
      } catch (error) {
        this.#s.fail(error);
      }
      this.#schedule();
    }, Math.max(1, wait));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearInterval(this.#collecting);
    this.#line[Symbol.dispose]();
  }
}
