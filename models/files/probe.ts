// Companies that nobody has, for a check of a file: they reach every cell of every feature, and what the model says of them is known.
import type { Rng } from "../../core/env.ts";
import { sigmoid } from "../linear/logistic.ts";
import { applyFine } from "../binning/fine.ts";
import type { Feature } from "../features.ts";
import { oddsOfPoints } from "../scorecard/points.ts";
import { featureKey, scoreFractionBits, type TreeModel } from "../trees/model.ts";
import { scoreRows } from "../trees/predict.ts";
import { axisOf, highestSingle } from "./axis.ts";
import { unitsOfBin, type WholeScorecard } from "./scorecard.ts";
import type { OwnedFeature } from "./unroll.ts";

/** Raw values as the files take them (exact in float32), named as their inputs are, and the probability of an event by the model itself. */
export type Probe = { readonly features: readonly Feature[]; readonly expected: Float64Array };

export function probeTrees(model: TreeModel, owned: readonly OwnedFeature[], rows: number, rng: Rng): Probe {
  const features = owned.map((f) => probeFeature(f, rows, rng));
  const columns = features.map((f, i) => applyFine((owned[i] as OwnedFeature).definition, f));
  return { features, expected: scoreRows(model, columns, rows).map((score) => sigmoid(score / 2 ** scoreFractionBits)) };
}

export function probeCard(card: WholeScorecard, rows: number, rng: Rng): Probe {
  const features = card.features.map((f) => probeFeature(f, rows, rng));
  const units = new Float64Array(rows).fill(card.baseUnits);
  for (const [i, own] of card.features.entries()) {
    const bins = applyFine(own.definition, features[i] as Feature);
    for (let row = 0; row < rows; row++) units[row] = (units[row] ?? 0) + unitsOfBin(own, bins[row] ?? 0);
  }
  return { features, expected: units.map((u) => sigmoid(oddsOfPoints(u / 10 ** card.scaling.decimals, card.scaling))) };
}

function probeFeature(owned: OwnedFeature, rows: number, rng: Rng): Feature {
  const { definition } = owned;
  const name = featureKey(owned);
  if (definition.kind === "categorical") {
    const known = definition.levels.map((l) => l.level);
    const levels = [...known, unknownLevel(known)];
    return { kind: "categorical", name, levels, codes: Int32Array.from(picks(levels.length + 1, rows, rng), (pick) => pick - 1) };
  }
  const values = numbersOf(owned);
  return { kind: "numeric", name, values: Float64Array.from(picks(values.length, rows, rng), (pick) => values[pick] ?? Number.NaN), special: [] };
}

/** Numbers in every cell that float32 can tell from its neighbours; edges and special values themselves where they are exact in it and
 *  no other one is the same float32. */
function numbersOf({ definition }: OwnedFeature): number[] {
  const { thresholds } = axisOf(definition, (bin) => bin);
  const marks = definition.kind === "numeric" ? [...definition.edges, ...definition.special.map((s) => s.value)] : [];
  const alike = new Map<number, number>();
  for (const mark of marks) alike.set(Math.fround(mark), (alike.get(Math.fround(mark)) ?? 0) + 1);
  const exact = marks.filter((v) => Math.abs(v) <= highestSingle && Math.fround(v) === v && alike.get(v) === 1);
  const [first = 0, last = 0] = [thresholds[0], thresholds.at(-1)];
  const outside = [Math.fround(first - 1 - Math.abs(first)), Math.fround(last + 1 + Math.abs(last))].filter((v) => Math.abs(v) <= highestSingle);
  const inside = thresholds.slice(1).flatMap((high, i) => {
    const low = thresholds[i] ?? 0;
    const middle = Math.fround(low + (high - low) / 2);
    return middle > low && middle < high ? [middle] : [];
  });
  return [...exact, ...outside, ...inside, Number.NaN];
}

function unknownLevel(known: readonly string[]): string {
  let level = "?";
  while (known.includes(level)) level += "?";
  return level;
}

/** First one of each, then at random. The bias of a remainder does not matter here. */
function picks(of: number, rows: number, rng: Rng): Uint32Array {
  const drawn = new Uint32Array(rng(4 * rows).slice().buffer);
  const order = drawn.map((x) => x % of);
  for (let i = 0; i < Math.min(of, rows); i++) order[(i * 7919) % rows] = i;
  return order;
}
