// Batch scoring, guest: aligns the batch with the hosts that are there, opens one total per company, adds its own part.
// A host of the model that is away is scored as missing, and every score says so.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { inSlices } from "../../core/slices.ts";
import { applyFine } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { codeColumn } from "../../models/scorecard/decide.ts";
import { partialTotals } from "../../models/scorecard/quantise.ts";
import { alignBatch, type MatchInput, type Refused } from "../align/guest.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { collectReceipts, type FinishedHost } from "../finish/end.ts";
import type { GuestHalf } from "../scorecard/finish.ts";
import { receiveTotals } from "../totals/guest.ts";
import type { ScoreExplain } from "./params.ts";
import { ofRecords, receiveReasons, type HostReasons } from "./reasons-guest.ts";

export type ScoreGuestInput = {
  /** Hosts of this job: those of the model that are there. */
  readonly hosts: readonly PartyId[]; readonly half: GuestHalf;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly setSecret: (host: PartyId) => Uint8Array; readonly intersection: SetIntersection; readonly consents?: MatchInput["consents"];
  /** What the plan says of explanations. */
  readonly explain?: ScoreExplain;
};
export type BatchScores = {
  /** Log odds of an event per record, in the order of `ids`; NaN for those that are refused. */
  readonly odds: Float64Array;
  /** Records that are not scored: a host did not accept the consent. */
  readonly refused: Refused;
  /** Hosts of the model whose features scored as missing because they were away. */
  readonly away: readonly string[];
  readonly byHost: ReadonlyMap<PartyId, { readonly matched: number; readonly hostSize: number }>;
  readonly receipts: readonly FinishedHost[];
  /** Of the hosts that the plan lets explain, per record. */
  readonly reasons?: ReadonlyMap<PartyId, HostReasons>;
};

export async function scoreGuest(party: Party, input: ScoreGuestInput): Promise<BatchScores> {
  const { hosts, ids, half } = input;
  const { rows, byHost, refused } = await party.phase("align", () => alignBatch(party, input));
  return party.phase("score", async () => {
    const totals = await receiveTotals(party, hosts, 0, rows.length);
    const { reasons: perCompany, hosts: telling } = input.explain ?? { reasons: 0, hosts: [] };
    const reasons = new Map(await Promise.all(telling.map(async (host) => (
      [host, ofRecords(await receiveReasons(party, host, rows.length, perCompany), rows, { records: ids.length, perCompany, unit: half.scoring.step })] as const))));
    const receipts = await collectReceipts(party, hosts);
    const ofRecord = new Int8Array(ids.length);
    for (const [row, record] of rows.entries()) ofRecord[record] = totals[row] ?? 0;
    const away = half.hosts.filter((h) => !hosts.some((present) => present === h) && half.columns.some((c) => c.party === h));
    const { odds, columns } = oddsByColumn(half, party.self, input.features, ofRecord, away);
    await inSlices(columns.length, (from, to) => columns.slice(from, to).forEach((add) => add()), 1);
    for (const record of refused.keys()) odds[record] = Number.NaN;
    return { odds, refused, away, byHost, receipts, reasons };
  });
}

/** Log odds per record: intercept, own columns, the opened total, and what a missing host would have sent. */
export function oddsOf(...of: Parameters<typeof oddsByColumn>): Float64Array {
  const { odds, columns } = oddsByColumn(...of);
  for (const add of columns) add();
  return odds;
}

/** The same without the own columns, each of which is still to be added. */
function oddsByColumn(half: GuestHalf, self: PartyId, features: readonly Feature[], totals: Int8Array, away: readonly string[]): { readonly odds: Float64Array; readonly columns: readonly (() => void)[] } {
  const { scoring } = half;
  let constant = half.intercept;
  for (const plan of scoring.parties) constant -= (scoring.step * plan.offset) / 2 ** plan.fractionBits;
  for (const host of away) {
    const plan = scoring.parties.find((p) => p.party === host);
    if (plan === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    const missing = half.columns.filter((c) => c.party === host).map((c) => Int8Array.of(c.missing));
    constant += scoring.step * (partialTotals(plan, missing, 1)[0] ?? 0);
  }
  const odds = Float64Array.from(totals, (total) => constant + scoring.step * total);
  const columns = half.columns.filter((c) => c.party === self).map((column) => () => {
    const feature = features.find((f) => f.name === column.name);
    if (feature === undefined || column.own === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    const codes = codeColumn(applyFine(column.own.definition, feature), column.own.mergedOf, column.codes);
    for (const [i, code] of codes.entries()) odds[i] = (odds[i] ?? 0) + column.weight * code;
  });
  return { odds, columns };
}
