// From what tables look like to the checks that are made of them. Pure: the same tables and settings give the same checks.
import type { ItemId } from "../core/brand.ts";
import { AppError, type Facts } from "../core/errors.ts";
import { officialCatalogue } from "../catalogue/load.ts";
import type { CatalogueField } from "../catalogue/schema.ts";
import { itemsNamed } from "../catalogue/search.ts";
import { fieldRelations, mayBeNegative, publishedRule, publishedRules, updateFrequencies, type Dimension, type PublishedRule, type Severity } from "./rules.ts";
import type { QualitySettings, TableSettings } from "./settings.ts";

export type ColumnKind = "number" | "date" | "text";
/** uses: the catalogue's items, with the field where the declaration names one. */
export type ColumnShape = { readonly name: string; readonly kind: ColumnKind; readonly uses: readonly { readonly item: ItemId; readonly field?: CatalogueField | undefined }[] };
export type TableShape = {
  readonly name: string; readonly idColumn: string;
  /** Without the id's. */
  readonly columns: readonly ColumnShape[];
  /** The items of the whole table, where columns do not say it. */
  readonly items: readonly ItemId[];
  /** The table of all companies of this provider, with one row each. */
  readonly population: boolean;
  /** A column whose dates are first days of months, the only one of dates, in a table with several records per company. */
  readonly seriesColumn?: string | undefined;
};

/** What is asked of the data. Columns by name. */
export type Ask =
  | { readonly kind: "empty" } | { readonly kind: "missing"; readonly column: string } | { readonly kind: "type"; readonly column: string } | { readonly kind: "id" }
  | { readonly kind: "key"; readonly columns: readonly string[] }
  | { readonly kind: "range"; readonly column: string; readonly min: number | undefined; readonly max: number | undefined }
  | { readonly kind: "code"; readonly column: string; readonly values: readonly string[] | undefined; readonly pattern: string | undefined }
  | { readonly kind: "series"; readonly column: string; readonly months: number | undefined }
  | { readonly kind: "newest"; readonly column: string; readonly maxAgeDays: number }
  | { readonly kind: "order"; readonly lesser: string; readonly greater: string } | { readonly kind: "bound"; readonly lesser: string; readonly greater: string }
  | { readonly kind: "sum"; readonly total: string; readonly parts: readonly string[]; readonly tolerance: number }
  | { readonly kind: "reference"; readonly population: string }
  | { readonly kind: "own"; readonly position: number; readonly sql: string };

export type Check = {
  /** Stays the same from run to run: what an issue is about. */
  readonly key: string;
  readonly rule: string; readonly dimension: Dimension; readonly limit: number; readonly severity: Severity;
  readonly item: ItemId | null;
  /** Absent for a provider's own rules, which may read several. */
  readonly table?: string;
  /** Who has its issues, where that is settled. */
  readonly owner?: string;
  readonly ask: Ask;
};

/**
 * All checks of these tables. Throws QUALITY_BINDING when the settings name a table, column, rule or item that is not there, or a column of
 * another type than the check needs; facts: positions.
 */
export function checksOf(tables: readonly TableShape[], settings: QualitySettings): Check[] {
  const known = new Set(tables.map((t) => t.name));
  for (const [i, name] of Object.keys(settings.tables).entries()) if (!known.has(name)) throw new AppError("QUALITY_BINDING", { settingsTable: i + 1 });
  for (const [i, id] of Object.keys(settings.adjust).entries()) if (!publishedRules.some((r) => r.id === id)) throw new AppError("QUALITY_BINDING", { adjusted: i + 1 });
  const population = tables.find((t) => t.population)?.name;
  const found = tables.flatMap((table, i) => tableChecks(table, settings.tables[table.name], population, { table: i + 1 }));
  const adjusted = found.flatMap((check): Check[] => {
    const change = settings.adjust[check.rule];
    if (change?.off === true) return [];
    // What a column is declared to allow is more exact than what a rule is.
    const limit = check.rule === "completeness.missing" && check.limit !== publishedRule("completeness.missing").limit ? check.limit : change?.limit ?? check.limit;
    return [{ ...check, limit, severity: change?.severity ?? check.severity }];
  });
  return [...adjusted, ...settings.rules.map((rule, i): Check => {
    const { id, dimension, limit, severity, sql, owner } = rule;
    return { key: id, rule: id, dimension, limit, severity, item: itemOf(rule.item, { rule: i + 1 }), ...(owner === undefined ? {} : { owner }), ask: { kind: "own", position: i + 1, sql } };
  })];
}

/** Columns of a table whose whole records are compared. */
const widest = 256;

function itemOf(name: string | undefined, at: Facts): ItemId | null {
  if (name === undefined) return null;
  const found = itemsNamed(name, officialCatalogue);
  if (found.length !== 1) throw new AppError("QUALITY_BINDING", { ...at, items: found.length });
  return found[0]?.id ?? null;
}

function tableChecks(table: TableShape, own: TableSettings | undefined, population: string | undefined, at: Facts): Check[] {
  const columns = new Map(table.columns.map((c) => [c.name, c]));
  const need = (name: string, kind?: ColumnKind): ColumnShape => {
    const column = columns.get(name);
    if (column === undefined || (kind !== undefined && column.kind !== kind)) throw new AppError("QUALITY_BINDING", { ...at, column: table.columns.findIndex((c) => c.name === name) + 1, present: column !== undefined });
    return column;
  };
  const whole = table.items.length === 1 ? (table.items[0] ?? null) : null;
  const itemOfColumn = (name: string): ItemId | null => {
    const items = [...new Set((columns.get(name)?.uses ?? []).map((u) => u.item))];
    return items.length === 1 ? (items[0] ?? null) : whole;
  };
  const made = new Map<string, Check>();
  const add = (id: PublishedRule, ask: Ask, item: ItemId | null = whole, limit?: number): void => {
    const { dimension, severity, limit: usual } = publishedRule(id);
    const key = [id, table.name, ...namesIn(ask)].join("|");
    if (!made.has(key)) made.set(key, { key, rule: id, dimension, limit: limit ?? usual, severity, item, table: table.name, ...(own?.owner === undefined ? {} : { owner: own.owner }), ask });
  };

  add("completeness.empty", { kind: "empty" });
  add("validity.id", { kind: "id" });
  for (const [name, settings] of Object.entries(own?.columns ?? {})) {
    const bounds = { min: settings.min, max: settings.max };
    if (settings.min !== undefined || settings.max !== undefined || settings.nonNegative !== undefined) need(name, "number");
    need(name);
    if (settings.min !== undefined || settings.max !== undefined) add("validity.range", { kind: "range", column: name, ...bounds }, itemOfColumn(name));
    if (settings.values !== undefined || settings.pattern !== undefined) add("validity.code", { kind: "code", column: name, values: settings.values, pattern: settings.pattern }, itemOfColumn(name));
  }
  for (const { name, kind, uses } of table.columns) {
    const settings = own?.columns[name];
    add("completeness.missing", { kind: "missing", column: name }, itemOfColumn(name), settings?.maxMissing);
    if (kind !== "text") add(kind === "number" ? "validity.number" : "validity.date", { kind: "type", column: name }, itemOfColumn(name));
    const isAmount = kind === "number" && uses.length > 0 && uses.every(({ item, field }) => field !== undefined && (field.type === "money" || field.type === "number") && !mayBeNegative.has(`${item}#${field.id}`));
    if (settings?.nonNegative ?? isAmount) add("validity.amount", { kind: "range", column: name, min: 0, max: undefined }, itemOfColumn(name));
  }
  if (own?.key !== undefined) {
    for (const name of own.key) if (name !== table.idColumn) need(name);
    add("uniqueness.key", { kind: "key", columns: own.key });
  } else if (table.population) add("uniqueness.key", { kind: "key", columns: [table.idColumn] });
  else if (table.columns.length <= widest) add("uniqueness.record", { kind: "key", columns: [table.idColumn, ...table.columns.map((c) => c.name)] });

  const frequency = whole === null ? undefined : updateFrequencies[whole];
  const series = own?.series ?? (table.seriesColumn === undefined ? undefined : { column: table.seriesColumn, months: undefined });
  if (series !== undefined) {
    need(series.column, "date");
    add("continuity.series", { kind: "series", column: series.column, months: series.months });
  }
  if (own?.newest !== undefined) {
    need(own.newest.column, "date");
    add("timeliness.newest", { kind: "newest", ...own.newest });
  } else if (series !== undefined) {
    // A record is named by its period's first day: the next one is due when the period after it has ended, and some days later.
    const months = series.months ?? frequency?.months;
    if (months !== undefined) add("timeliness.newest", { kind: "newest", column: series.column, maxAgeDays: 31 * (months + 1) + (frequency?.graceDays ?? 45) });
  }

  for (const [lesser, greater] of own?.order ?? []) {
    need(lesser, "date");
    need(greater, "date");
    add("accuracy.order", { kind: "order", lesser, greater }, itemOfColumn(lesser));
  }
  for (const [lesser, greater] of own?.bounds ?? []) {
    need(lesser, "number");
    need(greater, "number");
    add("accuracy.bound", { kind: "bound", lesser, greater }, itemOfColumn(lesser));
  }
  for (const { total, parts, tolerance } of own?.sums ?? []) {
    for (const name of [total, ...parts]) need(name, "number");
    add("accuracy.sum", { kind: "sum", total, parts, tolerance }, itemOfColumn(total));
  }
  for (const relation of fieldRelations) {
    const holders = (field: string): readonly ColumnShape[] => table.columns.filter((c) => c.uses.some((u) => u.item === relation.item && u.field?.id === field));
    const [lesser, greater] = [holders(relation.lesser), holders(relation.greater)];
    const kind = relation.rule === "accuracy.order" ? "date" : "number";
    // A field in two columns is a mapping of the provider's own; which of them stands for it is not ours to guess.
    if (lesser.length !== 1 || greater.length !== 1 || lesser[0]?.kind !== kind || greater[0]?.kind !== kind) continue;
    add(relation.rule, { kind: relation.rule === "accuracy.order" ? "order" : "bound", lesser: lesser[0].name, greater: greater[0].name }, relation.item as ItemId);
  }
  if (population !== undefined && !table.population) add("accuracy.reference", { kind: "reference", population });
  return [...made.values()];
}

function namesIn(ask: Ask): string[] {
  if ("column" in ask) return [ask.column];
  if ("lesser" in ask) return [ask.lesser, ask.greater];
  if ("total" in ask) return [ask.total, ...ask.parts];
  return ask.kind === "key" ? [...ask.columns] : [];
}
