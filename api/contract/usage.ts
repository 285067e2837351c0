// Feedback to providers on the use of their items: jobs, institutions, purposes, counts, and what providers publish of classes and gains.
import { z } from "zod";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { ivBands } from "../../federation/feedback/bands.ts";
import { jobKinds, purposes } from "../../federation/plan-schema.ts";
import { bodyErrors, modelId, time, type Endpoint } from "./endpoint.ts";

const count = z.int().min(0).max(1_000_000_000);
/** Indicators by class of information value. */
const bandCounts = z.strictObject(Object.fromEntries(ivBands.map((band) => [band, count])) as Record<(typeof ivBands)[number], typeof count>);
const uplift = z.int().min(-100).max(100).nullable();

/** What a provider says of one finished job. Without names of its indicators. */
export const usageReportSchema = z.strictObject({
  job: jobIdSchema,
  /** null: indicators of no item of the catalogue. */
  items: z.array(z.strictObject({ item: itemIdSchema.nullable(), indicators: count, bands: bandCounts })).max(512),
  /** Hundredths of AUC that the joint model gained over the bank's own; null where it was not told. */
  uplift,
});
export type UsageReport = z.output<typeof usageReportSchema>;

const usedItem = z.strictObject({
  item: itemIdSchema.nullable(),
  /** null: the provider has not published it. */
  indicators: count.nullable(), bands: bandCounts.nullable(),
});
const totalSchema = z.strictObject({
  item: itemIdSchema.nullable(), jobs: count, trainings: count, scorings: count, institutions: count, providers: count,
  /** Companies that these jobs asked about, each as often as it was asked about. */
  companies: z.int().min(0),
  purposes: z.partialRecord(z.enum(purposes), count), bands: bandCounts,
});

export const usageEndpoints = {
  getUsage: { listener: "bank", method: "get", path: "/v1/usage", auth: "role", status: 200, errors: [],
    roles: ["provider-operator", "provider-owner", "platform-operator", "supervisor"],
    summary: { en: "How items were used: a provider's roles see the finished jobs of their party and totals by item, supervisors and the platform's operator totals by item",
      zh: "目录项的使用情况：数据提供单位可见本方已完成任务及按目录项汇总，监管方与平台运营方可见按目录项汇总" },
    query: z.strictObject({ since: z.iso.datetime().optional() }),
    reply: z.strictObject({
      since: time,
      /** Whether there were more jobs than are looked at in one request: the newest count. */
      truncated: z.boolean(),
      jobs: z.array(z.strictObject({
        job: jobIdSchema, endedAt: time, kind: z.enum(jobKinds), purpose: z.enum(purposes), institution: z.string(), guest: partyIdSchema, model: modelId.nullable(),
        companies: count, items: z.array(usedItem), uplift,
      })),
      totals: z.array(totalSchema),
    }) },
} as const satisfies Record<string, Endpoint>;
export type UsageReply = z.output<typeof usageEndpoints.getUsage.reply>;

export const enclaveUsageEndpoints = {
  putUsage: { listener: "enclave", method: "put", path: "/enclave/v1/usage", auth: "party", status: 200, errors: ["JOB_NOT_FOUND", "JOB_NOT_RUNNING", ...bodyErrors],
    summary: { en: "Publish what a finished job used of this party's items; the same job again replaces it", zh: "发布已完成任务对本方目录项的使用情况；同一任务重复提交则替换" },
    body: usageReportSchema, reply: z.strictObject({ job: jobIdSchema }) },
} as const satisfies Record<string, Endpoint>;
