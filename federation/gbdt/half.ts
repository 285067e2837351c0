// What each party keeps of a model of boosted trees. The guest: all trees and its own bins. A host: the bins of its features that are cut,
// its cuts, and where they stand in the trees; no leaf, no cut of another party.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { partyIdSchema } from "../../core/names.ts";
import { fineDefinitionSchema } from "../../models/binning/fine.ts";
import { treeParts, typicalOf, typicalRows, typicalSchema } from "../../models/explain/parts.ts";
import { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { cutSchema, scoreFractionBits, treeModelSchema } from "../../models/trees/model.ts";
import { keptFeedbackSchema } from "../feedback/host.ts";
import type { GbdtGuestInput, GbdtGuestResult } from "./guest.ts";
import type { GbdtHostResult } from "./host.ts";

const index = z.int().min(0);

export const gbdtHostHalfSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal("gbdt"),
  model: z.string(),
  digest: z.string(),
  guest: partyIdSchema,
  /** The hosts of the training: only these count beside it when it asks whether it is alone in a score. */
  hosts: z.array(partyIdSchema),
  /** Own features that are cut, by name: a new snapshot may order its columns otherwise. */
  features: z.array(z.strictObject({ name: z.string(), definition: fineDefinitionSchema })),
  /** In the order in which the guest asked for them: both halves number them alike. `feature`: place in `features`. */
  cuts: z.array(cutSchema),
  /** All features that were offered, in that order, so that another training can go on from this model; models made before have none. */
  offered: z.array(z.strictObject({ name: z.string(), definition: fineDefinitionSchema })).optional(),
  /** Where the cuts stand in the model, by tree and level. */
  uses: z.array(z.strictObject({ tree: index, level: index, cut: index })),
  /** What the guest told of the model's gain, where the plan had it. */
  feedback: keptFeedbackSchema.optional(),
});
export type GbdtHostHalf = z.output<typeof gbdtHostHalfSchema>;

export const gbdtGuestHalfSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal("gbdt"),
  model: z.string(),
  /** In the order of the plan. */
  hosts: z.array(z.strictObject({
    party: partyIdSchema,
    /** The host's cuts as it numbers them. `feature`: place in the model's list. */
    cuts: z.array(cutSchema),
  })),
  trees: treeModelSchema,
  /** How raw values of the own features become bins, in the order of the model's list, which they begin. */
  own: z.array(z.strictObject({ name: z.string(), definition: fineDefinitionSchema })),
  scaling: scalingParamsSchema.pick({ points: true, odds: true, pdo: true }),
  /** What explanations compare with: the parts of the median training company. Halves of earlier versions have none: the mean stands for it. */
  typical: typicalSchema.optional(),
});
export type GbdtGuestHalf = z.output<typeof gbdtGuestHalfSchema>;

export function gbdtHostHalf(made: { model: string; digest: string; guest: PartyId; hosts: readonly PartyId[]; result: GbdtHostResult }): GbdtHostHalf {
  const { fine, cuts, uses } = made.result;
  const features = [...new Set(cuts.map((c) => c.feature))].sort((a, b) => a - b);
  return {
    version: 1, kind: "gbdt", model: made.model, digest: made.digest, guest: made.guest, hosts: [...made.hosts],
    features: features.flatMap((f) => {
      const own = fine[f];
      return own === undefined ? [] : [{ name: own.name, definition: own.fine.definition }];
    }),
    cuts: cuts.map((c) => ({ feature: features.indexOf(c.feature), left: [...c.left] })),
    offered: fine.map(({ name, fine: f }) => ({ name, definition: f.definition })),
    uses: uses.map((u) => ({ ...u })),
  };
}

export function gbdtGuestHalf(made: { model: string; input: Pick<GbdtGuestInput, "hosts" | "own" | "trainRows">; result: GbdtGuestResult; scaling: GbdtGuestHalf["scaling"] }): GbdtGuestHalf {
  const { grown, hosts } = made.result;
  const { own } = made.input;
  // The order of the rows is secret and random: the first ones are a sample.
  const rows = Math.min(made.input.trainRows, typicalRows);
  const parts = treeParts(grown.model, own.length)(own.map((o) => o.fine.binOf.subarray(0, rows)), grown.scores.slice(0, rows).map((s) => s / 2 ** scoreFractionBits));
  return gbdtGuestHalfSchema.parse({
    version: 1, kind: "gbdt", model: made.model, trees: grown.model, scaling: made.scaling,
    hosts: made.input.hosts.map((party) => {
      const first = grown.model.features.findIndex((f) => f.party === party);
      return { party, cuts: (hosts.get(party)?.cuts ?? []).map((c) => ({ feature: first + c.feature, left: [...c.left] })) };
    }),
    typical: typicalOf(parts),
    own: own.map(({ name, fine }) => ({ name, definition: fine.definition })),
  });
}
