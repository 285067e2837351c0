// The only door to ONNX Runtime. From 1.29 on its Linux build reports usage to its maker unless ORT_DISABLE_TELEMETRY is set
// before the library is loaded: so it is loaded here alone, after that. Inside an enclave no model leaves and none is fetched.
// A bank's own model, a challenger, is read by us before the runtime sees it.
import { constants, open } from "node:fs/promises";
import { AppError } from "../core/errors.ts";
import { featureRows, type Feature } from "../models/features.ts";
import { elementTypes } from "../models/files/onnx-proto.ts";
import { outlineOnnx, type OnnxOutline, type OutlineValue } from "../models/files/onnx-outline.ts";
import { elementsOf, OnnxSizeError, sizeOfOnnx } from "../models/files/onnx-size.ts";

export type OnnxTensor =
  | { readonly type: "float32"; readonly data: Float32Array; readonly dims: readonly number[] }
  | { readonly type: "float64"; readonly data: Float64Array; readonly dims: readonly number[] }
  | { readonly type: "int64"; readonly data: BigInt64Array; readonly dims: readonly number[] }
  | { readonly type: "string"; readonly data: readonly string[]; readonly dims: readonly number[] };

export interface OnnxModel extends AsyncDisposable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** One tensor per input name; the outputs by name, all or those that are asked for. Throws MODEL_ONNX when they do not fit. */
  run(inputs: Readonly<Record<string, OnnxTensor>>, outputs?: readonly string[]): Promise<Readonly<Record<string, OnnxTensor>>>;
}

type Runtime = typeof import("onnxruntime-node");

/** Opens a model from its bytes, on the CPU. threads: of one run. Throws MODEL_ONNX when the bytes are not a model. */
export async function openModel(bytes: Uint8Array, options: { readonly threads?: number } = {}): Promise<OnnxModel> {
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(bytes, {
    executionProviders: ["cpu"], intraOpNumThreads: options.threads ?? 1, interOpNumThreads: 1, logSeverityLevel: 4,
  }).catch((cause: unknown) => {
    throw new AppError("MODEL_ONNX", {}, { cause });
  });
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run(inputs, outputs = session.outputNames) {
      try {
        const feeds = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, tensorOf(runtime, t)]));
        const results = await session.run(feeds, [...outputs]);
        return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, { type: t.type, data: t.data, dims: t.dims } as OnnxTensor]));
      } catch (cause) {
        throw new AppError("MODEL_ONNX", {}, { cause });
      }
    },
    [Symbol.asyncDispose]: () => session.release(),
  };
}

async function loadRuntime(): Promise<Runtime> {
  process.env["ORT_DISABLE_TELEMETRY"] = "1";
  return import("onnxruntime-node");
}

function tensorOf(runtime: Runtime, tensor: OnnxTensor): InstanceType<Runtime["Tensor"]> {
  const dims = [...tensor.dims];
  if (tensor.type === "string") return new runtime.Tensor("string", [...tensor.data], dims);
  if (tensor.type === "int64") return new runtime.Tensor("int64", tensor.data, dims);
  return tensor.type === "float64" ? new runtime.Tensor("float64", tensor.data, dims) : new runtime.Tensor("float32", tensor.data, dims);
}

export interface Challenger extends AsyncDisposable {
  /** Of each feature, in the order of `featureNames`: what the model takes there. */
  readonly kinds: readonly Feature["kind"][];
  /** Probability of an event per row. `features` hold at least those of the model, under their names. Throws MODEL_ONNX_INPUTS when
   *  one is missing or of another kind, MODEL_ONNX_OUTPUT for what is no probability. */
  score(features: readonly Feature[]): Promise<Float64Array>;
}
export type ChallengerOptions = {
  readonly maxBytes: number;
  /** Of another party: checked as such. */
  readonly isForeign?: boolean;
  /** The guest's own features, in the order of the model's columns where it takes them side by side. */
  readonly featureNames: readonly string[];
  readonly threads?: number;
};

/** Standard operators; a runtime may know more (its maker's), which read files, call services or differ between versions. */
const standardDomains: readonly string[] = ["", "ai.onnx", "ai.onnx.ml"];
/** A score that is not the same twice cannot be audited. */
const randomOperators: readonly string[] = ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];

/**
 * Opens the guest's own ONNX model from a file of its domain. Before the runtime reads it: it is a regular file of at most `maxBytes`,
 * one model whose operators are standard ones without branches, loops or random numbers, whose weights are all inside, whose inputs are
 * the features (one input float [rows, features], or one per feature: float, double or string, [rows] or [rows, 1]) and that has an
 * output for probabilities: float [rows], [rows, 1] or [rows, 2] (good, bad). Missing numbers are NaN, missing levels "".
 * Throws MODEL_ONNX, MODEL_ONNX_SIZE, MODEL_ONNX_OPERATOR, MODEL_ONNX_EXTERNAL, MODEL_ONNX_INPUTS or MODEL_ONNX_OUTPUT.
 */
export async function openChallenger(path: string, options: ChallengerOptions): Promise<Challenger> {
  return openScorer(await readModelFile(path, options.maxBytes), options);
}

/** The same for bytes that are at hand. */
export async function openScorer(bytes: Uint8Array, options: Omit<ChallengerOptions, "maxBytes">): Promise<Challenger> {
  const outline = options.isForeign === true ? inspectForeignModel(bytes) : inspectModel(bytes);
  const inputs = inputsOf(outline, options.featureNames);
  const output = probabilityOutput(outline);
  const model = await openModel(bytes, options.threads === undefined ? {} : { threads: options.threads });
  const kinds = options.featureNames.map((_, column) => (inputs.find((i) => i.columns.includes(column))?.type === "string" ? "categorical" as const : "numeric" as const));
  return {
    kinds,
    async score(features) {
      const columns = options.featureNames.map((name) => features.find((f) => f.name === name));
      const rows = features[0] === undefined ? 0 : featureRows(features[0]);
      const scores = new Float64Array(rows);
      for (let from = 0; from < rows; from += mostRows) {
        const to = Math.min(rows, from + mostRows);
        const feeds = Object.fromEntries(inputs.map((input) => [input.name, tensorFor(input, columns, from, to)]));
        const { [output]: result } = await model.run(feeds, [output]);
        scores.set(probabilities(result, to - from), from);
      }
      return scores;
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/** Throws MODEL_ONNX or MODEL_ONNX_SIZE. */
export async function readModelFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const failed = (cause: unknown): never => {
    throw new AppError("MODEL_ONNX", {}, { cause });
  };
  // Not blocking: a pipe in place of a file would wait for a writer.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(failed);
  const stat = await file.stat();
  if (!stat.isFile()) throw new AppError("MODEL_ONNX", { file: false });
  if (stat.size > maxBytes) throw new AppError("MODEL_ONNX_SIZE", { bytes: stat.size, maxBytes });
  const bytes = await file.readFile().catch(failed);
  if (bytes.length > maxBytes) throw new AppError("MODEL_ONNX_SIZE", { bytes: bytes.length, maxBytes });
  return bytes;
}

function outlineOf(bytes: Uint8Array): OnnxOutline {
  try {
    return outlineOnnx(bytes);
  } catch (cause) {
    throw new AppError("MODEL_ONNX", { bytes: bytes.length }, { cause });
  }
}

/** What can be said of a model without the features. Throws MODEL_ONNX, MODEL_ONNX_OPERATOR, MODEL_ONNX_EXTERNAL or MODEL_ONNX_OUTPUT. */
export function inspectModel(bytes: Uint8Array): OnnxOutline {
  const outline = outlineOf(bytes);
  checkOutline(outline);
  // Every number takes a byte or more: a tensor that declares more of them is to make somebody reserve memory.
  const declared = outline.tensors.reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  if (declared > bytes.length) throw new AppError("MODEL_ONNX_SHAPE", { bytes: bytes.length });
  probabilityOutput(outline);
  return outline;
}

/** Rows that a model is run with at once, and what a foreign one may take for them: numbers between its operators, multiplications of matrices. */
const mostRows = 4096;
const maxForeignElements = 2 ** 25;
const maxForeignWork = 2 ** 34;

/** The same for a model of another party: moreover its operators are known to us, and what it needs for `mostRows` rows is bounded before it
 *  runs. Throws MODEL_ONNX_OPERATOR and MODEL_ONNX_SHAPE, too. */
export function inspectForeignModel(bytes: Uint8Array): OnnxOutline {
  const outline = inspectModel(bytes);
  try {
    const { elements, work } = sizeOfOnnx(outline, mostRows);
    if (elements > maxForeignElements || work > maxForeignWork) throw new AppError("MODEL_ONNX_SHAPE", { elements, work });
  } catch (error) {
    if (!(error instanceof OnnxSizeError)) throw error;
    throw new AppError(error.reason === "operator" ? "MODEL_ONNX_OPERATOR" : "MODEL_ONNX_SHAPE", {}, { cause: error });
  }
  return outline;
}

function checkOutline({ opsets, operators, subgraphs, functions, external }: OnnxOutline): void {
  const foreign = [...opsets, ...operators].some((o) => !standardDomains.includes(o.domain));
  if (foreign || subgraphs || functions || operators.some((o) => randomOperators.includes(o.op))) {
    throw new AppError("MODEL_ONNX_OPERATOR", { foreign, subgraphs, functions });
  }
  if (external) throw new AppError("MODEL_ONNX_EXTERNAL");
  if (opsets.length === 0 || operators.length === 0) throw new AppError("MODEL_ONNX", { operators: operators.length });
}

/** `columns`: places in `featureNames`. `flat`: the input wants [rows] and not [rows, columns]. */
type ModelInput = {
  readonly name: string; readonly columns: readonly number[]; readonly type: "float32" | "float64" | "string"; readonly flat: boolean;
};
const inputTypes = new Map([[elementTypes.float, "float32"], [elementTypes.double, "float64"], [elementTypes.string, "string"]] as const);

function inputsOf(outline: OnnxOutline, names: readonly string[]): ModelInput[] {
  const inputs = outline.inputs.filter((i) => !outline.constants.includes(i.name));
  const refused = (): never => {
    throw new AppError("MODEL_ONNX_INPUTS", { inputs: inputs.length, features: names.length });
  };
  const [only] = inputs;
  if (only === undefined || new Set(inputs.map((i) => i.name)).size < inputs.length) return refused();
  return inputs.map(({ name, element, dims }) => {
    const type = inputTypes.get(element as 1) ?? refused();
    if (dims?.[0] !== -1 || dims.length > 2) return refused();
    if (inputs.length === 1 && dims[1] === names.length && type !== "string") return { name, columns: [...names.keys()], type, flat: false };
    const column = names.indexOf(name);
    if (column < 0 || (dims.length === 2 && dims[1] !== 1)) return refused();
    return { name, columns: [column], type, flat: dims.length === 1 };
  });
}

/** The only output of floating point, or the one of several whose name says that it holds probabilities. */
function probabilityOutput({ outputs }: OnnxOutline): string {
  const floats: readonly number[] = [elementTypes.float, elementTypes.double];
  const fits = ({ element, dims = [] }: OutlineValue): boolean => (
    floats.includes(element) && (dims.length < 2 || (dims.length === 2 && (dims[1] ?? 0) <= 2)));
  const found = outputs.filter(fits);
  const named = found.length === 1 ? found : found.filter((o) => /probabilit/iu.test(o.name));
  const [output] = named;
  if (output === undefined || named.length > 1) throw new AppError("MODEL_ONNX_OUTPUT", { outputs: outputs.length, candidates: found.length });
  return output.name;
}

function tensorFor(input: ModelInput, features: readonly (Feature | undefined)[], from: number, to: number): OnnxTensor {
  const rows = to - from;
  const width = input.columns.length;
  const dims = input.flat ? [rows] : [rows, width];
  const data = input.type === "float64" ? new Float64Array(rows * width) : new Float32Array(rows * width);
  const texts: string[] = [];
  input.columns.forEach((column, k) => {
    const feature = features[column];
    const kind = input.type === "string" ? "categorical" : "numeric";
    if (feature?.kind !== kind || featureRows(feature) < to) throw new AppError("MODEL_ONNX_INPUTS", { column, found: feature !== undefined });
    if (feature.kind === "categorical") for (const code of feature.codes.subarray(from, to)) texts.push(feature.levels[code] ?? "");
    else if (data instanceof Float32Array) fillColumn(data, feature.values.subarray(from, to), { at: k, step: width });
    else fillColumn(data, feature.values.subarray(from, to), { at: k, step: width });
  });
  if (input.type === "string") return { type: "string", data: texts, dims };
  return data instanceof Float64Array ? { type: "float64", data, dims } : { type: "float32", data, dims };
}

/** One column of a matrix, row by row; what is no finite number is missing. */
function fillColumn(matrix: Float32Array | Float64Array, values: Float64Array, { at, step }: { readonly at: number; readonly step: number }): void {
  let index = at;
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number;
    // Neither NaN nor an infinity less itself is 0.
    matrix[index] = value - value === 0 ? value : Number.NaN;
    index += step;
  }
}

/** One number per row, or two of which the second is the event's. */
function probabilities(tensor: OnnxTensor | undefined, rows: number): Float64Array {
  const floats = tensor?.type === "float32" || tensor?.type === "float64" ? tensor.data : new Float32Array();
  const width = floats.length / rows;
  if (width !== 1 && width !== 2) throw new AppError("MODEL_ONNX_OUTPUT", { rows, numbers: floats.length });
  const scores = new Float64Array(rows);
  let isRight = true;
  for (let row = 0; row < rows; row++) {
    const p = floats[row * width + width - 1] as number;
    isRight &&= p >= 0 && p <= 1;
    scores[row] = p;
  }
  if (!isRight) throw new AppError("MODEL_ONNX_OUTPUT", { between0and1: false });
  return scores;
}
