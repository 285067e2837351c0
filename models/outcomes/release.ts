// What may leave the bank's enclave of returned outcomes: counts of goods and bads, none of them below 20, nor any that follows from two of them.
import { z } from "zod";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { badDefinitionSchema } from "./record.ts";

/** Loans of a count that may be told: the floor of all label statistics (THREATS.md). */
export const floor = 20;

const count = z.int().min(floor);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const month = z.string().regex(/^\d{4}-\d{2}$/);
const cellSchema = z.strictObject({ key: z.string().regex(/^(\d{4}-\d{2}|\d{4}Q[1-4]|band [1-9]\d?)$/), goods: count, bads: count });
const tableSchema = z.strictObject({
  /** The last reported month that the counts are of. */
  asOf: month,
  cells: z.array(cellSchema).max(600),
  /** All other cells together; null: there are none, or nothing may be told. */
  rest: z.strictObject({ goods: count, bads: count }).nullable(),
});
/** Finished loans of one model under one definition of bad: by cohort of origination and by score band (1 the least risky). */
export const outcomeCountsSchema = z.strictObject({
  version: z.literal(1), model: digest, definition: badDefinitionSchema,
  /** Digest of how loans are grouped: length of a cohort, edges of the bands. Two groupings of the same loans differ by few. */
  grouping: digest,
  cohorts: tableSchema, bands: tableSchema,
});
export type OutcomeCounts = z.output<typeof outcomeCountsSchema>;
export type CountTable = z.output<typeof tableSchema>;
export type CountCell = { readonly key: string; readonly goods: number; readonly bads: number };

/** Folds every cell with fewer than 20 goods or bads into the rest, and the smallest others too until the rest has as many: total less cells tells no
 *  small cell. */
export function releasedTable(cells: readonly CountCell[], asOf: string): CountTable {
  const some = cells.filter((c) => c.goods + c.bads > 0);
  const shown = some.filter(isLarge).sort((a, b) => Math.min(a.goods, a.bads) - Math.min(b.goods, b.bads));
  const folded = some.filter((c) => !isLarge(c));
  while (folded.length > 0 && !isLarge(total(folded))) {
    const next = shown.shift();
    if (next === undefined) return { asOf, cells: [], rest: null };
    folded.push(next);
  }
  const kept = new Set(shown);
  return { asOf, cells: some.filter((c) => kept.has(c)).map(({ key, goods, bads }) => ({ key, goods, bads })), rest: folded.length > 0 ? total(folded) : null };
}

/** The counts to tell now, given all that were told of this model, oldest first: a table that would tell, by the difference to any earlier one, fewer than
 *  20 goods or bads that are new or changed, is told again as it was last. Throws OUTCOME_SETTINGS when model, definition or grouping are others (two
 *  definitions of bad over the same loans differ by few), or when later ones were told. */
export function releasedCounts(now: OutcomeCounts, told: readonly OutcomeCounts[]): OutcomeCounts {
  if (!outcomeCountsSchema.safeParse(now).success) throw new AppError("OUTCOME_SETTINGS");
  const isSame = (t: OutcomeCounts): boolean => t.model === now.model && t.grouping === now.grouping && digestOf(t.definition) === digestOf(now.definition) && t.cohorts.asOf <= now.cohorts.asOf && t.bands.asOf <= now.bands.asOf;
  if (!told.every(isSame)) throw new AppError("OUTCOME_SETTINGS");
  return { ...now, cohorts: safeTable(now.cohorts, told.map((t) => t.cohorts)), bands: safeTable(now.bands, told.map((t) => t.bands)) };
}

function safeTable(now: CountTable, told: readonly CountTable[]): CountTable {
  return told.every((t) => isSafeAfter(t, now)) ? now : told.at(-1) ?? now;
}

/** Cells told in both are compared one by one, all others as one. */
function isSafeAfter(last: CountTable, now: CountTable): boolean {
  const before = new Map(last.cells.map((c) => [c.key, c]));
  const common = new Set(now.cells.map((c) => c.key).filter((key) => before.has(key)));
  const others = ({ cells, rest }: CountTable): { goods: number; bads: number } => total([...cells.filter((c) => !common.has(c.key)), ...(rest === null ? [] : [rest])]);
  return isSafeStep(others(last), others(now)) && now.cells.every((c) => !common.has(c.key) || isSafeStep(before.get(c.key) ?? c, c));
}

function isSafeStep(a: { readonly goods: number; readonly bads: number }, b: { readonly goods: number; readonly bads: number }): boolean {
  const goods = Math.abs(b.goods - a.goods);
  const bads = Math.abs(b.bads - a.bads);
  return (goods === 0 && bads === 0) || (goods >= floor && bads >= floor);
}

function isLarge({ goods, bads }: { readonly goods: number; readonly bads: number }): boolean {
  return goods >= floor && bads >= floor;
}

function total(cells: readonly { readonly goods: number; readonly bads: number }[]): { goods: number; bads: number } {
  return cells.reduce<{ goods: number; bads: number }>((s, c) => ({ goods: s.goods + c.goods, bads: s.bads + c.bads }), { goods: 0, bads: 0 });
}
