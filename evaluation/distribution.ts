// Grades by province and by sector, as they may be published. Three two-way tables of the same companies: their totals are all shown
// (small labels are put together, the same in every table), so that no table helps against a hidden cell of another: what two of them
// have in common linearly are these totals. Counts of all three traits together are not published.
import { AppError } from "../core/errors.ts";
import { ungraded, type Evaluation } from "./combine.ts";
import { provinceOf, provinces, sectionOf, sections } from "./places.ts";
import { gradeLetters } from "./schema.ts";
import { publishable, type Counts, type Protection, type Published } from "./suppress.ts";

/** The companies of a run, by row. */
export type Companies = {
  readonly usccs: readonly string[];
  /** What the register says of the sector. */
  readonly sectors: readonly (string | undefined)[];
};

export type Distribution = Pick<Evaluation, "card" | "basis" | "asOf" | "absent" | "partial"> & {
  /** null where the companies are too few for any figure. */
  readonly provinceByGrade: Published | null;
  readonly sectorByGrade: Published | null;
  readonly provinceBySector: Published | null;
};

/** Label of companies without a grade, after the grades. */
export const withoutGrade = "none";
export const gradeLabels: readonly string[] = [...gradeLetters, withoutGrade];

/** Throws EVALUATION_ROWS when companies, sectors and evaluation are not of the same number. */
export function distribution(evaluation: Evaluation, companies: Companies, limits: Pick<Protection, "least" | "base"> = {}): Distribution {
  const rows = requireRows(evaluation, companies);
  const places = Object.keys(provinces);
  const letters = Object.keys(sections);
  const placeOf = indexes(places, rows, (row) => provinceOf(companies.usccs[row] ?? ""));
  const sectorOf = indexes(letters, rows, (row) => sectionOf(companies.sectors[row]));
  const gradeOf = Uint8Array.from(evaluation.grades, (g) => (g === ungraded ? gradeLetters.length : g));
  const { card, basis, asOf, absent, partial } = evaluation;
  return {
    card, basis, asOf, absent, partial,
    provinceByGrade: publishable(crossed(places, placeOf, gradeLabels, gradeOf), { ...limits, rows: "rest", columns: "neighbour", trait: true }),
    sectorByGrade: publishable(crossed(letters, sectorOf, gradeLabels, gradeOf), { ...limits, rows: "rest", columns: "neighbour", trait: true }),
    // Place and sector are on the public register.
    provinceBySector: publishable(crossed(places, placeOf, letters, sectorOf), { ...limits, rows: "rest", columns: "rest", trait: false }),
  };
}

export function requireRows(evaluation: Pick<Evaluation, "scores">, { usccs, sectors }: Companies): number {
  const rows = evaluation.scores.length;
  if (usccs.length !== rows || sectors.length !== rows) throw new AppError("EVALUATION_ROWS", { companies: usccs.length, sectors: sectors.length, rows });
  return rows;
}

function indexes(labels: readonly string[], rows: number, of: (row: number) => string): Uint8Array {
  const at = new Map(labels.map((label, i) => [label, i]));
  return Uint8Array.from({ length: rows }, (_, row) => at.get(of(row)) ?? 0);
}

/** Counts of two traits, each an index into its labels. */
export function crossed(rowLabels: readonly string[], rowOf: Uint8Array, columnLabels: readonly string[], columnOf: Uint8Array): Counts {
  const cells = rowLabels.map(() => columnLabels.map(() => 0));
  for (const [i, r] of rowOf.entries()) {
    const row = cells[r] as number[];
    const c = columnOf[i] as number;
    row[c] = (row[c] as number) + 1;
  }
  return { rows: rowLabels, columns: columnLabels, cells };
}
