// A provider's end of a live service, whatever is asked: opens the guest's frames, has each answered, and sends the answer once what it rests on
// is durable. What cannot be opened or understood is dropped and counted: it changes nothing.
import type { LiveMessage } from "../../api/contract/live.ts";
import type { PartyId } from "../../core/brand.ts";
import { isAppError } from "../../core/errors.ts";
import { checkFrame, type MessageType, type TypedBody } from "../../federation/messages.ts";
import { frameDigest } from "../channel/seal.ts";
import { releaseLive } from "../release.ts";
import type { LiveLine } from "../transport/live.ts";
import { epochOf, LiveEpoch, nonceBytes } from "./epoch.ts";
import type { Standing } from "./standing.ts";

/** Answers that are not durable yet: more are refused, so that memory is bounded whatever the guest sends. */
const maxWaiting = 1024;
const askEveryMs = 200;
const ends = { in: { from: "guest", to: "host" }, out: { from: "host", to: "guest" } } as const;

/** One message to the guest. */
export type Reply = { readonly [T in MessageType]: { readonly type: T; readonly body: TypedBody<T> } }[MessageType];
export type HostLinkOptions = {
  /** Answers one message of the guest, or nothing. What it decides is in memory until `write`; a promise is for heavy work off the event loop.
   *  Throws AppError for what cannot be taken: it is dropped. */
  readonly answer: (type: MessageType, body: unknown) => Reply | undefined | Promise<Reply | undefined>;
  /** What is said when too many answers wait. */
  readonly busy: (type: MessageType, body: unknown) => Reply | undefined;
  /** Writes what the answers so far rest on, within the transaction of their group. */
  readonly write: () => void;
  /** The guest has a channel: what it missed may be sent again. */
  readonly up?: () => void;
};

export class HostLink implements Disposable {
  readonly #s: Standing;
  readonly #o: HostLinkOptions;
  readonly #guest: PartyId;
  readonly #line: LiveLine;
  /** The one in use, and the one that the last greeting offers: it counts once a frame of it opens. */
  #epoch: LiveEpoch | undefined;
  #offered: LiveEpoch | undefined;
  #waiting = 0;
  #askedAt = -Infinity;

  constructor(standing: Standing, options: HostLinkOptions) {
    this.#s = standing;
    this.#o = options;
    this.#guest = standing.plan.guest;
    this.#line = standing.live.open(standing.plan.job, {
      take: (message) => this.#take(message),
      // The guest cannot know that there is somebody to greet again.
      connected: () => {
        this.#askedAt = -Infinity;
        this.#askGreeting();
      },
      disconnected: () => undefined,
    });
  }

  /** Sends once what it rests on is durable. Says whether it could be handed over: then it may still be lost. */
  async send({ type, body }: Reply): Promise<boolean> {
    const frame = await releaseLive({ type, body, to: this.#guest, ends: ends.out, ledger: this.#s.ledger, settled: () => this.#s.settled(this.#o.write), epoch: () => this.#epoch });
    return frame !== undefined && this.#line.sealed(this.#guest, frame);
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

  /** At most so often, whatever frames come. */
  #askGreeting(): void {
    const now = performance.now();
    if (now - this.#askedAt < askEveryMs) return;
    this.#askedAt = now;
    this.#line.hello(this.#guest, new Uint8Array(0));
  }

  #greet(nonce: Uint8Array): void {
    const own = this.#s.tools.rng(nonceBytes);
    this.#offered = new LiveEpoch(this.#s.sessionOf(this.#guest), nonce, own);
    this.#line.hello(this.#guest, Buffer.concat([own, nonce]));
  }

  #asked(sealed: Uint8Array): void {
    const named = epochOf(sealed);
    const epoch = [this.#epoch, this.#offered].find((e) => e?.id === named);
    // Of an epoch that is over here: the guest is told, and greets again.
    if (epoch === undefined) return this.#askGreeting();
    const frame = epoch.open(sealed);
    const isNew = epoch === this.#offered;
    if (isNew) [this.#epoch, this.#offered] = [epoch, undefined];
    const { type, body } = checkFrame(frame, ends.in);
    this.#s.ledger.enter(this.#guest, "received", type, frame.length, frameDigest(frame));
    const answer = this.#waiting >= maxWaiting ? this.#o.busy(type, body) : this.#o.answer(type, body);
    this.#waiting += 1;
    void this.#reply(answer).catch((error: unknown) => this.#s.fail(error)).finally(() => { this.#waiting -= 1; });
    if (isNew) this.#o.up?.();
  }

  async #reply(answer: Reply | undefined | Promise<Reply | undefined>): Promise<void> {
    let reply: Reply | undefined;
    try {
      reply = await answer;
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#s.dropped(this.#guest, error.code);
    }
    if (reply !== undefined) await this.send(reply);
  }

  [Symbol.dispose](): void {
    this.#line[Symbol.dispose]();
  }
}
