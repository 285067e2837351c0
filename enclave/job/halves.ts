// This enclave's halves of models: kept at the end of a training job, read by later jobs.
import type { z } from "zod";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { StateDatabase } from "../store/database.ts";
import type { JobTools } from "./context.ts";

/** Which half of which kind of model. */
export type HalfKind = `${"scorecard" | "crossboost" | "gbdt"}-${"guest" | "host"}`;

/** Keeps the half; the same one again changes nothing. */
export function keepHalf(tools: JobTools, plan: JobPlan, kind: HalfKind, model: string, half: object): void {
  tools.db.run("insert or replace into models values (?, ?, ?, ?, ?)", model, plan.job, tools.now(), kind, JSON.stringify(half));
}

/** The kind of this enclave's half of the model that the plan names. Throws JOB_MODEL_UNKNOWN. */
export function kindOfHalf(db: StateDatabase, plan: JobPlan): HalfKind {
  const kind = db.get("select kind from models where model = ?", plan.model ?? "")?.["kind"];
  if (typeof kind !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return kind as HalfKind;
}

/** This enclave's half of the model that the plan names. Throws JOB_MODEL_UNKNOWN when it has none of this kind. */
export function readHalf<T>(db: StateDatabase, plan: JobPlan, kind: HalfKind, schema: z.ZodType<T>): T {
  const half = db.get("select half from models where model = ? and kind = ?", plan.model ?? "", kind)?.["half"];
  if (typeof half !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return schema.parse(JSON.parse(half));
}
