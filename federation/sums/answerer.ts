// The answering side of encrypted sums: the hint once, then one flooded answer per query, in the querier's order.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { PlainColumns, SumsHost } from "../../kernels/api.ts";
import { hintBytesPerCell, queryBytes } from "../../kernels/params.ts";
import type { Party } from "../party.ts";
import { crsSeed } from "./crs.ts";
import { maxChunkBytes } from "./messages.ts";
import type { Use } from "./querier.ts";

export class Answerer implements AsyncDisposable {
  readonly #party: Party;
  readonly #use: Use;
  readonly #querier: PartyId;
  readonly #kernel: SumsHost;
  #queries = 0;

  private constructor(party: Party, use: Use, querier: PartyId, kernel: SumsHost) {
    this.#party = party;
    this.#use = use;
    this.#querier = querier;
    this.#kernel = kernel;
  }

  static async open(party: Party, options: { use: Use; querier: PartyId; jointSeed: Uint8Array; columns: PlainColumns }): Promise<Answerer> {
    const { use, querier } = options;
    const seed = crsSeed(options.jointSeed, use === "cross" ? `cross|${querier}` : use);
    const kernel = await party.kernels.host({ crsSeed: seed, columns: options.columns, rng: party.rng(`${use}/${querier}/hint`) });
    return new Answerer(party, use, querier, kernel);
  }

  /** Sends the hint: pseudorandom bytes that depend on the columns only. */
  async sendHint(): Promise<void> {
    const { cells } = this.#kernel;
    let index = 0;
    let sent = 0;
    for await (const { firstCell, bytes } of this.#kernel.hint(Math.floor(maxChunkBytes / hintBytesPerCell))) {
      sent += bytes.length / hintBytesPerCell;
      await this.#party.send(this.#querier, `${this.#use}/hint`, { index: index++, last: sent === cells, firstCell, bytes });
      this.#party.progress(sent, cells);
    }
  }

  /** Takes the next query and answers it. Throws PROTOCOL_OUT_OF_ORDER or PROTOCOL_WRONG_SHAPE naming the querier. With `maskBits` uniform masks mod 2^maskBits hide the sums from the querier and
   *  are returned. */
  async answerNext(maskBits?: number): Promise<BigUint64Array | undefined> {
    const query = this.#queries++;
    const bytes = await this.#receiveQuery(query);
    const label = `${this.#use}/${this.#querier}/${query}`;
    const mask = maskBits === undefined ? undefined : { rng: this.#party.rng(`${label}/mask`), tBits: maskBits };
    const made = await this.#kernel.answer(bytes, this.#party.rng(`${label}/flood`), mask);
    await this.#party.send(this.#querier, `${this.#use}/answer`, { query, bytes: made.answer });
    return made.masks;
  }

  async #receiveQuery(query: number): Promise<Uint8Array> {
    const expected = queryBytes(this.#kernel.rows);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (let index = 0; ; index++) {
      const chunk = await this.#party.receive(this.#querier, `${this.#use}/query`);
      if (chunk.query !== query || chunk.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: this.#querier, query: chunk.query, index });
      bytes += chunk.bytes.length;
      // Before it is kept: a querier that never says "last" must not fill the memory.
      if (bytes > expected || chunk.last !== (bytes === expected)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: this.#querier, bytes, expected });
      parts.push(chunk.bytes);
      if (chunk.last) break;
    }
    return parts.length === 1 ? (parts[0] ?? new Uint8Array(0)) : new Uint8Array(Buffer.concat(parts));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel[Symbol.asyncDispose]();
  }
}
