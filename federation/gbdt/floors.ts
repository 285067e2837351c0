// What a job of boosted trees must keep to, decided from the plan alone and so the same at every party: the noise, the caps and
// the floors of our adversary's review (README.md, "Floors"). Pure.
import { AppError } from "../../core/errors.ts";
import { largestNoise, type CellNoise } from "../../kernels/noise.ts";
import { floors } from "../guards.ts";
import { fewestTreeRows, noiseLog2Sd, treeFloors, type TreeParams } from "../../models/trees/params.ts";
import { maxCuts } from "./messages.ts";

/** Sums without noise: at least so many training companies, at most so many queries per company. */
const exactTrainRows = 20_000;
const exactQueriesPerRow = 0.01;
/** Fewest training companies of a host's fine bin: so many, and this share. A rare bin would stand out at any size of a node. */
const minBinRows = 200;
const minBinShare = 0.01;

/** The part of a plan that the decisions rest on. `liftFloors`: the parameters are taken as they stand (experiments on one machine
 *  only; the policy of an enclave decides). */
export type TreesPlan = { readonly trainRows: number; readonly params: TreeParams; readonly liftFloors: boolean };

export type TreeLimits = {
  /** Those of the plan, with as many asked trees as the budget of noisy queries lasts. */
  readonly params: TreeParams;
  /** Trees in which a host is asked for anything, at most: later ones use the cuts that are known by then. */
  readonly askedTrees: number;
  /** Vectors (g and h of a node are two) over the whole job, and over one tree, at most. */
  readonly queries: number;
  readonly queriesPerTree: number;
  /** Fewest training rows of a host's fine bin. */
  readonly minBinRows: number;
  /** Distinct cuts of one host feature, at most. */
  readonly maxCuts: number;
  /** Noise of each cell; undefined: exact sums. */
  readonly noise: { readonly g: CellNoise; readonly h: CellNoise } | undefined;
};

/** Nodes whose histograms are asked for in one tree: the root, and of each pair of children one (the other follows by
 *  subtraction): 1 + 1 + 2 + ... = 2^(depth - 1), each with g and h. As many as the lowest level has equations. */
export function queriesPerTree(depth: number): number {
  return 2 ** depth;
}

/** Trees that ask, and their vectors in all. */
function asking(params: TreeParams): { trees: number; queries: number } {
  const trees = params.askedTrees === 0 ? params.trees : Math.min(params.trees, params.askedTrees);
  return { trees, queries: trees * queriesPerTree(params.depth) };
}

/** The parameters that count: noisy sums are asked for in as many trees as their budget of queries per company lasts. */
function withinBudget({ trainRows, params, liftFloors }: TreesPlan): TreeParams {
  if (liftFloors || !params.noise) return params;
  const most = Math.floor((floors.maxNoisyQueriesPerRow * trainRows) / queriesPerTree(params.depth));
  return { ...params, askedTrees: Math.max(1, Math.min(asking(params).trees, most)) };
}

/** Whether the floors allow sums without noise. */
export function allowsExact(trainRows: number, params: TreeParams): boolean {
  const { queries } = asking(params);
  return trainRows >= exactTrainRows && queries <= exactQueriesPerRow * trainRows && params.minNodeRows >= treeFloors.minNodeRows;
}

/** Throws FLOOR_ROWS when there are too few companies for trees over domains, FLOOR_TREES when the parameters are below the floors. */
export function treeLimits(plan: TreesPlan): TreeLimits {
  const { trainRows, liftFloors } = plan;
  if (!liftFloors) checkFloors(trainRows, plan.params);
  const params = withinBudget(plan);
  const sd = noiseLog2Sd(trainRows);
  const { trees, queries } = asking(params);
  return {
    params,
    askedTrees: trees,
    queries,
    queriesPerTree: queriesPerTree(params.depth),
    minBinRows: liftFloors ? 1 : Math.max(minBinRows, Math.ceil(minBinShare * trainRows)),
    maxCuts: params.maxCutsPerHostFeature === 0 ? maxCuts : params.maxCutsPerHostFeature,
    noise: params.noise ? { g: { log2Sd: sd.g, shift: 0 }, h: { log2Sd: sd.h, shift: 0 } } : undefined,
  };
}

function checkFloors(trainRows: number, params: TreeParams): void {
  if (trainRows < fewestTreeRows) throw new AppError("FLOOR_ROWS", { rows: trainRows, floor: fewestTreeRows });
  const { minNodeRows, minChildRows, maxCutsPerHostFeature: cuts, noise } = params;
  const fits = minNodeRows >= treeFloors.minNodeRows && minChildRows >= treeFloors.minChildRows
    && cuts >= 1 && cuts <= treeFloors.maxCutsPerHostFeature && (noise || allowsExact(trainRows, params));
  if (!fits) throw new AppError("FLOOR_TREES", { minNodeRows, minChildRows, cuts, noise });
}

/** How far the noise of `cells` cells together can be from zero. */
export function noiseBound(noise: CellNoise | undefined, cells: number): number {
  return noise === undefined ? 0 : cells * largestNoise(noise);
}

/** The noise of `vectors` vectors: g and h in turn. */
export function noiseOf(noise: TreeLimits["noise"], vectors: number): CellNoise[] | undefined {
  return noise && Array.from({ length: vectors }, (_, v) => (v % 2 === 0 ? noise.g : noise.h));
}
