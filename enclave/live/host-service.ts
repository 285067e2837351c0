// A service at a provider's enclave: opens the guest's questions, lets the machine decide, makes the decision durable with the others of the
// moment, and only then answers. What cannot be opened or understood is dropped and counted: it changes nothing.
import type { LiveMessage } from "../../api/contract/live.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { checkFrame, type TypedBody } from "../../federation/messages.ts";
import { halfColumns, type HostHalf } from "../../federation/scorecard/half.ts";
import { ServeHost, type Answer } from "../../federation/serve/host.ts";
import { frameDigest } from "../channel/seal.ts";
import { releaseLive } from "../release.ts";
import type { LiveLine } from "../transport/live.ts";
import { ServiceConsents } from "./consents.ts";
import { epochOf, LiveEpoch, nonceBytes } from "./epoch.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";

/** Answers that are not durable yet: more are refused, so that memory is bounded whatever the guest sends. */
const maxWaiting = 1024;
const ends = { in: { from: "guest", to: "host" }, out: { from: "host", to: "guest" } } as const;

export class HostService implements Disposable {
  readonly #s: Standing;
  readonly #guest: PartyId;
  readonly #machine: ServeHost;
  readonly #budgets: ServiceBudgets;
  readonly #consents: ServiceConsents | undefined;
  readonly #line: LiveLine;
  /** The one in use, and the one that the last greeting offers: it counts once a frame of it opens. */
  #epoch: LiveEpoch | undefined;
  #offered: LiveEpoch | undefined;
  #waiting = 0;

  constructor(standing: Standing, half: HostHalf, options: { readonly consents: ServiceConsents | undefined; readonly maxModelsPerCompany: number; readonly singleHostTotals: boolean }) {
    this.#s = standing;
    const { plan, params, self, dataset, tools, uses, live } = standing;
    this.#guest = plan.guest;
    if (half.guest !== plan.guest) throw new AppError("JOB_MODEL_UNKNOWN");
    this.#consents = options.consents;
    this.#budgets = new ServiceBudgets({
      db: tools.db, budgets: tools.budgets, now: tools.now, guest: plan.guest, dataset: plan.datasets[self]?.name ?? "", model: half.model,
      limits: { ...params, maxModelsPerCompany: options.maxModelsPerCompany },
    });
    const recordOf = new Map<string, number>(dataset.ids.map((id, record) => [id, record]));
    const used = new Set(half.columns.map((c) => c.feature));
    const features = dataset.features.filter((f) => used.has(f.name));
    const keys = new Map(plan.hosts.filter((h) => h !== self).map((h) => [h, standing.sessionOf(h).sharedRng("serve/masks")(32)]));
    this.#machine = new ServeHost({
      self, service: plan.job, hosts: plan.hosts, plan: half.plan, sharing: half.hosts, singleHostTotals: options.singleHostTotals, lastN: uses.lastN,
      ports: {
        keyOf: (peer) => keys.get(peer) ?? new Uint8Array(0),
        consent: (company, jws, n) => this.#consents?.check(company, jws, n),
        charge: (company, set) => this.#budgets.charge(company, set),
        lookup: (company) => {
          const record = recordOf.get(company) ?? -1;
          return { columns: halfColumns(half, features.map((f) => alignFeature(f, Int32Array.of(record)))), held: record >= 0 };
        },
      },
    });
    this.#line = live.open(plan.job, { take: (message) => this.#take(message), connected: () => undefined, disconnected: () => undefined });
  }

  #take({ kind, peer, payload }: LiveMessage): void {
    if (peer !== this.#guest) return;
    try {
      if (kind === "hello") this.#greet(payload);
      else if (kind === "sealed") this.#asked(payload);
    } catch (error) {
      if (!isAppError(error)) return this.#s.fail(error);
      this.#s.dropped(this.#guest, error.code);
    }
  }

  #greet(nonce: Uint8Array): void {
    const own = this.#s.tools.rng(nonceBytes);
    this.#offered = new LiveEpoch(this.#s.sessionOf(this.#guest), nonce, own);
    this.#line.hello(this.#guest, Buffer.concat([own, nonce]));
  }

  #asked(sealed: Uint8Array): void {
    const named = epochOf(sealed);
    const epoch = [this.#epoch, this.#offered].find((e) => e?.id === named);
    // Of an earlier epoch: the guest finds out by its time-out, and greets again.
    if (epoch === undefined) return;
    const frame = epoch.open(sealed);
    if (epoch === this.#offered) [this.#epoch, this.#offered] = [epoch, undefined];
    const { type, body } = checkFrame(frame, ends.in);
    if (type !== "serve/ask") throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: this.#guest });
    this.#s.ledger.enter(this.#guest, "received", type, frame.length, frameDigest(frame));
    const ask = body as TypedBody<"serve/ask">;
    const answer: Answer = this.#waiting >= maxWaiting ? { type: "serve/refused", body: { n: ask.n, code: "SERVICE_BUSY" } } : this.#answer(ask);
    this.#waiting += 1;
    void this.#send(answer).catch((error: unknown) => this.#s.fail(error)).finally(() => { this.#waiting -= 1; });
  }

  #answer(ask: TypedBody<"serve/ask">): Answer {
    const answer = this.#machine.ask(ask);
    this.#s.uses.lastN = this.#machine.lastN;
    if (answer.type === "serve/part" && answer.body.held && this.#consents !== undefined) {
      const { uses, texts } = this.#consents.usesOf(ask.company, ask.consent, this.#guest);
      if (uses.length > 0) this.#s.uses.note(uses, texts);
    }
    return answer;
  }

  async #send({ type, body }: Answer): Promise<void> {
    const frame = await releaseLive({ type, body, to: this.#guest, ends: ends.out, ledger: this.#s.ledger, settled: () => this.#s.settled(() => this.#budgets.write()), epoch: () => this.#epoch });
    if (frame !== undefined) this.#line.sealed(this.#guest, frame);
  }

  [Symbol.dispose](): void {
    this.#line[Symbol.dispose]();
  }
}
