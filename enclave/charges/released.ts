// What of the reports of an enclave are counts of companies (of records, of loans), and how a report is made of noisy ones. A report that has such counts and is
// not described here does not leave while the policy wants noise.
import { z } from "zod";
import { evaluationReportSchema } from "../../api/contract/evaluations.ts";
import { leastCompanies, roundingBase } from "../../evaluation/suppress.ts";
import { floor, outcomeCountsSchema, type CountTable } from "../../models/outcomes/release.ts";
import { stabilityReportSchema } from "../../monitoring/drift/report.ts";
import { publicationSchema } from "../../quality/publication.ts";
import { permilleOf } from "../../quality/rates.ts";
import type { ReportKind } from "../transport/reports.ts";

/** subject: what is released, a public name: of the same one there are the same numbers for a while, or for ever (isOnce). shape: all that is not a count. One unit is in `perUnit` of the
 *  counts at most, and changes each by `step` at most. */
export type Counted = {
  readonly subject: string; readonly isOnce?: boolean; readonly shape: unknown; readonly counts: readonly number[]; readonly perUnit: number; readonly step: number;
  readonly withNoise: (noisy: readonly number[]) => unknown;
};
/** Exact counts behind a report that has none itself. */
export type Behind = readonly ({ readonly checked: number; readonly failed: number } | null)[] | undefined;

type Table = NonNullable<z.output<typeof evaluationReportSchema>["figures"]["provinceByGrade"]>;

/** Every kind stands here: "none" has nothing that is made of counts of companies. */
const counted: Readonly<Record<ReportKind, "none" | ((body: unknown, behind: Behind) => Counted | undefined)>> = {
  usage: "none", probing: "none", "served-models": "none", alert: "none",
  /** Indices are functions of exact counts and are left out. */
  stability: (body) => {
    const report = stabilityReportSchema.parse(body);
    return { subject: "stability", shape: [], counts: [], perUnit: 1, step: 1, withNoise: () => ({ ...report, figures: report.figures.map((f) => ({ ...f, index: null })) }) };
  },
  /** Unit: one record, which can fail every rule. Issues have rates and states of their own and are left out. */
  quality: (body, behind) => {
    const publication = publicationSchema.parse(body);
    if (behind?.length !== publication.rates.length) return undefined;
    const rated = publication.rates.flatMap((rate, i) => (rate.state === "rated" ? [{ i, of: behind[i] ?? { checked: 0, failed: 0 } }] : []));
    return {
      subject: "quality", shape: publication.rates.map(({ rule, item, state }) => [rule, item, state]), counts: rated.map(({ of }) => of.failed), perUnit: Math.max(1, rated.length), step: 1,
      withNoise: (noisy) => {
        const permille = new Map(rated.map(({ i, of }, at) => [i, permilleOf(Math.min(of.checked, Math.max(0, noisy[at] ?? 0)), of.checked)]));
        return { ...publication, rates: publication.rates.map((rate, i) => ({ ...rate, permille: permille.get(i) ?? null })), issues: [] };
      },
    };
  },
  /** Unit: one loan, in a cell of its cohort and one of its band. */
  outcomes: (body) => {
    const told = outcomeCountsSchema.parse(body);
    const cellsOf = ({ cells, rest }: CountTable): { readonly goods: number; readonly bads: number }[] => [...cells, ...(rest === null ? [] : [rest])];
    const numbers = [told.cohorts, told.bands].flatMap((table) => cellsOf(table).flatMap(({ goods, bads }) => [goods, bads]));
    return {
      subject: `outcomes.${told.model.slice(0, 32)}`, shape: [told.definition, told.grouping, told.cohorts.cells.map((c) => c.key), told.bands.cells.map((c) => c.key), told.cohorts.rest === null, told.bands.rest === null],
      counts: numbers, perUnit: 2, step: 1,
      withNoise: (noisy) => {
        let at = 0;
        const next = (): number => Math.max(floor, noisy[at++] ?? 0);
        const noised = (table: CountTable): CountTable => ({
          ...table, cells: table.cells.map((c) => ({ ...c, goods: next(), bads: next() })), rest: table.rest === null ? null : { goods: next(), bads: next() },
        });
        return { ...told, cohorts: noised(told.cohorts), bands: noised(told.bands) };
      },
    };
  },
  /** Unit: one company; in each table a cell, a row, a column and the total. They are rounded, so one company moves each by a whole step. The index of stability is a
   *  function of exact counts and is left out. */
  evaluation: (body) => {
    const { job, figures } = evaluationReportSchema.parse(body);
    const names = ["provinceByGrade", "sectorByGrade", "provinceBySector"] as const;
    const tables = [...names.map((name) => figures[name]), figures.stability?.migration ?? null];
    const numbersOf = (table: Table): number[] => [...table.cells.flat().filter((n) => n !== null), ...table.rowTotals, ...table.columnTotals, table.total];
    return {
      subject: `evaluation.${job}`, isOnce: true, shape: tables.map((table) => table && [table.rows, table.columns, table.cells.map((row) => row.map((n) => n === null))]),
      counts: tables.flatMap((table) => (table === null ? [] : numbersOf(table))), perUnit: Math.max(1, 4 * tables.filter((t) => t !== null).length), step: roundingBase,
      withNoise: (noisy) => {
        let at = 0;
        const next = (): number => Math.max(0, Math.round((noisy[at++] ?? 0) / roundingBase) * roundingBase);
        const cell = (n: number): number => (n < leastCompanies / 2 ? 0 : Math.max(leastCompanies, n));
        const noised = (table: Table | null): Table | null => table && {
          ...table, cells: table.cells.map((row) => row.map((n) => (n === null ? null : cell(next())))), rowTotals: table.rowTotals.map(next), columnTotals: table.columnTotals.map(next), total: next(),
        };
        const [provinceByGrade = null, sectorByGrade = null, provinceBySector = null, migration = null] = tables.map(noised);
        return { job, figures: { ...figures, provinceByGrade, sectorByGrade, provinceBySector, stability: figures.stability && { ...figures.stability, psi: null, verdict: null, migration } } };
      },
    };
  },
};

/** undefined: the report has no counts of companies. Null: it has, and they are not known. */
export function countsIn(kind: ReportKind, body: unknown, behind: Behind): Counted | null | undefined {
  const of = counted[kind];
  return of === "none" ? undefined : (of(body, behind) ?? null);
}
