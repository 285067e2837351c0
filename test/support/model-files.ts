// Models to write into files: drawn at random over features of every kind, and trained on the real loans.
import { fineBin, neutralBin, type FineBinning } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import type { CardFeature, WholeScorecard } from "../../models/files/scorecard.ts";
import type { OwnedFeature } from "../../models/files/unroll.ts";
import { defaultTreeParams, liftFloors, type TreeParams } from "../../models/trees/params.ts";
import type { SymmetricTree, TreeModel } from "../../models/trees/model.ts";
import { plainTrees } from "../../models/trees/plain.ts";
import type { Job } from "./csv.ts";
import { seededDraw, type Draw } from "./draw.ts";

export type Owned = { readonly party: string; readonly feature: Feature; readonly fine: FineBinning };
export type Whole = { readonly model: TreeModel; readonly owned: readonly Owned[]; readonly rows: number };

export const definitionsOf = (owned: readonly Owned[]): OwnedFeature[] => (
  owned.map(({ party, feature, fine }) => ({ party, name: feature.name, definition: fine.definition })));

export type PartyFeatures = { readonly name: string; readonly features: readonly Feature[] };

export function binOwned(parties: readonly PartyFeatures[], trainRows: number, maxBins: number): Owned[] {
  return parties.flatMap(({ name, features }) => features.map((feature) => (
    { party: name, feature, fine: fineBin(feature, { trainRows, maxBins, minRows: 20 }) })));
}

/** Numbers with special values inside and outside of their range, heavy values, levels, each with and without missing values. Numbers are
 *  exact in float32. */
export function oddFeatures(rows: number, seed: number): Feature[] {
  const draw = seededDraw(seed);
  const numbers = (make: () => number, missing: number): Float64Array => (
    Float64Array.from({ length: rows }, () => (draw.uniform() < missing ? Number.NaN : Math.fround(make()))));
  const often = (value: number, make: () => number) => (): number => (draw.uniform() < 0.1 ? value : make());
  const levels = ["trade", "food \"&\" drink", " ", "metal <x>", "渔业", "back\\slash", "rare"];
  const codes = (missing: number): Int32Array => (
    Int32Array.from({ length: rows }, () => (draw.uniform() < missing ? -1 : Math.min(draw.int(7), draw.int(8)))));
  return [
    { kind: "numeric", name: "plain", values: numbers(() => draw.normal(), 0), special: [] },
    { kind: "numeric", name: "gaps", values: numbers(() => draw.normal(), 0.2), special: [] },
    { kind: "numeric", name: "coded", values: numbers(often(-999, () => 100 * draw.normal()), 0.1), special: [-999] },
    { kind: "numeric", name: "coded inside", values: numbers(often(0, () => draw.normal()), 0.1), special: [0, 0.5] },
    { kind: "numeric", name: "counts", values: numbers(() => draw.int(4), 0.05), special: [] },
    { kind: "numeric", name: "only codes", values: numbers(() => -1 - draw.int(2), 0.3), special: [-1, -2] },
    { kind: "categorical", name: "level", levels, codes: codes(0.2) },
    { kind: "categorical", name: "whole level", levels, codes: codes(0) },
  ];
}

/** Trees with any cuts that the format of models allows, also ones that no trainer would choose. Covers are counts of the rows. */
export function drawnTrees(
  owned: readonly Owned[], rows: number, options: { seed: number; trees: number; depth: number; nested?: boolean },
): TreeModel {
  const draw = seededDraw(options.seed);
  const trees = Array.from({ length: options.trees }, (): SymmetricTree => {
    const cuts = Array.from({ length: options.depth }, () => {
      const feature = draw.int(owned.length);
      return { feature, left: leftSet(draw, owned[feature] as Owned, options.nested === true) };
    });
    const leaves = Array.from({ length: 1 << options.depth }, () => Math.round(draw.normal() * 2 ** 16));
    const leafCovers = leaves.map(() => 0);
    for (let row = 0; row < rows; row++) {
      let leaf = 0;
      cuts.forEach((cut, level) => {
        leaf |= (cut.left.includes(owned[cut.feature]?.fine.binOf[row] ?? neutralBin) ? 0 : 1) << level;
      });
      leafCovers[leaf] = (leafCovers[leaf] ?? 0) + 1;
    }
    return { cuts, leaves, gains: cuts.map(() => draw.uniform()), covers: cuts.map(() => rows), leafCovers };
  });
  return {
    kind: "gbdt", base: -Math.round(2 ** 20 * 1.234), trees, params: defaultTreeParams(),
    features: owned.map(({ party, feature, fine }) => ({ party, name: feature.name, ...fine.shape })),
  };
}

function leftSet(draw: Draw, { fine }: Owned, nested: boolean): number[] {
  const bins = Array.from({ length: fine.bins }, (_, b) => b);
  const { missingBin, kind } = fine.shape;
  const prefix = 1 + draw.int(Math.max(1, fine.orderedBins));
  const left = kind === "numeric" || nested ? bins.filter((b) => b < prefix && b !== missingBin) : bins.filter(() => draw.uniform() < 0.5);
  if (draw.uniform() < 0.5 && missingBin >= 0 && !left.includes(missingBin)) left.push(missingBin);
  // Now and then missing values alone.
  if (missingBin >= 0 && draw.uniform() < 0.1) left.splice(0, left.length, missingBin);
  if (!nested && draw.uniform() < 0.5) left.push(neutralBin);
  return left.length > 0 ? left.sort((a, b) => a - b) : [0];
}

/** The real trainer on a real table of all parties, floors lifted. */
export function trainedTrees(job: Job, params: Partial<TreeParams>): Whole {
  const rows = job.label.length;
  const parties = [job.guest, ...job.hosts].map((p) => ({ name: p.name, features: p.table.features }));
  const owned = binOwned(parties, job.trainRows, 32);
  const { model } = plainTrees({
    features: owned.map(({ party, feature, fine }) => ({ party, name: feature.name, ...fine.shape, binOf: fine.binOf })),
    label: job.label, trainRows: job.trainRows, rows, params: { ...liftFloors(defaultTreeParams()), ...params }, guest: job.guest.name,
  });
  return { model, owned, rows };
}

/** Points for any merge of the fine bins, drawn at random. */
export function drawnCard(owned: readonly Owned[], seed: number, decimals = 1): WholeScorecard {
  const draw = seededDraw(seed);
  const features = owned.map(({ party, feature, fine }): CardFeature => {
    let merged = 0;
    const mergedOf = Array.from({ length: fine.bins }, (_, bin) => (bin > 0 && draw.uniform() < 0.4 ? ++merged : merged));
    if (fine.shape.kind === "categorical") for (const bin of mergedOf.keys()) mergedOf[bin] = draw.int(merged + 1);
    const units = Array.from({ length: merged + 1 }, () => draw.int(400) - 200);
    return { party, name: feature.name, definition: fine.definition, mergedOf, units, medianUnits: draw.int(50) };
  });
  return { model: "model_0123456789abcdef01234567", baseUnits: 6123, scaling: { points: 600, odds: 50, pdo: 20, decimals }, features };
}

/** One company's raw value as other tools get it: a float32 with NaN, or a level with undefined. */
export function rawOf(feature: Feature, row: number): number | string | undefined {
  if (feature.kind === "numeric") return Math.fround(feature.values[row] ?? Number.NaN);
  return feature.levels[feature.codes[row] ?? -1];
}
