// The querying side of encrypted sums: a fresh secret per vector, a batch of vectors broadcast to several answerers, exact sums back.
import { createHash } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";
import type { HintSource, QuerySecret, SumsQuerier } from "../../kernels/api.ts";
import type { CellNoise } from "../../kernels/noise.ts";
import { answerBytes, hintBytesPerCell, queryBytes, queryBytesPerCoefficient } from "../../kernels/params.ts";
import type { MessageType } from "../messages.ts";
import type { Party } from "../party.ts";
import { crsSeed } from "./crs.ts";
import { groupSize, pieces } from "./flow.ts";

/** The uses of the kernel: every prefix that has messages of `sumsMessages` in the registry. */
export type Use = { [T in MessageType]: T extends `${infer P}/hint` ? P : never }[MessageType];
type Chunk = { readonly firstCell: number; readonly bytes: Uint8Array };
/** What both ends agreed on beside the vectors. `tBits`: the plaintext modulus of masked answers. `noise`: what the answerers add to the
 *  sums of each vector, which may then be that much larger than columns can give. */
export type BatchOptions = { readonly tBits?: number; readonly noise?: readonly (CellNoise | undefined)[] };

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

  /** The number of the next query. */
  get next(): number {
    return this.#queries;
  }

  /** Goes on at query number `query`: for a role that was resumed from a checkpoint. The numbers before are never used again, by this
   *  querier or for labels of its secrets. Throws PROTOCOL_OUT_OF_ORDER for one that is behind. */
  skipTo(query: number): void {
    if (query < this.#queries) throw new AppError("PROTOCOL_OUT_OF_ORDER", { query, next: this.#queries });
    this.#queries = query;
  }

  /** Encrypts every vector under a fresh secret and sends the same bytes to every answerer, several vectors a message. The digest of each
   *  seed goes with it, so that a supervisor can later have a query re-run (kernels/README.md: semi-honest + audit).
   *  maxCode: largest size of a code in the answerers' columns, 1 for bins. Throws KERNEL_RANGE for sums that could wrap, or another number of noises. */
  async sendBatch(
    answerers: readonly PartyId[], vectors: readonly (Int32Array | Int8Array)[], maxCode: number, options: BatchOptions = {},
  ): Promise<readonly QuerySecret[]> {
    const noises = options.noise?.length ?? vectors.length;
    if (noises !== vectors.length) throw new AppError("KERNEL_RANGE", { queries: vectors.length, noise: noises });
    const first = this.#queries;
    this.#queries += vectors.length;
    const one = queryBytes(this.#kernel.rows);
    const plan = pieces(vectors.length, one, queryBytesPerCoefficient);
    const seeds = vectors.map((_, v) => this.#party.rng(`${this.#use}/query/${first + v}`)(32));
    const digests = Buffer.concat(seeds.map((seed) => createHash("sha256").update(seed).digest()));
    const secrets: QuerySecret[] = [];
    const size = groupSize(one);
    let sent: Promise<unknown> = Promise.resolve();
    // The next group is encrypted while the one before is on its way.
    for (let from = 0; from < vectors.length; from += size) {
      const group = vectors.slice(from, from + size);
      const rngs = seeds.slice(from, from + size).map((seed) => seededRng(seed, "query"));
      const noise = options.noise?.slice(from, from + size);
      const [made] = await Promise.all([
        this.#kernel.query(group, { maxCode, rngs, ...(options.tBits !== undefined && { tBits: options.tBits }), ...(noise && { noise }) }),
        sent,
      ]);
      secrets.push(...made.secrets);
      const messages = plan.filter((p) => p.from >= from * one && p.to <= (from + group.length) * one).map((p) => ({
        query: first + p.item, index: p.index, last: p.last, bytes: made.bytes.subarray(p.from - from * one, p.to - from * one),
        commitments: new Uint8Array(digests.subarray(32 * p.item, 32 * (p.item + p.begins))),
      }));
      sent = Promise.all(answerers.map(async (to) => {
        for (const message of messages) await this.#party.send(to, `${this.#use}/query`, message);
      }));
      // Its error is thrown at the next turn; until then it must not end the process as an unhandled rejection.
      sent.catch(() => undefined);
    }
    await sent;
    return secrets;
  }

  /** Receives the hint of one answerer, which must cover exactly `cells` cells (PROTOCOL_WRONG_SHAPE at the first chunk that does not fit),
   *  and keeps it for many batches until the querier is disposed of. */
  async hint(from: PartyId, cells: number): Promise<HintSource> {
    const keeper = this.#kernel.keep(cells);
    for await (const chunk of this.#chunks(from, cells)) await keeper.add(chunk);
    return keeper;
  }

  /** Receives hint and answers of one answerer for a use with one batch that was sent before and began at query number `first`: opens
   *  while the hint comes in and keeps nothing of it. Throws as `hint` and `answers` do. */
  async sums(from: PartyId, cells: number, first: number, secrets: readonly QuerySecret[]): Promise<readonly BigInt64Array[]> {
    const opening = this.#kernel.opening(cells, secrets);
    for await (const chunk of this.#chunks(from, cells)) opening.add(chunk);
    const bytes = await this.#receiveAnswers(from, first, secrets.length, cells);
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

  /** Receives and opens the answers to the batch that began at query number `first`: one value a cell for every query. Throws
   *  PROTOCOL_OUT_OF_ORDER for another number, PROTOCOL_WRONG_SHAPE for another length, KERNEL_SUM_IMPOSSIBLE for a sum that no columns
   *  can give; each names the answerer. With `masked` the values mod 2^tBits, as they are. */
  async answers(from: PartyId, first: number, hint: HintSource, secrets: readonly QuerySecret[], masked = false): Promise<readonly BigInt64Array[]> {
    if (secrets.length === 0) return [];
    const bytes = await this.#receiveAnswers(from, first, secrets.length, hint.cells);
    return this.#named(from, () => this.#kernel.open(bytes, hint, secrets, masked));
  }

  async #receiveAnswers(from: PartyId, first: number, count: number, cells: number): Promise<Uint8Array> {
    const one = answerBytes(cells);
    const parts: Uint8Array[] = [];
    for (const piece of pieces(count, one, 1)) {
      const answer = await this.#party.receive(from, `${this.#use}/answer`);
      const { query, index, last, bytes } = answer;
      if (query !== first + piece.item || index !== piece.index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, query });
      const expected = piece.to - piece.from;
      if (bytes.length !== expected || last !== piece.last) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: from, bytes: bytes.length, expected });
      parts.push(answer.bytes);
    }
    return parts.length === 1 ? (parts[0] ?? new Uint8Array(0)) : new Uint8Array(Buffer.concat(parts));
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
