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
    const chunks: { firstCell: number; bytes: Uint8Array }[] = [];
    let next = 0;
    for (let index = 0; ; index++) {
      const chunk = await this.#party.receive(from, `${this.#use}/hint`);
      if (chunk.index !== index || chunk.firstCell !== next) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, index });
      next += chunk.bytes.length / hintBytesPerCell;
      chunks.push({ firstCell: chunk.firstCell, bytes: chunk.bytes });
      this.#party.progress(next, cells);
      if (next > cells || chunk.last !== (next === cells)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: from, cells: next, expected: cells });
      if (chunk.last) return { cells, chunks: () => chunks };
    }
  }

  /** Receives and opens the answer to query number `query`. Throws PROTOCOL_OUT_OF_ORDER for another number, PROTOCOL_WRONG_SHAPE for
   *  another length, KERNEL_SUM_IMPOSSIBLE for a sum that no columns can give; each names the answerer. */
  async answer(from: PartyId, query: number, hint: HintSource, secret: QuerySecret, masked = false): Promise<BigInt64Array> {
    const answer = await this.#party.receive(from, `${this.#use}/answer`);
    if (answer.query !== query) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, query: answer.query });
    return this.#open(from, answer.bytes, hint, secret, masked);
  }

  /** The kernel does not know whose answer it opens: what it refuses is refused in that party's name. */
  async #open(from: PartyId, bytes: Uint8Array, hint: HintSource, secret: QuerySecret, masked: boolean): Promise<BigInt64Array> {
    try {
      return await this.#kernel.open(bytes, hint, secret, masked);
    } catch (error) {
      if (isAppError(error)) throw new AppError(error.code, { ...error.facts, party: from }, { cause: error });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernel[Symbol.asyncDispose]();
  }
}
