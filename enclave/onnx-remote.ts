// A model of another party as an object that lives in a worker thread (kernels/pool.ts opens it by name): checked, opened, and run there. No more than
// the 8 bits that may be told of a result come out.
import { AppError } from "../core/errors.ts";
import { quantiseOdds } from "../federation/serve/odds.ts";
import type { Feature } from "../models/features.ts";
import { openScorer, type Challenger } from "./onnx.ts";

export type ForeignValue = number | string | null;
export type RemoteForeign = {
  /** Quantised log odds of an event for one row of values, by input. Throws MODEL_ONNX_INPUTS, MODEL_ONNX_OUTPUT, MODEL_ONNX. */
  scoreOne(values: readonly ForeignValue[]): Promise<number>;
  /** For rows of columns, by input. */
  score(features: readonly Feature[]): Promise<Int8Array>;
};

/** kinds: of the inputs as the data have them; undefined for what comes with each request. */
export type ForeignModel = { readonly model: Uint8Array; readonly inputs: readonly string[]; readonly kinds: readonly (Feature["kind"] | undefined)[] };

/** Throws what `inspectForeignModel` and `openScorer` refuse. */
export async function openForeign({ model, inputs, kinds }: ForeignModel): Promise<RemoteForeign> {
  const scorer: Challenger = await openScorer(model, { featureNames: inputs, isForeign: true });
  const column = kinds.findIndex((kind, i) => kind !== undefined && kind !== scorer.kinds[i]);
  if (column >= 0) throw new AppError("MODEL_ONNX_INPUTS", { column, found: true });
  return {
    async scoreOne(values) {
      const [units] = quantiseAll(await scorer.score(inputs.map((name, i) => featureOf(name, scorer.kinds[i] ?? "numeric", values[i] ?? null))));
      return units as number;
    },
    score: async (features) => quantiseAll(await scorer.score(features)),
  };
}

function quantiseAll(scores: Float64Array): Int8Array {
  const units = new Int8Array(scores.length);
  for (let row = 0; row < units.length; row++) units[row] = quantiseOdds(scores[row] as number);
  return units;
}

/** Throws MODEL_ONNX_INPUTS for a value of another type. */
function featureOf(name: string, kind: Feature["kind"], value: ForeignValue): Feature {
  if (kind === "numeric" && typeof value !== "string") return { kind, name, values: Float64Array.of(value ?? Number.NaN), special: [] };
  if (kind === "categorical" && typeof value !== "number") return { kind, name, ...(value === null ? { codes: Int32Array.of(-1), levels: [] } : { codes: Int32Array.of(0), levels: [value] }) };
  throw new AppError("MODEL_ONNX_INPUTS", { found: true });
}
