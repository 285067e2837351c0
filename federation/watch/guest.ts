// The bank's side of a monitoring service: brings its list to every provider and keeps it there, and takes news. What it wants is durable at its
// port; the machine asks one thing of a provider at a time, and again until it is answered. It has no clock: who calls it says when to compare.
import type { PartyId } from "../../core/brand.ts";
import type { TypedBody } from "../messages.ts";
import type { ListDigest } from "./list.ts";
import { frameBytes, mostCompanies, type News, type WatchAnswer, type WatchAsk, type WatchVerdict } from "./messages.ts";

export type Wanted = Extract<WatchAsk, { what: "register" }>["companies"];
export type WatchGuestPort = {
  /** Companies that this provider is to watch and has not said anything about, in a stable order; at most `limit`. */
  toRegister(host: PartyId, limit: number): Wanted;
  toRemove(host: PartyId, limit: number): readonly string[];
  registered(host: PartyId, companies: readonly string[], verdicts: readonly WatchVerdict[]): void;
  removed(host: PartyId, companies: readonly string[]): void;
  list(host: PartyId): ListDigest;
  /** The lists differ: everything is to be registered again. */
  forget(host: PartyId): void;
  /** Stores news; gives the ids of those that are stored now, or were before. Of a watch that is not known none: it is told again. */
  take(host: PartyId, news: readonly News[]): readonly string[];
  /** Asks, and calls `end` once: with undefined when there was no answer in time, or a refusal. */
  ask(host: PartyId, ask: WatchAsk, end: (answer: WatchAnswer | undefined) => void): void;
  acknowledge(host: PartyId, body: TypedBody<"watch/acknowledge">): void;
};

/** isCompared: on this channel, and not to be compared anew. */
type HostState = { isUp: boolean; isAsking: boolean; isCompared: boolean; hasForgotten: boolean };

export class WatchGuest {
  readonly #port: WatchGuestPort;
  readonly #states: ReadonlyMap<PartyId, HostState>;

  constructor(hosts: readonly PartyId[], port: WatchGuestPort) {
    this.#port = port;
    this.#states = new Map(hosts.map((h) => [h, { isUp: false, isAsking: false, isCompared: false, hasForgotten: false }]));
  }

  /** There is a fresh channel. */
  up(host: PartyId): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    Object.assign(state, { isUp: true, isCompared: false, hasForgotten: false });
    this.#pump(host, state);
  }

  /** What is wanted has changed. */
  changed(): void {
    for (const [host, state] of this.#states) this.#pump(host, state);
  }

  /** Lists are compared anew, which also finds a provider that has gone; to be called now and then. */
  compare(): void {
    for (const [host, state] of this.#states) {
      state.isCompared = false;
      this.#pump(host, state);
    }
  }

  news(host: PartyId, { news }: TypedBody<"watch/news">): void {
    const ids = this.#port.take(host, news);
    if (ids.length > 0) this.#port.acknowledge(host, { ids: [...ids] });
  }

  /** Asks the next thing, if nothing is under way. Removals first: what is not wanted any longer is not watched any longer. */
  #pump(host: PartyId, state: HostState): void {
    if (!state.isUp || state.isAsking) return;
    const gone = this.#port.toRemove(host, mostCompanies);
    if (gone.length > 0) return this.#ask(host, state, { what: "remove", companies: [...gone] });
    if (!state.isCompared) return this.#ask(host, state, { what: "list" });
    const wanted = fitting(this.#port.toRegister(host, mostCompanies));
    if (wanted.length > 0) this.#ask(host, state, { what: "register", companies: wanted });
  }

  #ask(host: PartyId, state: HostState, ask: WatchAsk): void {
    state.isAsking = true;
    this.#port.ask(host, ask, (answer) => {
      state.isAsking = false;
      const isTaken = answer !== undefined && this.#take(host, state, ask, answer);
      // Silence, a refusal or a wrong answer: it begins again with the next channel or comparison.
      if (isTaken) this.#pump(host, state);
    });
  }

  #take(host: PartyId, state: HostState, ask: WatchAsk, answer: WatchAnswer): boolean {
    if (ask.what === "register") {
      if (answer.what !== "registered" || answer.verdicts.length !== ask.companies.length) return false;
      this.#port.registered(host, ask.companies.map((c) => c.company), answer.verdicts);
      return true;
    }
    if (answer.what !== "list") return false;
    if (ask.what === "remove") {
      this.#port.removed(host, ask.companies);
      return true;
    }
    state.isCompared = true;
    const own = this.#port.list(host);
    const isSame = own.watched === answer.watched && own.digest === answer.digest;
    // Once: a list that differs right after everything was registered again differs for another reason, and is looked at with the next channel.
    if (!isSame && !state.hasForgotten) this.#port.forget(host);
    state.hasForgotten = !isSame;
    return true;
  }
}

/** As many of them, from the first on, as a frame holds. */
function fitting(wanted: Wanted): Wanted {
  let bytes = 0;
  const end = wanted.findIndex(({ company, consent }) => {
    bytes += 4 * company.length + consent.length + 64;
    return bytes > frameBytes;
  });
  return end < 0 ? wanted : wanted.slice(0, Math.max(1, end));
}
