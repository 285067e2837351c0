// A provider's side of a monitoring service: registrations in, news out. News stay at the provider until the bank's enclave says that it has stored
// them; what is not acknowledged is sent again, with growing pauses. A synchronous machine over its port and the times that it is given; what it
// decided is to be made durable by the caller before an answer leaves.
import type { TypedBody } from "../messages.ts";
import type { ListDigest } from "./list.ts";
import { mostNews, type News, type WatchAnswer, type WatchAsk, type WatchVerdict } from "./messages.ts";

export type WatchHostPort = {
  /** One verdict for each, in order. */
  register(companies: Extract<WatchAsk, { what: "register" }>["companies"]): WatchVerdict[];
  remove(companies: readonly string[]): void;
  list(): ListDigest;
  /** The oldest news that were not acknowledged, those that may leave today; none of these. */
  news(limit: number, except: ReadonlySet<string>): News[];
  /** Erases them. */
  acknowledged(ids: readonly string[]): void;
  send(body: TypedBody<"watch/news">): void;
};
export const firstPauseMs = 5_000;
export const longestPauseMs = 600_000;
/** News under way that were not acknowledged: some that the bank's enclave cannot place yet hold up no others. */
export const mostUnderWay = 8 * mostNews;

export class WatchHost {
  readonly #port: WatchHostPort;
  #isUp = false;
  /** Ids that were sent on this channel and not acknowledged. */
  readonly #sent = new Set<string>();
  #pause = firstPauseMs;
  #again = Infinity;

  constructor(port: WatchHostPort) {
    this.#port = port;
  }

  ask(ask: WatchAsk): WatchAnswer {
    if (ask.what === "register") return { what: "registered", verdicts: this.#port.register(ask.companies) };
    if (ask.what === "remove") this.#port.remove(ask.companies);
    return { what: "list", ...this.#port.list() };
  }

  acknowledge({ ids }: TypedBody<"watch/acknowledge">, now: number): void {
    this.#port.acknowledged(ids);
    for (const id of ids) this.#sent.delete(id);
    if (this.#sent.size === 0) this.#pause = firstPauseMs;
    this.#send(now);
  }

  /** There is a fresh channel to the bank's enclave: what was under way is lost. */
  up(now: number): void {
    this.#isUp = true;
    this.#sent.clear();
    this.#pause = firstPauseMs;
    this.#send(now);
  }

  /** There may be news that are to leave: after an evaluation, at the begin of a day. */
  told(now: number): void {
    this.#send(now);
  }

  tick(now: number): void {
    if (this.#again > now) return;
    this.#pause = Math.min(2 * this.#pause, longestPauseMs);
    this.#sent.clear();
    this.#send(now);
  }

  /** When `tick` has something to do; Infinity for never. */
  nextTick(): number {
    return this.#again;
  }

  /** What is not under way yet, a frame at a time. */
  #send(now: number): void {
    if (!this.#isUp) return;
    if (this.#sent.size === 0) this.#again = Infinity;
    while (this.#sent.size < mostUnderWay) {
      const news = this.#port.news(Math.min(mostNews, mostUnderWay - this.#sent.size), this.#sent);
      if (news.length === 0) return;
      for (const { id } of news) this.#sent.add(id);
      if (this.#again === Infinity) this.#again = now + this.#pause;
      this.#port.send({ news });
    }
  }
}
