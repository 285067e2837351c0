// Batch scoring by crossboost, guest: its own score, then one oblivious total per company for each stage of the model.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import { cellsOfRows } from "../../models/crossboost/cells.ts";
import { lookupOf } from "../../models/crossboost/model.ts";
import { startScoring, withTotal } from "../../models/crossboost/predict.ts";
import { alignBatch, type MatchInput } from "../align/guest.ts";
import { collectReceipts } from "../finish/end.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { alignFeature } from "../rows/align.ts";
import type { BatchScores } from "../score/guest.ts";
import { binsOf, type CrossboostGuestHalf } from "./half.ts";
import { lookupTotal } from "./lookup.ts";

export type ScoreCellsGuestInput = {
  /** Hosts of this job: those of the model that are there. */
  readonly hosts: readonly PartyId[]; readonly half: CrossboostGuestHalf;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly setSecret: (host: PartyId) => Uint8Array; readonly intersection: SetIntersection; readonly consents?: MatchInput["consents"];
};

export async function scoreCellsGuest(party: Party, input: ScoreCellsGuestInput): Promise<BatchScores> {
  const { hosts, ids, half } = input;
  const { rows, byHost, refused } = await party.phase("align", () => alignBatch(party, input));
  return party.phase("score", async () => {
    const model = half.joint;
    const used = half.hosts.filter((h) => hosts.includes(h));
    const absent = half.hosts.flatMap((h, place) => (hosts.includes(h) ? [] : [place]));
    let scoring = startScoring(model, binsOf(half.own, input.features.map((f) => alignFeature(f, rows))), rows.length);
    for (let stage = 0; stage < model.stages.length; stage++) {
      const lookup = lookupOf(model, stage);
      if (lookup === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
      await Promise.all(used.map((host) => party.send(host, "cells/next", { step: "stage", vectors: 1, present: used })));
      const cellOf = lookup.cells.columns.map((column) => cellsOfRows(column, scoring));
      scoring = withTotal(model, scoring, await lookupTotal(party, { hosts: used, lookup, absent, cellOf, setOf: new Uint8Array(rows.length), round: stage }));
    }
    await Promise.all(hosts.map((host) => party.send(host, "cells/next", { step: "end" })));
    const receipts = await collectReceipts(party, hosts);
    const odds = new Float64Array(ids.length).fill(Number.NaN);
    for (const [row, record] of rows.entries()) odds[record] = scoring.odds[row] ?? 0;
    return { odds, refused, away: model.stages.length === 0 ? [] : absent.map((place) => half.hosts[place] ?? ""), byHost, receipts };
  });
}
