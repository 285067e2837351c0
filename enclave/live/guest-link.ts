// A bank's end of a live service, whatever is asked: the line to the platform, an epoch with each provider, questions with their time-outs, and
// the sealed requests of the bank's programs. Every frame goes through the one door and is in the ledger first.
import { requestIdBytes, type LiveMessage } from "../../api/contract/live.ts";
import type { PartyId, Released } from "../../core/brand.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { Questions, type Asking, type Outcome, type Question } from "../../federation/live/questions.ts";
import type { LiveParams } from "../../federation/live/params.ts";
import { checkFrame, type MessageType, type TypedBody } from "../../federation/messages.ts";
import { frameDigest } from "../channel/seal.ts";
import { releaseLive } from "../release.ts";
import type { LiveLine } from "../transport/live.ts";
import { epochOf, LiveEpoch, nonceBytes } from "./epoch.ts";
import type { Standing } from "./standing.ts";

const ends = { in: { from: "host", to: "guest" }, out: { from: "guest", to: "host" } } as const;
/** Requests under way; more are refused as busy. Between these, one more after each window of answers in good time and a twentieth less after each
 *  that is not (AIMD, as TCP has it): what waits longer than providers may take would only make them look away. */
const waitingBounds = { least: 48, first: 64, most: 256, shrink: 0.95, inTime: 0.5 } as const;
/** Numbers that are reserved at once, durably, so that a restart begins above all that were used. */
const reservedAtOnce = 4096;

/** What one question and its answers are called on the wire: bodies of all three begin with the number `n`. */
export type AskTypes<Q extends MessageType, A extends MessageType, R extends MessageType> = {
  /** One type, or that of each body. */
  readonly ask: Q | ((body: TypedBody<Q>) => Q); readonly answers: readonly A[]; readonly refused: R;
};
export type GuestLinkOptions<Q extends MessageType, A extends MessageType, R extends MessageType> = {
  readonly types: AskTypes<Q, A, R>; readonly params: LiveParams;
  /** Answers one sealed request of a bank's program. Throws what is said in the clear: SERVICE_REQUEST for one that cannot be opened. */
  readonly serve: (jwe: string) => Promise<Released>;
  /** A message of a provider that is no answer to a question. Throws AppError for one that cannot be taken. */
  readonly other?: (host: PartyId, type: MessageType, body: unknown) => void;
  /** A provider has a channel. */
  readonly up?: (host: PartyId) => void;
};
type Numbered = { readonly n: number };

export class GuestLink<Q extends MessageType, A extends MessageType, R extends MessageType> implements Disposable {
  readonly #s: Standing;
  readonly #o: GuestLinkOptions<Q, A, R>;
  readonly #questions: Questions<TypedBody<A>, TypedBody<Q>>;
  readonly #line: LiveLine;
  readonly #epochs = new Map<PartyId, LiveEpoch>();
  /** Nonces of greetings that wait for their answer: each makes one epoch. */
  readonly #greeted = new Map<PartyId, Uint8Array>();
  #waiting = 0;
  #mostWaiting: number = waitingBounds.first;
  /** Requests that were not answered yet. */
  readonly #asking = new Set<Uint8Array>();
  #nextN: number;
  #timer: NodeJS.Timeout | undefined;
  /** Disposed: another one may be in its place, whose greetings and numbers it must not disturb. */
  #isOver = false;

  constructor(standing: Standing, options: GuestLinkOptions<Q, A, R>) {
    this.#s = standing;
    this.#o = options;
    const { plan, uses, live } = standing;
    this.#nextN = uses.lastN + 1;
    const { ask } = options.types;
    this.#questions = new Questions({
      hosts: plan.hosts, params: options.params,
      port: { ask: (host, body) => void this.send(host, typeof ask === "function" ? ask(body) : ask, body), probe: (host) => this.#greet(host), next: () => this.#next() },
    });
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

  isUp(host: PartyId): boolean {
    return this.#questions.isUp(host);
  }

  /** One question to these providers, all of the plan unless given. Never rejects: a fault of the enclave begins the service again. */
  async ask(question: Question<TypedBody<Q>>, among?: readonly PartyId[], options: Pick<Asking, "isFixed"> = {}): Promise<Outcome<TypedBody<A>>> {
    if (this.#isOver) return { ok: false, code: "SERVICE_AWAY" };
    const began = performance.now();
    return new Promise((resolve) => {
      this.#questions.ask(question, began, (outcome) => {
        this.#took(performance.now() - began);
        resolve(outcome);
      }, { among, ...options });
      this.#schedule();
    });
  }

  /** One message to one provider. Says whether it could be handed over: then it may still be lost. */
  async send<T extends MessageType>(host: PartyId, type: T, body: TypedBody<T>): Promise<boolean> {
    try {
      const frame = await releaseLive({
        type, body, to: host, ends: ends.out, ledger: this.#s.ledger, settled: () => this.#s.settled(undefined, { soon: true }), epoch: () => this.#epochs.get(host),
      });
      if (this.#isOver) return false;
      if (frame !== undefined && this.#line.sealed(host, frame)) return true;
      this.#down(host);
      this.#schedule();
    } catch (error) {
      this.#s.fail(error);
    }
    return false;
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
    // It has just come (back), or cannot open what it was sent: its end of the channel that was is gone.
    if (payload.length === 0) {
      this.#down(host);
      return this.#greet(host);
    }
    const nonce = this.#greeted.get(host);
    const echoed = payload.subarray(nonceBytes);
    if (nonce === undefined || payload.length !== 2 * nonceBytes || Buffer.compare(echoed, nonce) !== 0) return;
    this.#greeted.delete(host);
    this.#epochs.set(host, new LiveEpoch(this.#s.sessionOf(host), nonce, payload.subarray(0, nonceBytes)));
    this.#questions.up(host);
    this.#o.up?.(host);
  }

  #down(host: PartyId): void {
    this.#epochs.delete(host);
    this.#questions.down(host, performance.now());
  }

  #answered(host: PartyId, sealed: Uint8Array): void {
    const epoch = this.#epochs.get(host);
    // Of an epoch that is over.
    if (epoch === undefined || (sealed.length >= nonceBytes && epochOf(sealed) !== epoch.id)) return;
    try {
      const frame = epoch.open(sealed);
      const { type, body } = checkFrame(frame, ends.in);
      this.#s.ledger.enter(host, "received", type, frame.length, frameDigest(frame));
      this.#dispatch(host, type, body);
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#s.dropped(host, error.code);
      this.#questions.garbage(host, performance.now());
    }
  }

  #dispatch(host: PartyId, type: MessageType, body: unknown): void {
    const { types, other } = this.#o;
    if (types.answers.some((a) => a === type)) this.#questions.answered(host, (body as Numbered).n, body as TypedBody<A>);
    else if (type === types.refused) {
      const { n, code, retryAfter } = body as Numbered & { readonly code: Code; readonly retryAfter?: number };
      this.#questions.refused(host, n, code, retryAfter);
    }
    else if (other === undefined) throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: host });
    else other(host, type, body);
  }

  #next(): number {
    const { uses, tools } = this.#s;
    if (this.#nextN > uses.lastN) {
      uses.lastN = this.#nextN + reservedAtOnce;
      tools.db.transaction(() => uses.write());
    }
    return this.#nextN++;
  }

  #took(ms: number): void {
    const { least, most, shrink, inTime } = waitingBounds;
    const isInTime = ms <= inTime * this.#o.params.timeoutMs;
    this.#mostWaiting = isInTime ? Math.min(most, this.#mostWaiting + 1 / this.#mostWaiting) : Math.max(least, this.#mostWaiting * shrink);
  }

  #requested(payload: Uint8Array): void {
    const id = payload.slice(0, requestIdBytes);
    if (id.length !== requestIdBytes) return;
    if (this.#waiting >= this.#mostWaiting) {
      this.#line.refuse(id, "SERVICE_BUSY");
      return;
    }
    this.#asking.add(id);
    void this.#served(id, Buffer.from(payload.subarray(requestIdBytes)).toString("latin1"));
  }

  async #served(id: Uint8Array, jwe: string): Promise<void> {
    this.#waiting += 1;
    try {
      this.#line.answer(id, await this.#o.serve(jwe));
    } catch (error) {
      this.#line.refuse(id, isAppError(error) ? error.code : "PLATFORM_INTERNAL");
      if (!isAppError(error) || error.code === "ENCLAVE_STATE") this.#s.fail(error);
    } finally {
      this.#waiting -= 1;
      this.#asking.delete(id);
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    if (!this.#line.isConnected && this.#questions.waiting === 0) return;
    const wait = this.#questions.nextTick() - performance.now();
    if (wait === Infinity) return;
    this.#timer = setTimeout(() => {
      try {
        this.#questions.tick(performance.now());
      } catch (error) {
        this.#s.fail(error);
      }
      this.#schedule();
    }, Math.max(1, wait));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    // Also those that another service of the bank waits for (enclave/serving).
    this.#questions.stop();
    for (const id of this.#asking) this.#line.refuse(id, "SERVICE_AWAY");
    this.#line[Symbol.dispose]();
  }
}
