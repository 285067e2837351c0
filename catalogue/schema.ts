// The shape of the sharing catalogue: a list as it is published (one JSON file per version in `lists/`), and the effective
// catalogue that the versions add up to. The platform's contract can use the second half as it is.
import { z } from "zod";
import type { ItemId } from "../core/brand.ts";

/** How a provider shares an item: 物理归集, 接口调用, 数据核验 (P21, note 2). */
export const sharingModes = ["physical-collection", "interface-call", "data-verification"] as const;
export const levels = ["national", "local"] as const;
/** From lowest to highest; what each means is in `grades.ts`. */
export const grades = ["public", "internal", "sensitive", "restricted"] as const;
export const fieldTypes = ["text", "number", "money", "date", "code", "enumeration", "boolean", "document"] as const;
/** Personal information of natural persons: none; 个人信息; 敏感个人信息. */
export const personalKinds = ["none", "personal", "sensitive"] as const;
export const departmentNames = {
  "all-departments": { zh: "各地区各部门", en: "All regions and departments" },
  agriculture: { zh: "农业农村部", en: "Ministry of Agriculture and Rural Affairs" },
  "banking-insurance": { zh: "银保监会", en: "China Banking and Insurance Regulatory Commission" },
  "central-bank": { zh: "人民银行", en: "People's Bank of China" },
  copyright: { zh: "国家版权局", en: "National Copyright Administration" },
  customs: { zh: "海关总署", en: "General Administration of Customs" },
  "development-reform": { zh: "国家发展改革委", en: "National Development and Reform Commission" },
  environment: { zh: "生态环境部", en: "Ministry of Ecology and Environment" },
  housing: { zh: "住房城乡建设部", en: "Ministry of Housing and Urban-Rural Development" },
  "human-resources": { zh: "人力资源社会保障部", en: "Ministry of Human Resources and Social Security" },
  "intellectual-property": { zh: "国家知识产权局", en: "China National Intellectual Property Administration" },
  "local-government": { zh: "地方人民政府", en: "Local people's governments" },
  "market-regulation": { zh: "市场监管总局", en: "State Administration for Market Regulation" },
  "natural-resources": { zh: "自然资源部", en: "Ministry of Natural Resources" },
  "supreme-court": { zh: "最高人民法院", en: "Supreme People's Court" },
  taxation: { zh: "税务总局", en: "State Taxation Administration" },
} as const;
export type Department = keyof typeof departmentNames;
const departments = Object.keys(departmentNames) as [Department, ...Department[]];

const word = z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/).max(48);
const chinese = z.string().min(1).max(256).regex(/\p{Script=Han}/u);
const english = z.string().min(1).max(256).regex(/^[\x20-\x7e]+$/);
const bilingual = { zh: chinese, en: english };

const isUnique = (values: readonly string[]): boolean => new Set(values).size === values.length;

/** "<area>.<name>"; never given to another item, in any later version. */
export const itemIdSchema = z.string().max(97).regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
  .transform((s) => s as ItemId);
export const fieldIdSchema = z.string().regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/).max(64);
export const versionSchema = z.string().regex(/^[0-9]{4}-[0-9]{1,4}$/);
export const gradeSchema = z.enum(grades);
export const modeSchema = z.enum(sharingModes);
export const departmentSchema = z.enum(departments);

const waySchema = z.strictObject({
  mode: modeSchema,
  /** Empty where the text names no level. */
  levels: z.array(z.enum(levels)).max(2),
  /** 经企业授权 / 经信息主体授权. */
  authorisation: z.boolean(),
  /** Only this part of the item is shared in this way. */
  part: z.strictObject({ id: word, ...bilingual }).optional(),
  /** Fields that need authorisation when they are given out, in a row that else needs none. */
  authorisedFields: z.array(fieldIdSchema).min(1).optional(),
});
/** One way in which an item is shared. */
export type Way = z.output<typeof waySchema>;

const fieldShape = {
  id: fieldIdSchema,
  ...bilingual,
  type: z.enum(fieldTypes),
  /** Where the text, or the way in which everybody bills it, leaves no doubt. */
  unit: z.string().min(1).max(16).optional(),
  /** Names the company itself (name or USCC). */
  identity: z.literal(true).optional(),
  personal: z.enum(personalKinds),
  grade: gradeSchema,
};
const fieldSchema = z.strictObject(fieldShape);
export type Field = z.output<typeof fieldSchema>;

/** Of an item whose fields the text does not list: what holds for its data as a whole. */
const wholeSchema = z.strictObject({ personal: z.enum(personalKinds), grade: gradeSchema });

const dutySchema = z.strictObject({ department: departmentSchema, role: z.enum(["responsible", "guides", "leads", "shares"]) });
const rowShape = {
  id: itemIdSchema,
  /** Whether the text gives the row a name; else `zh` is the category's, with a remark where two rows share it. */
  named: z.boolean(),
  ...bilingual,
  sharing: z.strictObject({ ...bilingual, ways: z.array(waySchema).min(1) }),
  /** Null where the list has no such column. */
  departments: z.strictObject({ zh: chinese, duties: z.array(dutySchema).min(1) }).nullable(),
  /** `by`: last day of the period that the text names; null when it says 已共享 (shared already). */
  due: z.strictObject({ zh: chinese, by: z.iso.date().nullable() }).nullable(),
};
const rowSchema = z.strictObject({
  ...rowShape,
  /** Says that an earlier version has this item under the same id. Without it an id must be new. */
  continues: z.literal(true).optional(),
  whole: wholeSchema.optional(),
  fields: z.array(fieldSchema),
})
  .refine((r) => (r.fields.length === 0) === (r.whole !== undefined), { path: ["whole"] })
  .refine((r) => isUnique(r.fields.map((f) => f.id)), { path: ["fields"] })
  .refine((r) => r.sharing.ways.flatMap((w) => w.authorisedFields ?? []).every((id) => r.fields.some((f) => f.id === id)),
    { path: ["sharing"] })
  .refine((r) => r.sharing.ways.some((w) => w.part === undefined), { path: ["sharing"] });
export type Row = z.output<typeof rowSchema>;

const categorySchema = z.strictObject({ number: z.int().min(1).max(999), id: word, ...bilingual, items: z.array(rowSchema).min(1) });

/** One published list. */
export const listSchema = z.strictObject({
  version: versionSchema,
  /** Of `clauses.ts`, or of a province's own list (P24, article 4). */
  document: z.string().regex(/^[A-Z][A-Z0-9]{1,15}$/),
  title: z.strictObject(bilingual),
  issued: z.iso.date(),
  /** Items of earlier versions that this one takes away. Their ids stay taken. */
  withdrawn: z.array(itemIdSchema),
  categories: z.array(categorySchema).min(1),
})
  .refine((l) => l.categories.every((c, i) => c.number === i + 1), { path: ["categories"] })
  .refine((l) => isUnique(l.categories.map((c) => c.id)), { path: ["categories"] })
  .refine((l) => isUnique(l.categories.flatMap((c) => c.items.map((r) => r.id))), { path: ["categories"] });
export type CatalogueList = z.output<typeof listSchema>;

/** Against the version before the latest: the latest has it for the first time, says something else of it, or neither. */
const changeSchema = z.enum(["kept", "changed", "added"]);
export type Change = z.output<typeof changeSchema>;

const listingSchema = z.strictObject({
  version: versionSchema, document: listSchema.shape.document,
  /** 序号 of the category in its list, and the row within it, both from 1. */
  number: z.int(), position: z.int(), category: word, named: z.boolean(), ...bilingual,
  sharing: rowShape.sharing, departments: rowShape.departments, due: rowShape.due,
  /** Ids of the fields that this row lists. */
  fields: z.array(fieldIdSchema),
});
export type Listing = z.output<typeof listingSchema>;

const catalogueFieldSchema = z.strictObject({
  ...fieldShape,
  /** The ways of all rows that list the field, and of rows of the item that list none. */
  ways: z.array(waySchema),
  versions: z.array(versionSchema).min(1),
  change: changeSchema,
});
export type CatalogueField = z.output<typeof catalogueFieldSchema>;

/** An item of the effective catalogue. */
export const catalogueItemSchema = z.strictObject({
  id: itemIdSchema,
  /** Where the latest list with the item has it, and all where any list has it. */
  category: word, categories: z.array(word).min(1),
  named: z.boolean(), ...bilingual,
  ways: z.array(waySchema).min(1),
  fields: z.array(catalogueFieldSchema),
  /** The highest of its fields, or of the item where no list names fields. */
  personal: z.enum(personalKinds), grade: gradeSchema,
  departments: z.array(departmentSchema),
  due: z.iso.date().nullable(),
  versions: z.array(versionSchema).min(1),
  change: changeSchema,
  listings: z.array(listingSchema).min(1),
});
export type CatalogueItem = z.output<typeof catalogueItemSchema>;

export const catalogueCategorySchema = z.strictObject({
  id: word, ...bilingual,
  listings: z.array(z.strictObject({ version: versionSchema, number: z.int(), ...bilingual })).min(1),
});
export type CatalogueCategory = z.output<typeof catalogueCategorySchema>;

/** What the versions add up to. */
export type Catalogue = {
  /** Oldest first; the last one is the version of the catalogue. */
  readonly versions: readonly string[];
  readonly categories: readonly CatalogueCategory[];
  readonly items: readonly CatalogueItem[];
  /** The item of this id; `findItem` of search.ts also knows the lists' own names. */
  readonly find: (id: string) => CatalogueItem | undefined;
};

export type SharingMode = (typeof sharingModes)[number];
export type Level = (typeof levels)[number];
export type Grade = (typeof grades)[number];
export type Personal = (typeof personalKinds)[number];
