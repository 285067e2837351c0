// What each column of a file is (numeric, date, categorical), decided from all of its values, and the SQL that reads it.
// Two passes over the file: a cheap one that settles plain numeric columns, an exact one for the rest.
import type { Facts } from "../../core/errors.ts";
import { AppError } from "../../core/errors.ts";
import type { ColumnDeclaration } from "./definition.ts";
import type { DataSession, Fault } from "./duckdb.ts";
import { quoteText } from "./duckdb.ts";
import type { SourceColumn } from "./source.ts";

export type Kind = "numeric" | "categorical" | "date";
export type ColumnPlan = {
  readonly column: SourceColumn;
  readonly kind: Kind;
  readonly declared: boolean;
  /** SQL: DOUBLE for numeric and date (days since 1970-01-01; not finite = missing), VARCHAR for categorical (NULL = missing). */
  readonly sql: string;
  /** Numbers that are missing values; to be dropped by the reader. */
  readonly missingNumbers: readonly number[];
  readonly special: readonly number[];
  /** All present values are integers that a double holds exactly. */
  readonly integral: boolean;
};
/** A column to plan, with what the definition says of it. */
export type Asked = {
  readonly column: SourceColumn; readonly declaration: ColumnDeclaration; readonly missing: readonly string[];
  /** What a model takes it for, whatever it looks like here: then infinite values are missing, too. */
  readonly expected?: ExpectedColumn | undefined;
};
/** ordered: numbers, or dates. */
export type ExpectedColumn = "ordered" | "categorical";
/** By name, the columns that are read and as what. */
export type ExpectedColumns = ReadonlyMap<string, ExpectedColumn>;

/** Above this share of numbers (or dates) the exceptions are taken for mistakes, not for categories. */
export const mixedShare = 0.95;
const quickGroup = 512;
const exactGroup = 64;
/** DuckDB's vectors of 2,048 values stay allocated for each step of each expression: columns go in groups. */
export function* groupsOf<T>(items: readonly T[], size: number): Generator<readonly T[], void, undefined> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

const blanks = "E' \\t\\r\\n\u00a0\u3000'";
/** SQL: a text without blanks around it. */
export function trimmed(sql: string): string {
  return `trim(${sql}, ${blanks})`;
}
function listOf(texts: readonly string[]): string {
  return `[${["", ...texts].map(quoteText).join(", ")}]`;
}
/** SQL: the text, or NULL if it is blank or one of the tokens. */
export function presentText(column: SourceColumn, tokens: readonly string[]): string {
  const text = trimmed(column.native === "text" ? column.sql : `CAST(${column.sql} AS VARCHAR)`);
  return `CASE WHEN list_contains(${listOf(tokens)}, ${text}) THEN NULL ELSE ${text} END`;
}
/** SQL: the number that a text is, else NULL. DuckDB alone would read 1_000 as a thousand. */
export function numberOf(text: string): string {
  return `CASE WHEN contains(${text}, '_') THEN NULL ELSE TRY_CAST(${text} AS DOUBLE) END`;
}
/** SQL: the date that a text is, else NULL: year first, - or / between, a time of day is dropped. Declared: also 20240131. */
export function dateOf(text: string, declared: boolean): string {
  const plain = `CASE WHEN regexp_matches(${text}, '^\\d{4}[-/]\\d{1,2}[-/]\\d{1,2}([ T][0-9:.Z+ -]*)?$') THEN TRY_CAST(${text} AS DATE) END`;
  const eightDigits = `CASE WHEN regexp_matches(${text}, '^\\d{8}$') THEN CAST(try_strptime(${text}, '%Y%m%d') AS DATE) END`;
  return declared ? `COALESCE(${plain}, ${eightDigits})` : plain;
}
/** SQL: a numeric value as DOUBLE, NULL as NaN. */
export function numberSql(value: string): string {
  return `COALESCE(CAST(${value} AS DOUBLE), 'nan'::DOUBLE)`;
}
/** SQL: a date as days since 1970-01-01, NULL as NaN. */
export function daysSql(date: string): string {
  return numberSql(`date_diff('day', DATE '1970-01-01', ${date})`);
}

/**
 * Number that stands for the k-th special text of a numeric or date column (k from 0). Exact doubles far below any
 * amount or day number, so that they meet no value.
 */
export function specialTextCode(k: number): number {
  return -(2 ** (1000 - k));
}
function isNumber(text: string): boolean {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

/** What is known of one column after the passes. */
type Counts = { present: number; numbers: number; infinite: number; dates: number; integral: boolean; easy: boolean };

/**
 * Types of the asked columns. Throws DATA_COLUMN_TYPE, DATA_MIXED_TYPES, DATA_WRONG_TYPE or DATA_NOT_FINITE with the
 * column's position and the number of rows, and `fault` if the file cannot be parsed.
 */
export async function planColumns(session: DataSession, from: string, asked: readonly Asked[], where: Facts, fault: Fault): Promise<ColumnPlan[]> {
  for (const { column } of asked) if (column.native === "nested") throw new AppError("DATA_COLUMN_TYPE", { ...where, column: column.position });
  const counts = new Map<SourceColumn, Counts>();
  const quick = asked.filter((a) => !isCategorical(a) && a.column.native !== "date");
  for (const group of groupsOf(quick, quickGroup)) await quickPass(session, from, group, counts, fault);
  const exact = asked.filter((a) => needsExact(a, counts.get(a.column)));
  for (const group of groupsOf(exact, exactGroup)) await exactPass(session, from, group, counts, fault);
  return asked.map((a) => decide(a, counts.get(a.column), where));
}

function isCategorical({ declaration, expected }: Asked): boolean {
  return declaration.type === "categorical" || (declaration.type === undefined && expected === "categorical");
}

function needsExact(asked: Asked, counts: Counts | undefined): boolean {
  if (asked.column.native !== "text") return false;
  if (asked.declaration.type === "date") return true;
  return !isCategorical(asked) && counts?.easy !== true;
}

async function quickPass(
  session: DataSession, from: string, group: readonly Asked[], counts: Map<SourceColumn, Counts>, fault: Fault,
): Promise<void> {
  const inner = group.map(({ column: { sql, native } }) => `${sql}, ${native === "text" ? "TRY_CAST" : "CAST"}(${sql} AS DOUBLE) AS n_${sql}`);
  const outer = group.flatMap(({ column: { sql, native } }) => [
    `count(${sql})`, `count(n_${sql})`, `min(n_${sql})`, `max(n_${sql})`,
    native === "text" ? `bool_or(contains(${sql}, '_'))` : `count(*) FILTER (isinf(n_${sql}))`,
    `bool_and(n_${sql} = floor(n_${sql}))`,
  ]);
  const [row = []] = await session.rows(`SELECT ${outer.join(", ")} FROM (SELECT ${inner.join(", ")} FROM ${from})`, fault);
  for (const [i, { column }] of group.entries()) {
    const [present, numbers, least, most, odd, whole] = row.slice(6 * i, 6 * i + 6);
    const none = Number(present) === 0;
    const finite = none || (Number.isFinite(least) && Number.isFinite(most));
    const integral = whole === true && finite && Math.max(-Number(least), Number(most)) <= Number.MAX_SAFE_INTEGER;
    const text = column.native === "text";
    counts.set(column, {
      present: Number(present), numbers: Number(numbers), infinite: text ? 0 : Number(odd), dates: 0, integral,
      easy: text ? finite && odd !== true && Number(present) === Number(numbers) : true,
    });
  }
}

async function exactPass(
  session: DataSession, from: string, group: readonly Asked[], counts: Map<SourceColumn, Counts>, fault: Fault,
): Promise<void> {
  const texts = group.map((a) => `${presentText(a.column, [...a.missing, ...specialTexts(a)])} AS ${a.column.sql}`);
  const numbers = group.map(({ column: { sql } }) => `${sql}, ${numberOf(sql)} AS n_${sql}`);
  const dates = group.map((a) => {
    const { sql } = a.column;
    const declared = a.declaration.type === "date";
    return `${sql}, n_${sql}, CASE WHEN ${declared} OR n_${sql} IS NULL THEN ${dateOf(sql, declared)} END AS d_${sql}`;
  });
  const outer = group.flatMap(({ column: { sql } }) => [
    `count(${sql})`, `count(*) FILTER (isfinite(n_${sql}))`, `count(*) FILTER (NOT isfinite(n_${sql}))`, `count(d_${sql})`,
    `bool_and(n_${sql} = floor(n_${sql}) AND abs(n_${sql}) <= ${Number.MAX_SAFE_INTEGER})`,
  ]);
  const typed = `SELECT ${dates.join(", ")} FROM (SELECT ${numbers.join(", ")} FROM (SELECT ${texts.join(", ")} FROM ${from}))`;
  const sql = `SELECT ${outer.join(", ")} FROM (${typed})`;
  const [row = []] = await session.rows(sql, fault);
  for (const [i, { column }] of group.entries()) {
    const [present, finite, infinite, days, integral] = row.slice(5 * i, 5 * i + 5);
    counts.set(column, {
      present: Number(present), numbers: Number(finite), infinite: Number(infinite), dates: Number(days), integral: integral === true, easy: false,
    });
  }
}

function specialTexts({ declaration }: Asked): string[] {
  const texts = (declaration.special ?? []).map(String);
  return declaration.type === "date" ? texts : texts.filter((t) => !isNumber(t));
}

function decide(asked: Asked, counts: Counts | undefined, where: Facts): ColumnPlan {
  const { column, declaration } = asked;
  const facts = { ...where, column: column.position };
  const kind = kindOf(asked, counts, facts);
  const texts = kind === "categorical" ? [] : specialTexts(asked);
  const numbers = kind === "numeric" ? (declaration.special ?? []).map(String).filter(isNumber).map(Number) : [];
  return {
    column, kind, declared: declaration.type !== undefined || asked.expected !== undefined,
    sql: readSql(asked, kind, texts, counts),
    missingNumbers: kind === "numeric" ? asked.missing.filter(isNumber).map(Number) : [],
    special: [...numbers, ...texts.map((_, k) => specialTextCode(k))],
    integral: kind === "numeric" && counts?.integral === true && texts.length === 0,
  };
}

function kindOf(asked: Asked, counts: Counts | undefined, facts: Facts): Kind {
  const { column, declaration: { type }, expected } = asked;
  if (isCategorical(asked)) return "categorical";
  if (column.native === "date") {
    if (type === "numeric") throw new AppError("DATA_WRONG_TYPE", facts);
    return "date";
  }
  if (counts === undefined) throw new AppError("DATA_ENGINE", facts);
  const { present, numbers, infinite, dates } = counts;
  if (column.native !== "text") {
    if (type === "date") throw new AppError("DATA_WRONG_TYPE", { ...facts, rows: present });
    if (infinite > 0) throw new AppError("DATA_NOT_FINITE", { ...facts, rows: infinite });
    return "numeric";
  }
  if (type === "date") {
    if (dates < present) throw new AppError("DATA_WRONG_TYPE", { ...facts, rows: present - dates });
    return type;
  }
  const others = present - numbers - infinite;
  if (expected === "ordered" && type === undefined && others > 0 && dates === present) return "date";
  if (expected === "ordered" && others === 0) return "numeric";
  if (expected === "ordered") throw new AppError("DATA_WRONG_TYPE", { ...facts, rows: others });
  if (type === "numeric" && others > 0) throw new AppError("DATA_WRONG_TYPE", { ...facts, rows: others });
  if (numbers === present) return "numeric";
  if (others === 0) throw new AppError("DATA_NOT_FINITE", { ...facts, rows: infinite });
  if (dates === present) return "date";
  for (const alike of [numbers + infinite, dates]) {
    if (alike >= mixedShare * present) throw new AppError("DATA_MIXED_TYPES", { ...facts, rows: present - alike });
  }
  return "categorical";
}

function readSql({ column, declaration, missing }: Asked, kind: Kind, special: readonly string[], counts: Counts | undefined): string {
  const { sql, native } = column;
  if (kind === "categorical") return presentText(column, missing);
  if (native === "date") return daysSql(`CAST(${sql} AS DATE)`);
  if (native !== "text") return numberSql(sql);
  if (kind === "numeric" && (counts?.easy === true || (special.length === 0 && !missing.some((t) => t.includes("_"))))) {
    // What does not cast is a missing token: the passes have counted.
    return `COALESCE(TRY_CAST(${sql} AS DOUBLE), 'nan'::DOUBLE)`;
  }
  const text = presentText(column, missing);
  const value = kind === "date" ? daysSql(dateOf(text, declaration.type === "date")) : `COALESCE(${numberOf(text)}, 'nan'::DOUBLE)`;
  const codes = special.map((t, k) => `WHEN ${quoteText(t)} THEN ${specialTextCode(k)}::DOUBLE`);
  return codes.length === 0 ? value : `CASE ${trimmed(sql)} ${codes.join(" ")} ELSE ${value} END`;
}
