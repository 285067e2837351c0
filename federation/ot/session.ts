// What every extension begins with: the name of the session, and its seeds over the wire.
import { createHash } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { sessionBytes } from "../../kernels/oblivious/blake2s.ts";
import { seedBytes } from "../../kernels/oblivious/extension.ts";
import type { TransferReceiver, TransferReceiverOptions, TransferSenderOptions } from "../../kernels/oblivious/transfer.ts";
import type { Remote } from "../../kernels/pool.ts";
import type { Party } from "../party.ts";
import { uniformBytes, type Base } from "./base.ts";
import { transferUrl } from "./chunks.ts";
import { baseTransfers } from "./messages.ts";

const baseUrl = new URL("./base.ts", import.meta.url);

export type OtOptions = {
  /** Names this party's secret streams of the session: once per job and peer. */
  readonly label: string;
  /** Names the session; the same at both ends, and different for every session of the two parties in this job. */
  readonly session: string;
};

/** 16 bytes that separate the hashes of this session from those of every other one: job, both parties, their sides, and its name. */
export function sessionId(job: JobId, sender: PartyId, receiver: PartyId, session: string): Uint8Array {
  const text = JSON.stringify(["yunei/ot/v1", job, sender, receiver, session]);
  return new Uint8Array(createHash("sha256").update(text).digest().subarray(0, sessionBytes));
}

/** The name under which the seeds of a session are made: none of their hashes is one of the session's own. */
function innerSession(session: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update("yunei/ot/seeds/v1").update(session).digest().subarray(0, sessionBytes));
}

export type Chosen = { readonly choices: Uint8Array; readonly seeds: Uint8Array };

/** Seeds of one-of-2 transfers at both ends: 128 base transfers on the curve, extended to `transfers` (a multiple of 8). This side chooses: its
 *  secret bits, a byte each, and the seeds that they chose. PROTOCOL_BAD_POINT, naming the peer. */
export async function chooseSeeds(party: Party, peer: PartyId, session: Uint8Array, transfers: number, label: string): Promise<Chosen> {
  const bits = party.rng(`ot/${label}/${peer}/choices`)(transfers / 8);
  const choices = unpackBits(bits);
  const random = party.rng(`ot/${label}/${peer}/answer`)(baseTransfers * uniformBytes);
  const inner = innerSession(session);
  await using base = await party.kernels.open(baseUrl, "openBase", []);
  const asked = await party.receive(peer, "ot/base-ask");
  const { points, seeds: pairs } = await fromPeer(peer, base.call<ReturnType<Base["answer"]>>("answer", [inner, asked.points.slice(), random]));
  const secret = maskSeed(party, peer, `${label}/seeds`);
  const options: TransferReceiverOptions = { session: inner, seeds: pairs, maskSeed: secret, code: "repetition", maxRows: transfers };
  await using work = await party.kernels.open(transferUrl, "openTransferReceiver", [options]);
  const { columns, check, pads: seeds } = await work.call<ReturnType<TransferReceiver["extend"]>>("extend", [choices, 0, seedBytes]);
  await party.send(peer, "ot/base-answer", { points });
  await party.send(peer, "ot/extend", { index: 0, columns, check });
  for (const used of [bits, random, pairs, secret]) used.fill(0);
  return { choices, seeds };
}

type SeedSecrets = { readonly session: Uint8Array; readonly choices: Uint8Array; readonly own: ReturnType<Base["ask"]> };

/** The other side of `chooseSeeds`: it gets both seeds of each transfer. In two steps, so that its question can leave with another message. */
export class SeedOffer implements AsyncDisposable {
  readonly #party: Party;
  readonly #peer: PartyId;
  readonly #base: Remote;
  readonly #session: Uint8Array;
  readonly #choices: Uint8Array;
  readonly #own: ReturnType<Base["ask"]>;

  private constructor(party: Party, peer: PartyId, base: Remote, secrets: SeedSecrets) {
    this.#party = party;
    this.#peer = peer;
    this.#base = base;
    this.#session = secrets.session;
    this.#choices = secrets.choices;
    this.#own = secrets.own;
  }
  /** Sends the question. */
  static async ask(party: Party, peer: PartyId, session: Uint8Array, label: string): Promise<SeedOffer> {
    const bits = party.rng(`ot/${label}/${peer}/base`)(baseTransfers / 8);
    const choices = unpackBits(bits);
    const random = party.rng(`ot/${label}/${peer}/ask`)(baseTransfers * 2 * uniformBytes);
    const base = await party.kernels.open(baseUrl, "openBase", []);
    const inner = innerSession(session);
    const own = await base.call<ReturnType<Base["ask"]>>("ask", [inner, choices, random]);
    await party.send(peer, "ot/base-ask", { points: own.points });
    for (const used of [bits, random]) used.fill(0);
    return new SeedOffer(party, peer, base, { session: inner, choices, own });
  }
  /** Takes the answer: both seeds of each transfer, one pair after another. PROTOCOL_BAD_POINT, PROTOCOL_OUT_OF_ORDER, PROTOCOL_WRONG_SHAPE or
   *  PROTOCOL_OT_CHECK, naming the peer. */
  async seeds(transfers: number): Promise<Uint8Array> {
    const party = this.#party;
    const peer = this.#peer;
    const [session, choices, own] = [this.#session, this.#choices, this.#own];
    const { points } = await party.receive(peer, "ot/base-answer");
    const asked = { asked: own.points, choices, scalars: own.scalars };
    const seeds = await fromPeer(peer, this.#base.call<Uint8Array>("finish", [session, asked, points.slice()]));
    const options: TransferSenderOptions = { session, seeds, choices, code: "repetition", maxRows: transfers };
    const work = await party.kernels.open(transferUrl, "openTransferSender", [options]);
    try {
      const { index, ...chunk } = await party.receive(peer, "ot/extend");
      if (index !== 0) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer, expected: 0, index });
      return await fromPeer(peer, work.call<Uint8Array>("pads", [chunk, 0, transfers, 2, seedBytes]));
    } finally {
      seeds.fill(0);
      await wiped(work);
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const secret of [this.#choices, this.#own.scalars]) secret.fill(0);
    await this.#base[Symbol.asyncDispose]();
  }
}

/** The secret from which the receiver's check rows come. */
export function maskSeed(party: Party, peer: PartyId, label: string): Uint8Array {
  return party.rng(`ot/${label}/${peer}/masks`)(seedBytes);
}

/** The result of work on a peer's bytes; what it refuses names the peer. */
export async function fromPeer<T>(peer: PartyId, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isAppError(error) && error.code.startsWith("PROTOCOL_")) throw new AppError(error.code, { ...error.facts, peer }, { cause: error });
    throw error;
  }
}

/** A worker object that is wiped before it is let go. */
export async function wiped(remote: Remote): Promise<void> {
  await remote.call("wipe", []).catch(() => undefined);
  await remote[Symbol.asyncDispose]();
}

/** A byte for each bit, lowest first. */
export function unpackBits(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 8 * bytes.length }, (_, i) => ((bytes[i >> 3] as number) >> (i & 7)) & 1);
}
