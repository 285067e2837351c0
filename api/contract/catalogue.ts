// Browsing the sharing catalogue (D1). It is published, so nobody has to say who they are.
import { z } from "zod";
import { catalogueCategorySchema, catalogueItemSchema, departmentSchema, gradeSchema, levels, modeSchema, versionSchema } from "../../catalogue/schema.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { uses } from "../../catalogue/modes.ts";
import type { Endpoint } from "./endpoint.ts";

const categories = officialCatalogue.categories.map((c) => c.id) as [string, ...string[]];
const text = z.string().min(1).max(256);
const clauseSchema = z.strictObject({ id: z.string(), document: z.string(), article: z.string(), text: z.string(), en: z.string() });
/** What each use of the item needs, and the clause that says so. */
const verdictSchema = z.strictObject({ use: z.enum(uses), allowed: z.boolean(), authorisation: z.boolean(), clause: clauseSchema });
export const catalogueLineSchema = z.strictObject({
  ...catalogueItemSchema.pick({ id: true, category: true, zh: true, en: true, ways: true, personal: true, grade: true, departments: true, due: true, versions: true, change: true }).shape,
  fields: z.number().int(),
  /** Fields in which a word of the query is. */
  matched: z.array(z.string()),
});

export const catalogueEndpoints = {
  browseCatalogue: { listener: "bank", method: "get", path: "/v1/catalogue", auth: "none", status: 200, errors: ["CATALOGUE_VERSION"],
    summary: { en: "Items of the sharing catalogue: filter, search, page by page", zh: "信用信息共享目录：筛选、检索、分页浏览" },
    query: z.strictObject({
      version: versionSchema.optional(), category: z.enum(categories).optional(), department: departmentSchema.optional(), mode: modeSchema.optional(),
      level: z.enum(levels).optional(), grade: gradeSchema.optional(), use: z.enum(uses).optional(), text: text.optional(),
      limit: z.string().regex(/^[1-9][0-9]?$|^100$/).transform(Number).default(50), offset: z.string().regex(/^(0|[1-9][0-9]{0,4})$/).transform(Number).default(0),
    }),
    reply: z.strictObject({
      version: versionSchema, versions: z.array(versionSchema), total: z.number().int(), next: z.number().int().nullable(),
      categories: z.array(catalogueCategorySchema), items: z.array(catalogueLineSchema),
    }) },
  getCatalogueItem: { listener: "bank", method: "get", path: "/v1/catalogue/:item", auth: "none", status: 200, errors: ["CATALOGUE_UNKNOWN_ITEM", "CATALOGUE_VERSION"],
    summary: { en: "One item: fields, ways of sharing, what each use needs and by which clause", zh: "单个信息项：数据项、共享方式、各用途的要求及条款依据" },
    params: z.strictObject({ item: text }), query: z.strictObject({ version: versionSchema.optional() }),
    reply: z.strictObject({ version: versionSchema, item: catalogueItemSchema, uses: z.array(verdictSchema) }) },
} as const satisfies Record<string, Endpoint>;
