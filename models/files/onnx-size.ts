// How large an ONNX model can get when it runs, from its file alone: upper bounds of every tensor for a given number of rows. Only operators whose
// results have a size that follows from their inputs' are known here: linear models, trees, small nets over rows of a table. There is no rank
// above 2, so that a shape is two numbers; one that is lost (a reshape) goes on as a number of elements.
import type { OnnxOutline, OutlineNode, OutlineTensor } from "./onnx-outline.ts";

/** rows and width, an upper bound of each; undefined: only their product is known. */
type Shape = { readonly elements: number; readonly pair?: readonly [number, number] };
export type OnnxSize = {
  /** Of all tensors between operators together. */
  readonly elements: number;
  /** Multiplications and additions of matrices. */
  readonly work: number;
};
/** "operator": one that is not known here. "size": a tensor whose size is not bounded by the file, or a rank above 2. */
export class OnnxSizeError extends Error {
  readonly reason: "operator" | "size";

  constructor(reason: "operator" | "size") {
    super(reason);
    this.reason = reason;
  }
}

/** TensorProto.DataType STRING. */
const textElement = 8;
type Rule = (node: OutlineNode, inputs: readonly (Shape | undefined)[], work: (amount: number) => void) => readonly Shape[];

const same: Rule = (_node, [first]) => [need(first), need(first)];
/** Texts take many times the room of numbers, and no score is one. */
const numbersOnly: Rule = (node, inputs, work) => {
  if (node.attributes.get("to")?.int === textElement || (node.attributes.get("values_strings")?.count ?? 0) > 0 || (node.attributes.get("classes_strings")?.count ?? 0) > 0) throw new OnnxSizeError("operator");
  return same(node, inputs, work);
};
const broadcast: Rule = (_node, inputs) => [inputs.filter((s) => s !== undefined).reduce(joined)];
const lost: Rule = (_node, [first]) => [{ elements: need(first).elements }];
/** A tree or linear model over rows: labels, and as many numbers per row as it has classes or targets. */
const perRow = (width: (node: OutlineNode) => number): Rule => (node, [first]) => {
  const [rows] = pairOf(need(first));
  return [{ elements: rows }, pair(rows, width(node))];
};
const classes = perRow((node) => 2 + Math.max(...["classlabels_ints", "classlabels_int64s", "classlabels_strings"].map((name) => node.attributes.get(name)?.count ?? 0)));
const targets = (name: string): Rule => (node, inputs, work) => perRow(({ attributes }) => attributes.get(name)?.int ?? 1)(node, inputs, work).slice(1);
const product: Rule = (node, [x, w, c], work) => {
  if (node.attributes.get("transA")?.int === 1) throw new OnnxSizeError("operator");
  const [k, m] = node.attributes.get("transB")?.int === 1 ? reversed(pairOf(need(w))) : pairOf(need(w));
  const { elements } = need(x);
  const rows = x?.pair?.[0] ?? Math.ceil(elements / Math.max(1, k));
  work(rows * k * m);
  return [c === undefined ? pair(rows, m) : joined(pair(rows, m), c)];
};
const reduced: Rule = (node, [first]) => [node.attributes.get("keepdims")?.int === 0 ? { elements: need(first).elements } : need(first)];
const gathered: Rule = (node, [x, index]) => {
  const [rows, width] = pairOf(need(x));
  const { elements } = need(index);
  return [node.op === "Gather" && (node.attributes.get("axis")?.int ?? 0) === 0 ? pair(elements, width) : pair(rows, elements)];
};
const concatenated: Rule = (node, inputs) => {
  const pairs = inputs.map((s) => pairOf(need(s)));
  const sum = (axis: 0 | 1): number => pairs.reduce((all, p) => all + p[axis], 0);
  const largest = (axis: 0 | 1): number => Math.max(...pairs.map((p) => p[axis]));
  // Of vectors the first axis is the one in which they lie.
  return [node.attributes.get("axis")?.int === 0 ? pair(sum(0), sum(1)) : pair(largest(0), sum(1))];
};
const constant: Rule = (node) => [...node.attributes.values()].map((a) => (a.tensor === undefined ? pair(1, Math.max(1, a.count)) : shapeOf(a.tensor.dims)));

const named = (rule: Rule, names: string): [string, Rule][] => names.split(" ").map((name) => [name, rule]);
const rules: ReadonlyMap<string, Rule> = new Map([
  ...named(same, "Abs Ceil Celu Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Log LogSoftmax Mish Neg Not Reciprocal Relu Round Selu Sigmoid Sign Softmax Softplus Softsign Sqrt Tanh ThresholdedRelu"),
  ...named(same, "Clip BatchNormalization LayerNormalization Binarizer Imputer Normalizer Scaler ZipMap"),
  ...named(numbersOnly, "Cast LabelEncoder"),
  ...named(broadcast, "Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Or Pow PRelu Sub Sum Where Xor"),
  ...named(lost, "Flatten Reshape Squeeze"), ...named(reduced, "ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare"),
  ...named(product, "MatMul Gemm"), ...named(gathered, "ArrayFeatureExtractor Gather"), ...named(concatenated, "Concat"), ...named(constant, "Constant"),
  ...named(classes, "LinearClassifier TreeEnsembleClassifier"), ...named(targets("n_targets"), "TreeEnsembleRegressor TreeEnsemble"), ...named(targets("targets"), "LinearRegressor"),
]);

/** Bounds for so many rows. Throws OnnxSizeError. */
export function sizeOfOnnx(outline: OnnxOutline, rows: number): OnnxSize {
  const shapes = new Map<string, Shape>();
  let elements = 0;
  let work = 0;
  const note = (name: string, shape: Shape): void => {
    if (!(shape.elements >= 0)) throw new OnnxSizeError("size");
    elements += shape.elements;
    if (name !== "") shapes.set(name, shape);
  };
  const constants = new Set(outline.constants);
  for (const tensor of outline.tensors) if (constants.has(tensor.name)) note(tensor.name, shapeOf(tensor.dims));
  for (const { name, dims } of outline.inputs) if (!constants.has(name)) note(name, shapeOf((dims ?? []).map((d) => (d === -1 ? rows : d))));
  for (const node of outline.operators) {
    const rule = rules.get(node.op);
    if (rule === undefined) throw new OnnxSizeError("operator");
    const inputs = node.inputs.map((name) => (name === "" ? undefined : need(shapes.get(name))));
    const results = rule(node, inputs, (amount) => { work += amount; });
    for (const [i, name] of node.outputs.entries()) note(name, need(results[i]));
    if (!(elements <= Number.MAX_SAFE_INTEGER)) throw new OnnxSizeError("size");
  }
  return { elements, work };
}

/** Elements that a tensor declares. */
export function elementsOf({ dims }: Pick<OutlineTensor, "dims">): number {
  return dims.reduce((all, d) => all * (d >= 0 ? d : Infinity), 1);
}

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new OnnxSizeError("size");
  return value;
}
function pair(rows: number, width: number): Shape {
  return { elements: rows * width, pair: [rows, width] };
}
function pairOf(shape: Shape): readonly [number, number] {
  return need(shape.pair);
}
function reversed([a, b]: readonly [number, number]): readonly [number, number] {
  return [b, a];
}
/** A vector lies in one row, as broadcasting takes it. */
function shapeOf(dims: readonly number[]): Shape {
  const [first = 1, second] = dims;
  if (dims.length > 2 || dims.some((d) => !(d >= 0))) throw new OnnxSizeError("size");
  return second === undefined ? pair(1, first) : pair(first, second);
}
/** What broadcasting makes of two: at most the larger of each dimension, and where those are lost, every pair of elements. */
function joined(a: Shape, b: Shape): Shape {
  if (a.pair !== undefined && b.pair !== undefined) return pair(Math.max(a.pair[0], b.pair[0]), Math.max(a.pair[1], b.pair[1]));
  if (a.elements <= 1 || b.elements <= 1) return a.elements <= 1 ? b : a;
  return { elements: a.elements * b.elements };
}
