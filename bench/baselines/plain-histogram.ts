// The same in the clear: histograms as any gradient boosting library makes them, and an XGBoost-style trainer on fine bins (double
// precision, level by level, the smaller child summed and its sibling by subtraction, missing rows to the better side, levels of a
// category in the order of G/H). A program without privacy, for the ratio and for the AUC of the pooled table.

export type BinnedFeature = {
  readonly binOf: Uint8Array; readonly bins: number; readonly isOrdered: boolean;
  /** Bin of missing values, -1 without one. */
  readonly missingBin: number;
};
export type PlainParams = {
  readonly trees: number; readonly depth: number; readonly learningRate: number; readonly lambda: number; readonly gamma: number;
  readonly minChildWeight: number;
};
export type PlainModel = { readonly score: Float64Array; readonly leaves: number };

/** Sums of one value, or of two, for every (feature, bin): one array a feature, bins of g and then of h. */
export function histogram(features: readonly BinnedFeature[], rows: Uint32Array | number, g: ArrayLike<number>, h?: ArrayLike<number>): Float64Array[] {
  return features.map(({ binOf, bins }) => {
    const sums = new Float64Array(h === undefined ? bins : 2 * bins);
    if (typeof rows === "number") {
      for (let i = 0; i < rows; i++) addRow(sums, binOf, bins, i, g, h);
    } else {
      for (let k = 0; k < rows.length; k++) addRow(sums, binOf, bins, rows[k] ?? 0, g, h);
    }
    return sums;
  });
}

function addRow(sums: Float64Array, binOf: Uint8Array, bins: number, i: number, g: ArrayLike<number>, h?: ArrayLike<number>): void {
  const b = binOf[i] ?? 0;
  sums[b] = (sums[b] ?? 0) + (g[i] ?? 0);
  if (h !== undefined) sums[bins + b] = (sums[bins + b] ?? 0) + (h[i] ?? 0);
}

type Node = { readonly rows: Uint32Array; readonly sums: Float64Array[]; readonly G: number; readonly H: number };
type Split = { readonly feature: number; readonly gain: number; readonly goesLeft: Uint8Array };

/** Trains on rows [0, trainRows) and gives the log odds of every row of the features. */
export function plainTrain(features: readonly BinnedFeature[], label: Uint8Array, trainRows: number, params: PlainParams): PlainModel {
  const rows = features[0]?.binOf.length ?? trainRows;
  let events = 0;
  for (let i = 0; i < trainRows; i++) events += label[i] ?? 0;
  const score = new Float64Array(rows).fill(Math.log(events / (trainRows - events)));
  let leaves = 0;
  for (let t = 0; t < params.trees; t++) {
    const g = new Float64Array(trainRows);
    const h = new Float64Array(trainRows);
    for (let i = 0; i < trainRows; i++) {
      const p = 1 / (1 + Math.exp(-(score[i] ?? 0)));
      g[i] = p - (label[i] ?? 0);
      h[i] = p * (1 - p);
    }
    leaves += growTree(features, { g, h, score, trainRows }, params);
  }
  return { score, leaves };
}

type State = { readonly g: Float64Array; readonly h: Float64Array; readonly score: Float64Array; readonly trainRows: number };

/** Grows one tree and adds its leaves to the score, also of the rows outside the training part. Returns its leaves. */
function growTree(features: readonly BinnedFeature[], state: State, params: PlainParams): number {
  const all = Uint32Array.from({ length: state.trainRows }, (_, i) => i);
  const others = Uint32Array.from({ length: state.score.length - state.trainRows }, (_, i) => state.trainRows + i);
  let level: { readonly node: Node; readonly others: Uint32Array }[] = [{ node: nodeOf(features, all, state), others }];
  let leaves = 0;
  const end = (node: Node, rest: Uint32Array): void => {
    const value = (-params.learningRate * node.G) / (node.H + params.lambda);
    for (const part of [node.rows, rest]) for (const i of part) state.score[i] = (state.score[i] ?? 0) + value;
    leaves++;
  };
  for (let depth = 0; depth < params.depth; depth++) {
    const next: typeof level = [];
    for (const { node, others: rest } of level) {
      const split = bestSplit(features, node, params);
      if (split === undefined) {
        end(node, rest);
        continue;
      }
      const binOf = features[split.feature]?.binOf;
      const isLeft = (i: number): boolean => split.goesLeft[binOf?.[i] ?? 0] === 1;
      const [left, right] = [node.rows.filter(isLeft), node.rows.filter((i) => !isLeft(i))];
      const small = nodeOf(features, left.length <= right.length ? left : right, state);
      const large = siblingOf(node, small, left.length <= right.length ? right : left);
      const [leftNode, rightNode] = left.length <= right.length ? [small, large] : [large, small];
      next.push({ node: leftNode, others: rest.filter(isLeft) }, { node: rightNode, others: rest.filter((i) => !isLeft(i)) });
    }
    level = next;
  }
  for (const { node, others: rest } of level) end(node, rest);
  return leaves;
}

function nodeOf(features: readonly BinnedFeature[], rows: Uint32Array, { g, h }: State): Node {
  let [G, H] = [0, 0];
  for (const i of rows) {
    G += g[i] ?? 0;
    H += h[i] ?? 0;
  }
  return { rows, sums: histogram(features, rows, g, h), G, H };
}

function siblingOf(parent: Node, child: Node, rows: Uint32Array): Node {
  const sums = parent.sums.map((of, f) => of.map((x, b) => x - (child.sums[f]?.[b] ?? 0)));
  return { rows, sums, G: parent.G - child.G, H: parent.H - child.H };
}

/** The best cut of a node over all features and both sides of the missing rows; none without a gain above gamma. */
export function bestSplit(
  features: readonly BinnedFeature[], node: Pick<Node, "sums" | "G" | "H">, params: Pick<PlainParams, "lambda" | "gamma" | "minChildWeight">,
): Split | undefined {
  const { lambda, gamma, minChildWeight } = params;
  const value = (G: number, H: number): number => (G * G) / (H + lambda);
  const whole = value(node.G, node.H);
  let best: Split | undefined;
  for (const [feature, { bins, isOrdered, missingBin }] of features.entries()) {
    const sums = node.sums[feature] ?? new Float64Array(0);
    const sumG = (b: number): number => sums[b] ?? 0;
    const sumH = (b: number): number => sums[bins + b] ?? 0;
    const order = Array.from({ length: bins }, (_, b) => b).filter((b) => b !== missingBin);
    if (!isOrdered) order.sort((a, b) => sumG(a) / (sumH(a) + lambda) - sumG(b) / (sumH(b) + lambda) || a - b);
    for (const missingLeft of missingBin < 0 ? [false] : [false, true]) {
      let [G, H] = missingLeft ? [sumG(missingBin), sumH(missingBin)] : [0, 0];
      for (let k = 0; k < order.length; k++) {
        const b = order[k] ?? 0;
        G += sumG(b);
        H += sumH(b);
        if (H < minChildWeight || node.H - H < minChildWeight) continue;
        const gain = (value(G, H) + value(node.G - G, node.H - H) - whole) / 2 - gamma;
        if (gain <= 1e-9 || (best !== undefined && gain <= best.gain)) continue;
        const goesLeft = new Uint8Array(bins);
        for (const left of order.slice(0, k + 1)) goesLeft[left] = 1;
        if (missingLeft) goesLeft[missingBin] = 1;
        best = { feature, gain, goesLeft };
      }
    }
  }
  return best;
}
