// Grades of data (D9): how a field gets its grade, and what its grade lets out. Four grades of general data, a scheme of this
// catalogue in the manner of GB/T 43697-2024 (grade by harm, the higher one prevails); README.md says what is text and what is rule.
import type { ItemId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { clause, type Clause, type ClauseKey } from "./clauses.ts";
import { grades, type CatalogueField, type CatalogueItem, type Grade, type Personal, type Way } from "./schema.ts";

type GradeRule = {
  /** 1 (lowest) to 4. */
  readonly level: 1 | 2 | 3 | 4;
  readonly zh: string;
  readonly en: string;
  /** What a log may name. Values are in no log, of no grade. */
  readonly log: "field" | "item";
  /** Fewest companies behind a published figure; null: no figure at all. */
  readonly minCompanies: number | null;
  /** Whether values may leave in readable form. A score or a verification result is no value. */
  readonly export: "open" | "authorised" | "never";
  /** What the bound on figures and exports rests on. */
  readonly clause: ClauseKey;
};

export const gradeTable: Readonly<Record<Grade, GradeRule>> = {
  public: { level: 1, zh: "公开", en: "public", log: "field", minCompanies: 1, export: "open", clause: "P21-6-report" },
  internal: { level: 2, zh: "内部", en: "internal", log: "field", minCompanies: 10, export: "authorised", clause: "P24-11-release" },
  sensitive: { level: 3, zh: "敏感", en: "sensitive", log: "field", minCompanies: 20, export: "authorised", clause: "P21-9-release" },
  restricted: { level: 4, zh: "严格限制", en: "restricted", log: "item", minCompanies: null, export: "never", clause: "P21-9-release" },
};

/** The highest of some grades; "public" for none. */
export function highestGrade(some: Iterable<Grade>): Grade {
  let best: Grade = "public";
  for (const grade of some) if (gradeTable[grade].level > gradeTable[best].level) best = grade;
  return best;
}

/**
 * Whether data shared in this way are open, that is, public by law: the list asks for no authorisation, and the whole country may
 * have them. What is collected locally alone is not called public by the text, so it is not.
 */
export function isOpen(way: Way, field?: string): boolean {
  if (way.part !== undefined || needsAuthorisation(way, field)) return false;
  return way.mode === "interface-call" || way.levels.includes("national");
}

/** Whether the list asks for an authorisation for this way, or for this field in it. */
export function needsAuthorisation(way: Way, field?: string): boolean {
  return way.authorisation || (field !== undefined && (way.authorisedFields ?? []).includes(field));
}

type Graded = { readonly id?: string; readonly personal: Personal; readonly identity?: true | undefined };

/**
 * The grade of a field, or of an item without listed fields (no `id`), in one row. First that fits:
 * sensitive personal information: restricted; name or USCC of the company: public; needs authorisation: sensitive;
 * not open: internal; else public (also names of persons that the law publishes: they stay marked as personal information).
 */
export function gradeOf(data: Graded, ways: readonly Way[]): Grade {
  if (data.personal === "sensitive") return "restricted";
  if (data.identity === true) return "public";
  const whole = ways.filter((w) => w.part === undefined);
  if (whole.some((w) => needsAuthorisation(w, data.id))) return "sensitive";
  if (!whole.some((w) => isOpen(w, data.id))) return "internal";
  return "public";
}

/**
 * The fields that stand for an item when none is named: without the company's name and code, without restricted fields and those that
 * alone need authorisation in an item that else needs none. All, where nothing else is left.
 */
export function ordinaryFields(item: CatalogueItem): readonly CatalogueField[] {
  const isSpecial = (field: CatalogueField): boolean => field.grade === "restricted" || field.identity === true
    || item.ways.some((w) => w.authorisedFields?.includes(field.id) === true);
  const ordinary = item.fields.filter((f) => !isSpecial(f));
  return ordinary.length > 0 ? ordinary : item.fields;
}

/** What a log may say about the use of a field: its public name, for the highest grade the item alone. Never a value. */
export function logFacts(item: ItemId, field?: { readonly id: string; readonly grade: Grade }): Readonly<Record<string, string>> {
  return field === undefined || gradeTable[field.grade].log === "item" ? { item } : { item, field: field.id };
}

/** Throws CATALOGUE_COUNT (with the minimum, not the count) unless a figure over so many companies may be published. */
export function requireCount(grade: Grade, companies: number): void {
  const { minCompanies, clause: key } = gradeTable[grade];
  // Written so that NaN is refused.
  if (minCompanies !== null && companies >= minCompanies) return;
  throw new AppError("CATALOGUE_COUNT", { ...(minCompanies === null ? {} : { minimum: minCompanies }), clause: clause(key).id });
}

/** Throws CATALOGUE_EXPORT or CATALOGUE_AUTHORISATION unless values of this grade may leave in readable form. */
export function requireExport(grade: Grade, context: { readonly authorised: boolean }): void {
  const rule = gradeTable[grade];
  if (rule.export === "never") throw new AppError("CATALOGUE_EXPORT", { level: rule.level, clause: clause(rule.clause).id });
  if (rule.export === "authorised" && !context.authorised) {
    throw new AppError("CATALOGUE_AUTHORISATION", { level: rule.level, clause: clause(rule.clause).id });
  }
}

/** All grades with their rules and clauses, for a page or a command. */
export function listGrades(): readonly (Omit<GradeRule, "clause"> & { readonly grade: Grade; readonly clause: Clause })[] {
  return grades.map((grade) => ({ ...gradeTable[grade], grade, clause: clause(gradeTable[grade].clause) }));
}
