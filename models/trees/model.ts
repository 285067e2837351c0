// What boosted symmetric (oblivious) trees are: one cut per level, integer leaves, features by their fine bins.
import { z } from "zod";
import { neutralBin, type FineShape } from "../binning/fine.ts";
import { treeParamsSchema } from "./params.ts";

/** Gradients are integers in units of 2^-12, scores and leaves in units of 2^-20 log odds of the event. */
export const gradientFractionBits = 12;
export const scoreFractionBits = 20;
/** Largest leaf and base: 16 log odds. */
export const leafLimit = 2 ** 24;

const leaf = z.int().min(-leafLimit).max(leafLimit);
const sum = z.number().min(0);

/** `feature`: place in the job's list. `left`: the codes that go left, ascending: fine bins, and `neutralBin` (255) when a row
 *  without a bin goes left (a value unknown to training, a party that is away): the missing bin's side, or the side of the
 *  larger cover where training had no missing bin. So a row goes left exactly when its code is in `left`. */
export const cutSchema = z.strictObject({
  feature: z.int().min(0).max(65_535),
  left: z.array(z.int().min(0).max(neutralBin)).min(1).max(255).refine((l) => l.every((b, i) => i === 0 || b > (l[i - 1] ?? 0))),
});
export type Cut = { readonly feature: number; readonly left: readonly number[] };

/** Leaf of a row = sum over levels of bit << level, bit 1 = right. A node may pass a level unsplit (too few rows): its leaves
 *  then carry equal values. */
export const symmetricTreeSchema = z
  .strictObject({
    cuts: z.array(cutSchema).min(1).max(6),
    /** Units of 2^-20 log odds, learning rate applied. */
    leaves: z.array(leaf).min(2).max(64),
    /** Per level: gain of the split nodes (half the score difference, as XGBoost's loss change) and their hessian sum. */
    gains: z.array(sum).min(1).max(6),
    covers: z.array(sum).min(1).max(6),
    /** Hessian sum of the training rows of the tree's sample per leaf. */
    leafCovers: z.array(sum).min(2).max(64),
  })
  .refine((t) => t.leaves.length === 2 ** t.cuts.length && t.leafCovers.length === t.leaves.length
    && t.gains.length === t.cuts.length && t.covers.length === t.cuts.length);
export type SymmetricTree = {
  readonly cuts: readonly Cut[];
  readonly leaves: readonly number[];
  readonly gains: readonly number[];
  readonly covers: readonly number[];
  readonly leafCovers: readonly number[];
};

/** One feature of the job's list: the guest's own first, then each host's in the plan's order. `order`: of a categorical feature's
 *  bins, whose prefixes are its cuts; absent until its first histogram. */
export const treeFeatureSchema = z.strictObject({
  party: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  kind: z.enum(["numeric", "categorical"]),
  bins: z.int().min(1).max(254),
  orderedBins: z.int().min(0).max(254),
  missingBin: z.int().min(-1).max(253),
  order: z.array(z.int().min(0).max(253)).max(254).optional(),
});
export type TreeFeature = FineShape & { readonly party: string; readonly name: string; readonly order?: readonly number[] | undefined };

export const treeModelSchema = z
  .strictObject({
    kind: z.literal("gbdt"),
    base: leaf,
    trees: z.array(symmetricTreeSchema).max(10_000),
    params: treeParamsSchema,
    features: z.array(treeFeatureSchema).min(1).max(65_536),
  })
  .refine((m) => m.trees.every((t) => t.cuts.every((c) => c.feature < m.features.length)), "a cut names a feature that is not in the list");
export type TreeModel = {
  readonly kind: "gbdt";
  /** Log odds of the training rows in units of 2^-20. */
  readonly base: number;
  readonly trees: readonly SymmetricTree[];
  readonly params: z.output<typeof treeParamsSchema>;
  readonly features: readonly TreeFeature[];
};

/** "party/feature", as in `monotone`. */
export function featureKey(feature: { readonly party: string; readonly name: string }): string {
  return `${feature.party}/${feature.name}`;
}

/** One text per distinct cut, whatever the side of rows without a bin. */
export function cutKey(cut: Cut): string {
  return `${cut.feature}:${cut.left.filter((b) => b !== neutralBin).join(",")}`;
}

/** 256 bytes: 1 where a row with that code goes right. */
export function rightOfCode(cut: Cut): Uint8Array {
  const right = new Uint8Array(256).fill(1);
  for (const code of cut.left) right[code] = 0;
  return right;
}
