// The querying side of encrypted sums: fresh secret per query, one query broadcast to several answerers, exact sums back.
import { createHash } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";
import type { HintSource, QuerySecret, SumsQuerier } from "../../kernels/api.ts";
import { hintBytesPerCell, queryBytesPerCoefficient } from "../../kernels/params.ts";
import type { Party } from "../party.ts";
import { crsSeed } from "./crs.ts";
import { maxChunkBytes } from "./messages.ts";

export type Use = "binning" | "moments" | "cross";
type Chunk = { readonly firstCell: number; readonly bytes: Uint8Array };

export class Querier implements AsyncDisposable {
  readonly #party: Party;
  readonly #use: Use;
  readonly #kernel: SumsQuerier;
  #queries = 0;

  private constructor(party: Party, use: Use, kernel: SumsQuerier) {
    this.#party = party;
    this.#use = use;
    this.#kernel = kernel;
  }

  static async open(party: Party, options: { use: Use; jointSeed: Uint8Array; rows: number }): Promise<Querier> {
    const seed = crsSeed(options.jointSeed, options.use === "cross" ? `cross|${party.self}` : options.use);
    return new Querier(party, options.use, await party.kernels.querier({ crsSeed: seed, rows: options.rows }));
  }

  /** Encrypts v under a fresh secret and sends the same bytes to every answerer. The seed's digest goes with it, so that a
   *  supervisor can later have this query re-run (review.md, section 1, "semi-honest + audit"). */
  async send(answerers: readonly PartyId[], values: Int32Array, maxCode: number, tBits?: number): Promise<QuerySecret> {
    const query = this.#queries++;
    const seed = this.#party.rng(`${this.#use}/query/${query}`)(32);
    const commitment = new Uint8Array(createHash("sha256").update(seed).digest());
    const made = await this.#kernel.query(values, { maxCode, rng: seededRng(seed, "query"), ...(tBits === undefined ? {} : { tBits }) });
    const step = maxChunkBytes - (maxChunkBytes % queryBytesPerCoefficient);
    await Promise.all(answerers.map(async (to) => {
      for (let at = 0, index = 0; at < made.bytes.length; at += step, index++) {
        const bytes = made.bytes.subarray(at, Math.min(at + step, made.bytes.length));
        await this.#party.send(to, `${this.#use}/query`, { query, index, last: at + step >= made.bytes.length, commitment, bytes });
      }
    }));
    return made.secret;
  }

  /** Receives the hint of one answerer, which must cover exactly `cells` cells: PROTOCOL_WRONG_SHAPE at the first chunk that does not fit. */
  async hint(from: PartyId, cells: number): Promise<HintSource> {
    const chunks: Chunk[] = [];
    for await (const chunk of this.#chunks(from, cells)) chunks.push(chunk);
    return { cells, chunks: () => chunks };
  }

  /** Receives hint and answer of one answerer for a use with one query, `query`, that was sent before: opens while the hint comes in
   *  and keeps nothing of it. Throws as `hint` and `answer` do. */
  async sums(from: PartyId, cells: number, query: number, secret: QuerySecret): Promise<BigInt64Array> {
    const opening = this.#kernel.opening(cells, secret);
    for await (const chunk of this.#chunks(from, cells)) opening.add(chunk);
    const bytes = await this.#receiveAnswer(from, query);
    return this.#named(from, async () => opening.finish(bytes));
  }

  async *#chunks(from: PartyId, cells: number): AsyncGenerator<Chunk, void, undefined> {
    let next = 0;
    for (let index = 0; ; index++) {
      const chunk = await this.#party.receive(from, `${this.#use}/hint`);
      if (chunk.index !== index || chunk.firstCell !== next) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, index });
      next += chunk.bytes.length / hintBytesPerCell;
      this.#party.progress(next, cells);
      if (next > cells || chunk.last !== (next === cells)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: from, cells: next, expected: cells });
      yield { firstCell: chunk.firstCell, bytes: chunk.bytes };
      if (chunk.last) return;
    }
  }

  /** Receives and opens the answer to query number `query`. Throws PROTOCOL_OUT_OF_ORDER for another number, PROTOCOL_WRONG_SHAPE for
   *  another length, KERNEL_SUM_IMPOSSIBLE for a sum that no columns can give; each names the answerer. */
  async answer(from: PartyId, query: number, hint: HintSource, secret: QuerySecret, masked = false): Promise<BigInt64Array> {
    const bytes = await this.#receiveAnswer(from, query);
    return this.#named(from, () => this.#kernel.open(bytes, hint, secret, masked));
  }

  async #receiveAnswer(from: PartyId, query: number): Promise<Uint8Array> {
    const answer = await this.#party.receive(from, `${this.#use}/answer`);
    if (answer.query !== query) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, query: answer.query });
    return answer.bytes;
  }

  /** The kernel does not know whose answer it opens: what it refuses is refused in that party's name. */
  async #named<T>(from: PartyId, open: () => Promise<T>): Promise<T> {
    try {
      return await open();
    } catch (error) {
      if (isAppError(error)) throw new AppError(error.code, { ...error.facts, party: from }, { cause: error });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel[Symbol.asyncDispose]();
  }
}
