// What banks' enclaves tell of their models in service: counts of finished loans (D15), and which versions of a deployment stand where.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { outcomeCountsSchema } from "../../models/outcomes/release.ts";
import { deploymentNameSchema, versionStates } from "../../serving/registry/events.ts";
import { bodyErrors, hex64, time, type Endpoint } from "./endpoint.ts";

const readers = ["bank-submitter", "bank-approver", "analyst", "platform-operator", "supervisor"] as const;
const count = z.int().min(0);

/** Versions of a deployment: digests and states, no weights, no reason, no person. */
export const servedModelsSchema = z.strictObject({
  version: z.literal(1), deployment: deploymentNameSchema, revision: z.int().min(1).max(1_000_000), changedAt: time,
  versions: z.array(z.strictObject({
    version: z.int().min(1), model: hex64, state: z.enum(versionStates),
    /** Of requests, in hundredths of a percent; of canaries and challengers. */
    share: z.int().min(0).max(10_000),
    /** Of the last evaluation's report. */
    evaluation: hex64.nullable(),
  })).max(1_000),
});
export type ServedModels = z.output<typeof servedModelsSchema>;

const told = { party: partyIdSchema, institution: z.string().nullable(), reportedAt: time };
export const outcomeReportSchema = z.strictObject({ ...told, ...outcomeCountsSchema.shape });
const total = z.strictObject({ cohort: z.string(), goods: count, bads: count, models: count });

export const outcomeEndpoints = {
  listOutcomes: { listener: "bank", method: "get", path: "/v1/outcomes", auth: "role", roles: readers, status: 200, errors: [],
    summary: { en: "Counts of finished loans by model version, cohort and score band, as banks let them out (none below 20 goods or bads), with totals by cohort; an institution's roles see their own",
      zh: "按模型版本、发放批次与分数段列出的已结贷款计数（好、坏均不少于 20，由银行自行报送），并按批次汇总；机构人员仅见本机构" },
    query: z.strictObject({ party: partyIdSchema.optional() }),
    reply: z.strictObject({ reports: z.array(outcomeReportSchema), totals: z.array(total) }) },
  listServedModels: { listener: "bank", method: "get", path: "/v1/served-models", auth: "role", roles: readers, status: 200, errors: [],
    summary: { en: "Versions of the models that banks serve, by digest, with their states and shares; an institution's roles see their own",
      zh: "各银行在线模型版本的摘要、状态与份额；机构人员仅见本机构" },
    query: z.strictObject({ party: partyIdSchema.optional() }),
    reply: z.strictObject({ deployments: z.array(z.strictObject({ ...told, ...servedModelsSchema.shape })) }) },
} as const satisfies Record<string, Endpoint>;
export type OutcomesReply = z.output<typeof outcomeEndpoints.listOutcomes.reply>;
export type ServedModelsReply = z.output<typeof outcomeEndpoints.listServedModels.reply>;

export const enclaveOutcomeEndpoints = {
  putOutcomes: { listener: "enclave", method: "put", path: "/enclave/v1/outcomes", auth: "party", status: 200, errors: ["OUTCOME_STALE", ...bodyErrors],
    summary: { en: "Tell counts of finished loans of one model version; they replace those told before", zh: "报送某模型版本的已结贷款计数；替换此前的报送" },
    body: outcomeCountsSchema, reply: z.strictObject({ party: partyIdSchema }) },
  putServedModels: { listener: "enclave", method: "put", path: "/enclave/v1/served-models", auth: "party", status: 200, errors: ["SERVING_CONFLICT", ...bodyErrors],
    summary: { en: "Tell the versions of a deployment and their states; they replace those of an earlier revision", zh: "报送某部署的模型版本及状态；替换较早修订" },
    body: servedModelsSchema, reply: z.strictObject({ party: partyIdSchema }) },
} as const satisfies Record<string, Endpoint>;
