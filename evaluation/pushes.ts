// Which institution gets the evaluations of which companies. P21, （六）: in batches, by region and sector, as institutions asked; P19, 三（二）:
// results are pushed regularly. What was made from public items alone goes to whoever subscribed; what needed a company's authorisation,
// to institutions that the company authorised.
import { z } from "zod";
import { isNecessary } from "../catalogue/purposes.ts";
import { findItem } from "../catalogue/search.ts";
import type { PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { financingPurposes, type FinancingPurpose } from "../core/purposes.ts";
import { gradeAt, type Evaluation } from "./combine.ts";
import { requireRows, withoutGrade, type Companies } from "./distribution.ts";
import type { Basis, Card } from "./load.ts";
import { provinceOf, provinces, sectionOf, sections } from "./places.ts";
import { gradeLetters, type Grade } from "./schema.ts";

const someOf = <T extends string>(values: readonly T[]) => z.union([z.literal("all"), z.array(z.enum(values)).min(1).refine((v) => new Set(v).size === v.length)]);

/** What an institution asked for. All conditions must hold. */
export const subscriptionSchema = z.strictObject({
  institution: partyIdSchema,
  /** Unique for the institution. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,47}$/),
  purpose: z.enum(financingPurposes),
  /** First two digits of GB/T 2260. */
  provinces: someOf(Object.keys(provinces)).default("all"),
  /** Section letters of GB/T 4754. */
  sectors: someOf(Object.keys(sections)).default("all"),
  grades: someOf([...gradeLetters, withoutGrade]).default("all"),
});
export type Subscription = z.output<typeof subscriptionSchema>;

export type RunOfCompanies = { readonly card: Card; readonly evaluation: Evaluation; readonly companies: Companies };

export type PushInput = {
  readonly runs: { readonly open?: RunOfCompanies; readonly full?: RunOfCompanies };
  readonly subscriptions: readonly Subscription[];
  /** Whether this company's authorisation for this purpose names the institution, today. Asked of the run on the basis `full` alone. */
  readonly mayReceive: (institution: PartyId, purpose: FinancingPurpose, uscc: string) => boolean;
};

/** What one institution gets for one purpose: rows of the runs, rising, no company twice. */
export type Push = {
  readonly institution: PartyId;
  readonly purpose: FinancingPurpose;
  /** Names of the subscriptions that it answers. */
  readonly subscriptions: readonly string[];
  readonly rows: Readonly<Record<Basis, Uint32Array>>;
  /** Companies that fit a subscription and did not authorise the institution; where there is an open run, they are in it. */
  readonly withheld: number;
};

/** What an institution is told of a company. */
export type PushedEvaluation = {
  readonly uscc: string; readonly score: number; readonly grade: Grade | null; readonly coverage: number; readonly partial: boolean;
  readonly basis: Basis; readonly asOf: string; readonly card: string; readonly version: string;
};

/** Throws EVALUATION_SUBSCRIPTION. */
export function parseSubscriptions(values: readonly unknown[]): Subscription[] {
  const parsed = values.map((value) => subscriptionSchema.safeParse(value));
  const found = parsed.flatMap((p) => (p.success ? [p.data] : []));
  const names = new Set(found.map((s) => `${s.institution} ${s.name}`));
  const problems = parsed.filter((p) => !p.success).length + (found.length - names.size);
  if (problems > 0) throw new AppError("EVALUATION_SUBSCRIPTION", { problems });
  return found;
}

/**
 * The pushes of a run, by institution and purpose, in their order. Who is in a subscription with a filter by section is in that section, and the
 * section is information that needs the company's authorisation (registry.industry): such a subscription gets `full` rows alone. A purpose gets the evaluation of a basis only when it needs every item
 * of that card (catalogue/purposes.ts); a purpose that needs neither is refused: CATALOGUE_UNNECESSARY. Throws EVALUATION_ROWS.
 */
export function planPushes({ runs, subscriptions, mayReceive }: PushInput): Push[] {
  const open = prepared(runs.open);
  const full = prepared(runs.full);
  const byTarget = Map.groupBy(subscriptions, (s) => `${s.institution} ${s.purpose}`);
  return [...byTarget].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, wanted]) => {
    const [first] = wanted;
    if (first === undefined) return [];
    const { institution, purpose } = first;
    const may = { open: runs.open !== undefined && needsAll(purpose, runs.open.card), full: runs.full !== undefined && needsAll(purpose, runs.full.card) };
    if (!may.open && !may.full && (runs.open ?? runs.full) !== undefined) throw new AppError("CATALOGUE_UNNECESSARY", { institution });
    const authorised = new Set<string>();
    let withheld = 0;
    const fullRows = may.full ? matching(full, wanted).filter((row) => {
      const uscc = full?.usccs[row] ?? "";
      const is = mayReceive(institution, purpose, uscc);
      if (is) authorised.add(uscc);
      else withheld++;
      return is;
    }) : [];
    const openRows = may.open ? matching(open, wanted.filter((s) => s.sectors === "all")).filter((row) => !authorised.has(open?.usccs[row] ?? "")) : [];
    const rows = { open: Uint32Array.from(openRows), full: Uint32Array.from(fullRows) };
    return [{ institution, purpose, subscriptions: wanted.map((s) => s.name).sort(), rows, withheld }];
  });
}

type Prepared = { readonly usccs: readonly string[]; readonly places: readonly string[]; readonly sectors: readonly string[]; readonly grades: readonly string[] };

function prepared(run: RunOfCompanies | undefined): Prepared | undefined {
  if (run === undefined) return undefined;
  const { evaluation, companies: { usccs, sectors } } = run;
  const rows = requireRows(evaluation, run.companies);
  if (new Set(usccs).size !== rows || run.card.digest !== evaluation.card.digest) throw new AppError("EVALUATION_ROWS", { companies: usccs.length, rows });
  return { usccs, places: usccs.map(provinceOf), sectors: sectors.map(sectionOf), grades: usccs.map((_, row) => gradeAt(evaluation, row) ?? withoutGrade) };
}

/** Whether a purpose needs every item of a card (minimum and necessary): others get no evaluation by it. */
export function needsAll(purpose: FinancingPurpose, card: Pick<Card, "entries">): boolean {
  return [...new Set(card.entries.flatMap((e) => e.items))].every((id) => isNecessary(purpose, findItem(id)));
}

function matching(run: Prepared | undefined, wanted: readonly Subscription[]): number[] {
  if (run === undefined) return [];
  const filters = wanted.map((s) => ({ places: setOf(s.provinces), sectors: setOf(s.sectors), grades: setOf(s.grades) }));
  const has = (set: ReadonlySet<string> | undefined, value: string | undefined): boolean => set === undefined || set.has(value ?? "");
  return run.usccs.flatMap((_, row) =>
    (filters.some((f) => has(f.places, run.places[row]) && has(f.sectors, run.sectors[row]) && has(f.grades, run.grades[row])) ? [row] : []));
}

function setOf(values: "all" | readonly string[]): ReadonlySet<string> | undefined {
  return values === "all" ? undefined : new Set(values);
}

/** The evaluation of one row, as it is pushed. */
export function pushedEvaluation({ evaluation, companies }: Pick<RunOfCompanies, "evaluation" | "companies">, row: number): PushedEvaluation {
  const { scores, coverage, partial, basis, asOf, card } = evaluation;
  const uscc = companies.usccs[row];
  if (uscc === undefined || row >= scores.length) throw new AppError("EVALUATION_ROWS", { row, rows: scores.length });
  return {
    uscc, score: scores[row] ?? 0, grade: gradeAt(evaluation, row), coverage: (coverage[row] ?? 0) / 1000, partial, basis, asOf, card: card.id, version: card.version,
  };
}
