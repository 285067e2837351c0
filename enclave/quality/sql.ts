// The SQL of each check over the typed views: one row, records looked at and records that fail. Every query streams but for what it must know
// of each company or key, which it holds by 64-bit hash (a false match among ten million: 3 in a million).
import { AppError } from "../../core/errors.ts";
import type { Ask } from "../../quality/checks.ts";
import { quoteName, quoteText } from "../data/duckdb.ts";
import type { OpenTable } from "./tables.ts";

/** today: ISO date. */
export function countSql(ask: Ask, { shape, source, textOf }: OpenTable, today: string): string {
  const from = `FROM ${quoteName(shape.name)}`;
  const id = quoteName(shape.idColumn);
  switch (ask.kind) {
    case "key": return `SELECT count(*), count(*) - count(DISTINCT hash(${ask.columns.map(quoteName).join(", ")})) ${from}`;
    case "range": {
      const column = quoteName(ask.column);
      const wrong = [...(ask.min === undefined ? [] : [`${column} < ${ask.min}::DOUBLE`]), ...(ask.max === undefined ? [] : [`${column} > ${ask.max}::DOUBLE`])];
      return `SELECT count(${column}), count(*) FILTER (${wrong.join(" OR ")}) ${from}`;
    }
    case "code": {
      // The text as it stands: a code 01 is no number.
      const wrong = [
        ...(ask.values === undefined ? [] : [`NOT list_contains([${ask.values.map(quoteText).join(", ")}], t)`]),
        ...(ask.pattern === undefined ? [] : [`NOT regexp_full_match(t, ${quoteText(ask.pattern)})`]),
      ];
      return `SELECT count(t), count(*) FILTER (t IS NOT NULL AND (${wrong.join(" OR ")})) FROM (SELECT ${textOf(ask.column)} AS t FROM ${source.from})`;
    }
    case "order": case "bound": {
      const [lesser, greater] = [quoteName(ask.lesser), quoteName(ask.greater)];
      return `SELECT count(*) FILTER (${lesser} IS NOT NULL AND ${greater} IS NOT NULL), count(*) FILTER (${lesser} > ${greater}) ${from}`;
    }
    case "sum": {
      const total = quoteName(ask.total);
      const parts = ask.parts.map(quoteName).join(" + ");
      // Doubles of decimal amounts miss their sum by some units in the last place.
      return `SELECT count(${total} + ${parts}), count(*) FILTER (abs(${total} - (${parts})) > ${ask.tolerance}::DOUBLE + 1e-9 * abs(${total})) ${from}`;
    }
    case "reference": return `SELECT (SELECT count(*) ${from}), (SELECT count(*) FROM ${quoteName(shape.name)} t ANTI JOIN (SELECT DISTINCT hash(${id}) AS h FROM ${quoteName(ask.population)}) p ON hash(t.${id}) = p.h)`;
    case "series": return seriesSql(from, id, quoteName(ask.column), ask.months);
    case "newest": {
      const column = quoteName(ask.column);
      return `SELECT CAST(count(${column}) > 0 AS INTEGER), CAST(COALESCE(date_diff('day', max(${column}), DATE ${quoteText(today)}) > ${ask.maxAgeDays}, false) AS INTEGER) ${from}`;
    }
    default: throw new AppError("QUALITY_BINDING");
  }
}

/** How many companies the records are of that a check looks at, where it does not look at all of the table; undefined where it does. Over the texts as
 *  they stand: a value of the wrong kind is looked at, too. */
export function companiesSql(ask: Ask, { shape, source, idColumn, textOf }: OpenTable): string | undefined {
  const id = quoteName(shape.idColumn);
  const of = (columns: readonly string[]): string => `SELECT count(DISTINCT hash(${id})) FROM ${quoteName(shape.name)} WHERE ${columns.map((c) => `${quoteName(c)} IS NOT NULL`).join(" AND ")}`;
  switch (ask.kind) {
    case "type": case "code": return `SELECT count(DISTINCT hash(i)) FROM (SELECT CAST(${idColumn.sql} AS VARCHAR) AS i, ${textOf(ask.column)} AS t FROM ${source.from}) WHERE t IS NOT NULL`;
    case "range": return of([ask.column]);
    case "order": case "bound": return of([ask.lesser, ask.greater]);
    case "sum": return of([ask.total, ...ask.parts]);
    case "series": return `SELECT count(*) FROM (SELECT hash(${id}) FROM ${quoteName(shape.name)} WHERE ${quoteName(ask.column)} IS NOT NULL AND ${id} IS NOT NULL GROUP BY 1 HAVING count(DISTINCT ${quoteName(ask.column)}) > 1)`;
    default: return undefined;
  }
}

/** Months from each company's first to its last record, by the declared step or by the company's own shortest one (those who file quarterly
 *  among monthly ones are not three months short); a company with one period has no gap. */
function seriesSql(from: string, id: string, column: string, months: number | undefined): string {
  const periods = `SELECT DISTINCT hash(${id}) AS h, CAST(year(${column}) * 12 + month(${column}) AS INTEGER) AS p ${from} WHERE ${column} IS NOT NULL AND ${id} IS NOT NULL`;
  const grouped = months === undefined
    ? `SELECT min(d) AS step, min(p) AS lo, max(p) AS hi, count(*) AS n FROM (SELECT h, p, p - lag(p) OVER (PARTITION BY h ORDER BY p) AS d FROM (${periods})) GROUP BY h HAVING count(*) > 1`
    : `SELECT ${months} AS step, min(p) AS lo, max(p) AS hi, count(*) AS n FROM (${periods}) GROUP BY h HAVING count(*) > 1`;
  return `SELECT COALESCE(sum(e), 0), COALESCE(sum(greatest(e - n, 0)), 0) FROM (SELECT (hi - lo) // step + 1 AS e, n FROM (${grouped}))`;
}
