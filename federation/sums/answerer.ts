// The answering side of encrypted sums: the hint once, then one flooded answer per query, batch by batch in the querier's order.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { AnswerOptions, PlainColumns, SumsHost } from "../../kernels/api.ts";
import type { CellNoise } from "../../kernels/noise.ts";
import { answerBytes, hintBytesPerCell, queryBytes, queryBytesPerCoefficient } from "../../kernels/params.ts";
import type { Party } from "../party.ts";
import { crsSeed } from "./crs.ts";
import { groupSize, pieces, type Piece } from "./flow.ts";
import { maxChunkBytes } from "./messages.ts";
import type { Use } from "./querier.ts";

/** How the answer of one query of a batch is changed. */
type Blur = { readonly noise?: CellNoise | undefined; readonly maskBits?: number };

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

  /** The number of the next query. */
  get next(): number {
    return this.#queries;
  }

  /** Goes on at query number `query`: for a role that was resumed from a checkpoint. The numbers before are never answered again, and the
   *  labels of their floods never used again. Throws PROTOCOL_OUT_OF_ORDER for one that is behind. */
  skipTo(query: number): void {
    if (query < this.#queries) throw new AppError("PROTOCOL_OUT_OF_ORDER", { query, next: this.#queries });
    this.#queries = query;
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

  /** Takes the next batch, of `count` queries, and answers it; `noise` (one entry a query) is added to every cell's sum. Throws
   *  PROTOCOL_OUT_OF_ORDER or PROTOCOL_WRONG_SHAPE naming the querier, KERNEL_RANGE for another number of entries. */
  async answerBatch(count: number, noise?: readonly (CellNoise | undefined)[]): Promise<void> {
    // A list that is too short would answer its last queries exactly.
    if (noise !== undefined && noise.length !== count) throw new AppError("KERNEL_RANGE", { queries: count, noise: noise.length });
    await this.#answer(Array.from({ length: count }, (_, v) => ({ noise: noise?.[v] })));
  }

  /** The same with uniform masks mod 2^maskBits, which hide the sums from the querier and are returned. */
  async answerMasked(count: number, maskBits: number): Promise<readonly BigUint64Array[]> {
    return await this.#answer(Array.from({ length: count }, () => ({ maskBits })));
  }

  async #answer(asked: readonly Blur[]): Promise<BigUint64Array[]> {
    const first = this.#queries;
    this.#queries += asked.length;
    const one = queryBytes(this.#kernel.rows);
    const plan = pieces(asked.length, one, queryBytesPerCoefficient);
    const size = groupSize(one);
    const answers: Uint8Array[] = [];
    const masks: BigUint64Array[] = [];
    for (let from = 0; from < asked.length; from += size) {
      const group = asked.slice(from, from + size);
      const queries = new Uint8Array(new SharedArrayBuffer(group.length * one));
      for (const piece of plan.filter((p) => p.from >= from * one && p.to <= from * one + queries.length)) {
        queries.set(await this.#receive(first, piece), piece.from - from * one);
      }
      const made = await this.#kernel.answer(queries, group.map((blur, v) => this.#options(first + from + v, blur)));
      answers.push(made.answers);
      for (const mask of made.masks) if (mask !== undefined) masks.push(mask);
    }
    const bytes = answers.length === 1 ? (answers[0] ?? new Uint8Array(0)) : new Uint8Array(Buffer.concat(answers));
    for (const { item, index, last, from, to } of pieces(asked.length, answerBytes(this.#kernel.cells), 1)) {
      await this.#party.send(this.#querier, `${this.#use}/answer`, { query: first + item, index, last, bytes: bytes.subarray(from, to) });
    }
    return masks;
  }

  async #receive(first: number, piece: Piece): Promise<Uint8Array> {
    const party = this.#querier;
    const chunk = await this.#party.receive(party, `${this.#use}/query`);
    const { query, index } = chunk;
    if (query !== first + piece.item || index !== piece.index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party, query, index });
    const expected = piece.to - piece.from;
    const fits = chunk.bytes.length === expected && chunk.last === piece.last && chunk.commitments.length === 32 * piece.begins;
    if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party, bytes: chunk.bytes.length, expected });
    return chunk.bytes;
  }

  /** Streams of one query number. A number is answered once, so that nobody averages two floods or two noises of one query. */
  #options(query: number, { noise, maskBits }: Blur): AnswerOptions {
    const label = `${this.#use}/${this.#querier}/${query}`;
    return {
      flood: this.#party.rng(`${label}/flood`),
      mask: maskBits === undefined ? undefined : { rng: this.#party.rng(`${label}/mask`), tBits: maskBits },
      noise: noise && { ...noise, rng: this.#party.rng(`${label}/noise`) },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel[Symbol.asyncDispose]();
  }
}
