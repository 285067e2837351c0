// Makes a credit report from the public records of one company. A pure function: equal input gives an equal report, to the byte.
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { PartyId } from "../../core/brand.ts";
import { clause, documents, type ClauseKey } from "../../catalogue/clauses.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { purposeTable } from "../../catalogue/purposes.ts";
import { departmentNames, type CatalogueField, type CatalogueItem } from "../../catalogue/schema.ts";
import { dayAt, regionOf, sections, type Section } from "../places.ts";
import { publicItems } from "../publishable.ts";
import type { Value } from "../values.ts";
import { creditReportSchema, type CreditReport, type Mark, type reportPurposes } from "./schema.ts";

/** Most records of one item in a report, and of all together. */
export const maxRecordsPerItem = 100;
/** Most bytes of values (canonical JSON) of one item, but for one record that is alone: long texts would make a report of thousands of pages. */
export const maxItemBytes = 128 * 1024;
export const maxRecords = 1000;

export type ReportRecord = {
  readonly item: string; readonly party: PartyId; readonly key: string; readonly values: Readonly<Record<string, Value>>; readonly asOf: string; readonly until: string | null;
  readonly version: number; readonly publishedAt: number; readonly changedAt: number; readonly region: string; readonly sector: Section | null;
};
export type ReportInput = {
  readonly uscc: string; readonly number: string; readonly at: number; readonly purpose: (typeof reportPurposes)[number]; readonly requester: string | null;
  /** Newest first within an item; not withdrawn. Those whose term is over are left out here. */
  readonly records: readonly ReportRecord[];
  /** Records of an item beyond those given. */
  readonly more: ReadonlyMap<string, number>;
  /** Items that some party publishes here. */
  readonly sourced: ReadonlySet<string>;
  readonly marks: readonly Mark[];
};

const statements = [
  "本报告仅由依法公开且由平台物理归集的公共信用信息整合而成，不含需经企业授权的信息，不含信用评分或评价结论。",
  "各条记录由所列来源单位提供并负责，日期为来源单位注明的数据日期；平台未作改写。",
  "“未收到记录”与“本平台尚无来源”均不表示企业没有该类信息，也不表示信用良好或不良。",
  "标注“异议处理中”或“经核查仍不能确认”的信息，使用时应当考虑该标注；已完成信用修复或公示期届满的记录不再列入。",
  "本报告只能用于所列用途；获取的信息不得用于为企业提供融资支持以外的活动，不得违法传播、泄露、出售。",
  "企业对本报告内容有异议的，可在平台免费查询本企业全部信息，并提起异议申诉或申请信用修复。",
] as const;
const cited: readonly ClauseKey[] = ["P21-6-report", "P21-note-2-collection", "P21-10-purpose", "P24-6-process"];
const ownPurpose = "企业查询本企业信息";

/** Throws a ZodError for input that no report can be made of: that is a fault of the caller. */
export function composeReport(input: ReportInput): CreditReport {
  const day = dayAt(input.at);
  const shown = bounded(input.records.filter((r) => r.until === null || r.until >= day));
  const publicOnes = publicItems();
  const items = publicOnes.flatMap(({ item, fields }) => {
    const own = shown.kept.filter((r) => r.item === item.id);
    return own.length === 0 ? [] : [{ item, view: itemView(item, fields, own, (input.more.get(item.id) ?? 0) + (shown.cut.get(item.id) ?? 0)) }];
  });
  const categories = officialCatalogue.categories.flatMap(({ id, zh }) => {
    const own = items.filter(({ item }) => item.category === id).map(({ view }) => view);
    return own.length === 0 ? [] : [{ category: id, zh, items: own }];
  });
  const sector = shown.kept.find((r) => r.sector !== null)?.sector ?? null;
  return creditReportSchema.parse({
    type: "yunei-public-credit-report", version: 1, number: input.number, issuedAt: new Date(input.at).toISOString(), day,
    catalogue: officialCatalogue.versions.at(-1) ?? "", purpose: input.purpose,
    purposeZh: input.purpose === "own-information" ? ownPurpose : purposeTable[input.purpose].zh, requester: input.requester,
    company: {
      uscc: input.uscc, name: nameOf(shown.kept), region: shown.kept[0]?.region ?? regionOf(input.uscc) ?? null, sector, sectorZh: sector === null ? null : sections[sector],
    },
    categories, marks: [...input.marks],
    unknown: publicOnes.filter(({ item }) => !items.some((own) => own.item === item))
      .map(({ item }) => ({ item: item.id, zh: item.zh, reason: input.sourced.has(item.id) ? "no-record" : "no-source" })),
    statements: [...statements],
    clauses: cited.map((key) => {
      const { id, document, article, text } = clause(key);
      return { id, document: `${documents[document].short}（${documents[document].number}）`, article, text };
    }),
    counts: {
      records: items.reduce((sum, { view }) => sum + view.records.length + view.more, 0), items: items.length, sources: new Set(shown.kept.map((r) => r.party)).size,
    },
  });
}

/** SHA-256 of the report's canonical JSON, hex: what its page and its PDF name. */
export function digestOfReport(report: CreditReport): string {
  return sha256Hex(canonicalJson(report));
}

function bounded(records: readonly ReportRecord[]): { kept: ReportRecord[]; cut: Map<string, number> } {
  const kept: ReportRecord[] = [];
  const counts = new Map<string, number>();
  const sizes = new Map<string, number>();
  const cut = new Map<string, number>();
  for (const record of records) {
    const count = counts.get(record.item) ?? 0;
    const size = (sizes.get(record.item) ?? 0) + Buffer.byteLength(canonicalJson(record.values));
    // Once one is left out, all older ones of the item are: what is shown is what is newest.
    const fits = !cut.has(record.item) && count < maxRecordsPerItem && (count === 0 || size <= maxItemBytes) && kept.length < maxRecords;
    if (fits) {
      kept.push(record);
      counts.set(record.item, count + 1);
      sizes.set(record.item, size);
    } else cut.set(record.item, (cut.get(record.item) ?? 0) + 1);
  }
  return { kept, cut };
}

type View = CreditReport["categories"][number]["items"][number];

function itemView(item: CatalogueItem, fields: readonly CatalogueField[], records: readonly ReportRecord[], more: number): View {
  return {
    item: item.id, zh: item.zh, departments: item.departments.map((id) => ({ id, zh: departmentNames[id].zh })), more,
    records: records.map((r) => ({
      source: r.party, key: r.key, asOf: r.asOf, publishedOn: dayAt(r.publishedAt), changedOn: dayAt(r.changedAt), version: r.version, until: r.until,
      // Only fields that are public under the catalogue of today, whatever was taken under an earlier one.
      fields: fields.flatMap((f) => {
        const value = r.values[f.id];
        return value === undefined ? [] : [{ id: f.id, zh: f.zh, type: f.type, value, unit: f.unit ?? null }];
      }),
    })),
  };
}

/** The name in the newest record that has one. */
function nameOf(records: readonly ReportRecord[]): string | null {
  const named = records.flatMap((r) => (typeof r.values["company_name"] === "string" ? [{ name: r.values["company_name"], asOf: r.asOf }] : []));
  return named.sort((a, b) => (a.asOf < b.asOf ? 1 : a.asOf > b.asOf ? -1 : 0))[0]?.name ?? null;
}
