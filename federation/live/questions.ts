// The asking side of a live service: one question to several providers at once, their answers gathered, and what happens when one is away. A machine
// over its port and the times that it is given: no timer, no socket. `tick` is to be called by `nextTick`.
import type { PartyId } from "../../core/brand.ts";
import type { Code } from "../../core/errors.ts";
import type { LiveParams } from "./params.ts";

/** B: body of an ask. */
export type QuestionsPort<B> = {
  ask(host: PartyId, body: B): void;
  /** Reaches for a host that is down, for a new channel. `up` is to be called when it answers. */
  probe(host: PartyId): void;
  /** A number above all that were ever used in this service. */
  next(): number;
};
/** Builds what one provider is asked, under this number and together with these. */
export type Question<B> = (host: PartyId, n: number, present: readonly PartyId[]) => B;
export type Outcome<A> =
  | { readonly ok: true; readonly answers: ReadonlyMap<PartyId, A>; readonly present: readonly PartyId[]; readonly away: readonly PartyId[] }
  | { readonly ok: false; readonly code: Code; readonly party?: PartyId; /** Seconds, where the refusal ends by itself. */ readonly retryAfter?: number };

type Pending<A, B> = {
  readonly question: Question<B>; readonly end: (outcome: Outcome<A>) => void; readonly attempt: number; readonly among: readonly PartyId[]; readonly present: readonly PartyId[];
  readonly waiting: Set<PartyId>; readonly answers: Map<PartyId, A>; readonly deadline: number; readonly isFixed: boolean;
};
/** among: the providers of the question, in order, all unless given. isFixed: these and no fewer: nobody is asked again without one of them. */
export type Asking = { readonly among?: readonly PartyId[] | undefined; readonly isFixed?: boolean };
type HostState = { isUp: boolean; failures: number; probeAt: number };

/** A: what a provider answers. */
export class Questions<A, B> {
  readonly #hosts: readonly PartyId[];
  readonly #params: LiveParams;
  readonly #port: QuestionsPort<B>;
  /** In order of their deadlines: all wait equally long. */
  readonly #pending = new Map<number, Pending<A, B>>();
  readonly #states: Map<PartyId, HostState>;

  constructor(options: { hosts: readonly PartyId[]; params: LiveParams; port: QuestionsPort<B> }) {
    this.#hosts = [...options.hosts].sort();
    this.#params = options.params;
    this.#port = options.port;
    this.#states = new Map(this.#hosts.map((h) => [h, { isUp: false, failures: 0, probeAt: -Infinity }]));
  }

  get waiting(): number {
    return this.#pending.size;
  }
  isUp(host: PartyId): boolean {
    return this.#states.get(host)?.isUp === true;
  }

  /** Calls `end` once: now, or when the last provider has answered, refused or run out of time. */
  ask(question: Question<B>, now: number, end: (outcome: Outcome<A>) => void, { among = this.#hosts, isFixed = false }: Asking = {}): void {
    this.#start({ question, end, among, attempt: 1, isFixed }, among.filter((h) => this.isUp(h)), now);
  }

  answered(host: PartyId, n: number, answer: A): void {
    const pending = this.#waitingFor(n, host);
    // Late, or to a question that another provider has ended: of no use, and no fault.
    if (pending === undefined) return;
    pending.waiting.delete(host);
    pending.answers.set(host, answer);
    this.#succeeded(host);
    if (pending.waiting.size > 0) return;
    this.#pending.delete(n);
    const { answers, among, present } = pending;
    pending.end({ ok: true, answers, present, away: among.filter((h) => !present.includes(h)) });
  }

  /** A provider's word against a question ends it: nobody is left out to get round a refusal. */
  refused(host: PartyId, n: number, code: Code, retryAfter?: number): void {
    const pending = this.#waitingFor(n, host);
    if (pending === undefined) return;
    this.#succeeded(host);
    this.#pending.delete(n);
    pending.end({ ok: false, code, party: host, ...(retryAfter !== undefined && { retryAfter }) });
  }

  /** The host answers: its channel was made, or it answered a probe. */
  up(host: PartyId): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    state.isUp = true;
    state.failures = 0;
  }

  /** The host cannot be reached now: who waits for it does not wait longer. */
  down(host: PartyId, now: number): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    if (state.isUp) state.probeAt = now + this.#params.breaker.probeMs;
    state.isUp = false;
    for (const [n, pending] of Array.from(this.#pending)) if (pending.waiting.has(host)) this.#without(n, pending, [host], now);
  }

  /** It sent what nobody could take: counts as a time-out. */
  garbage(host: PartyId, now: number): void {
    this.#failed(host, now);
  }

  /** Nobody is asked any longer: what waits ends unanswered. */
  stop(): void {
    for (const [n, { end }] of Array.from(this.#pending)) {
      this.#pending.delete(n);
      end({ ok: false, code: "SERVICE_AWAY" });
    }
  }

  tick(now: number): void {
    for (const [n, pending] of Array.from(this.#pending)) {
      if (pending.deadline > now) break;
      if (!this.#pending.has(n)) continue;
      const silent = [...pending.waiting];
      for (const host of silent) this.#failed(host, now);
      // A host that has just been given up may have taken this question with it.
      if (this.#pending.has(n)) this.#without(n, pending, silent, now);
    }
    for (const [host, state] of this.#states) {
      if (state.isUp || state.probeAt > now) continue;
      state.probeAt = now + this.#params.breaker.probeMs;
      this.#port.probe(host);
    }
  }

  /** When `tick` has something to do next; Infinity for never. */
  nextTick(): number {
    const [first] = this.#pending.values();
    const probes = [...this.#states.values()].map((s) => (s.isUp ? Infinity : s.probeAt));
    return Math.min(first?.deadline ?? Infinity, ...probes);
  }

  #start(asked: Pick<Pending<A, B>, "question" | "end" | "among" | "attempt" | "isFixed">, present: readonly PartyId[], now: number): void {
    const { question, end, among, isFixed } = asked;
    const away = among.find((h) => !present.includes(h));
    if (away !== undefined && (isFixed || this.#params.fallback === "refuse")) return end({ ok: false, code: "SERVICE_PROVIDER_AWAY", party: away });
    if (present.length === 0) return end({ ok: true, answers: new Map(), present, away: among });
    const n = this.#port.next();
    this.#pending.set(n, { ...asked, present, waiting: new Set(present), answers: new Map(), deadline: now + this.#params.timeoutMs });
    for (const host of present) {
      // A port that cannot send says so by `down`, which ends or restarts the question at once.
      if (this.#pending.has(n)) this.#port.ask(host, question(host, n, present));
    }
  }

  /** Asks the others again, under a new number and as a set of their own, as often as sets of providers are allowed. */
  #without(n: number, pending: Pending<A, B>, silent: readonly PartyId[], now: number): void {
    this.#pending.delete(n);
    const { end, attempt, present, isFixed } = pending;
    if (isFixed || attempt >= this.#params.setsPerCompany) return end({ ok: false, code: "SERVICE_PROVIDER_AWAY", ...(silent[0] && { party: silent[0] }) });
    this.#start({ ...pending, attempt: attempt + 1 }, present.filter((h) => !silent.includes(h) && this.isUp(h)), now);
  }

  #waitingFor(n: number, host: PartyId): Pending<A, B> | undefined {
    const pending = this.#pending.get(n);
    return pending?.waiting.has(host) === true ? pending : undefined;
  }

  #succeeded(host: PartyId): void {
    const state = this.#states.get(host);
    if (state !== undefined) state.failures = 0;
  }

  #failed(host: PartyId, now: number): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    state.failures += 1;
    if (state.failures >= this.#params.breaker.failures && state.isUp) this.down(host, now);
  }
}
