// A service for scores in one process: a bank's side and its providers', each with a state database, budgets, journal and channels of their own, over live
// connections in memory. Scores are stubs; everything that is decided, sealed, charged and written on the way is real.
import { CompactEncrypt, compactDecrypt, importJWK } from "jose";
import { requestIdBytes, type LiveKind, type LiveMessage } from "../../api/contract/live.ts";
import { serviceAnswerSchema, type ServiceAnswer, type ServiceRequest } from "../../api/contract/services.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import { Budgets } from "../../enclave/budgets.ts";
import type { BudgetsPolicy } from "../../enclave/charges/policy.ts";
import type { Sighting } from "../../enclave/charges/sightings.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { GuestService } from "../../enclave/live/guest-service.ts";
import { HostService } from "../../enclave/live/host-service.ts";
import { Journal } from "../../enclave/live/journal.ts";
import { serviceKeyOf } from "../../enclave/live/request.ts";
import type { GuestScorer, HostScorer } from "../../enclave/live/scorers/scorer.ts";
import { ServiceLedger } from "../../enclave/live/service-ledger.ts";
import type { Standing } from "../../enclave/live/standing.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { LiveHandlers, LiveLine, LiveTransport } from "../../enclave/transport/live.ts";
import { bank, Ca, Channels, planOf, power, tax, temporaryFolder } from "./enclave.ts";

/** The platform's relay, in memory. */
export class Hub {
  readonly #ends = new Map<PartyId, LiveHandlers>();
  readonly #answers = new Map<string, (answer: string) => void>();

  transport(self: PartyId): LiveTransport {
    const send = (kind: LiveKind, to: PartyId, payload: Uint8Array, service: JobId): boolean => {
      const message: LiveMessage = { kind, service, peer: self, payload: new Uint8Array(payload) };
      setImmediate(() => this.#ends.get(to)?.take(message));
      return this.#ends.has(to);
    };
    return { open: (service, handlers): LiveLine => {
      this.#ends.set(self, handlers);
      queueMicrotask(() => handlers.connected());
      const answered = (request: Uint8Array, text: string): boolean => this.#answers.get(Buffer.from(request).toString("hex"))?.(text) === undefined;
      return {
        isConnected: true, sealed: (to, frame) => send("sealed", to, frame, service), hello: (to, nonces) => send("hello", to, nonces, service),
        answer: (request, jwe) => answered(request, Buffer.from(jwe).toString("latin1")), refuse: (request, code) => answered(request, code), [Symbol.dispose]: () => void this.#ends.delete(self),
      };
    } };
  }

  /** The connection of one end is a new one. */
  reconnect(party: PartyId): void {
    this.#ends.get(party)?.connected();
  }

  /** What a bank's program gets: a sealed answer, or the code of a refusal. */
  ask(service: JobId, jwe: string): Promise<string> {
    const id = systemRng(requestIdBytes);
    return new Promise((resolve) => {
      this.#answers.set(Buffer.from(id).toString("hex"), resolve);
      this.#ends.get(bank)?.take({ kind: "request", service, peer: "", payload: Buffer.concat([id, Buffer.from(jwe)]) });
    });
  }
}

export type ServiceWorldOptions = {
  readonly now: () => number; readonly policy?: () => BudgetsPolicy; readonly params?: Readonly<Record<string, unknown>>;
  /** The bank's own columns in the model. */
  readonly own?: GuestScorer["own"];
};

export class ServiceWorld implements Disposable {
  readonly sightings: { readonly at: PartyId; readonly sighting: Sighting }[] = [];
  readonly faults: unknown[] = [];
  readonly databases = new Map<PartyId, StateDatabase>();
  readonly #o: ServiceWorldOptions;
  readonly #hub = new Hub();
  readonly #held = new DisposableStack();
  readonly #seed = systemRng(32);
  readonly #service: JobId;
  #asked = 0;

  private constructor(options: ServiceWorldOptions, channels: Channels) {
    this.#o = options;
    this.#service = channels.plan.job;
    const params = serveJobSchema.parse(channels.plan.params);
    for (const self of [tax, power]) {
      const scorer: HostScorer = {
        model: "model_1", modelDigest: "d".repeat(64), sharing: [tax, power], features: [], ask: "serve/ask", answer: ({ n }) => ({ reply: { type: "serve/part", body: { n, part: 7, held: true } }, held: true }),
      };
      this.#held.use(new HostService(this.#standing(self, channels), { params, scorer, consents: undefined, maxModelsPerCompany: 6, singleHostTotals: false, items: ["tax.payment"] }));
    }
    const scorer: GuestScorer = {
      model: "model_1", modelDigest: "d".repeat(64), ask: "serve/ask", answer: "serve/part", ...(options.own && { own: options.own }),
      prepare: () => ({ isKnown: true, score: () => ({ score: 600, probability: 0.1, away: [] }) }),
    };
    this.#held.use(new GuestService(this.#standing(bank, channels), { params, scorer, seed: this.#seed, consents: undefined, signal: new AbortController().signal }));
  }

  static async open(options: ServiceWorldOptions): Promise<ServiceWorld> {
    const plan = planOf({ kind: "serve", purpose: "loan-approval", model: "model_0123456789abcdef", params: { days: 90, ...options.params } });
    using folder = temporaryFolder();
    const ca = await Ca.create();
    const identities = new Map<PartyId, Identity>();
    for (const party of [bank, tax, power]) identities.set(party, await ca.enrol(`${folder.path}/${party}`, party));
    const world = new ServiceWorld(options, await Channels.open(plan, identities));
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
    return world;
  }

  async ask(company: string, columns?: ServiceRequest["columns"]): Promise<ServiceAnswer> {
    const answerKey = systemRng(32);
    const request: ServiceRequest = {
      version: 1, id: `request-${this.#asked++}`, service: this.#service, at: new Date(this.#o.now()).toISOString(), answerKey: Buffer.from(answerKey).toString("base64url"), company,
      ...(columns === undefined ? {} : { columns }),
    };
    const key = await importJWK({ kty: "OKP", crv: "X25519", x: serviceKeyOf(this.#seed).x }, "ECDH-ES");
    const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(request))).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(key);
    const answer = await this.#hub.ask(this.#service, jwe);
    const { plaintext } = await compactDecrypt(answer, answerKey);
    return serviceAnswerSchema.parse(JSON.parse(new TextDecoder().decode(plaintext)));
  }

  #standing(self: PartyId, channels: Channels): Standing {
    const { plan } = channels;
    const { now, policy } = this.#o;
    const db = this.#held.use(new StateDatabase(":memory:"));
    this.databases.set(self, db);
    const budgets = new Budgets(db, now, systemRng(32), undefined, { ...(policy && { policy }), onSighting: (sighting) => this.sightings.push({ at: self, sighting }) });
    const journal = new Journal(db);
    const ledger = new ServiceLedger(db, plan, self);
    let use = 0;
    // Of the parts of an enclave those that a service asks.
    const tools = { db, budgets, now, rng: systemRng, marks: () => new Map<string, readonly string[]>() };
    const uses = { lastN: -1, note: () => undefined, write: () => undefined, noteOutput: () => ({ batch: plan.job, use: use++, salt: "c2FsdA==" }) };
    return {
      plan, self, tools: tools as never, live: this.#hub.transport(self), ledger, uses: uses as never,
      sessionOf: (peer) => channels.session(self, peer),
      settled: (more) => journal.add(() => {
        more?.();
        ledger.write();
      }),
      fail: (error) => this.faults.push(error), dropped: (party, code: AppError["code"]) => this.faults.push([party, code]),
    };
  }

  [Symbol.dispose](): void {
    this.#held.dispose();
  }
}
