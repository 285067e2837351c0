// This enclave's halves of models: kept at the end of a training job, read by later jobs.
import { z } from "zod";
import { digestOf, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { StateDatabase } from "../store/database.ts";
import type { JobTools } from "./context.ts";

/** Which half of which kind of model. */
export type HalfKind = `${"scorecard" | "crossboost" | "gbdt"}-${"guest" | "host"}`;

/** What a half was made from, each as SHA-256: the data, the bins (all definitions in it), the parameters, and the half itself. */
export const halfDigestsSchema = z.strictObject({ snapshot: z.string(), bins: z.string(), params: z.string(), half: z.string() });
export type HalfDigests = z.output<typeof halfDigestsSchema>;

/** Keeps the half under the next version of its kind, with the digests of what it was made from; the same one again changes nothing. */
export function keepHalf(tools: JobTools, plan: JobPlan, kind: HalfKind, model: string, half: object): void {
  const { db } = tools;
  const json = JSON.parse(JSON.stringify(half)) as Json;
  const digests: HalfDigests = {
    snapshot: plan.datasets[tools.identity.party]?.snapshotDigest ?? "", bins: digestOf(definitionsIn(json)), params: digestOf(plan.params as Json), half: digestOf(json),
  };
  const version = Number(db.get("select count(*) as n from models where kind = ? and model <> ?", kind, model)?.["n"] ?? 0) + 1;
  db.run("insert or replace into models (model, job, created_at, kind, half, version, digests) values (?, ?, ?, ?, ?, ?, ?)",
    model, plan.job, tools.now(), kind, JSON.stringify(half), version, JSON.stringify(digests));
}

/** Every bin definition in a half, in order. */
function definitionsIn(value: Json): Json[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((v) => definitionsIn(v as Json));
  return Object.entries(value).flatMap(([key, v]) => (key === "definition" ? [v as Json] : definitionsIn(v as Json)));
}

/** The kind of this enclave's half of the model that the plan names. Throws JOB_MODEL_UNKNOWN. */
export function kindOfHalf(db: StateDatabase, plan: JobPlan): HalfKind {
  const kind = db.get("select kind from models where model = ?", plan.model ?? "")?.["kind"];
  if (typeof kind !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return kind as HalfKind;
}

/** This enclave's half of the model that the plan names. Throws JOB_MODEL_UNKNOWN when it has none of this kind. */
export function readHalf<T>(db: StateDatabase, plan: { readonly model?: string | undefined }, kind: HalfKind, schema: z.ZodType<T>): T {
  const half = db.get("select half from models where model = ? and kind = ?", plan.model ?? "", kind)?.["half"];
  if (typeof half !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return schema.parse(JSON.parse(half));
}
