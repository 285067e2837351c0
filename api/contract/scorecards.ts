// Scorecards that institutions publish for evaluations: a province's own beside the built-in one. Public, written once, named by their digest.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { bases } from "../../evaluation/load.ts";
import { scorecardSchema } from "../../evaluation/schema.ts";
import { bodyErrors, hex64, time, type Endpoint } from "./endpoint.ts";
import { bankPeople } from "./roles.ts";

export const scorecardViewSchema = z.strictObject({
  digest: hex64, id: z.string(), version: z.string(), zh: z.string(), en: z.string(),
  /** Party of the institution that published it. */
  publisher: partyIdSchema.nullable(), indicators: z.int(),
  /** Bases on which something that is asked of every company is left. */
  bases: z.array(z.enum(bases)), createdAt: time,
});
export type ScorecardView = z.output<typeof scorecardViewSchema>;

export const scorecardEndpoints = {
  publishScorecard: { listener: "bank", auth: "institution", roles: ["bank-submitter", "bank-approver"], method: "post", path: "/v1/evaluation-scorecards", status: 201,
    errors: ["EVALUATION_SCORECARD", "EVALUATION_SCORECARD_TAKEN", "EVALUATION_SCORECARD_LIMIT", ...bodyErrors],
    summary: { en: "Publish a scorecard over the indicator system; it is checked, cannot be changed, and the same again changes nothing", zh: "发布基于指标体系的评分卡：经校验后不可更改，重复提交无副作用" },
    body: z.strictObject({ scorecard: z.record(z.string(), z.unknown()) }), reply: scorecardViewSchema },
  listScorecards: { listener: "bank", auth: "institution", roles: bankPeople, method: "get", path: "/v1/evaluation-scorecards", status: 200, errors: [],
    summary: { en: "Published scorecards, newest first", zh: "已发布的评分卡，最新在前" }, reply: z.strictObject({ items: z.array(scorecardViewSchema) }) },
  getScorecard: { listener: "bank", auth: "institution", roles: bankPeople, method: "get", path: "/v1/evaluation-scorecards/:digest", status: 200, errors: ["EVALUATION_SCORECARD_UNKNOWN"],
    summary: { en: "One published scorecard, whole", zh: "单张评分卡全文" }, params: z.strictObject({ digest: hex64 }), reply: z.strictObject({ view: scorecardViewSchema, scorecard: scorecardSchema }) },
} as const satisfies Record<string, Endpoint>;
