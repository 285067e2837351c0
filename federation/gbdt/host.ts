// Boosted trees, host: bins its features without labels, answers the queries of every level, and shows on which side of its own cuts each
// company lies, as far as its caps and budgets allow. It sees no node, no label and no gradient.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { decodeFrame, encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { count } from "../../core/message.ts";
import { countFine, fineBin, fineBinBy, type FineBinning } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { rightOfCode } from "../../models/trees/model.ts";
import type { HostGuard } from "../guards.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";
import { alignFeature } from "../rows/align.ts";
import { Answerer } from "../sums/answerer.ts";
import { bitsPerRow, CutBook, type HostCut } from "./cuts.ts";
import { noiseOf, treeLimits, type TreeLimits, type TreesPlan } from "./floors.ts";
import type { GbdtHostHalf } from "./half.ts";
import { bitsChunkBytes } from "./messages.ts";

export type GbdtHostInput = {
  readonly guest: PartyId; readonly jointSeed: Uint8Array; readonly features: readonly Feature[];
  /** Own record of each row of the job, or -1; the first `trainRows` are the training part. */
  readonly rowOf: Int32Array; readonly trainRows: number;
  readonly params: TreesPlan["params"]; readonly liftFloors: boolean;
  /** Bins of the model that this training goes on from. */
  readonly offered?: NonNullable<GbdtHostHalf["offered"]> | undefined;
  readonly guard: Pick<HostGuard, "chargeQueries"> & {
    /** Before a bitmap leaves: it says at most `bits` more about each company of the job. */
    chargeBits(label: string, bits: number): void;
  };
};

/** Where a cut of this host stands in the model. */
export type CutUse = { readonly tree: number; readonly level: number; readonly cut: number };
export type GbdtHostResult = {
  /** Own features over the job's rows, with their bins. */
  readonly fine: readonly { readonly name: string; readonly fine: FineBinning }[];
  /** In the order in which they were asked for. */
  readonly cuts: readonly HostCut[];
  readonly uses: readonly CutUse[];
  readonly bitsPerRow: number;
  /** Vectors answered. */
  readonly queries: number;
};

type Next = TypedBody<"trees/next">;
/** What the loop carries from tree to tree. */
type Loop = { queries: number; trees: number; book: CutBook };
const kept = "trees";
const stateSchema = z.strictObject({
  queries: count(), trees: count(), cuts: z.array(z.strictObject({ feature: count(), left: z.array(count()) })),
});

/** Runs the host's part after alignment and joint seed. Throws FLOOR_ROWS, FLOOR_TREES, BUDGET_CUTS, PROTOCOL_SPLIT, PROTOCOL_OUT_OF_ORDER,
 *  and whatever the guard refuses with; nothing of what was refused has left. */
export async function gbdtHost(party: Party, input: GbdtHostInput): Promise<GbdtHostResult> {
  const { guest, trainRows, params } = input;
  const limits = treeLimits(input);
  const fine = await party.phase("binning", async () => {
    const made = input.offered === undefined ? input.features.map((f) => (
      { name: f.name, fine: fineBin(alignFeature(f, input.rowOf), { trainRows, maxBins: params.bins, minRows: limits.minBinRows }) })) : again(input, input.offered);
    await party.send(guest, "trees/offer", {
      features: made.map(({ fine: f }) => ({ shape: f.shape, totals: countFine(f.binOf, f.bins, trainRows).totals })),
    });
    return made;
  });
  // A feature of one bin splits nothing, and its only sum is known to the guest.
  const cells = fine.filter(({ fine: f }) => f.bins > 1).map(({ fine: f }) => ({ binOf: f.binOf.subarray(0, trainRows), bins: f.bins }));
  const book = new CutBook(fine.map((f) => f.fine.shape), { maxCuts: limits.maxCuts, guest });
  if (cells.length === 0) return finish(party, input, fine, { queries: 0, trees: 0, book });
  input.guard.chargeQueries("trees", limits.queries);
  await using answerer = await Answerer.open(party, {
    use: "trees", querier: guest, jointSeed: input.jointSeed, columns: { kind: "bins", rows: trainRows, features: cells },
  });
  await party.phase("hint", () => answerer.sendHint());
  return await party.phase("trees", async () => {
    const loop = restore(party, book);
    answerer.skipTo(loop.queries);
    for (;;) {
      const next = await party.receive(guest, "trees/next");
      if (next.step === "end") return finish(party, input, fine, loop, true);
      await take(party, { ...input, fine, limits, answerer }, loop, next);
    }
  });
}

/** The features of an earlier model in its order, under its bins. Throws JOB_MODEL_UNKNOWN when the data lacks one. */
function again({ features, rowOf }: GbdtHostInput, offered: NonNullable<GbdtHostHalf["offered"]>): { name: string; fine: FineBinning }[] {
  return offered.map(({ name, definition }) => {
    const feature = features.find((f) => f.name === name);
    if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    return { name, fine: fineBinBy(definition, alignFeature(feature, rowOf)) };
  });
}

type Work = GbdtHostInput & { readonly fine: GbdtHostResult["fine"]; readonly limits: TreeLimits; readonly answerer: Answerer };

async function take(party: Party, work: Work, loop: Loop, next: Exclude<Next, { step: "end" }>): Promise<void> {
  const { guest, limits, params } = work;
  const outOfOrder = (): AppError => new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, tree: loop.trees });
  if (loop.trees >= (next.step === "tree" ? params.trees : limits.askedTrees)) throw outOfOrder();
  if (next.step === "histograms") {
    // Of a tree, so that all of the plan's queries cannot go into one; and so of the job.
    if (loop.queries + next.vectors > (loop.trees + 1) * limits.queriesPerTree) throw outOfOrder();
    await work.answerer.answerBatch(next.vectors, noiseOf(limits.noise, next.vectors));
    loop.queries += next.vectors;
  } else if (next.step === "bits") {
    if (next.cut !== loop.book.cuts.length) throw outOfOrder();
    const { cut, feature, left } = next;
    const bits = loop.book.admit({ feature, left });
    work.guard.chargeBits(`bits/${cut}`, bits);
    await sendBits(party, guest, cut, sideOf(work.fine[feature]?.fine.binOf ?? new Uint8Array(0), left));
  } else {
    loop.trees += 1;
    await party.checkpoint(kept, encodeFrame(kept, { queries: loop.queries, trees: loop.trees, cuts: [...loop.book.cuts] }));
    party.progress(loop.trees, params.trees);
  }
}

function restore(party: Party, book: CutBook): Loop {
  const state = party.restored(kept);
  if (state === undefined) return { queries: 0, trees: 0, book };
  const { queries, trees, cuts } = stateSchema.parse(decodeFrame(state).body);
  for (const cut of cuts) book.admit(cut);
  return { queries, trees, book };
}

/** One bit per row, lowest bit first: 1 = right. */
function sideOf(binOf: Uint8Array, left: readonly number[]): Uint8Array<ArrayBuffer> {
  const right = rightOfCode({ feature: 0, left });
  const packed = new Uint8Array(Math.ceil(binOf.length / 8));
  for (let row = 0; row < binOf.length; row++) {
    packed[row >> 3] = (packed[row >> 3] as number) | ((right[binOf[row] as number] as number) << (row & 7));
  }
  return packed;
}

async function sendBits(party: Party, guest: PartyId, cut: number, packed: Uint8Array<ArrayBuffer>): Promise<void> {
  for (let at = 0, index = 0; at < packed.length; at += bitsChunkBytes, index++) {
    const bytes = packed.subarray(at, at + bitsChunkBytes);
    await party.send(guest, "trees/bits", { cut, index, last: at + bytes.length === packed.length, bytes });
  }
}

/** The end: which of its cuts stand where in the model. */
async function finish(party: Party, input: GbdtHostInput, fine: GbdtHostResult["fine"], loop: Loop, hasEnded = false): Promise<GbdtHostResult> {
  const { guest } = input;
  if (!hasEnded) {
    const { step } = await party.receive(guest, "trees/next");
    if (step !== "end") throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest });
  }
  const { uses } = await party.receive(guest, "trees/uses");
  const { cuts } = loop.book;
  const inOrder = uses.every((use, i) => {
    const before = uses[i - 1];
    return before === undefined || use.tree > before.tree || (use.tree === before.tree && use.level > before.level);
  });
  const fits = inOrder && uses.every((use) => use.cut < cuts.length);
  if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, uses: uses.length });
  return { fine, cuts, uses, bitsPerRow: bitsPerRow(fine.map((f) => f.fine.shape), cuts), queries: loop.queries };
}
