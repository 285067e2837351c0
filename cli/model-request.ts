// From what a user writes on the command line to the parameters of a training job.
import type { z } from "zod";
import { crossboostJobSchema } from "../federation/crossboost/params.ts";
import { gbdtJobSchema } from "../federation/gbdt/params.ts";
import { trainingKinds, type TrainingKind } from "../federation/plan-schema.ts";
import { scorecardJobSchema } from "../federation/scorecard/params.ts";
import { liftFloors, treeParamsSchema } from "../models/trees/params.ts";
import { explained, parseJson, problemsOf } from "./arguments.ts";

export type ModelRequest = { readonly kind: TrainingKind; readonly params: Record<string, unknown> };
export type ModelOptions = {
  readonly model: TrainingKind;
  /** Parameters of the model itself, as JSON. */
  readonly params?: string | undefined;
  readonly split: { readonly kind: "file" } | { readonly kind: "stratified"; readonly testShare: number; readonly seed: number };
  readonly acceptLeakage?: boolean | undefined;
  readonly liftFloors?: boolean | undefined;
  /** Tells providers classes of information value and the gain in AUC. */
  readonly feedback?: boolean | undefined;
  /** Digest of the bank's own model. */
  readonly challenger?: string | undefined;
};
export const modelKinds = trainingKinds;

/** Throws CLI_ARGUMENT for switches that do not go with the kind, JOB_PARAMS for parameters that its schema refuses. */
export function modelRequest(options: ModelOptions): ModelRequest {
  const { model: kind } = options;
  const common = { split: options.split, ...(options.challenger === undefined ? {} : { challenger: options.challenger }), ...(options.feedback === true ? { feedback: "bands" } : {}) };
  const own = options.params === undefined ? {} : parseJson(options.params, "--params");
  if (kind !== "gbdt" && options.liftFloors === true) throw explained("CLI_ARGUMENT", "--lift-floors goes with --model gbdt");
  if (kind === "gbdt" && options.acceptLeakage !== true) {
    throw explained("CLI_ARGUMENT", "boosted trees tell the bank on which side of each split every company lies: say --accept-leakage, or take another --model");
  }
  if (kind === "scorecard") return { kind, params: checked(scorecardJobSchema, { ...common, scorecard: own }) };
  if (kind === "crossboost") return { kind, params: checked(crossboostJobSchema, { ...common, crossboost: own }) };
  return { kind, params: checked(gbdtJobSchema, { ...common, trees: treeParams(own, options.liftFloors === true), liftFloors: options.liftFloors === true }) };
}

/** What the user wrote stands; without floors everything else is lifted. */
function treeParams(own: unknown, lift: boolean): unknown {
  if (!lift || typeof own !== "object" || own === null) return own;
  return { ...liftFloors(treeParamsSchema.parse({})), ...own };
}

function checked(schema: z.ZodType<Record<string, unknown>>, params: object): Record<string, unknown> {
  const parsed = schema.safeParse(params);
  if (!parsed.success) throw explained("JOB_PARAMS", problemsOf(parsed.error));
  return parsed.data;
}
