// The public part (D13; P21 (六), P24 (六)): public items from their sources, credit reports, subscriptions by region and section.
// Institutions and the company itself have the reports. There is no query by anybody: P21 (六) gives the reports to 接入机构, P21 (九) the own
// information to the company, and P19 二（一） forbids queries of reports beyond what is allowed.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { itemIdSchema, versionSchema } from "../../catalogue/schema.ts";
import { batchMedia, maxBatchBytes, withdrawalReasons } from "../../public-credit/batch.ts";
import { regionPrefixForm, sectionCodes } from "../../public-credit/places.ts";
import { creditReportSchema, reportNumberForm, reportPurposes } from "../../public-credit/report/schema.ts";
import { usccText } from "../../public-credit/values.ts";
import { bodyErrors, hex64, page, rawErrors, seq, time, type Endpoint } from "./endpoint.ts";

const day = z.iso.date();
const count = z.number().int();
const jws = z.string().max(8192);
export const reportNumberSchema = z.string().regex(reportNumberForm);
export const subscriptionIdSchema = z.string().regex(/^sub_[0-9a-f]{24}$/);
const byNumber = z.strictObject({ number: reportNumberSchema });
const bySubscription = z.strictObject({ id: subscriptionIdSchema });
const people = ["bank-submitter", "bank-approver"] as const;

export const batchOutcomeSchema = z.strictObject({
  digest: hex64, party: partyIdSchema, item: itemIdSchema, catalogue: versionSchema, asOf: day, receivedAt: time,
  records: count, added: count, corrected: count, withdrawn: count,
  /** Equal to what was there. */
  repeated: count,
});
export type BatchOutcome = z.output<typeof batchOutcomeSchema>;

const issuedSchema = z.strictObject({
  number: reportNumberSchema, digest: hex64, createdAt: time, expiresAt: time,
  /** JWS of the platform over number and digest (`/v1/attestation-key`). */
  statement: jws,
  report: creditReportSchema,
});
export const reportLineSchema = z.strictObject({
  number: reportNumberSchema, digest: hex64, purpose: z.enum(reportPurposes), requester: z.string().nullable(), createdAt: time, expiresAt: time,
});
export const subscriptionSchema = z.strictObject({
  id: subscriptionIdSchema, purpose: z.enum(financingPurposes), items: z.array(itemIdSchema), regions: z.array(z.string()), sectors: z.array(z.enum(sectionCodes)),
  state: z.enum(["active", "ended"]), createdAt: time, endedAt: time.nullable(),
});
export type SubscriptionView = z.output<typeof subscriptionSchema>;
/** A line of a delivery. */
export const deliveredSchema = z.discriminatedUnion("op", [
  z.strictObject({
    op: z.literal("put"), item: itemIdSchema, uscc: usccText, key: z.string(), source: partyIdSchema, region: z.string(), sector: z.enum(sectionCodes).nullable(), asOf: day,
    until: day.nullable(), version: count, publishedAt: time, changedAt: time, values: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  // Nothing else: what was repaired is not told again.
  z.strictObject({ op: z.literal("withdraw"), item: itemIdSchema, uscc: usccText, key: z.string(), source: partyIdSchema, changedAt: time }),
  // The company is in no region or section of the subscription any more: what was delivered is not kept up to date from here on.
  z.strictObject({ op: z.literal("leave"), item: itemIdSchema, uscc: usccText, key: z.string(), source: partyIdSchema, changedAt: time }),
]);
export type Delivered = z.output<typeof deliveredSchema>;

/** A record as the company itself sees it: also what was withdrawn, without its values, and why. */
export const ownRecordSchema = z.strictObject({
  item: itemIdSchema, key: z.string(), source: partyIdSchema, asOf: day, until: day.nullable(), version: count, publishedAt: time, changedAt: time,
  withdrawn: z.enum(withdrawalReasons).nullable(), values: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
/** A version of the company's record that a subscription was given: to whom, what for, how often and when. */
export const ownDeliverySchema = z.strictObject({
  subscription: subscriptionIdSchema, institution: z.string(), purpose: z.enum(financingPurposes), item: itemIdSchema, source: partyIdSchema, key: z.string(), version: count, times: count,
  firstAt: time, lastAt: time,
});
export type OwnDelivery = z.output<typeof ownDeliverySchema>;

const prefixes = z.array(z.string().regex(regionPrefixForm)).max(64);
const reportBytes = 32 * 1024 * 1024;
const forBank = { listener: "bank", auth: "institution", roles: people } as const;
const forSubject = { listener: "bank", auth: "role", roles: ["subject"] } as const;
const reportErrors = ["CREDIT_REPORT_NOT_FOUND", "CREDIT_REPORT_EXPIRED"] as const;

export const publicCreditEndpoints = {
  createCreditReport: { ...forBank, method: "post", path: "/v1/credit-reports", status: 201, errors: ["CREDIT_REPORT_LIMIT", ...bodyErrors],
    summary: { en: "Standard credit report of a company from public information; the purpose is recorded, and the company sees it",
      zh: "查询企业公共信用信息报告；记录查询用途，企业可查到本次查询" },
    body: z.strictObject({ uscc: usccText, purpose: z.enum(financingPurposes) }), reply: issuedSchema },
  listCreditReports: { ...forBank, method: "get", path: "/v1/credit-reports", status: 200, errors: [],
    summary: { en: "The institution's credit reports, newest first", zh: "本机构查询过的信用报告，最新在前" },
    query: page, reply: z.strictObject({ items: z.array(reportLineSchema), next: z.string().nullable() }) },
  getCreditReport: { ...forBank, method: "get", path: "/v1/credit-reports/:number", status: 200, errors: reportErrors,
    summary: { en: "A credit report that was made before", zh: "取回已出具的信用报告" }, params: byNumber, reply: issuedSchema },
  getCreditReportPage: { ...forBank, method: "get", path: "/v1/credit-reports/:number/html", status: 200, errors: reportErrors,
    summary: { en: "The same as a page (HTML)", zh: "信用报告网页版（HTML）" }, params: byNumber, rawReply: { media: "text/html", maxBytes: reportBytes } },
  getCreditReportPdf: { ...forBank, method: "get", path: "/v1/credit-reports/:number/pdf", status: 200, errors: reportErrors,
    summary: { en: "The same as PDF", zh: "信用报告 PDF 版" }, params: byNumber, rawReply: { media: "application/pdf", maxBytes: reportBytes } },
  checkCreditReport: { listener: "bank", auth: "none", method: "get", path: "/v1/credit-reports/:number/check", status: 200, errors: [],
    summary: { en: "Whether this platform made a report of this number and digest: for whoever was handed one", zh: "核验报告编号与摘要是否由本平台出具" },
    params: byNumber, query: z.strictObject({ digest: hex64 }), reply: z.strictObject({ valid: z.boolean() }) },
  attestationKey: { listener: "bank", auth: "none", method: "get", path: "/v1/attestation-key", status: 200, errors: [],
    summary: { en: "The key with which the platform signs reports and deliveries (JWK)", zh: "平台签署报告与推送所用公钥（JWK）" },
    reply: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() }) },
  createOwnReport: { ...forSubject, method: "post", path: "/v1/subject/credit-reports", status: 201, errors: bodyErrors, body: z.strictObject({}), reply: issuedSchema,
    summary: { en: "The company's report on itself, free of charge", zh: "企业免费查询本企业信用报告" } },
  listReportsOnSelf: { ...forSubject, method: "get", path: "/v1/subject/credit-reports", status: 200, errors: [], query: page,
    summary: { en: "Who has asked for a report on the company, and what for", zh: "查询过本企业信用报告的机构与用途" },
    reply: z.strictObject({ items: z.array(reportLineSchema), next: z.string().nullable() }) },
  getReportOnSelf: { ...forSubject, method: "get", path: "/v1/subject/credit-reports/:number", status: 200, errors: reportErrors, params: byNumber, reply: issuedSchema,
    summary: { en: "A report on the company", zh: "取回关于本企业的报告" } },
  getReportOnSelfPage: { ...forSubject, method: "get", path: "/v1/subject/credit-reports/:number/html", status: 200, errors: reportErrors, params: byNumber,
    rawReply: { media: "text/html", maxBytes: reportBytes }, summary: { en: "The same as a page (HTML)", zh: "网页版（HTML）" } },
  getReportOnSelfPdf: { ...forSubject, method: "get", path: "/v1/subject/credit-reports/:number/pdf", status: 200, errors: reportErrors, params: byNumber,
    rawReply: { media: "application/pdf", maxBytes: reportBytes }, summary: { en: "The same as PDF", zh: "PDF 版" } },
  listOwnItems: { ...forSubject, method: "get", path: "/v1/subject/public-items", status: 200, errors: [],
    summary: { en: "Every public record that the platform holds on the company", zh: "平台持有的本企业全部公开记录" },
    query: z.strictObject({ after: seq.default(0) }), reply: z.strictObject({ items: z.array(ownRecordSchema), next: z.number().int().nullable() }) },
  listOwnDeliveries: { ...forSubject, method: "get", path: "/v1/subject/public-deliveries", status: 200, errors: [],
    summary: { en: "Which institution's subscription was given which record of the company, what for and when", zh: "本企业公开记录通过批量订阅提供给了哪些机构、用途与时间" },
    query: page.extend({ cursor: z.string().regex(/^sub_[0-9a-f]{24}\.[0-9a-f]{64}\.[1-9][0-9]{0,8}$/).optional() }),
    reply: z.strictObject({ items: z.array(ownDeliverySchema), next: z.string().nullable() }) },
  createSubscription: { ...forBank, method: "post", path: "/v1/subscriptions", status: 201,
    errors: ["SUBSCRIPTION_LIMIT", "CATALOGUE_MODE", "CATALOGUE_UNKNOWN_ITEM", "CATALOGUE_UNNECESSARY", ...bodyErrors],
    summary: { en: "Subscribe to public items by region (GB/T 2260 prefixes) and section (GB/T 4754); empty lists mean all", zh: "按区域（GB/T 2260 前缀）与行业门类（GB/T 4754）订阅公开信息；空列表表示全部" },
    body: z.strictObject({ purpose: z.enum(financingPurposes), items: z.array(itemIdSchema).min(1).max(64), regions: prefixes.default([]), sectors: z.array(z.enum(sectionCodes)).max(20).default([]) }),
    reply: subscriptionSchema },
  listSubscriptions: { ...forBank, method: "get", path: "/v1/subscriptions", status: 200, errors: [],
    summary: { en: "The institution's subscriptions, newest first", zh: "本机构的订阅，最新在前" }, reply: z.strictObject({ items: z.array(subscriptionSchema) }) },
  endSubscription: { ...forBank, method: "post", path: "/v1/subscriptions/:id/end", status: 200, errors: ["SUBSCRIPTION_NOT_FOUND", ...bodyErrors],
    summary: { en: "End a subscription", zh: "终止订阅" }, params: bySubscription, body: z.strictObject({}), reply: subscriptionSchema },
  pullSubscription: { ...forBank, method: "get", path: "/v1/subscriptions/:id/items", status: 200, errors: ["SUBSCRIPTION_NOT_FOUND", "SUBSCRIPTION_ENDED", "SUBSCRIPTION_CURSOR"],
    summary: { en: "What changed after the cursor, as NDJSON. X-Next-Cursor: where to go on; X-More: whether there is more now; X-Content-Digest: SHA-256 of the body; X-Statement: its signature (JWS)",
      zh: "游标之后的变化（NDJSON）。X-Next-Cursor：下次游标；X-More：是否还有；X-Content-Digest：内容 SHA-256；X-Statement：平台签名（JWS）" },
    params: bySubscription, query: z.strictObject({ cursor: z.string().regex(/^(0|[1-9][0-9]{0,9})$/).transform(Number).default(0) }),
    rawReply: { media: batchMedia, maxBytes: reportBytes } },
} as const satisfies Record<string, Endpoint>;

export const enclavePublicCreditEndpoints = {
  putPublicBatch: { listener: "enclave", method: "put", path: "/enclave/v1/public/batches/:digest", auth: "party", status: 200,
    errors: ["PUBLIC_FORM", "PUBLIC_LIMIT", "PUBLIC_SIGNATURE", "PUBLIC_DIGEST", "PUBLIC_SOURCE", "PUBLIC_DAY", "PUBLIC_ROW", "PUBLIC_VALUE", "PUBLIC_TERM", "PUBLIC_DUPLICATE",
      "PUBLIC_OUTDATED", "PUBLIC_WITHDRAWN", "PUBLIC_UNKNOWN_RECORD", "CATALOGUE_MODE", "CATALOGUE_UNKNOWN_ITEM", "CATALOGUE_UNKNOWN_FIELD", "CATALOGUE_VERSION", ...rawErrors],
    summary: { en: "Publish a signed batch of public records of one item: taken as a whole, once; the same batch again gives the same answer",
      zh: "提交单一信息项的签名公开记录批次：整体接收且仅一次；重复提交返回相同结果" },
    params: z.strictObject({ digest: hex64 }), rawBody: { media: batchMedia, maxBytes: maxBatchBytes }, reply: batchOutcomeSchema },
} as const satisfies Record<string, Endpoint>;
