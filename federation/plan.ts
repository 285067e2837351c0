// Compiles a job request into the plan that everybody approves: checked parameters, datasets, leakage statement.
import type { z } from "zod";
import { catalogueAt } from "../catalogue/load.ts";
import { requireNecessary } from "../catalogue/purposes.ts";
import type { JobId, PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { sumsParams } from "../kernels/params.ts";
import { compileLeakage } from "./leakage.ts";
import { jobPlanSchema, modelUses, trainingKinds, type DatasetSummary, type JobPlan, type JobRequest } from "./plan-schema.ts";
import { crossboostJobSchema } from "./crossboost/params.ts";
import { evaluateJobSchema } from "./evaluate/params.ts";
import { exportJobSchema } from "./export/params.ts";
import { gbdtJobSchema } from "./gbdt/params.ts";
import { scoreJobSchema } from "./score/params.ts";
import { bringsOwnModel } from "./serve/own-model.ts";
import { serveJobSchema } from "./serve/params.ts";
import { scorecardJobSchema } from "./scorecard/params.ts";
import { requireFields } from "./verify/fields.ts";
import { verifiedItems, verifyJobSchema } from "./verify/params.ts";
import { watchJobSchema } from "./watch/params.ts";

/** Parameters by kind of job. */
export const jobSchemas = { scorecard: scorecardJobSchema, crossboost: crossboostJobSchema, gbdt: gbdtJobSchema, score: scoreJobSchema, export: exportJobSchema, evaluate: evaluateJobSchema, serve: serveJobSchema, watch: watchJobSchema, verify: verifyJobSchema } as const satisfies Record<JobRequest["kind"], z.ZodType>;

export type PlanInput = {
  readonly request: JobRequest; readonly job: JobId; readonly createdAt: string; readonly expiresAt: string;
  readonly datasets: Readonly<Record<string, DatasetSummary>>; readonly sealTo: JobPlan["sealTo"];
};

/** Throws JOB_PARAMS, JOB_DATASET_UNKNOWN, JOB_NOT_LABELLED or JOB_MODEL_UNKNOWN for a request that no enclave could run, and
 *  CATALOGUE_UNNECESSARY for one that takes more than its purpose needs. */
export function compilePlan(input: PlanInput): JobPlan {
  const { request, job } = input;
  const parties = [request.guest, ...request.hosts];
  if (new Set(parties).size !== parties.length) throw new AppError("JOB_PARAMS");
  const datasets: Record<string, DatasetSummary> = {};
  for (const party of parties) datasets[party] = datasetOf(input, party);
  const params = paramsOf(request);
  requireMinimum({ purpose: request.purpose, kind: request.kind, params, datasets });
  const usesModel = [...modelUses, "serve"].some((kind) => kind === request.kind) && !bringsOwnModel(request);
  if (trainingKinds.some((kind) => kind === request.kind) && datasets[request.guest]?.labelled !== true) throw new AppError("JOB_NOT_LABELLED", { party: request.guest });
  if (usesModel !== (request.model !== undefined)) throw new AppError("JOB_MODEL_UNKNOWN");
  // What companies consented to is monitoring after the loan, and nothing else.
  if (request.kind === "watch" && request.purpose !== "post-loan-monitoring") throw new AppError("JOB_PARAMS");
  if (request.kind === "verify") requireFields({ hosts: request.hosts, datasets }, verifyJobSchema.parse(params).fields);
  const base = { kind: request.kind, guest: request.guest, hosts: request.hosts, datasets, params };
  return jobPlanSchema.parse({
    version: 1, job, ...base, purpose: request.purpose, createdAt: input.createdAt, expiresAt: input.expiresAt,
    ...(request.model === undefined ? {} : { model: request.model }), ...compileLeakage(base), sums: { ...sumsParams, primes: [...sumsParams.primes] }, sealTo: input.sealTo,
  });
}

/** 最小、必要: every item of every party is one that the purpose needs (catalogue/purposes.ts). The platform asks it of a request, every enclave
 *  of a plan. A verification takes the items of its fields, every other kind those of all features. Throws CATALOGUE_UNNECESSARY naming the
 *  party and the first such item, CATALOGUE_VERSION, CATALOGUE_UNKNOWN_ITEM. */
export function requireMinimum(plan: Pick<JobPlan, "purpose" | "datasets" | "kind" | "params">): void {
  const { purpose, datasets } = plan;
  for (const [party, summary] of Object.entries(datasets)) {
    const catalogue = plan.kind === "verify" ? verifiedItems(plan, party) : summary.catalogue;
    if (catalogue === undefined) continue;
    try {
      requireNecessary(purpose, catalogue.items, catalogueAt(catalogue.version));
    } catch (error) {
      throw error instanceof AppError ? new AppError(error.code, { ...error.facts, party: party as PartyId }, { cause: error }) : error;
    }
  }
}

function datasetOf(input: PlanInput, party: PartyId): DatasetSummary {
  const dataset = input.datasets[party];
  if (dataset === undefined) throw new AppError("JOB_DATASET_UNKNOWN", { party });
  return dataset;
}

/** The checked parameters as plain JSON, defaults filled in, so that the plan says everything. */
function paramsOf(request: JobRequest): Record<string, unknown> {
  const parsed = jobSchemas[request.kind].safeParse(request.params);
  if (!parsed.success) throw new AppError("JOB_PARAMS", { problems: parsed.error.issues.length });
  return parsed.data;
}
