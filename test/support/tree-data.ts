// Small binned tables for tests of boosted trees: a guest and two hosts, bins drawn directly, a label that depends on all of them.
import type { GrowFeature } from "../../models/trees/grow.ts";
import { treeParamsSchema, type TreeParams, type TreeParamsInput } from "../../models/trees/params.ts";
import { seededDraw } from "./draw.ts";

export type Column = GrowFeature & { readonly binOf: Uint8Array };
export type TreeData = {
  readonly features: readonly Column[];
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly rows: number;
  readonly guest: string;
};

/** Numeric columns of 8 bins (every third with a missing bin 8 that goes with risk), one categorical host column of 6 groups. */
export function treeData(options: { readonly seed?: number; readonly trainRows?: number; readonly testRows?: number } = {}): TreeData {
  const { seed = 5, trainRows = 600, testRows = 200 } = options;
  const draw = seededDraw(seed);
  const rows = trainRows + testRows;
  const risk = new Float64Array(rows);
  const features = Array.from({ length: 7 }, (_, f): Column => {
    const party = f < 3 ? "bank" : f < 5 ? "tax" : "power";
    const categorical = f === 6;
    const missing = f % 3 === 0 && !categorical;
    const binOf = Uint8Array.from({ length: rows }, () => (categorical ? draw.int(6) : missing && draw.uniform() < 0.15 ? 8 : draw.int(8)));
    const effect = [0.9, 0.2, -0.4, 0.8, -0.7, 0.3, 0][f] as number;
    binOf.forEach((bin, row) => {
      const x = categorical ? ([0.6, -0.5, 0.1, -0.6, 0.7, 0][bin] as number) : bin === 8 ? 1.2 : effect * ((bin - 3.5) / 2.3);
      risk[row] = (risk[row] as number) + x;
    });
    const shape = categorical ? { kind: "categorical" as const, bins: 6, orderedBins: 6, missingBin: -1 }
      : { kind: "numeric" as const, bins: missing ? 9 : 8, orderedBins: 8, missingBin: missing ? 8 : -1 };
    return { party, name: `x${f}`, ...shape, binOf };
  });
  const label = Uint8Array.from(risk, (z) => (draw.uniform() < 1 / (1 + Math.exp(1.2 - z)) ? 1 : 0));
  return { features, label, trainRows, rows, guest: "bank" };
}

/** No noise, no caps, no floors, all rows and columns; overridden by `params`. */
export function bareParams(params: TreeParamsInput = {}): TreeParams {
  return treeParamsSchema.parse({
    trees: 8, depth: 3, learningRate: 0.3, lambda: 1, colsample: 1,
    minNodeRows: 1, minChildRows: 1, maxCutsPerHostFeature: 0, askedTrees: 0, noise: false,
    ...params,
  });
}

/** The same draws for the same query: a host's noise of the standard deviations (in fixed-point units). */
export function cellNoise(seed: number, sd: { readonly g: number; readonly h: number }) {
  return (sums: { readonly g: Float64Array; readonly h: Float64Array }, query: number): { g: Float64Array; h: Float64Array } => {
    const draw = seededDraw(seed + 7919 * (query + 1));
    const bounded = (): number => Array.from({ length: 12 }, () => draw.uniform()).reduce((a, b) => a + b, -6);
    return { g: sums.g.map((x) => x + Math.round(bounded() * sd.g)), h: sums.h.map((x) => x + Math.round(bounded() * sd.h)) };
  };
}
