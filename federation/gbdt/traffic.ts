// Upper bounds of what boosted trees put on the wire between the guest and one host, for the leakage statement of a plan. Pure.
import type { Role } from "../../core/message.ts";
import type { PlannedAnswers } from "../../kernels/privacy.ts";
import { answerBytes, hintBytesPerCell, queryBytes, queryBytesPerCoefficient } from "../../kernels/params.ts";
import { maxFineBins } from "../binning/messages.ts";
import { pieces } from "../sums/flow.ts";
import { maxChunkBytes } from "../sums/messages.ts";
import { treeLimits, type TreesPlan } from "./floors.ts";
import { bitsChunkBytes, maxDepth, type gbdtMessages } from "./messages.ts";

export type GbdtTraffic = {
  readonly from: Role;
  readonly type: keyof typeof gbdtMessages;
  readonly messages: number;
  /** Payload; a frame around it has less than 256 bytes. */
  readonly bytes: number;
  /** Numbers that the receiver can compute from them. */
  readonly numbers: number;
};
/** `features`: of the host; `rows`: of the job; `earlierTrees`: of the model that a warm start goes on from. */
export type GbdtSize = TreesPlan & { readonly rows: number; readonly features: number; readonly earlierTrees?: number };

/** New cuts that one level may ask for: the second when the first turns out worse than noise made it look. */
const asksPerLevel = 2;
/** Cuts in the trees of the final model, at most. */
const cutsOfModel = ({ params, earlierTrees }: GbdtSize): number => params.trees * params.depth + (earlierTrees ?? 0) * maxDepth;
/** Levels that hosts are asked about, at most. */
const askedLevels = (size: GbdtSize): number => treeLimits(size).askedTrees * size.params.depth;

/** Bins beside the main ones of a feature (special values and missing), at most. */
const extraBins = 16;

/** Fine bins of a host with so many features, at most. */
export function gbdtCells(size: GbdtSize): number {
  return size.features * Math.min(maxFineBins, size.params.bins + extraBins);
}

/** Distinct cuts of a host in the whole job, at most: those of the caps, and what the levels (and the earlier trees) may ask for. */
export function gbdtCuts(size: GbdtSize): number {
  const { maxCuts } = treeLimits(size);
  return Math.min(size.features * maxCuts, asksPerLevel * askedLevels(size) + (size.earlierTrees ?? 0) * maxDepth);
}

/** What the bitmaps of a host say about each company, at most, in bits. Cuts spread evenly over the features say most; one feature with k
 *  cuts of its ordered bins has k + 1 pieces, and one more for each bin that stands apart. */
export function gbdtBitsPerRow(size: GbdtSize): number {
  const { features } = size;
  if (features === 0) return 0;
  const perFeature = gbdtCuts(size) / features;
  const split = (cuts: number): number => Math.min(2 ** cuts, cuts + 2 + extraBins, maxFineBins + 1);
  const low = Math.floor(perFeature);
  const more = gbdtCuts(size) - low * features;
  return more * Math.log2(split(low + 1)) + (features - more) * Math.log2(split(low));
}

/** Everything that may pass between the guest and this host. Throws as `treeLimits` does. */
export function gbdtTraffic(size: GbdtSize): GbdtTraffic[] {
  const { rows, trainRows, features, params } = size;
  const { queries, askedTrees } = treeLimits(size);
  const cells = gbdtCells(size);
  const cuts = gbdtCuts(size);
  const levels = askedLevels(size);
  const perQuery = queryBytes(trainRows);
  const bitmap = Math.ceil(rows / 8);
  const cellsPerChunk = Math.floor(maxChunkBytes / hintBytesPerCell);
  const guest = { from: "guest" } as const;
  const host = { from: "host" } as const;
  /** Messages of a flow per level: 2, 2, 4, 8, ... vectors. */
  const flows = (itemBytes: number, unit: number): number => {
    let messages = 0;
    for (let level = 0; level < params.depth; level++) messages += pieces(2 ** Math.max(1, level), itemBytes, unit).length;
    return askedTrees * messages;
  };
  const active: GbdtTraffic[] = cells === 0 ? [] : [
    { ...host, type: "trees/hint", messages: Math.ceil(cells / cellsPerChunk), bytes: cells * hintBytesPerCell, numbers: 0 },
    { ...guest, type: "trees/query", messages: flows(perQuery, queryBytesPerCoefficient), bytes: queries * (perQuery + 32), numbers: 0 },
    { ...host, type: "trees/answer", messages: flows(answerBytes(cells), 1), bytes: queries * answerBytes(cells), numbers: queries * cells },
    { ...host, type: "trees/bits", messages: cuts * Math.ceil(bitmap / bitsChunkBytes), bytes: cuts * bitmap, numbers: cuts * rows },
  ];
  return [
    { ...host, type: "trees/offer", messages: 1, bytes: features * ((params.bins + extraBins) * 6 + 100), numbers: cells },
    ...active,
    // Nodes of each level, cuts with their bins, ends of trees, the end.
    { ...guest, type: "trees/next", messages: levels + cuts + params.trees + 1, bytes: cuts * (maxFineBins * 3), numbers: levels + cuts },
    { ...guest, type: "trees/uses", messages: 1, bytes: cutsOfModel(size) * 32 + 64, numbers: cutsOfModel(size) },
  ];
}

/** What the floods of this host's answers must hide, for the plan's flood distance. */
export function gbdtAnswers(size: GbdtSize): PlannedAnswers[] {
  return [{ queries: treeLimits(size).queries, cells: gbdtCells(size), columnEnergy: size.features * size.trainRows }];
}
