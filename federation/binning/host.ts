// Federated WOE binning, host: offers its fine bins under opaque numbers, answers one encrypted query, takes merged bins back.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { countFine, fineBin, type FineBinning } from "../../models/binning/fine.ts";
import { codeEnergy, maxCodeEnergy } from "../../models/binning/woe.ts";
import type { Feature } from "../../models/features.ts";
import { codeColumn } from "../../models/scorecard/decide.ts";
import { floors, type HostGuard } from "../guards.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";
import { alignFeature } from "../rows/align.ts";
import { Answerer } from "../sums/answerer.ts";

/** One selected feature of the host: what it needs to score. */
export type HostColumn = { readonly feature: number; readonly fine: FineBinning; readonly mergedOf: readonly number[]; readonly codes: readonly number[]; readonly column: Int8Array };
export type BinningHostResult = { readonly columns: readonly HostColumn[]; readonly merged: TypedBody<"binning/merged"> };

/** Runs the binning over the aligned rows. Throws FLOOR_BINS when the guest's merged bins are below the floors that the host
 *  can check itself, PROTOCOL_WRONG_SHAPE when they do not fit what it offered. */
export async function binningHost(party: Party, input: {
  guest: PartyId; hosts: readonly PartyId[]; jointSeed: Uint8Array; features: readonly Feature[]; rowOf: Int32Array; trainRows: number;
  maxBins: number; minRows: number; guard: HostGuard;
}): Promise<BinningHostResult> {
  const { guest, trainRows, features, maxBins, minRows } = input;
  const fine = features.map((f) => fineBin(alignFeature(f, input.rowOf), { trainRows, maxBins, minRows }));
  const totals = fine.map((f) => countFine(f.binOf, f.bins, trainRows).totals);
  await party.send(guest, "binning/offer", { features: fine.map((f, i) => ({ shape: f.shape, totals: totals[i] ?? [] })) });
  if (fine.length > 0) {
    const cells = fine.map((f) => ({ binOf: f.binOf.subarray(0, trainRows), bins: f.bins }));
    await using answerer = await Answerer.open(party, {
      use: "binning", querier: guest, jointSeed: input.jointSeed, columns: { kind: "bins", rows: trainRows, features: cells },
    });
    await answerer.sendHint();
    input.guard.chargeQueries("binning", 1);
    await answerer.answerBatch(1);
  }
  const merged = await party.receive(guest, "binning/merged");
  const columns = merged.features.map((m) => checked(guest, m, fine, totals));
  if (new Set(columns.map((c) => c.feature)).size !== columns.length) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest });
  checkAnnounced(merged, { ...input, self: party.self, columns: columns.length });
  return { columns, merged };
}

/** Who has how many columns decides later whose masks hide this host's totals: each party is named once, and what is said of this host
 *  and of the guest's queries agrees with the rest of the message. */
function checkAnnounced(merged: TypedBody<"binning/merged">, job: { guest: PartyId; hosts: readonly PartyId[]; self: PartyId; columns: number }): void {
  const { guest } = job;
  const columnsOf = new Map(merged.selected.map((s) => [s.party, s.columns]));
  const everyone = [guest, ...job.hosts];
  const namesAll = merged.selected.length === everyone.length && everyone.every((p) => columnsOf.has(p));
  if (!namesAll || columnsOf.get(job.self) !== job.columns || columnsOf.get(guest) !== merged.queries - 1) {
    throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, parties: merged.selected.length });
  }
}

function checked(guest: PartyId, m: TypedBody<"binning/merged">["features"][number], fine: readonly FineBinning[], totals: readonly number[][]): HostColumn {
  const own = fine[m.feature];
  const bins = m.codes.length;
  if (own === undefined || m.mergedOf.length !== own.bins || m.mergedOf.some((b) => b >= bins)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest });
  const rows = Array<number>(bins).fill(0);
  for (const [bin, total] of (totals[m.feature] ?? []).entries()) {
    const into = m.mergedOf[bin] ?? 0;
    rows[into] = (rows[into] ?? 0) + total;
  }
  const least = Math.max(floors.minRowsPerStatistic, floors.minGoodsPerBin + floors.minBadsPerBin);
  if (rows.some((r) => r < least)) throw new AppError("FLOOR_BINS", { party: guest, feature: m.feature, least });
  const all = rows.reduce((a, b) => a + b, 0);
  if (codeEnergy(m.codes, rows) > maxCodeEnergy * all) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, feature: m.feature });
  return { feature: m.feature, fine: own, mergedOf: m.mergedOf, codes: m.codes, column: codeColumn(own.binOf, m.mergedOf, m.codes) };
}
