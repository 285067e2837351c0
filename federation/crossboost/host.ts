// Boosting on cross-party cells, host: offers its bins and a coarse Gram of its own, answers encrypted queries with noise, and picks
// from the guest's hidden tables by its own bins. It sees no label, no statistic of one, no tree, no weight and no score.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { publicFolds } from "../../models/crossboost/draws.ts";
import { coarseGram, coarseLayout, foldedCells, hostFineOptions, type OfferedColumn } from "../../models/crossboost/host.ts";
import { cellNoise, designOf, type CrossboostParams } from "../../models/crossboost/params.ts";
import { choiceOf } from "../../models/crossboost/total.ts";
import { countFine, fineBin, type FineBinning } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import type { HostGuard } from "../guards.ts";
import { lookupHost } from "../lookup/host.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";
import { alignFeature } from "../rows/align.ts";
import { Answerer } from "../sums/answerer.ts";
import { ownGroups } from "./lookup.ts";
import { sendOffer } from "./offers.ts";

export type CrossboostHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly jointSeed: Uint8Array; readonly features: readonly Feature[];
  /** Own record of each row of the job, or -1; the first `trainRows` are the training part. */
  readonly rowOf: Int32Array; readonly trainRows: number;
  readonly params: CrossboostParams;
  readonly guard: Pick<HostGuard, "chargeQueries" | "chargeTotals" | "admitCompany">;
};
export type CrossboostHostResult = {
  /** Own features that were offered, over the job's rows. */
  readonly fine: readonly { readonly name: string; readonly fine: FineBinning }[];
  readonly queries: number;
  readonly totals: number;
};

/** Runs the host's part after alignment and joint seed. Throws BUDGET_EQUATIONS for more queries than the plan's share of the rows, PROTOCOL_OUT_OF_ORDER
 *  for more totals than the design has, and whatever the guard refuses with; nothing of what was refused has left. */
export async function crossboostHost(party: Party, input: CrossboostHostInput): Promise<CrossboostHostResult> {
  const { guest, trainRows, params } = input;
  const design = designOf(params, trainRows);
  const fine = input.features.flatMap((f) => {
    const aligned = alignFeature(f, input.rowOf);
    const made = fineBin(aligned, hostFineOptions(aligned, trainRows, params, design));
    // A column of one bin tells no two rows apart.
    return made.bins > 1 ? [{ name: f.name, fine: made }] : [];
  });
  const columns = fine.map(({ fine: f }): OfferedColumn => ({ shape: f.shape, rows: countFine(f.binOf, f.bins, trainRows).totals }));
  const layout = coarseLayout(columns);
  const gram = coarseGram(fine.map((f) => f.fine), layout, trainRows);
  const answerer = await party.phase("hint", async () => {
    await sendOffer(party, guest, columns, gram);
    if (columns.length === 0) return undefined;
    const foldOf = publicFolds(input.jointSeed, trainRows, design.folds);
    const opened = await Answerer.open(party, {
      use: "cells", querier: guest, jointSeed: input.jointSeed,
      columns: {
        kind: "bins", rows: trainRows,
        features: fine.map(({ fine: f }) => (design.folds === 1 ? { binOf: f.binOf.subarray(0, trainRows), bins: f.bins } : (
          { binOf: foldedCells(f.binOf.subarray(0, trainRows), f.bins, foldOf, design.folds), bins: f.bins * design.folds }))),
      },
    });
    await opened.sendHint();
    return opened;
  });
  await using _ = answerer;
  const limit = Math.floor((params.maxEquationShare * trainRows) / design.folds);
  let queries = 0;
  let totals = 0;
  for (;;) {
    const next = await party.receive(guest, "cells/next");
    if (next.step === "end") return { fine, queries, totals };
    if (totals >= design.stages) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, totals });
    queries += next.vectors;
    if (queries > limit) throw new AppError("BUDGET_EQUATIONS", { party: guest, used: queries - next.vectors, asked: next.vectors, limit });
    if (answerer !== undefined) await serve(party, input, { next, answerer, fine, stage: totals, folds: design.folds });
    totals++;
  }
}

type Serve = {
  readonly next: Extract<TypedBody<"cells/next">, { step: "stage" }>; readonly answerer: Answerer;
  readonly fine: CrossboostHostResult["fine"]; readonly stage: number; readonly folds: number;
};

async function serve(party: Party, input: CrossboostHostInput, { next, answerer, fine, stage, folds }: Serve): Promise<void> {
  const { guest, guard, params } = input;
  const { present, vectors } = next;
  const known = present.every((h) => input.hosts.includes(h)) && new Set(present).size === present.length && present.includes(party.self);
  if (!known) throw new AppError("PROTOCOL_WRONG_PARTY", { party: guest });
  guard.admitCompany(present.length);
  guard.chargeQueries(`cells/${stage}`, vectors * folds);
  await party.phase("cells", () => answerer.answerBatch(vectors, Array.from({ length: vectors }, () => cellNoise(params))));
  await guard.chargeTotals(`total/${stage}`);
  await party.phase("lookup", () => lookupHost(party, {
    guest, rows: input.rowOf.length, label: `total/${stage}`, round: stage, present,
    groups: ownGroups(party.self, fine.map(({ fine: f }) => f.bins + 1), fine.map(({ fine: f }) => picksOf(f))),
  }));
}

/** The entry that each row picks: its bin, or the last one without a bin. */
export function picksOf(fine: Pick<FineBinning, "binOf" | "shape">): Uint8Array {
  const column = { shape: fine.shape, rows: [] };
  return fine.binOf.map((bin) => choiceOf(bin, column));
}
