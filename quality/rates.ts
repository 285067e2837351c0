// From counts to what may be told: a check's outcome in its domain, and the rate that leaves it.
import type { ItemId } from "../core/brand.ts";
import type { Check } from "./checks.ts";
import type { PublishedRate } from "./publication.ts";

/** A figure about fewer companies or records than this is kept in the domain: the count that the strictest publishable grade of the catalogue
 *  wants (catalogue/grades.ts, 20 companies), and the floor of every label statistic. */
export const leastCounted = 20;
/** Fewer records than this that fail, or that do not, are told as this many: no rate gives one or two records away in a small table. */
export const leastTold = 5;

/** Of one check in one run. `checked` records were looked at, `failed` of them fail; about `companies` companies. null: it could not be made. */
export type Result = { readonly check: Check; readonly counts: { readonly checked: number; readonly failed: number; readonly companies: number } | null };

/** Whether more fails than may, on the exact counts. undefined: not known. */
export function exceeds({ check, counts }: Result): boolean | undefined {
  if (counts === null) return undefined;
  return counts.failed * 1000 > check.limit * counts.checked;
}

/** Rules whose figure is about the table and about no company: how many it covers says nothing. */
const aboutTables: ReadonlySet<string> = new Set(["completeness.empty", "timeliness.newest"]);

/** Whether the figure may leave. */
export function mayLeave({ check, counts }: Result): boolean {
  if (counts === null) return false;
  return aboutTables.has(check.rule) || (counts.checked >= leastCounted && counts.companies >= leastCounted);
}

/** Thousandths, to the nearest. */
export function permilleOf(failed: number, checked: number): number {
  return checked === 0 ? 0 : Math.min(1000, Math.round((1000 * failed) / checked));
}

/** All of a rate that leaves: with few that fail, or few that do not, as if they were `leastTold`; none and all are told as they are. */
function coarse(failed: number, checked: number): number {
  if (failed === 0 || failed === checked || checked < 2 * leastTold) return permilleOf(failed, checked);
  return permilleOf(Math.min(Math.max(failed, leastTold), checked - leastTold), checked);
}

/** What of a check's rate may leave; null: nothing. */
export function toldPermille(result: Result): number | null {
  return result.counts === null || !mayLeave(result) ? null : coarse(result.counts.failed, result.counts.checked);
}

/** All results of one rule and item, and those of them that may be told of. */
type Group = { readonly rule: string; readonly item: ItemId | null; readonly first: Result; readonly all: readonly Result[]; readonly told: readonly Result[] };

function grouped(results: readonly Result[]): Group[] {
  const groups = new Map<string, { rule: string; item: ItemId | null; first: Result; all: Result[] }>();
  for (const result of results) {
    const { rule, item } = result.check;
    const key = `${item ?? ""}|${rule}`;
    const group = groups.get(key) ?? { rule, item, first: result, all: [] };
    group.all.push(result);
    groups.set(key, group);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => ({ ...group, told: group.all.filter((r) => mayLeave(r)) }));
}

function countsOf({ told }: Group): { readonly checked: number; readonly failed: number } {
  const sum = (of: (counts: NonNullable<Result["counts"]>) => number): number => told.reduce((s, r) => s + (r.counts === null ? 0 : of(r.counts)), 0);
  return { checked: sum((c) => c.checked), failed: sum((c) => c.failed) };
}

/** What each published rate is of, in their order; they stay in the domain. null: not rated. */
export function rateCounts(results: readonly Result[]): ({ readonly checked: number; readonly failed: number } | null)[] {
  return grouped(results).map((group) => (group.told.length > 0 ? countsOf(group) : null));
}

/** One rate per rule and item: no table, column or count. Checks about too few are left out of it; if none is left there is no figure. */
export function publishedRates(results: readonly Result[]): PublishedRate[] {
  return grouped(results).map((group) => {
    const { rule, item, first, all, told } = group;
    const { dimension, severity } = first.check;
    const limit = Math.min(...all.map((r) => r.check.limit));
    const { checked, failed } = countsOf(group);
    const state = told.length > 0 ? "rated" as const : all.every((r) => r.counts === null) ? "not-run" as const : "suppressed" as const;
    return { rule, item, dimension, severity, limit, state, permille: state === "rated" ? coarse(failed, checked) : null };
  });
}
