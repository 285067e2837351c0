// Prepared transfers at the side that chooses (the bank): it has drawn bits at random, and one pad of each two. A question takes some of them, each once, and says for each
// whether the drawn bit is the one that it wants (Beaver, CRYPTO 1995). More are made in good time, on a thread.
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { seedBytes } from "../../kernels/oblivious/extension.ts";
import { labelBytes } from "../../kernels/oblivious/garbled.ts";
import type { TransferReceiver, TransferReceiverOptions } from "../../kernels/oblivious/transfer.ts";
import type { Kernels } from "../../kernels/api.ts";
import type { Remote } from "../../kernels/pool.ts";
import type { TypedBody } from "../messages.ts";
import { transferUrl } from "../ot/chunks.ts";
import { baseTransfers } from "../ot/messages.ts";
import { uniformBytes, type Base } from "../ot/base.ts";
import { unpackBits } from "../ot/session.ts";
import { chunkTransfers, maxChunks } from "./messages.ts";
import { baseUrl, Openings, openings, sessionNames, type Ends } from "./session.ts";

/** More are made when fewer are left. */
const refillBelow = chunkTransfers / 2;

export type GuestTransfersPort = {
  /** One question to the host; rejects with why there is no answer. */
  open(session: string): Promise<TypedBody<"garbled/base">>;
  extend(body: Omit<TypedBody<"garbled/extend">, "n">): Promise<TypedBody<"garbled/extended">>;
};
export type GuestTransfersOptions = {
  readonly ends: Ends; readonly port: GuestTransfersPort; readonly kernels: Pick<Kernels, "open">; readonly rng: Rng; /** ms that only rise. */ readonly now: () => number;
  /** After so many a new session begins; default `maxChunks`. */
  readonly chunksPerSession?: number;
};

/** Transfers of one question: their numbers from `first` on, the drawn bits (a byte each) and the pad of each. To be wiped after use. */
export type TakenTransfers = { readonly session: string; readonly first: number; readonly drawn: Uint8Array; readonly pads: Uint8Array };
type Chunk = { readonly first: number; readonly drawn: Uint8Array; readonly pads: Uint8Array; used: number };
type Session = { readonly id: string; readonly work: Remote; readonly chunks: Chunk[]; extended: number };

export class GuestTransfers implements Disposable {
  readonly #o: GuestTransfersOptions;
  #session: Session | undefined;
  /** Rises when the channel is another one: what was under way is then of no use. */
  #channel = 0;
  #refill: Promise<void> | undefined;
  readonly #openings = new Openings(openings.guest);

  constructor(options: GuestTransfersOptions) {
    this.#o = options;
  }

  /** `count` transfers, never given out again; undefined when so many are not there: see `more`. */
  take(count: number): TakenTransfers | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    const { chunks } = session;
    while (chunks[0] !== undefined && chunkTransfers - chunks[0].used < count) wipe(chunks.shift() as Chunk);
    const chunk = chunks[0];
    if (chunk === undefined) return undefined;
    const [from, to] = [chunk.used, chunk.used + count];
    chunk.used = to;
    const taken = { session: session.id, first: chunk.first + from, drawn: chunk.drawn.slice(from, to), pads: chunk.pads.slice(from * labelBytes, to * labelBytes) };
    chunk.drawn.fill(0, from, to);
    chunk.pads.fill(0, from * labelBytes, to * labelBytes);
    // Nobody waits for these yet: who takes the last ones hears of what went wrong. A new session is not begun before, which would end the one of this question.
    if (!this.#isLast(session) && chunks.reduce((sum, { used }) => sum + chunkTransfers - used, 0) < refillBelow) this.more().catch(() => undefined);
    return taken;
  }

  /** Resolves when more are there. Rejects with the host's refusal, SERVICE_PROVIDER_AWAY, SERVICE_BUSY when sessions began too often, VERIFY_REPLY for a host that deviates. */
  more(): Promise<void> {
    if (this.#refill !== undefined) return this.#refill;
    const refill = this.#fill().finally(() => {
      if (this.#refill === refill) this.#refill = undefined;
    });
    this.#refill = refill;
    return refill;
  }

  /** The host says that it has none of the transfers of this session: the next question begins a new one. Several questions may hear of it. */
  lost(session: string): void {
    if (this.#session?.id === session) this.reset();
  }

  /** The channel is another one: the next question begins a new session. */
  reset(): void {
    this.#channel += 1;
    this.#refill = undefined;
    this.#end();
  }

  #end(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) close(session);
  }

  /** Whether no more transfers can be made in it. */
  #isLast({ extended }: Session): boolean {
    return extended >= (this.#o.chunksPerSession ?? maxChunks);
  }

  async #fill(): Promise<void> {
    const channel = this.#channel;
    let fresh: Session | undefined;
    try {
      if (this.#session !== undefined && this.#isLast(this.#session)) this.#end();
      const known = this.#session;
      const { session, base } = known === undefined ? await this.#begin() : { session: known, base: undefined };
      if (known === undefined) fresh = session;
      const chunk = await this.#extend(session, base);
      if (channel !== this.#channel) {
        wipe(chunk);
        throw away(this.#o.ends);
      }
      session.chunks.push(chunk);
      this.#session = session;
    } catch (error) {
      if (fresh !== undefined && fresh !== this.#session) close(fresh);
      // Of these transfers the two sides may not have the same any more.
      if (channel === this.#channel) this.reset();
      throw error;
    }
  }

  /** A session, with the answer to its base transfers. */
  async #begin(): Promise<{ readonly session: Session; readonly base: Uint8Array }> {
    const { ends, port, kernels, rng, now } = this.#o;
    this.#openings.take(now());
    const id = Buffer.from(rng(8)).toString("hex");
    const names = sessionNames(ends, id);
    const { points: asked } = await port.open(id);
    const [random, maskSeed] = [rng(baseTransfers * uniformBytes), rng(seedBytes)];
    await using base = await kernels.open(baseUrl, "openBase", []);
    const { points, seeds } = await base.call<ReturnType<Base["answer"]>>("answer", [names.base, asked, random]).catch(replyRefused);
    const options: TransferReceiverOptions = { session: names.transfers, seeds, maskSeed, code: "repetition", maxRows: chunkTransfers };
    const work = await kernels.open(transferUrl, "openTransferReceiver", [options]);
    for (const secret of [random, seeds, maskSeed]) secret.fill(0);
    return { session: { id, work, chunks: [], extended: 0 }, base: points };
  }

  async #extend(session: Session, base: Uint8Array | undefined): Promise<Chunk> {
    const bits = this.#o.rng(chunkTransfers / 8);
    const drawn = unpackBits(bits);
    bits.fill(0);
    const index = session.extended++;
    const first = index * chunkTransfers;
    type Extended = ReturnType<TransferReceiver["extend"]>;
    const { columns, check, pads } = await session.work.call<Extended>("extend", [drawn, first, labelBytes]);
    const { made } = await this.#o.port.extend({ session: session.id, index, ...(base !== undefined && { base }), columns, check });
    if (made !== first + chunkTransfers) throw new AppError("VERIFY_REPLY", { party: this.#o.ends.host });
    return { first, drawn, pads, used: 0 };
  }

  [Symbol.dispose](): void {
    this.reset();
  }
}

function away({ host }: Ends): AppError {
  return new AppError("SERVICE_PROVIDER_AWAY", { party: host });
}

/** Points that are none are no answer. */
function replyRefused(error: unknown): never {
  if (error instanceof AppError && error.code === "PROTOCOL_BAD_POINT") throw new AppError("VERIFY_REPLY", {}, { cause: error });
  throw error;
}

function wipe({ drawn, pads }: Chunk): void {
  drawn.fill(0);
  pads.fill(0);
}

function close({ chunks, work }: Session): void {
  for (const chunk of chunks.splice(0)) wipe(chunk);
  void work[Symbol.asyncDispose]();
}
