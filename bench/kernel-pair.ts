// The encrypted-sums kernel as the benches use it: one querier and one or more hosts over random columns, in this process, with the
// pieces of one exchange to be timed one by one.
import { seededRng, systemRng } from "../core/rng.ts";
import type { Kernels, PlainColumns, QuerySecret, SumsHost, SumsQuerier, HintKeeper } from "../kernels/api.ts";
import { createKernels } from "../kernels/kernels.ts";
import { answerBytes, hintBytesPerCell, queryBytes } from "../kernels/params.ts";
import type { BinnedFeature } from "./baselines/plain-histogram.ts";
import { scaled, sumOf, timed, type Spent } from "./measure.ts";

export type BinShape = { readonly rows: number; readonly features: number; readonly bins: number };
export type Asked = { readonly bytes: Uint8Array; readonly secrets: readonly QuerySecret[] };

/** Cells of one hint chunk: below the 4 MiB of a message. */
const chunkCells = 150;

/** Reproducible columns of equal bins. */
export function randomFeatures({ rows, features, bins }: BinShape): BinnedFeature[] {
  const rng = seededRng(new Uint8Array(32), `bench/${rows}`);
  return Array.from({ length: features }, () => ({
    bins, binOf: rng(rows).map((x) => Math.floor((x * bins) / 256)), isOrdered: true, missingBin: -1,
  }));
}

/** Gradients and hessians in 12-bit fixed point, as boosting from the base rate has them. */
export function randomGradients(rows: number): { readonly g: Int32Array; readonly h: Int32Array } {
  const rng = seededRng(new Uint8Array(32), `bench/gradients/${rows}`)(rows);
  const p = Array.from(rng, (x) => 0.02 + (x % 97) / 250);
  return {
    g: Int32Array.from(p, (x, i) => Math.round((x - ((rng[i] ?? 0) % 8 === 0 ? 1 : 0)) * 4096)), h: Int32Array.from(p, (x) => Math.round(x * (1 - x) * 4096)),
  };
}

/** A querier with the hints of its hosts, which all hold the same columns. */
export class KernelPair implements AsyncDisposable {
  readonly cells: number;
  readonly hintBytes: number;
  readonly queryBytes: number;
  readonly answerBytes: number;
  /** Making of one host's hint (the mean over the hosts). */
  readonly hint: Spent;
  /** Taking it in at the querier. */
  readonly keep: Spent;
  readonly #kernels: Kernels;
  readonly #querier: SumsQuerier;
  readonly #hosts: readonly SumsHost[];
  readonly #kept: readonly HintKeeper[];

  private constructor(parts: { kernels: Kernels; querier: SumsQuerier; hosts: readonly SumsHost[]; kept: readonly HintKeeper[]; rows: number; hint: Spent; keep: Spent }) {
    this.#kernels = parts.kernels;
    this.#querier = parts.querier;
    this.#hosts = parts.hosts;
    this.#kept = parts.kept;
    this.cells = parts.hosts[0]?.cells ?? 0;
    this.hintBytes = this.cells * hintBytesPerCell;
    this.queryBytes = queryBytes(parts.rows);
    this.answerBytes = answerBytes(this.cells);
    this.hint = parts.hint;
    this.keep = parts.keep;
  }

  /** `threads`: worker threads of the pool (default 2). `hosts`: how many, each with a hint of its own. */
  static async open(features: readonly BinnedFeature[], options: { readonly threads?: number; readonly hosts?: number } = {}): Promise<KernelPair> {
    const rows = features[0]?.binOf.length ?? 0;
    const columns: PlainColumns = { kind: "bins", rows, features };
    const kernels = createKernels(options.threads === undefined ? {} : { threads: options.threads });
    const crsSeed = systemRng(32);
    const querier = await kernels.querier({ crsSeed, rows });
    const hosts: SumsHost[] = [];
    for (let k = 0; k < (options.hosts ?? 1); k++) hosts.push(await kernels.host({ crsSeed, columns, rng: systemRng }));
    const kept: HintKeeper[] = [];
    const [made, taken]: [Spent[], Spent[]] = [[], []];
    for (const host of hosts) {
      const hint = await timed(async () => {
        const chunks: { firstCell: number; bytes: Uint8Array }[] = [];
        for await (const chunk of host.hint(chunkCells)) chunks.push(chunk);
        return chunks;
      });
      const keeper = querier.keep(host.cells);
      const keep = await timed(async () => {
        for (const chunk of hint.result) await keeper.add(chunk);
      });
      kept.push(keeper);
      made.push(hint.spent);
      taken.push(keep.spent);
    }
    return new KernelPair({ kernels, querier, hosts, kept, rows, hint: scaled(sumOf(...made), 1 / made.length), keep: scaled(sumOf(...taken), 1 / taken.length) });
  }

  /** Encrypts vectors. */
  async ask(vectors: readonly Int32Array[]): Promise<Asked> {
    return this.#querier.query(vectors, { maxCode: 1, rngs: vectors.map(() => systemRng) });
  }
  /** The answers of all hosts. */
  async answer(asked: Asked): Promise<Uint8Array[]> {
    const answers: Uint8Array[] = [];
    for (const host of this.#hosts) answers.push((await host.answer(asked.bytes, asked.secrets.map(() => ({ flood: systemRng })))).answers);
    return answers;
  }
  /** Sums of the answers of host number `host`, one array a vector. */
  async sums(asked: Asked, answers: Uint8Array, host = 0): Promise<readonly BigInt64Array[]> {
    const kept = this.#kept[host];
    if (kept === undefined) throw new RangeError("no such host");
    return this.#querier.open(answers, kept, asked.secrets);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host[Symbol.asyncDispose]();
    await this.#querier[Symbol.asyncDispose]();
    await this.#kernels[Symbol.asyncDispose]();
  }
}
