// A whole job of boosted trees at both ends: alignment, joint seed, growth, evaluation, receipts.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { fineBin, fineBinBy, type FineBinning } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { evaluatePart, type PartMetrics } from "../../models/metrics/evaluate.ts";
import { scoreFractionBits } from "../../models/trees/model.ts";
import type { TreeParams } from "../../models/trees/params.ts";
import { plainTrees } from "../../models/trees/plain.ts";
import { beginGuest, beginHost } from "../align/begin.ts";
import type { AlignInput, GuestAlignment } from "../align/guest.ts";
import type { AlignHostInput } from "../align/host.ts";
import { sendFeedback } from "../feedback/guest.ts";
import { receiveFeedback } from "../feedback/host.ts";
import { finishHost, finishTraining, modelIdOf, type FinishedHost, type MakeReceipt } from "../finish/end.ts";
import type { GuestGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import { alignFeature } from "../rows/align.ts";
import { gbdtGuest, type GbdtGuestResult } from "./guest.ts";
import { gbdtGuestHalf, gbdtHostHalf, type GbdtGuestHalf, type GbdtHostHalf } from "./half.ts";
import { gbdtHost, type GbdtHostInput } from "./host.ts";
import type { GbdtJobParams } from "./params.ts";

export type GbdtJobGuestInput = Omit<AlignInput, "split"> & {
  readonly params: GbdtJobParams; readonly features: readonly Feature[];
  readonly guard: Pick<GuestGuard, "setRows" | "chargeLabelRank">;
  /** The model that this training goes on from. */
  readonly from?: GbdtGuestHalf | undefined;
};
type Both = { readonly train: PartMetrics; readonly test: PartMetrics };
export type GbdtTrained = {
  readonly alignment: GuestAlignment;
  /** Labels in row order. */
  readonly label: Uint8Array;
  readonly result: GbdtGuestResult;
  readonly half: GbdtGuestHalf; readonly digest: string;
  /** Log odds of an event, per row. */
  readonly odds: Float64Array;
  readonly metrics: Both;
  /** The same training on the guest's own columns alone. */
  readonly guestOnly: Both;
  readonly receipts: readonly FinishedHost[];
};

export async function gbdtJobGuest(party: Party, input: GbdtJobGuestInput): Promise<GbdtTrained> {
  const { hosts, params } = input;
  const { alignment, label, seed } = await beginGuest(party, { ...input, split: params.split });
  const { rows, trainRows } = alignment;
  const own = input.from === undefined ? input.features.map((feature) => (
    { name: feature.name, fine: fineBin(alignFeature(feature, rows), { trainRows, maxBins: params.trees.bins, minRows: ownMinRows }) })) : again(input, input.from, rows);
  const grown = { hosts, jointSeed: seed, rows: rows.length, trainRows, label, own, params: params.trees, liftFloors: params.liftFloors, guard: input.guard, from: input.from?.trees };
  const result = await gbdtGuest(party, grown);
  const { odds, metrics, guestOnly } = await party.phase("evaluate", async () => {
    const joint = oddsOf(result.grown.scores);
    const features = own.map((f) => ownFeature(party.self, f));
    const alone = oddsOf(plainTrees({ features, guest: party.self, label, trainRows, rows: rows.length, params: ownParams(party.self, params.trees) }).scores);
    const both = (scores: Float64Array): Both => ({ train: evaluatePart(scores, label, 0, trainRows), test: evaluatePart(scores, label, trainRows, label.length) });
    return { odds: joint, metrics: both(joint), guestOnly: both(alone) };
  });
  const half = gbdtGuestHalf({ model: modelIdOf(party.job), input: grown, result, scaling: params.scaling });
  const digest = digestOf(half);
  if (input.params.feedback !== undefined) await sendFeedback(party, { hosts, guard: input.guard, gain: metrics.test.auc - guestOnly.test.auc, features: new Map() });
  const receipts = await finishTraining(party, hosts, { id: half.model, digest });
  return { alignment, label, result, half, digest, odds, metrics, guestOnly, receipts };
}

/** The own features of an earlier model in its order, under its bins. Throws JOB_MODEL_UNKNOWN when parties or features are not its. */
function again({ hosts, features }: GbdtJobGuestInput, from: GbdtGuestHalf, rows: Int32Array): { name: string; fine: FineBinning }[] {
  if (from.hosts.map((h) => h.party).join() !== hosts.join()) throw new AppError("JOB_MODEL_UNKNOWN");
  return from.own.map(({ name, definition }) => {
    const feature = features.find((f) => f.name === name);
    if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    return { name, fine: fineBinBy(definition, alignFeature(feature, rows)) };
  });
}

/** A fine bin of the guest's own has few rows at least: it is its own data, and a rare bin learns nothing. */
const ownMinRows = 20;

const oddsOf = (scores: Float64Array): Float64Array => scores.map((score) => score / 2 ** scoreFractionBits);

/** Directions that are about a host's feature mean nothing without it. */
function ownParams(self: PartyId, params: TreeParams): TreeParams {
  return { ...params, monotone: Object.fromEntries(Object.entries(params.monotone).filter(([key]) => key.startsWith(`${self}/`))) };
}

const ownFeature = (party: PartyId, { name, fine }: { name: string; fine: FineBinning }) => ({ party, name, ...fine.shape, binOf: fine.binOf });

export type GbdtJobHostInput = AlignHostInput & Pick<GbdtHostInput, "guard" | "offered"> & {
  readonly params: GbdtJobParams; readonly features: readonly Feature[]; readonly ids: readonly EntityId[]; readonly receipt: MakeReceipt;
};

export async function gbdtJobHost(party: Party, input: GbdtJobHostInput): Promise<GbdtHostHalf> {
  const { guest, hosts, params, features } = input;
  const { rowOf, trainRows, seed } = await beginHost(party, input);
  const result = await gbdtHost(party, { guest, jointSeed: seed, features, rowOf, trainRows, params: params.trees, liftFloors: params.liftFloors, offered: input.offered, guard: input.guard });
  const feedback = params.feedback === undefined ? undefined : await receiveFeedback(party, guest, new Map());
  const model = await finishHost(party, guest, input.receipt);
  const half = gbdtHostHalf({ model: model.id, digest: model.digest, guest, hosts, result });
  return feedback === undefined ? half : { ...half, feedback };
}
