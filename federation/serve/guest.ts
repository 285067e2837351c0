// The bank's side of a service: asks every provider that is up, adds their masked bytes, and decides what happens when one is away. A machine
// over its port and the times that it is given: no timer, no socket. `tick` is to be called by `nextTick`.
import type { PartyId } from "../../core/brand.ts";
import type { Code } from "../../core/errors.ts";
import type { TypedBody } from "../messages.ts";
import { openTotal } from "./masks.ts";
import type { ServeJobParams } from "./params.ts";

export type ServeGuestPort = {
  ask(host: PartyId, body: TypedBody<"serve/ask">): void;
  /** Reaches for a host that is down, for a new channel. `up` is to be called when it answers. */
  probe(host: PartyId): void;
  /** A number above all that were ever used in this service. */
  next(): number;
};
export type Question = { readonly company: string; readonly consent: (host: PartyId) => string };
export type Outcome =
  | { readonly ok: true; /** Signed 8 bit, over `present`. */ readonly total: number; readonly present: readonly PartyId[]; readonly away: readonly PartyId[]; readonly holders: readonly PartyId[] }
  | { readonly ok: false; readonly code: Code; readonly party?: PartyId };

type Pending = {
  readonly question: Question; readonly end: (outcome: Outcome) => void; readonly attempt: number; readonly present: readonly PartyId[];
  readonly waiting: Set<PartyId>; readonly holders: PartyId[]; sum: number; readonly deadline: number;
};
type HostState = { isUp: boolean; failures: number; probeAt: number };

export class ServeGuest {
  readonly #hosts: readonly PartyId[];
  readonly #params: Pick<ServeJobParams, "timeoutMs" | "fallback" | "setsPerCompany" | "breaker">;
  readonly #port: ServeGuestPort;
  /** In order of their deadlines: all wait equally long. */
  readonly #pending = new Map<number, Pending>();
  readonly #states: Map<PartyId, HostState>;

  constructor(options: { hosts: readonly PartyId[]; params: ServeGuest["params"]; port: ServeGuestPort }) {
    this.#hosts = [...options.hosts].sort();
    this.#params = options.params;
    this.#port = options.port;
    this.#states = new Map(this.#hosts.map((h) => [h, { isUp: false, failures: 0, probeAt: -Infinity }]));
  }

  get params(): Pick<ServeJobParams, "timeoutMs" | "fallback" | "setsPerCompany" | "breaker"> {
    return this.#params;
  }
  get waiting(): number {
    return this.#pending.size;
  }
  isUp(host: PartyId): boolean {
    return this.#states.get(host)?.isUp === true;
  }

  /** Calls `end` once: now, or when the last provider has answered, refused or run out of time. */
  ask(question: Question, now: number, end: (outcome: Outcome) => void): void {
    this.#start(question, end, this.#hosts.filter((h) => this.isUp(h)), 1, now);
  }

  part(host: PartyId, { n, part, held }: TypedBody<"serve/part">): void {
    const pending = this.#waitingFor(n, host);
    // Late, or to a question that another provider has ended: of no use, and no fault.
    if (pending === undefined) return;
    pending.waiting.delete(host);
    pending.sum = (pending.sum + part) & 255;
    if (held) pending.holders.push(host);
    this.#succeeded(host);
    if (pending.waiting.size > 0) return;
    this.#pending.delete(n);
    const { present, holders } = pending;
    pending.end({ ok: true, total: openTotal(pending.sum), present, away: this.#hosts.filter((h) => !present.includes(h)), holders: holders.sort() });
  }

  /** A provider's word against a question ends it: nobody is left out to get round a refusal. */
  refused(host: PartyId, { n, code }: TypedBody<"serve/refused">): void {
    const pending = this.#waitingFor(n, host);
    if (pending === undefined) return;
    this.#succeeded(host);
    this.#pending.delete(n);
    pending.end({ ok: false, code, party: host });
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

  #start(question: Question, end: Pending["end"], present: readonly PartyId[], attempt: number, now: number): void {
    const away = this.#hosts.find((h) => !present.includes(h));
    if (away !== undefined && this.#params.fallback === "refuse") return end({ ok: false, code: "SERVICE_PROVIDER_AWAY", party: away });
    if (present.length === 0) return end({ ok: true, total: 0, present, away: this.#hosts, holders: [] });
    const n = this.#port.next();
    this.#pending.set(n, { question, end, attempt, present, waiting: new Set(present), holders: [], sum: 0, deadline: now + this.#params.timeoutMs });
    for (const host of present) {
      // A port that cannot send says so by `down`, which ends or restarts the question at once.
      if (this.#pending.has(n)) this.#port.ask(host, { n, present: [...present], company: question.company, consent: question.consent(host) });
    }
  }

  /** Asks the others again, under a new number and with masks over them alone, as often as sets of providers are allowed. */
  #without(n: number, pending: Pending, silent: readonly PartyId[], now: number): void {
    this.#pending.delete(n);
    const { question, end, attempt, present } = pending;
    if (attempt >= this.#params.setsPerCompany) return end({ ok: false, code: "SERVICE_PROVIDER_AWAY", ...(silent[0] && { party: silent[0] }) });
    this.#start(question, end, present.filter((h) => !silent.includes(h) && this.isUp(h)), attempt + 1, now);
  }

  #waitingFor(n: number, host: PartyId): Pending | undefined {
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
