// The joint scorecard, guest: aligns with all hosts, bins, collects the moments, fits, opens one total per company (two with
// a refinement), and decides. All decisions are the pure functions of models/scorecard, shared with the plaintext oracle.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { countFine, fineBin, type FineBinning } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { codeColumn, columnsOf, decideBins, fineOptions, type BinDecision, type FeatureCounts } from "../../models/scorecard/decide.ts";
import { beginGuest } from "../align/begin.ts";
import type { GuestAlignment, MatchInput } from "../align/guest.ts";
import { binningGuest, sendMerged } from "../binning/guest.ts";
import type { GuestGuard } from "../guards.ts";
import { checkAgainstBins } from "../moments/consistent.ts";
import { momentsGuest } from "../moments/guest.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { alignFeature } from "../rows/align.ts";
import { fitAndOpen, type Fitted } from "./fit.ts";
import type { ScorecardJobParams } from "./params.ts";

export type ScorecardGuestInput = {
  readonly hosts: readonly PartyId[]; readonly params: ScorecardJobParams;
  readonly ids: readonly EntityId[]; readonly label: Uint8Array; readonly features: readonly Feature[];
  /** 1 = training part, per record; undefined: split as the parameters say. */
  readonly trainOf: Uint8Array | undefined;
  readonly setSecret: (host: PartyId) => Uint8Array;
  readonly guard: GuestGuard; readonly intersection: SetIntersection; readonly consents?: MatchInput["consents"];
};

export type ScorecardGuestResult = {
  readonly alignment: GuestAlignment;
  /** Labels in row order. */
  readonly label: Uint8Array;
  /** The guest's own features with their binning, in order; the decisions hold them first, then those of the hosts. */
  readonly own: readonly { readonly feature: Feature; readonly fine: FineBinning }[];
  readonly counts: readonly FeatureCounts[];
  readonly decisions: readonly BinDecision[];
  readonly fitted: Fitted;
};

/** Runs the job up to the model; `finishGuest` (finish.ts) ends it. */
export async function scorecardGuest(party: Party, input: ScorecardGuestInput): Promise<ScorecardGuestResult> {
  const { hosts } = input;
  const { scorecard } = input.params;
  const { alignment, label, seed } = await beginGuest(party, { ...input, split: input.params.split });
  const { rows, trainRows } = alignment;

  const binned = await party.phase("binning", async () => {
    const own = input.features.map((feature) => {
      const aligned = alignFeature(feature, rows);
      return { feature: aligned, fine: fineBin(aligned, fineOptions(aligned, true, trainRows, scorecard)) };
    });
    const ownCounts = own.map(({ feature, fine }): FeatureCounts => (
      { party: party.self, name: feature.name, ...fine.shape, ...countFine(fine.binOf, fine.bins, trainRows, label) }));
    const hostCounts = await binningGuest(party, { hosts, jointSeed: seed, label, trainRows, minRows: scorecard.fine.minRows });
    const counts = [...ownCounts, ...hostCounts];
    const labelBudget = Object.fromEntries(hosts.map((host) => [host, input.guard.labelBudget(host)]));
    const decisions = decideBins({ guest: party.self, features: counts, trainRows, params: scorecard, labelBudget });
    if (!decisions.some((d) => d.selected)) throw new AppError("JOB_NO_FEATURE");
    for (const host of hosts) {
      const rank = decisions.filter((d) => d.party === host && d.selected).reduce((sum, d) => sum + d.bins - 1, 0);
      if (rank > 0) input.guard.chargeLabelRank(host, "binning", rank);
    }
    const ownColumns = decisions.flatMap((d, i) => {
      const at = own[i];
      return d.party === party.self && d.selected && at !== undefined ? [codeColumn(at.fine.binOf, d.mergedOf, d.codes)] : [];
    });
    const perHost = await sendMerged(party, { hosts, decisions, ownColumns: ownColumns.length, label });
    return { own, counts, decisions, ownColumns, perHost };
  });

  await using moments = await party.phase("moments", () => momentsGuest(party, {
    hosts, jointSeed: seed, rows: trainRows, label, columns: binned.ownColumns, columnsOf: binned.perHost,
  }));
  checkAgainstBins(moments.moments, binned.decisions.filter((d) => d.selected));
  const fitted = await fitAndOpen(party, {
    hosts, columns: columnsOf(binned.decisions), ownColumns: binned.ownColumns, perHost: binned.perHost, moments, label, trainRows, params: scorecard,
  });
  return { alignment, label, own: binned.own, counts: binned.counts, decisions: binned.decisions, fitted };
}
