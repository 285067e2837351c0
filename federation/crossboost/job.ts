// A whole job of crossboost at both ends: alignment, joint seed, tables and totals, evaluation, receipts.
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { fineBin, type FineBinning } from "../../models/binning/fine.ts";
import { guestFineOptions } from "../../models/crossboost/host.ts";
import { crossboostParts, typicalOf, typicalRows, type Typical } from "../../models/explain/parts.ts";
import type { Feature } from "../../models/features.ts";
import { evaluatePart, type PartMetrics } from "../../models/metrics/evaluate.ts";
import { beginGuest, beginHost } from "../align/begin.ts";
import type { AlignInput, GuestAlignment } from "../align/guest.ts";
import type { AlignHostInput } from "../align/host.ts";
import { sendFeedback } from "../feedback/guest.ts";
import { receiveFeedback } from "../feedback/host.ts";
import { finishHost, finishTraining, modelIdOf, type FinishedHost, type MakeReceipt } from "../finish/end.ts";
import type { GuestGuard, HostGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import { alignFeature } from "../rows/align.ts";
import { crossboostGuest, type CrossboostGuestResult } from "./guest.ts";
import type { CrossboostGuestHalf, CrossboostHostHalf } from "./half.ts";
import { crossboostHost } from "./host.ts";
import type { CrossboostJobParams } from "./params.ts";

export type CrossboostJobGuestInput = Omit<AlignInput, "split"> & {
  readonly params: CrossboostJobParams; readonly features: readonly Feature[]; readonly guard: Pick<GuestGuard, "setRows" | "chargeLabelRank">;
};
type Both = { readonly train: PartMetrics; readonly test: PartMetrics };
export type CrossboostTrained = {
  readonly alignment: GuestAlignment;
  /** Labels in row order. */
  readonly label: Uint8Array;
  readonly result: CrossboostGuestResult;
  readonly half: CrossboostGuestHalf; readonly digest: string;
  readonly metrics: Both;
  /** The guest's own trees alone. */
  readonly guestOnly: Both;
  readonly receipts: readonly FinishedHost[];
};

export async function crossboostJobGuest(party: Party, input: CrossboostJobGuestInput): Promise<CrossboostTrained> {
  const { hosts, params } = input;
  const { alignment, label, seed } = await beginGuest(party, { ...input, split: params.split });
  const { rows, trainRows } = alignment;
  const own = input.features.map((feature) => ({ name: feature.name, fine: fineBin(alignFeature(feature, rows), guestFineOptions(trainRows, params.crossboost)) }));
  const columns = own.map(({ name, fine }) => ({ party: party.self, name, ...fine.shape, binOf: fine.binOf }));
  const result = await crossboostGuest(party, { hosts, jointSeed: seed, rows: rows.length, trainRows, label, columns, params: params.crossboost });
  const { metrics, guestOnly } = await party.phase("evaluate", async () => {
    const both = (odds: Float64Array): Both => ({ train: evaluatePart(odds, label, 0, trainRows), test: evaluatePart(odds, label, trainRows, label.length) });
    return { metrics: both(result.odds), guestOnly: both(result.prepared.odds) };
  });
  const half: CrossboostGuestHalf = {
    version: 1, kind: "crossboost", model: modelIdOf(party.job), hosts: result.offers.map((o) => o.host),
    own: own.map(({ name, fine }) => ({ name, definition: fine.definition })), joint: result.model, scaling: params.scaling,
    typical: typicalCompany(result, own, trainRows),
  };
  const digest = digestOf(half);
  if (params.feedback !== undefined) await sendFeedback(party, { hosts, guard: input.guard, gain: metrics.test.auc - guestOnly.test.auc, features: new Map() });
  const receipts = await finishTraining(party, hosts, { id: half.model, digest });
  return { alignment, label, result, half, digest, metrics, guestOnly, receipts };
}

/** Parts of the score of the median training company. */
function typicalCompany(result: CrossboostGuestResult, own: readonly { readonly name: string; readonly fine: FineBinning }[], trainRows: number): Typical {
  const rows = Math.min(trainRows, typicalRows);
  return typicalOf(crossboostParts(result.model, own.map((o) => o.name))(own.map(({ fine }) => fine.binOf.subarray(0, rows)), result.odds.subarray(0, rows)));
}

export type CrossboostJobHostInput = AlignHostInput & {
  readonly params: CrossboostJobParams; readonly features: readonly Feature[]; readonly guard: HostGuard; readonly receipt: MakeReceipt;
};

export async function crossboostJobHost(party: Party, input: CrossboostJobHostInput): Promise<CrossboostHostHalf> {
  const { guest, params, features, guard } = input;
  const hosts: readonly PartyId[] = input.hosts;
  const { rowOf, trainRows, seed } = await beginHost(party, input);
  const result = await crossboostHost(party, { guest, hosts, jointSeed: seed, features, rowOf, trainRows, params: params.crossboost, guard });
  const feedback = params.feedback === undefined ? undefined : await receiveFeedback(party, guest, new Map());
  const model = await finishHost(party, guest, input.receipt);
  return {
    version: 1, kind: "crossboost", model: model.id, digest: model.digest, guest, hosts: [...hosts],
    columns: result.fine.map(({ name, fine }) => ({ name, definition: fine.definition })), totals: result.totals,
    ...(feedback === undefined ? {} : { feedback }),
  };
}
