// Prepared transfers at the side that can make all pads (a provider): both of each two, for the transfers of one session with the one bank of the service. A machine over
// threads; what it holds is bounded whatever the bank sends.
import type { Rng } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { labelBytes } from "../../kernels/oblivious/garbled.ts";
import type { Kernels } from "../../kernels/api.ts";
import type { Remote } from "../../kernels/pool.ts";
import type { TransferSenderOptions } from "../../kernels/oblivious/transfer.ts";
import type { TypedBody } from "../messages.ts";
import { uniformBytes, type Base } from "../ot/base.ts";
import { transferUrl } from "../ot/chunks.ts";
import { baseTransfers } from "../ot/messages.ts";
import { unpackBits, wiped } from "../ot/session.ts";
import { chunkTransfers } from "./messages.ts";
import { baseUrl, Openings, openings, sessionNames, type Ends } from "./session.ts";

export type HostTransfersOptions = { readonly ends: Ends; readonly kernels: Pick<Kernels, "open">; readonly rng: Rng; /** ms that only rise. */ readonly now: () => number };
type Extend = Pick<TypedBody<"garbled/extend">, "session" | "index" | "base" | "columns" | "check">;
type Offer = { readonly work: Remote; readonly choices: Uint8Array; readonly own: ReturnType<Base["ask"]> };
/** pads: both of each transfer, that of 0 first. */
type Chunk = { readonly first: number; readonly pads: Uint8Array };
type Session = { readonly id: string; offer: Offer | undefined; work: Remote | undefined; chunks: Chunk[]; extended: number; /** The least transfer that was not used. */ next: number; isBusy: boolean };

export class HostTransfers implements Disposable {
  readonly #o: HostTransfersOptions;
  #session: Session | undefined;
  readonly #openings = new Openings(openings.host);

  constructor(options: HostTransfersOptions) {
    this.#o = options;
  }

  /** Bytes of pads that are held. */
  get heldBytes(): number {
    return (this.#session?.chunks ?? []).reduce((sum, { pads }) => sum + pads.length, 0);
  }

  /** Begins a session in place of the one that was: the points of its base transfers. Throws SERVICE_BUSY when sessions began too often. */
  async open(id: string): Promise<Uint8Array> {
    const { ends, kernels, rng, now } = this.#o;
    this.#openings.take(now());
    this.#close();
    const session: Session = { id, offer: undefined, work: undefined, chunks: [], extended: 0, next: 0, isBusy: true };
    this.#session = session;
    const [bits, random] = [rng(baseTransfers / 8), rng(baseTransfers * 2 * uniformBytes)];
    const choices = unpackBits(bits);
    const work = await kernels.open(baseUrl, "openBase", []);
    const own = await work.call<ReturnType<Base["ask"]>>("ask", [sessionNames(ends, id).base, choices, random]);
    for (const secret of [bits, random]) secret.fill(0);
    session.offer = { work, choices, own };
    session.isBusy = false;
    if (session !== this.#session) end(session);
    return own.points;
  }

  /**
   * Takes the bank's part of the next `chunkTransfers` transfers: how many the session has had then. Throws VERIFY_TRANSFERS for what is not the next step of the session, or comes before those that were made are
   * used up to one message, PROTOCOL_OT_CHECK or PROTOCOL_BAD_POINT for a bank that deviates: the session is then over.
   */
  async extend({ session: id, index, base, columns, check }: Extend): Promise<number> {
    const session = this.#session;
    if (session?.id !== id || session.isBusy || index !== session.extended || session.chunks.length > 1 || (base !== undefined) !== (index === 0)) throw new AppError("VERIFY_TRANSFERS");
    session.isBusy = true;
    try {
      if (base !== undefined) await this.#seeds(session, base);
      const first = index * chunkTransfers;
      const pads = await session.work?.call<Uint8Array>("pads", [{ columns, check }, first, chunkTransfers, 2, labelBytes]);
      if (pads === undefined || session !== this.#session) {
        pads?.fill(0);
        throw new AppError("VERIFY_TRANSFERS");
      }
      session.chunks.push({ first, pads });
      session.extended += 1;
      session.isBusy = false;
      return session.extended * chunkTransfers;
    } catch (error) {
      if (session === this.#session) this.#close();
      else end(session);
      throw isAppError(error) && error.code === "PROTOCOL_WRONG_SHAPE" ? new AppError("VERIFY_TRANSFERS", {}, { cause: error }) : error;
    }
  }

  /** Both pads of `count` transfers from `first` on, that of 0 first; to be wiped after use. They, and all before them, are used from now on. undefined for others than those that are there. */
  take(id: string, first: number, count: number): Uint8Array | undefined {
    const session = this.#session;
    if (session?.id !== id || first < session.next) return undefined;
    const chunk = session.chunks.find((c) => first >= c.first && first + count <= c.first + chunkTransfers);
    if (chunk === undefined) return undefined;
    session.next = first + count;
    const from = (first - chunk.first) * 2 * labelBytes;
    const pads = chunk.pads.slice(from, from + count * 2 * labelBytes);
    chunk.pads.fill(0, 0, from + count * 2 * labelBytes);
    while (session.chunks[0] !== undefined && session.chunks[0].first + chunkTransfers <= session.next) session.chunks.shift()?.pads.fill(0);
    return pads;
  }

  /** The bank's answer to the base transfers: from it come this side's seeds. */
  async #seeds(session: Session, points: Uint8Array): Promise<void> {
    const { offer } = session;
    if (offer === undefined) throw new AppError("VERIFY_TRANSFERS");
    session.offer = undefined;
    const names = sessionNames(this.#o.ends, session.id);
    const { work, choices, own } = offer;
    try {
      const seeds = await work.call<Uint8Array>("finish", [names.base, { asked: own.points, choices, scalars: own.scalars }, points]);
      const options: TransferSenderOptions = { session: names.transfers, seeds, choices, code: "repetition", maxRows: chunkTransfers };
      session.work = await this.#o.kernels.open(transferUrl, "openTransferSender", [options]);
      seeds.fill(0);
    } finally {
      endOffer(offer);
    }
  }

  #close(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) end(session);
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

function end(session: Session): void {
  for (const { pads } of session.chunks.splice(0)) pads.fill(0);
  if (session.offer !== undefined) endOffer(session.offer);
  session.offer = undefined;
  if (session.work !== undefined) void wiped(session.work);
  session.work = undefined;
}

function endOffer({ work, choices, own }: Offer): void {
  for (const secret of [choices, own.scalars]) secret.fill(0);
  void work[Symbol.asyncDispose]();
}
