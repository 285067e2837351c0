// What each feature and each party did for a model: gain, cover and number of levels cut.
import { gradientFractionBits, type TreeModel } from "./model.ts";

export type Importance = {
  /** Loss reduction of its cuts, weighted rows: as XGBoost's total_gain / 2. */
  readonly gain: number;
  /** Hessian sum of the nodes that its cuts split. */
  readonly cover: number;
  /** Levels of trees that it cuts. */
  readonly splits: number;
};
export type TreeImportance = {
  readonly features: readonly (Importance & { readonly party: string; readonly name: string })[];
  readonly parties: readonly (Importance & { readonly party: string })[];
};

/** In the order of the model's list, features without a cut included; parties in the order of their first feature. */
export function treeImportance(model: TreeModel): TreeImportance {
  const sums = model.features.map(() => ({ gain: 0, cover: 0, splits: 0 }));
  for (const tree of model.trees) {
    tree.cuts.forEach((cut, level) => {
      const sum = sums[cut.feature];
      if (sum === undefined) return;
      sum.gain += tree.gains[level] as number;
      sum.cover += tree.covers[level] as number;
      sum.splits++;
    });
  }
  const one = 2 ** gradientFractionBits;
  const features = model.features.map(({ party, name }, i) => {
    const { gain, cover, splits } = sums[i] as Importance;
    return { party, name, gain: gain / one, cover: cover / one, splits };
  });
  const parties = [...new Set(model.features.map((f) => f.party))].map((party) => {
    const own = features.filter((f) => f.party === party);
    const total = (key: keyof Importance): number => own.reduce((sum, f) => sum + f[key], 0);
    return { party, gain: total("gain"), cover: total("cover"), splits: total("splits") };
  });
  return { features, parties };
}
