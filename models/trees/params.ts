// Everything a user may choose about boosted trees, with defaults, and the floors that protect the hosts' columns.
// The floors come from review.md sections 2 and 3 (attacks on exact sums and on split bitmaps).
import { z } from "zod";

const share = z.number().positive().max(1);

export const treeParamsSchema = z.strictObject({
  /** Trees that this run adds. */
  trees: z.int().min(1).max(1000).default(200),
  depth: z.int().min(1).max(6).default(4),
  learningRate: z.number().positive().max(1).default(0.1),
  /** L2 on leaf values, least gain of a split node, least hessian sum of a child: in units of unweighted rows, as in XGBoost. */
  lambda: z.number().min(0).max(1e6).default(10),
  gamma: z.number().min(0).max(1e6).default(0),
  minChildWeight: z.number().min(0).max(1e9).default(1),
  /** A node with fewer rows (of the tree's sample) is never asked about and never split. */
  minNodeRows: z.int().min(1).max(1 << 20).default(500),
  /** A node whose child would have fewer rows is not split by that level. */
  minChildRows: z.int().min(1).max(1 << 20).default(100),
  /** Most main fine bins of a feature at its owner. */
  bins: z.int().min(2).max(128).default(32),
  /** Shares of rows and of features that each tree sees. */
  subsample: share.default(1),
  colsample: share.default(0.7),
  /** Stop after `rounds` trees without a better log-loss on a `share` of the training rows that no tree sees. */
  earlyStopping: z.union([z.literal("none"), z.strictObject({ rounds: z.int().min(1).max(1000), share: z.number().min(0.02).max(0.5) })])
    .default("none"),
  /** Weight of an event against a good row; "balanced" is goods / events. */
  scalePosWeight: z.union([z.literal("balanced"), z.number().min(1e-3).max(1e3)]).default(1),
  /** "party/feature" -> direction of the score (log odds of the event) as the feature grows. Numeric features only. */
  monotone: z.record(z.string().max(300), z.union([z.literal(-1), z.literal(1)])).default({}),
  /** Of the row samples, feature samples and the validation part. */
  seed: z.int().min(0).max(2 ** 32 - 1).default(1),
  /** Most distinct cuts of one host feature over the whole job; 0 = no cap. */
  maxCutsPerHostFeature: z.int().min(0).max(254).default(7),
  /** Hosts' sums are asked for in the first so many trees of the model only; later trees use the cuts that are known by then. 0 = all. */
  askedTrees: z.int().min(0).max(1000).default(20),
  /** Hosts add noise to their sums: their cells are estimates, and what bitmaps told is preferred to them. */
  noise: z.boolean().default(true),
});
export type TreeParams = z.output<typeof treeParamsSchema>;
export type TreeParamsInput = z.input<typeof treeParamsSchema>;

export function defaultTreeParams(): TreeParams {
  return treeParamsSchema.parse({});
}

/** Below this many training rows no host takes part in trees (review.md section 2). */
export const fewestTreeRows = 5000;
/** The floors of the leaky tier; experiments on one machine may lift them, nothing else. */
export const treeFloors = { minNodeRows: 500, minChildRows: 100, maxCutsPerHostFeature: 7 } as const;

/** `params` without noise, caps and least numbers of rows: for experiments on one machine only. */
export function liftFloors(params: TreeParams): TreeParams {
  return { ...params, minNodeRows: 1, minChildRows: 1, maxCutsPerHostFeature: 0, askedTrees: 0, noise: false };
}

/** log2 of the standard deviation of a host's noise per cell, in fixed-point units of g and of h: 1 and 1/4 from 20,000
 *  training rows, twice that below (review.md section 2). */
export function noiseLog2Sd(trainRows: number): { readonly g: number; readonly h: number } {
  return trainRows >= 20_000 ? { g: 12, h: 10 } : { g: 13, h: 11 };
}
