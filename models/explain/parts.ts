// Many scores at once, told by parts: what each of the guest's own features adds, exactly, and one number per company for all that
// the guest cannot tell apart (the data of all providers, and what comes about only together with them).
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import type { CrossboostModel } from "../crossboost/model.ts";
import { pointsOfOdds, type Scaling } from "../scorecard/points.ts";
import { scoreFractionBits, type TreeModel } from "../trees/model.ts";
import { settle, type Explanation, type Source, type Term } from "./contribution.ts";
import { medianOf } from "./points.ts";
import { treeExplainer, type TreeExplainer } from "./shapley.ts";

/** Log odds of an event throughout: of a row, expected + own values + rest = its score. */
export type Parts = {
  /** Before anything is known of a company. */
  readonly expected: number;
  readonly own: readonly { readonly name: string; readonly values: Float64Array }[];
  readonly rest: Float64Array;
};

/** Median of every part over the training companies: what the typical company has. `own`: in the order of the parts. */
export const typicalSchema = z.strictObject({ own: z.array(z.number()), rest: z.number() });
export type Typical = z.output<typeof typicalSchema>;

/** Rows of training that a median is taken over: their order is secret and random, so the first ones are a sample. */
export const typicalRows = 20_000;
/** Explanations are in points with as many decimals as the scores that are handed out. */
export const pointDecimals = 2;
const oddsPerUnit = 2 ** -scoreFractionBits;

/** Throws MODEL_TOO_FEW_ROWS without a row. */
export function typicalOf(parts: Parts): Typical {
  return { own: parts.own.map((p) => medianOf(p.values) + 0), rest: medianOf(parts.rest) + 0 };
}

/** Of one row: base = the typical company, contributions = differences to it, in units of 10^-pointDecimals points. The score is that of
 *  `odds` as it is printed. `sources`: one per own part. `told`: parts of the rest that somebody else explains, in log odds. Throws
 *  MODEL_SHAPE when the typical company is of another model, MODEL_EXPLANATION when the parts are not those of this score. */
export function explainRow(parts: Parts, row: number, odds: number, options: {
  readonly typical: Typical; readonly scaling: Pick<Scaling, "points" | "odds" | "pdo">;
  readonly sources: readonly Source[]; readonly rest: Source; readonly told?: readonly Term[];
}): Explanation {
  const { typical, scaling, sources, told = [] } = options;
  if (typical.own.length !== parts.own.length || sources.length !== parts.own.length) {
    throw new AppError("MODEL_SHAPE", { own: parts.own.length, typical: typical.own.length });
  }
  const units = 10 ** pointDecimals;
  const factor = (-units * scaling.pdo) / Math.LN2;
  let expected = parts.expected + typical.rest;
  const terms = parts.own.map((part, i): Term => {
    const median = typical.own[i] as number;
    expected += median;
    return { source: sources[i] as Source, value: factor * ((part.values[row] as number) - median) };
  });
  let rest = (parts.rest[row] as number) - typical.rest;
  for (const { source, value } of told) {
    rest -= value;
    terms.push({ source, value: factor * value });
  }
  terms.push({ source: options.rest, value: factor * rest });
  const score = Math.round(Number(pointsOfOdds(odds, scaling).toFixed(pointDecimals)) * units);
  return settle(score, units * pointsOfOdds(expected, scaling), terms);
}

/** Makes parts of the log odds of rows. `columns`: of each own feature, over the rows. */
export type PartsOf = (columns: readonly (Uint8Array | Int8Array)[], odds: Float64Array) => Parts;

/** A linear model: weight times code of each own feature. */
export function linearParts(intercept: number, own: readonly { readonly name: string; readonly weight: number }[]): PartsOf {
  return (columns, odds) => withRest(intercept, own.map(({ name, weight }, i) => (
    { name, values: Float64Array.from(columnAt(columns, i), (code) => weight * code) })), odds);
}

/** Trees whose first `own` features are the guest's: their Shapley values, the others averaged over. Columns are fine bins. */
export function treeParts(model: TreeModel, own: number): PartsOf {
  const explainer = treeExplainer(model, (f) => f < own);
  return (columns, odds) => {
    const values = ownFeatures(own, model, odds.length);
    addShapley(explainer, columns, values);
    return withRest(explainer.expected * oddsPerUnit, values, odds);
  };
}

/** Crossboost: the guest's own trees, and what of the last trees is the guest's, each as it enters the score; the totals, and what comes
 *  about only with them, are the rest. Columns are fine bins of the guest's features, `names` theirs. */
export function crossboostParts(model: CrossboostModel, names: readonly string[]): PartsOf {
  const isOwn = (feature: number): boolean => feature < names.length;
  const first = model.own.trees && treeExplainer(model.own.trees, isOwn);
  const layers = model.stages.map(({ layer }) => ({ layer, explainer: layer.trees && treeExplainer(layer.trees, isOwn) }));
  return (columns, odds) => {
    const own = names.map((name) => ({ name, values: new Float64Array(odds.length) }));
    if (first) addShapley(first, columns, own);
    let expected = (first?.expected ?? model.own.base) * oddsPerUnit;
    for (const { layer, explainer } of layers) {
      expected = layer.intercept + layer.slope * expected;
      for (const { values } of own) for (let row = 0; row < values.length; row++) values[row] = (values[row] as number) * layer.slope;
      if (explainer === null) continue;
      expected += explainer.expected * oddsPerUnit;
      addShapley(explainer, columns, own);
    }
    return withRest(expected, own, odds);
  };
}

function ownFeatures(own: number, model: TreeModel, rows: number): { name: string; values: Float64Array }[] {
  return model.features.slice(0, own).map(({ name }) => ({ name, values: new Float64Array(rows) }));
}

/** Adds every tree's values to those of the features, in log odds: per row by the leaf that its known cuts lead to. */
function addShapley(explainer: TreeExplainer, columns: readonly (Uint8Array | Int8Array)[], own: readonly { readonly values: Float64Array }[]): void {
  const rows = own[0]?.values.length ?? 0;
  const leaves = new Uint8Array(rows);
  for (const { tree, rights, players, values } of explainer.tables) {
    if (players.length === 0) continue;
    leaves.fill(0);
    for (const [level, cut] of tree.cuts.entries()) {
      if (!players.includes(cut.feature)) continue;
      const right = rights[level] as Uint8Array;
      const column = columnAt(columns, cut.feature);
      for (let row = 0; row < rows; row++) leaves[row] = (leaves[row] as number) | ((right[column[row] as number] as number) << level);
    }
    for (const [i, feature] of players.entries()) {
      const into = own[feature]?.values as Float64Array;
      for (let row = 0; row < rows; row++) into[row] = (into[row] as number) + oddsPerUnit * (values[(leaves[row] as number) * players.length + i] as number);
    }
  }
}

function withRest(expected: number, own: Parts["own"], odds: Float64Array): Parts {
  const rest = odds.map((x) => x - expected);
  for (const { values } of own) {
    if (values.length !== odds.length) throw new AppError("MODEL_SHAPE", { rows: odds.length, values: values.length });
    for (let row = 0; row < rest.length; row++) rest[row] = (rest[row] as number) - (values[row] as number);
  }
  return { expected, own, rest };
}

function columnAt(columns: readonly (Uint8Array | Int8Array)[], at: number): Uint8Array | Int8Array {
  const column = columns[at];
  if (column === undefined) throw new AppError("MODEL_SHAPE", { columns: columns.length });
  return column;
}
