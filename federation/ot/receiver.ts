// The receiver of random one-of-N transfers: of each it learns one pad, and the sender does not learn which.
import type { PartyId } from "../../core/brand.ts";
import { codeColumns } from "../../kernels/oblivious/code.ts";
import { maxChunkRows } from "../../kernels/oblivious/extension.ts";
import { transferRows, type TransferReceiver, type TransferReceiverOptions } from "../../kernels/oblivious/transfer.ts";
import type { Remote } from "../../kernels/pool.ts";
import type { Party } from "../party.ts";
import { inOrder } from "../psi/chunks.ts";
import { chunkRange, maxTransfers, transferUrl } from "./chunks.ts";
import { maskSeed, SeedOffer, sessionId, type OtOptions } from "./session.ts";

export class OtReceiver implements AsyncDisposable {
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
  /** Makes the session's seeds with `peer`, which opens an `OtSender` of the same session. Throws PROTOCOL_BAD_POINT, PROTOCOL_OUT_OF_ORDER,
   *  PROTOCOL_WRONG_SHAPE or PROTOCOL_OT_CHECK. */
  static async open(party: Party, peer: PartyId, options: OtOptions): Promise<OtReceiver> {
    const session = sessionId(party.job, peer, party.self, options.session);
    await using offer = await SeedOffer.ask(party, peer, session, options.label);
    const seeds = await offer.seeds(codeColumns.walshHadamard);
    const secret = maskSeed(party, peer, options.label);
    const work = await party.kernels.open(transferUrl, "openTransferReceiver", [
      { session, seeds, maskSeed: secret, code: "walshHadamard", maxRows: maxChunkRows } satisfies TransferReceiverOptions,
    ]);
    for (const used of [seeds, secret]) used.fill(0);
    return new OtReceiver(party, peer, work);
  }
  /** One random transfer of one of `choices` pads of `bytes` bytes for each byte of `picked` (each below `choices`): the picked pads, one after
   *  another. See `OtSender.pads`. Throws RangeError for a choice that there is not. One call at a time. */
  async pads(picked: Uint8Array, choices: number, bytes: number): Promise<Uint8Array> {
    const rows = transferRows(choices, bytes);
    const count = picked.length;
    if (this.#transfers + count > maxTransfers) throw new RangeError(`at most ${maxTransfers} transfers of a session`);
    if (picked.some((choice) => choice >= choices)) throw new RangeError(`choices are below ${choices}`);
    const out = new Uint8Array(count * bytes);
    const first = this.#transfers;
    type Extended = ReturnType<TransferReceiver["extend"]>;
    const part = (i: number): Uint8Array => picked.slice(...chunkRange(count, rows, i));
    const extend = (choice: Uint8Array, i: number): Promise<Extended> => this.#work.call<Extended>("extend", [choice, first + i * rows, bytes]);
    for await (const [i, { columns, check, pads }] of inOrder(Math.ceil(count / rows), part, extend)) {
      await this.#party.send(this.#peer, "ot/extend", { index: this.#chunks++, columns, check });
      out.set(pads, i * rows * bytes);
    }
    this.#transfers += count;
    return out;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work[Symbol.asyncDispose]();
  }
}
