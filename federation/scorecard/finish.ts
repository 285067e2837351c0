// The end of a training job at the guest: final weights to the hosts, the model's id and digest, everybody's receipt back.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { fineDefinitionSchema, fineShapeSchema } from "../../models/binning/fine.ts";
import { linearParts, typicalOf, typicalRows, typicalSchema, type Typical } from "../../models/explain/parts.ts";
import { codeColumn } from "../../models/scorecard/decide.ts";
import { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { totalsPlanSchema } from "../../models/scorecard/quantise.ts";
import { sendFeedback, type FeedbackInput } from "../feedback/guest.ts";
import { finishTraining, modelIdOf, type FinishedHost } from "../finish/end.ts";
import type { Party } from "../party.ts";
import { sendWeights } from "../totals/guest.ts";
import type { ScorecardGuestResult } from "./guest.ts";
import type { ScorecardJobParams } from "./params.ts";

const columnSchema = z.strictObject({
  party: z.string(), name: z.string(), codes: z.array(z.number().int()), step: z.number(), weight: z.number(),
  /** Code of a company for which nothing is known: what a host that is away would have given. */
  missing: z.number().int(),
  /** Fine bins, their merged bins, and training companies of each merged bin: what an export holds a host's half against. Halves of
   *  earlier versions have none and cannot be exported. */
  bins: z.strictObject({ shape: fineShapeSchema, mergedOf: z.array(z.number().int()), rows: z.array(z.number().int().min(0)) }).optional(),
  /** Own columns only: how raw values become merged bins. */
  own: z.strictObject({ definition: fineDefinitionSchema, mergedOf: z.array(z.number().int()) }).optional(),
});
export const guestHalfSchema = z.strictObject({
  version: z.literal(1),
  model: z.string(),
  hosts: z.array(z.string()),
  intercept: z.number(),
  columns: z.array(columnSchema),
  scoring: totalsPlanSchema,
  scaling: scalingParamsSchema,
  /** What explanations compare with: the own columns' and the hosts' part of the median training company. Halves of earlier versions have
   *  none: the average company, all codes 0, stands for it. */
  typical: typicalSchema.optional(),
});
export type GuestHalf = z.output<typeof guestHalfSchema>;

/** The guest's half of the model: its own columns, the weights, and what it knows of the hosts' columns. */
export function guestHalf(job: string, hosts: readonly PartyId[], result: ScorecardGuestResult, params: ScorecardJobParams): GuestHalf {
  const { fitted } = result;
  const selected = result.decisions.flatMap((decision, at) => (decision.selected ? [{ decision, at }] : []));
  return {
    version: 1, model: modelIdOf(job), hosts: [...hosts], intercept: fitted.model.intercept, scoring: fitted.scoring,
    scaling: params.scorecard.scaling, typical: typicalCompany(result),
    columns: selected.map(({ decision, at }, i) => {
      const own = result.own[at];
      const { kind, bins, orderedBins, missingBin } = result.counts[at] as ScorecardGuestResult["counts"][number];
      const missing = missingBin < 0 ? 0 : (decision.codes[decision.mergedOf[missingBin] ?? 0] ?? 0);
      return {
        party: decision.party, name: decision.name, codes: decision.codes, step: decision.step, weight: fitted.model.weights[i] ?? 0, missing,
        bins: { shape: { kind, bins, orderedBins, missingBin }, mergedOf: decision.mergedOf, rows: decision.table.map((b) => b.total) },
        ...(own === undefined ? {} : { own: { definition: own.fine.definition, mergedOf: decision.mergedOf } }),
      };
    }),
  };
}

/** Medians over the first training rows, whose order is random. */
function typicalCompany({ decisions, own, fitted, alignment }: ScorecardGuestResult): Typical {
  const rows = Math.min(alignment.trainRows, typicalRows);
  const columns = decisions.map((decision, at) => ({ decision, own: own[at] })).filter((c) => c.decision.selected);
  const used = columns.flatMap(({ decision, own: mine }, i) => (
    mine === undefined ? [] : [{ name: decision.name, weight: fitted.model.weights[i] ?? 0, codes: codeColumn(mine.fine.binOf.subarray(0, rows), decision.mergedOf, decision.codes) }]));
  return typicalOf(linearParts(fitted.model.intercept, used)(used.map((u) => u.codes), fitted.stage.odds.subarray(0, rows)));
}

/** A host's selected features by their place in its offer. */
function selectedOf({ decisions }: ScorecardGuestResult, host: PartyId): { feature: number; iv: number }[] {
  return decisions.filter((d) => d.party === host).map(({ selected, iv }, feature) => ({ selected, feature, iv })).filter((d) => d.selected);
}

/** Sends the last weights, feedback when its guard is given (plans with `feedback`), and the model's digest; collects the receipts. */
export async function finishGuest(
  party: Party, hosts: readonly PartyId[], result: ScorecardGuestResult, half: GuestHalf, feedback?: FeedbackInput["guard"],
): Promise<FinishedHost[]> {
  const { fitted } = result;
  await Promise.all(hosts.map((h) => party.send(h, "finish/next", { step: "finish" })));
  await sendWeights(party, hosts, fitted.rounds, fitted.scoring);
  if (feedback !== undefined) {
    const gain = fitted.metrics.test.auc - fitted.guestOnly.test.auc;
    await sendFeedback(party, { hosts, guard: feedback, gain, features: new Map(hosts.map((host) => [host, selectedOf(result, host)])) });
  }
  return finishTraining(party, hosts, { id: half.model, digest: digestOf(half) });
}
