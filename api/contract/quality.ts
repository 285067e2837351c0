// Data quality of providers: rates and states of issues that their enclaves publish, and who may read what of them.
import { z } from "zod";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { partyIdSchema } from "../../core/names.ts";
import { publicationSchema, publishedIssueSchema, publishedRateSchema } from "../../quality/publication.ts";
import { dimensions, ruleIdSchema, severities } from "../../quality/rules.ts";
import { issueStates } from "../../quality/states.ts";
import { bodyErrors, time, type Endpoint } from "./endpoint.ts";

const bilingual = z.strictObject({ en: z.string(), zh: z.string() });
const readers = ["bank-submitter", "bank-approver", "analyst", "provider-operator", "provider-owner", "platform-operator", "supervisor"] as const;

export const qualityRateSchema = z.strictObject({ party: partyIdSchema, ranAt: time, ...publishedRateSchema.shape });
export const qualityIssueSchema = z.strictObject({ party: partyIdSchema, ranAt: time, ...publishedIssueSchema.shape, overdue: z.boolean() });

export const qualityEndpoints = {
  qualityRules: { listener: "bank", method: "get", path: "/v1/quality/rules", auth: "none", status: 200, errors: [],
    summary: { en: "The published rules of data quality: what is checked, how much may fail, in how many days it is to be corrected",
      zh: "已公布的数据质量规则：检查内容、允许的不合格比例与修正期限" },
    reply: z.strictObject({ rules: z.array(z.strictObject({ id: ruleIdSchema, dimension: z.enum(dimensions), ...bilingual.shape, limit: z.int(),
      severity: z.enum(severities), dueDays: z.int() })) }) },
  listQuality: { listener: "bank", method: "get", path: "/v1/quality", auth: "role", roles: readers, status: 200, errors: [],
    summary: { en: "Rates of data quality by provider, item and rule, in thousandths; a provider's roles see their own party",
      zh: "按数据提供单位、目录项与规则列出的数据质量比率（千分比）；数据提供单位仅见本方" },
    query: z.strictObject({ party: partyIdSchema.optional(), item: itemIdSchema.optional(), dimension: z.enum(dimensions).optional() }),
    reply: z.strictObject({ rates: z.array(qualityRateSchema) }) },
  listQualityIssues: { listener: "bank", method: "get", path: "/v1/quality/issues", auth: "role",
    roles: ["provider-operator", "provider-owner", "platform-operator", "supervisor"], status: 200, errors: [],
    summary: { en: "Issues of data quality with their states and due days; a provider's roles see their own party",
      zh: "数据质量问题及其状态与修正期限；数据提供单位仅见本方" },
    query: z.strictObject({ party: partyIdSchema.optional(), state: z.enum([...issueStates, "overdue"]).optional() }),
    reply: z.strictObject({ issues: z.array(qualityIssueSchema) }) },
} as const satisfies Record<string, Endpoint>;

export const enclaveQualityEndpoints = {
  putQuality: { listener: "enclave", method: "put", path: "/enclave/v1/quality", auth: "party", status: 200, errors: ["QUALITY_STALE", ...bodyErrors],
    summary: { en: "Publish rates of data quality and the states of issues; replaces what this party published before",
      zh: "发布数据质量比率与问题状态；替换本方此前的发布" },
    body: publicationSchema, reply: z.strictObject({ party: partyIdSchema }) },
} as const satisfies Record<string, Endpoint>;
