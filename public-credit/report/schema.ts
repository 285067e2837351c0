// The standard credit report of a company from public information (公共信用信息报告): strict schema, made by compose.ts, rendered by html.ts and pdf.ts.
import { z } from "zod";
import { catalogueItemSchema, departmentSchema, fieldIdSchema, fieldTypes } from "../../catalogue/schema.ts";
import { partyIdSchema } from "../../core/names.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { regionForm, sectionCodes } from "../places.ts";
import { usccText } from "../values.ts";

/** What a report was asked for: a financing purpose (P21, article 10), or the company's own look at what is held on it (P21, article 9). */
export const reportPurposes = [...financingPurposes, "own-information"] as const;
export const reportNumberForm = /^CR[0-9]{8}-[0-9a-f]{24}$/;

const chinese = z.string().min(1).max(2000);
const day = z.iso.date();
const clauseSchema = z.strictObject({ id: z.string().max(48), document: z.string().max(64), article: z.string().max(32), text: z.string().max(1000) });

/** An objection or an application for credit repair that concerns the records of one source and item. */
const markSchema = z.strictObject({
  kind: z.enum(["objection", "repair"]), party: partyIdSchema, item: catalogueItemSchema.shape.id.nullable(),
  /** examining: not decided yet. unconfirmed: 经核查仍不能确认. */
  state: z.enum(["examining", "unconfirmed"]), since: day,
});
export type Mark = z.output<typeof markSchema>;

const recordSchema = z.strictObject({
  source: partyIdSchema, key: z.string().max(128),
  /** Day that the source says the data stand for. */
  asOf: day,
  /** When the platform took it first, and in this wording. */
  publishedOn: day, changedOn: day,
  /** Above 1: corrected by its source since. */
  version: z.int().min(1), until: day.nullable(),
  fields: z.array(z.strictObject({ id: fieldIdSchema, zh: chinese, type: z.enum(fieldTypes), value: z.union([z.string(), z.number(), z.boolean()]), unit: z.string().nullable() })),
});
const itemSchema = z.strictObject({
  item: catalogueItemSchema.shape.id, zh: chinese, departments: z.array(z.strictObject({ id: departmentSchema, zh: chinese })),
  records: z.array(recordSchema).min(1),
  /** Further records that the bounds of a report leave out; the newest are in it. */
  more: z.int().min(0),
});
const categorySchema = z.strictObject({ category: z.string().max(48), zh: chinese, items: z.array(itemSchema).min(1) });

export const creditReportSchema = z.strictObject({
  type: z.literal("yunei-public-credit-report"), version: z.literal(1),
  number: z.string().regex(reportNumberForm), issuedAt: z.iso.datetime(), day,
  catalogue: z.string(), purpose: z.enum(reportPurposes), purposeZh: chinese,
  /** Who asked: the institution's name, or null for the company itself. */
  requester: z.string().max(256).nullable(),
  company: z.strictObject({
    uscc: usccText,
    /** As the newest record with a name gives it; null when none does. */
    name: z.string().max(2000).nullable(),
    region: z.string().regex(regionForm).nullable(), sector: z.enum(sectionCodes).nullable(), sectorZh: z.string().nullable(),
  }),
  categories: z.array(categorySchema),
  marks: z.array(markSchema),
  /** What could be public and is not here. no-source: no party publishes it here. no-record: a source does, and has none on this company. */
  unknown: z.array(z.strictObject({ item: catalogueItemSchema.shape.id, zh: chinese, reason: z.enum(["no-source", "no-record"]) })),
  statements: z.array(chinese),
  clauses: z.array(clauseSchema),
  counts: z.strictObject({ records: z.int(), items: z.int(), sources: z.int() }),
});
export type CreditReport = z.output<typeof creditReportSchema>;
