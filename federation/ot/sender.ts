// The sender of random one-of-N transfers: it makes the pad of every choice.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { codeColumns } from "../../kernels/oblivious/code.ts";
import { maxChunkRows } from "../../kernels/oblivious/extension.ts";
import { transferRows, type TransferSenderOptions } from "../../kernels/oblivious/transfer.ts";
import type { Remote } from "../../kernels/pool.ts";
import type { Party } from "../party.ts";
import { inOrder } from "../psi/chunks.ts";
import { chunkRange, maxTransfers, transferUrl } from "./chunks.ts";
import { chooseSeeds, fromPeer, sessionId, wiped, type OtOptions } from "./session.ts";

export class OtSender implements AsyncDisposable {
  readonly #party: Party;
  readonly #peer: PartyId;
  readonly #work: Remote;
  #chunks = 0;
  #transfers = 0;

  private constructor(party: Party, peer: PartyId, work: Remote) {
    this.#party = party;
    this.#peer = peer;
    this.#work = work;
  }
  /** Makes the session's seeds with `peer`, which opens an `OtReceiver` of the same session. Throws PROTOCOL_BAD_POINT. */
  static async open(party: Party, peer: PartyId, options: OtOptions): Promise<OtSender> {
    const session = sessionId(party.job, party.self, peer, options.session);
    const { choices, seeds } = await chooseSeeds(party, peer, session, codeColumns.walshHadamard, options.label);
    const work = await party.kernels.open(transferUrl, "openTransferSender", [
      { session, seeds, choices, code: "walshHadamard", maxRows: maxChunkRows } satisfies TransferSenderOptions,
    ]);
    for (const secret of [choices, seeds]) secret.fill(0);
    return new OtSender(party, peer, work);
  }
  /** `count` random transfers of one of `choices` (2 to 256) pads of `bytes` bytes (choices * bytes <= 65,536): all pads, count * choices * bytes,
   *  the one of transfer k and choice c at (k * choices + c) * bytes. The peer calls `pads` with the same numbers. Throws PROTOCOL_OUT_OF_ORDER,
   *  PROTOCOL_WRONG_SHAPE or PROTOCOL_OT_CHECK for a peer that deviates. One call at a time. */
  async pads(count: number, choices: number, bytes: number): Promise<Uint8Array> {
    const rows = transferRows(choices, bytes);
    if (!(count >= 0 && this.#transfers + count <= maxTransfers)) throw new RangeError(`at most ${maxTransfers} transfers of a session`);
    const out = new Uint8Array(count * choices * bytes);
    const first = this.#transfers;
    const receive = async (): Promise<{ columns: Uint8Array; check: Uint8Array }> => {
      const { index, ...chunk } = await this.#party.receive(this.#peer, "ot/extend");
      const expected = this.#chunks++;
      if (index !== expected) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: this.#peer, expected, index });
      return chunk;
    };
    const make = (chunk: object, i: number): Promise<Uint8Array> => {
      const [from, to] = chunkRange(count, rows, i);
      return fromPeer(this.#peer, this.#work.call<Uint8Array>("pads", [chunk, first + from, to - from, choices, bytes]));
    };
    for await (const [i, pads] of inOrder(Math.ceil(count / rows), receive, make)) out.set(pads, i * rows * choices * bytes);
    this.#transfers += count;
    return out;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await wiped(this.#work);
  }
}
