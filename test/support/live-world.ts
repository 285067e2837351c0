// Services for scores in memory: the bank's end and its providers' on lines that pass messages in this process, with channels, ledgers, journals and
// budgets as they are. Scorers are the test's own.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CompactEncrypt, compactDecrypt, importJWK } from "jose";
import type { LiveMessage } from "../../api/contract/live.ts";
import { requestIdBytes } from "../../api/contract/live.ts";
import { serviceAnswerSchema, type ServiceAnswer } from "../../api/contract/services.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { GuestService } from "../../enclave/live/guest-service.ts";
import { HostService } from "../../enclave/live/host-service.ts";
import { Journal } from "../../enclave/live/journal.ts";
import { serviceKeyOf } from "../../enclave/live/request.ts";
import type { GuestScorer, HostScorer } from "../../enclave/live/scorers/scorer.ts";
import { ServiceLedger } from "../../enclave/live/service-ledger.ts";
import type { Standing } from "../../enclave/live/standing.ts";
import { ServedModels } from "../../enclave/serving/served.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { LiveHandlers, LiveLine, LiveTransport } from "../../enclave/transport/live.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { bank, Ca, Channels, planOf, power, tax, temporaryFolder } from "./enclave.ts";
import { keptLog } from "./platform.ts";

type Waiting = { readonly answer: (jwe: string) => void; readonly refuse: (code: Code) => void };

/** The platform's part: passes what it cannot read. */
class Relay {
  readonly #lines = new Map<string, LiveHandlers>();
  readonly #waiting = new Map<string, Waiting>();

  of(self: PartyId): LiveTransport {
    return { open: (service, handlers) => this.#open(self, service, handlers) };
  }

  #open(self: PartyId, service: JobId, handlers: LiveHandlers): LiveLine {
    const key = `${service} ${self}`;
    this.#lines.set(key, handlers);
    queueMicrotask(() => handlers.connected());
    const pass = (to: PartyId, kind: LiveMessage["kind"], payload: Uint8Array): boolean => {
      const bytes = payload.slice();
      queueMicrotask(() => {
        const there = this.#lines.get(`${service} ${to}`);
        if (there !== undefined) there.take({ kind, service, peer: self, payload: bytes });
        else handlers.take({ kind: "away", service, peer: to, payload: new Uint8Array(0) });
      });
      return true;
    };
    const waiting = (id: Uint8Array): Waiting | undefined => this.#waiting.get(Buffer.from(id).toString("hex"));
    return {
      isConnected: true,
      sealed: (to, frame) => pass(to, "sealed", frame), hello: (to, nonces) => pass(to, "hello", nonces),
      answer: (id: Uint8Array, jwe: Released) => (waiting(id)?.answer(Buffer.from(jwe).toString("latin1")), true),
      refuse: (id: Uint8Array, code: Code) => (waiting(id)?.refuse(code), true),
      [Symbol.dispose]: () => void (this.#lines.get(key) === handlers && this.#lines.delete(key)),
    };
  }

  request(service: JobId, to: PartyId, jwe: string): Promise<string> {
    const id = systemRng(requestIdBytes);
    const key = Buffer.from(id).toString("hex");
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiting.set(key, { answer: resolve, refuse: (code) => reject(new AppError(code)) });
    const there = this.#lines.get(`${service} ${to}`);
    if (there === undefined) return Promise.reject(new AppError("SERVICE_AWAY"));
    there.take({ kind: "request", service, peer: "", payload: Buffer.concat([id, Buffer.from(jwe, "latin1")]) });
    return promise.finally(() => this.#waiting.delete(key));
  }
}

export type ServiceOptions = {
  readonly params?: Record<string, unknown>; readonly guest: GuestScorer;
  /** Of each provider; left out: that provider is not there. */
  readonly hosts: Readonly<Partial<Record<"tax" | "power", Pick<HostScorer, "answer"> & Partial<HostScorer>>>>;
};
/** A running service; disposing stops its ends. */
export type RunningService = Disposable & { readonly plan: JobPlan; readonly faults: unknown[]; ask(company: string): Promise<ServiceAnswer> };

export class LiveWorld implements Disposable {
  readonly relay = new Relay();
  now = Date.parse("2026-03-10T12:00:00Z");
  readonly box = new SecretBox(new Uint8Array(32).fill(5), systemRng);
  readonly memoryKey = new Uint8Array(32).fill(6);
  readonly dbs = new Map<PartyId, StateDatabase>([bank, tax, power].map((party) => [party, new StateDatabase(":memory:")]));
  readonly logs: string[] = [];
  served: ServedModels;
  readonly #identities: ReadonlyMap<PartyId, Identity>;

  private constructor(identities: ReadonlyMap<PartyId, Identity>) {
    this.#identities = identities;
    this.served = this.restarted();
  }

  static async make(): Promise<LiveWorld> {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    const identities = new Map<PartyId, Identity>();
    for (const party of [bank, tax, power]) {
      mkdirSync(join(folder.path, party), { recursive: true });
      identities.set(party, await ca.enrol(join(folder.path, party), party));
    }
    return new LiveWorld(identities);
  }

  get db(): StateDatabase {
    return this.dbs.get(bank) as StateDatabase;
  }

  /** The bank's router as after a restart of its enclave. */
  restarted(): ServedModels {
    this.served = new ServedModels({ db: this.db, box: this.box, memoryKey: this.memoryKey, now: () => this.now, log: keptLog(this.logs) });
    return this.served;
  }

  /** Begins a service of the bank and the providers, with its row among the bank's jobs. */
  async begin(job: string, options: ServiceOptions): Promise<RunningService> {
    const plan = planOf({ kind: "serve", purpose: "loan-approval", model: options.guest.model, params: { days: 1, setsPerCompany: 3, fallback: "missing-bin", perCompanyPerDay: 1000, timeoutMs: 60, ...options.params } }, { job });
    this.db.run("insert or ignore into jobs (job, state, plan, digest, created_at) values (?, 'approved', ?, '', ?)", plan.job, JSON.stringify(plan), this.now);
    const channels = await Channels.open(plan, this.#identities);
    const params = serveJobSchema.parse(plan.params);
    const seed = systemRng(32);
    const faults: unknown[] = [];
    const ends = new DisposableStack();
    for (const [name, scorer] of Object.entries(options.hosts)) {
      const host = plan.hosts.find((h) => h === name);
      if (host === undefined) continue;
      const standing = this.#standing(plan, host, channels, faults);
      ends.use(new HostService(standing, {
        params, consents: undefined, maxModelsPerCompany: 100, singleHostTotals: true, items: [],
        scorer: { ask: "serve/ask", model: options.guest.model, modelDigest: "b".repeat(64), sharing: plan.hosts, features: [], ...scorer },
      }));
    }
    ends.use(new GuestService(this.#standing(plan, bank, channels, faults), { params, scorer: options.guest, seed, consents: undefined, signal: new AbortController().signal }));
    const key = await importJWK({ kty: "OKP", crv: "X25519", x: serviceKeyOf(seed).x }, "ECDH-ES");
    return {
      plan, faults, [Symbol.dispose]: () => ends.dispose(),
      ask: async (company) => {
        const answerKey = systemRng(32);
        const request = { version: 1, id: Buffer.from(systemRng(12)).toString("hex"), service: plan.job, at: new Date(this.now).toISOString(), answerKey: Buffer.from(answerKey).toString("base64url"), company };
        const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(request))).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(key);
        const { plaintext } = await compactDecrypt(await this.relay.request(plan.job, bank, jwe), answerKey);
        return serviceAnswerSchema.parse(JSON.parse(new TextDecoder().decode(plaintext)));
      },
    };
  }

  #standing(plan: JobPlan, self: PartyId, channels: Channels, faults: unknown[]): Standing {
    const db = this.dbs.get(self) as StateDatabase;
    const journal = new Journal(db);
    const ledger = new ServiceLedger(db, plan, self);
    const now = (): number => this.now;
    const live = self === bank ? { transport: this.relay.of(self), box: this.box, rng: systemRng, served: this.served } : undefined;
    let uses = 0;
    return {
      plan, self, ledger, live: this.relay.of(self),
      tools: { db, budgets: new Budgets(db, now, this.memoryKey), now, rng: systemRng, marks: () => new Map(), live } as unknown as Standing["tools"],
      uses: { lastN: -1, note: () => undefined, noteOutput: () => ({ batch: plan.job, use: uses++, salt: Buffer.alloc(32).toString("base64") }), write: () => undefined } as unknown as Standing["uses"],
      sessionOf: (peer) => channels.session(self, peer),
      settled: (more, options) => journal.add(() => {
        more?.();
        ledger.write();
      }, options),
      fail: (error) => void faults.push(error), dropped: (party, code) => void faults.push(`${party} ${code}`),
    };
  }

  [Symbol.dispose](): void {
    for (const db of this.dbs.values()) db[Symbol.dispose]();
  }
}
