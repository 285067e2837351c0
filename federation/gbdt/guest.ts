// Boosted trees, guest: drives the growth (models/trees/grow.ts), which asks for the hosts' histograms and bitmaps, and carries these
// questions over the wire: one round per level for all nodes of all hosts, one more for a cut that no earlier tree has used.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { decodeFrame, encodeFrame } from "../../core/codec.ts";
import { AppError, isAppError, type Facts } from "../../core/errors.ts";
import { count } from "../../core/message.ts";
import type { HintSource } from "../../kernels/api.ts";
import type { FineBinning } from "../../models/binning/fine.ts";
import { grow, type Asked, type CellSums, type Given, type GrowFeature, type Grown } from "../../models/trees/grow.ts";
import { cutKey, type Cut, type TreeModel } from "../../models/trees/model.ts";
import type { GuestGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import { Querier } from "../sums/querier.ts";
import { checkBits, checkSums, type Step } from "./checks.ts";
import { bitsPerRow, type HostCut } from "./cuts.ts";
import { noiseOf, treeLimits, type TreeLimits, type TreesPlan } from "./floors.ts";
import type { CutUse } from "./host.ts";
import { askedCells, receiveOffers, type HostColumns, type HostFeature } from "./offers.ts";

export type GbdtGuestInput = {
  readonly hosts: readonly PartyId[]; readonly jointSeed: Uint8Array;
  /** Rows of the job, the first `trainRows` of them the training part. */
  readonly rows: number; readonly trainRows: number;
  /** 0 or 1 per row. */
  readonly label: Uint8Array;
  /** Own features over the job's rows. */
  readonly own: readonly { readonly name: string; readonly fine: FineBinning }[];
  readonly params: TreesPlan["params"]; readonly liftFloors: boolean;
  readonly guard: Pick<GuestGuard, "chargeLabelRank">;
  /** Warm start: a model over the same features and bins. */
  readonly from?: TreeModel | undefined;
};

/** What the guest has of one host at the end. `cuts`: in the order in which they were asked for, features as in the host's offer. */
export type HostShare = {
  readonly features: number; readonly cells: number; readonly cuts: readonly HostCut[]; readonly bitsPerRow: number;
};
export type GbdtGuestResult = {
  readonly grown: Grown;
  readonly hosts: ReadonlyMap<PartyId, HostShare>;
  /** By `cutKey`: one bit per row, lowest bit first, 1 = right. */
  readonly bitmaps: ReadonlyMap<string, Uint8Array>;
  /** Vectors asked of every host that has anything to split by. */
  readonly queries: number;
};

const kept = "trees";
const stateSchema = z.strictObject({
  grower: z.instanceof(Uint8Array), queries: count(), trees: count(),
  cuts: z.array(z.array(z.strictObject({ feature: count(), left: z.array(count()) }))),
  bitmaps: z.array(z.tuple([z.string(), z.instanceof(Uint8Array)])),
});

/** Runs the guest's part after alignment and joint seed. Throws FLOOR_ROWS, FLOOR_TREES, JOB_NO_FEATURE, MODEL_ONE_CLASS; and
 *  PROTOCOL_WRONG_SHAPE, PROTOCOL_OUT_OF_ORDER, PROTOCOL_CONTRADICTION, KERNEL_SUM_IMPOSSIBLE, MODEL_TREE_SUMS, MODEL_TREE_BITS naming the host
 *  and, in the loop, tree and level. */
export async function gbdtGuest(party: Party, input: GbdtGuestInput): Promise<GbdtGuestResult> {
  const { hosts, trainRows } = input;
  const limits = treeLimits(input);
  const least = { hosts, trainRows, minBinRows: limits.minBinRows, ownFeatures: input.own.length };
  const columns = await party.phase("binning", () => receiveOffers(party, least));
  await using querier = await Querier.open(party, { use: "trees", jointSeed: input.jointSeed, rows: trainRows });
  const hints = await party.phase("hint", async () => new Map(await Promise.all(
    columns.filter((c) => c.cells > 0).map(async (c) => [c.host, await querier.hint(c.host, c.cells)] as const),
  )));
  return await party.phase("trees", () => new Training(party, { input, limits, columns, querier, hints }).run());
}

type Setup = {
  readonly input: GbdtGuestInput; readonly limits: TreeLimits; readonly columns: readonly HostColumns[];
  readonly querier: Querier; readonly hints: ReadonlyMap<PartyId, HintSource>;
};

class Training {
  readonly #party: Party;
  readonly #s: Setup;
  /** Hosts that have something to split by: the others are only told the end. */
  readonly #active: readonly HostColumns[];
  readonly #cells: number;
  readonly #byIndex: ReadonlyMap<number, { readonly host: HostColumns; readonly feature: HostFeature; readonly at: number }>;
  #cuts: ReadonlyMap<PartyId, HostCut[]>;
  #bitmaps = new Map<string, Uint8Array>();
  #queries = 0;
  #trees = 0;
  /** Of the last histograms of this tree. */
  #level: number | undefined;

  constructor(party: Party, setup: Setup) {
    this.#party = party;
    this.#s = setup;
    this.#active = setup.columns.filter((c) => c.cells > 0);
    this.#cells = setup.columns.reduce((sum, c) => sum + c.features.reduce((cells, f) => cells + f.feature.bins, 0), 0);
    const all = setup.columns.flatMap((host) => host.features.map((feature, at) => [feature.index, { host, feature, at }] as const));
    this.#byIndex = new Map(all);
    this.#cuts = new Map(setup.columns.map((c) => [c.host, []]));
  }

  async run(): Promise<GbdtGuestResult> {
    const { input, columns } = this.#s;
    const own = input.own.map(({ name, fine }): GrowFeature => ({ party: this.#party.self, name, ...fine.shape, binOf: fine.binOf }));
    const features = [...own, ...columns.flatMap((c) => c.features.map((f) => f.feature))];
    if (features.length === 0) throw new AppError("JOB_NO_FEATURE");
    const resume = this.#restore();
    const { rows, trainRows, label, from } = input;
    const { params } = this.#s.limits;
    const growth = grow({ features, label, trainRows, rows, params, from, resume });
    let step = this.#named(() => growth.next());
    while (step.done !== true) {
      const given = await this.#answer(step.value);
      step = this.#named(() => growth.next(given));
    }
    await this.#end(step.value);
    const hosts = new Map(columns.map((c) => {
      const cuts = this.#cuts.get(c.host) ?? [];
      const shapes = c.features.map((f) => f.feature);
      return [c.host, { features: c.features.length, cells: c.cells, cuts, bitsPerRow: bitsPerRow(shapes, cuts) }] as const;
    }));
    return { grown: step.value, hosts, bitmaps: this.#bitmaps, queries: this.#queries };
  }

  async #answer(question: Asked): Promise<Given> {
    if (question.kind === "histograms") return await this.#histograms(question);
    if (question.kind === "bits") return await this.#bits(question.cut);
    await Promise.all(this.#active.map((c) => this.#party.send(c.host, "trees/next", { step: "tree" })));
    this.#trees += 1;
    this.#level = undefined;
    await this.#party.checkpoint(kept, encodeFrame(kept, {
      grower: question.state, queries: this.#queries, trees: this.#trees,
      cuts: this.#s.columns.map((c) => this.#cuts.get(c.host) ?? []), bitmaps: [...this.#bitmaps],
    }));
    this.#party.progress(this.#trees, this.#s.input.params.trees);
    return undefined;
  }

  /** All nodes of a level, g and h of each in turn, in one flow to all hosts; their answers as they come. */
  async #histograms({ tree, level, nodes }: Extract<Asked, { kind: "histograms" }>): Promise<readonly CellSums[]> {
    const { querier, hints, limits } = this.#s;
    const vectors = nodes.flatMap((node) => [node.g, node.h]);
    const first = this.#queries;
    this.#queries += vectors.length;
    const hosts = this.#active.map((c) => c.host);
    await Promise.all(hosts.map((host) => this.#party.send(host, "trees/next", { step: "histograms", vectors: vectors.length })));
    const noise = noiseOf(limits.noise, vectors.length);
    const secrets = await querier.sendBatch(hosts, vectors, 1, noise && { noise });
    // A feature of one bin is nobody's candidate: its cell stays zero.
    const sums = nodes.map(() => ({ g: new Float64Array(this.#cells), h: new Float64Array(this.#cells) }));
    this.#level = level;
    await Promise.all(this.#active.map(async (c) => {
      const hint = hints.get(c.host);
      if (hint === undefined) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: c.host });
      const answers = await this.#at({ tree, level }, () => querier.answers(c.host, first, hint, secrets));
      for (const [n, { g, h }] of sums.entries()) {
        place(c, answers[2 * n], g);
        place(c, answers[2 * n + 1], h);
      }
      checkSums(c.host, c.features, { tree, level, nodes, sums }, limits.noise);
    }));
    return sums;
  }

  async #bits(cut: Cut): Promise<Uint8Array> {
    const { input } = this.#s;
    const found = this.#byIndex.get(cut.feature);
    if (found === undefined) throw new RangeError("a cut of the guest's own feature needs no question");
    const { host, feature, at } = found;
    const cuts = this.#cuts.get(host.host) ?? [];
    const number = cuts.length;
    input.guard.chargeLabelRank(host.host, `trees/cut/${number}`, 1);
    cuts.push({ feature: at, left: cut.left });
    await this.#party.send(host.host, "trees/next", { step: "bits", cut: number, feature: at, left: [...cut.left] });
    const packed = await this.#receiveBits(host.host, number);
    const right = unpack(packed, input.rows);
    checkBits(host.host, feature, cut.left, right, input.trainRows, this.#step);
    this.#bitmaps.set(cutKey(cut), packed);
    return right;
  }

  async #receiveBits(host: PartyId, cut: number): Promise<Uint8Array> {
    const { rows } = this.#s.input;
    const packed = new Uint8Array(Math.ceil(rows / 8));
    const at = { party: host, cut, ...this.#step };
    for (let index = 0, bytes = 0; ; index++) {
      const part = await this.#party.receive(host, "trees/bits");
      if (part.cut !== cut || part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", at);
      const end = bytes + part.bytes.length;
      const fits = end <= packed.length && part.last === (end === packed.length);
      if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { ...at, bytes: end, expected: packed.length });
      packed.set(part.bytes, bytes);
      bytes = end;
      if (!part.last) continue;
      if (rows % 8 !== 0 && (packed.at(-1) ?? 0) >> rows % 8 !== 0) throw new AppError("PROTOCOL_WRONG_SHAPE", at);
      return packed;
    }
  }

  /** Tells every host the end, and where its cuts stand in the model. */
  async #end(grown: Grown): Promise<void> {
    const numbers = new Map([...this.#byIndex].map(([index, { host, at }]) => [index, { host: host.host, at }]));
    const usesOf = new Map<PartyId, CutUse[]>(this.#s.columns.map((c) => [c.host, []]));
    for (const [tree, { cuts }] of grown.model.trees.entries()) {
      for (const [level, cut] of cuts.entries()) {
        const owner = numbers.get(cut.feature);
        if (owner === undefined) continue;
        const key = cutKey({ feature: owner.at, left: cut.left });
        const number = this.#cuts.get(owner.host)?.findIndex((c) => cutKey(c) === key) ?? -1;
        usesOf.get(owner.host)?.push({ tree, level, cut: number });
      }
    }
    await Promise.all([...usesOf].map(async ([host, uses]) => {
      await this.#party.send(host, "trees/next", { step: "end" });
      await this.#party.send(host, "trees/uses", { uses });
    }));
  }

  /** The grower's state when an earlier run was interrupted. */
  #restore(): Uint8Array | undefined {
    const state = this.#party.restored(kept);
    if (state === undefined) return undefined;
    const { grower, queries, trees, cuts, bitmaps } = stateSchema.parse(decodeFrame(state).body);
    this.#queries = queries;
    this.#trees = trees;
    this.#cuts = new Map(this.#s.columns.map((c, i) => [c.host, cuts[i] ?? []]));
    this.#bitmaps = new Map(bitmaps);
    this.#s.querier.skipTo(queries);
    return grower;
  }

  get #step(): Step {
    return { tree: this.#trees, ...(this.#level === undefined ? {} : { level: this.#level }) };
  }

  /** What is refused in here is refused with the step that it belongs to. */
  async #at<T>(step: Facts, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw withFacts(error, step);
    }
  }

  /** The grower knows features only: what it refuses about one is refused in its owner's name. */
  #named<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const feature = isAppError(error) ? error.facts["feature"] : undefined;
      const host = typeof feature === "number" ? this.#byIndex.get(feature)?.host.host : undefined;
      throw host === undefined ? error : withFacts(error, { party: host, ...this.#step });
    }
  }
}

function withFacts(error: unknown, facts: Facts): unknown {
  return isAppError(error) ? new AppError(error.code, { ...error.facts, ...facts }, { cause: error }) : error;
}

/** Puts the sums of one host where its features stand among all cells. */
function place(c: HostColumns, answer: BigInt64Array | undefined, cells: Float64Array): void {
  let at = 0;
  for (const f of c.features) {
    for (let bin = 0; bin < askedCells(f); bin++) cells[f.firstCell + bin] = Number(answer?.[at++]);
  }
}

function unpack(packed: Uint8Array, rows: number): Uint8Array {
  const right = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) right[row] = ((packed[row >> 3] as number) >> (row & 7)) & 1;
  return right;
}
