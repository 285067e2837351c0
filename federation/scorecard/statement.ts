// What a joint scorecard may send, for the leakage statement.
import type { PlannedAnswers } from "../../kernels/privacy.ts";
import { maxCodeEnergy } from "../../models/binning/woe.ts";
import { scorecardAttacks } from "../attacks.ts";
import { addFeedback } from "../feedback/statement.ts";
import { floors } from "../guards.ts";
import type { KindStatement } from "../leakage.ts";
import { ownValues } from "../moments/shape.ts";
import { addSums, chunks, extraBins, featuresOf, jobRows, type Add, type Sizes } from "../statement.ts";
import { maxChunkBytes } from "../sums/messages.ts";
import { rowsPerChunk } from "../totals/messages.ts";
import { scorecardJobSchema } from "./params.ts";

/** Adds the messages of a joint scorecard. */
export function scorecardStatement(plan: Sizes, add: Add): KindStatement {
  const { guest, hosts } = plan;
  const params = scorecardJobSchema.parse(plan.params).scorecard;
  const n = jobRows(plan);
  const bins = params.fine.maxBins + extraBins;
  const refinements = params.fit.refinementRounds;
  const guestQueries = featuresOf(plan, guest) + 1 + refinements;
  const answered: PlannedAnswers[][] = [];
  for (const host of hosts) {
    const d = featuresOf(plan, host);
    const cells = d * bins;
    add(host, guest, "binning/offer", 1, d * (bins * 6 + 100), cells);
    addSums(add, { rows: n, use: "binning", querier: guest, answerer: host, cells, queries: 1, numbers: cells });
    add(guest, host, "binning/merged", 1, d * (bins * 6 + 200) + 4096, Math.floor(floors.maxLabelRankPerRow * n));
    add(host, guest, "moments/own", chunks(ownValues(d) * 8, maxChunkBytes / 2), ownValues(d) * 8, ownValues(d));
    addSums(add, { rows: n, use: "moments", querier: guest, answerer: host, cells: d, queries: guestQueries, numbers: guestQueries * d });
    add(guest, host, "totals/weights", 2 + refinements, (2 + refinements) * (d * 10 + 64), d * (2 + refinements));
    add(host, guest, "totals/masked", (1 + refinements) * chunks(n, rowsPerChunk), (1 + refinements) * n, (1 + refinements) * n);
    add(guest, host, "finish/next", 2 * refinements + 2, 0, 2 * refinements + 2);
    addFeedback(plan, add, host, d);
    add(guest, host, "finish/model", 1, 1024, 0);
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
    answered.push([
      { cells, columnEnergy: d * n, queries: 1 },
      { cells: d, columnEnergy: d * n * maxCodeEnergy, queries: guestQueries },
    ]);
  }
  const sorted = [...hosts].sort();
  for (const [i, a] of sorted.entries()) {
    for (const b of sorted.slice(i + 1)) {
      const [da, db] = [featuresOf(plan, a), featuresOf(plan, b)];
      addSums(add, { rows: n, use: "cross", querier: a, answerer: b, cells: db, queries: da, numbers: 0 });
      add(a, guest, "cross/opened", da, da * db * 8, 0);
      add(b, guest, "cross/masks", da, da * db * 8, da * db);
      answered.push([{ cells: db, columnEnergy: db * n * maxCodeEnergy, queries: da }]);
    }
  }
  return { answered, attacks: scorecardAttacks };
}
