// What of a stability index may leave a domain: an index over cells of enough companies, in steps of 0.01, never a count. The exact index
// stays where the counts are.
import { gradeTable } from "../../catalogue/grades.ts";
import { AppError } from "../../core/errors.ts";
import { stability, type ZeroRule } from "./stability.ts";

/** Fewest companies behind a cell: what the strictest publishable grade of the catalogue wants. */
export const leastCompanies = gradeTable.sensitive.minCompanies ?? 20;

export type ToldOptions = {
  readonly least?: number;
  readonly rule?: ZeroRule;
  /** ordered: neighbours may be joined, as of ranges; the last `alone` bins (missing, special) are no neighbours of the ranges.
   *  nominal: small categories are joined with each other. */
  readonly bins?: { readonly kind: "ordered"; readonly alone: number } | { readonly kind: "nominal" };
};

/** too-few: fewer companies than may be told of, or than the index can be read from (its noise is above half of the first threshold). */
export type Told = { readonly state: "told"; readonly index: number; readonly cells: number } | { readonly state: "too-few" };

/** Half of 0.10: with less than about 20 (bins - 1) companies a side an unchanged population would often look shifted. */
const mostNoise = 0.05;

/**
 * Groups bins until each holds at least `least` companies on both sides: first index of bins per group, or none. A side with nobody in a
 * cell tells as much as one with few, so that no empty cell stands either.
 */
export function cellsOf(expected: readonly number[], actual: readonly number[], options: ToldOptions = {}): readonly (readonly number[])[] {
  const least = options.least ?? leastCompanies;
  const bins = options.bins ?? { kind: "ordered", alone: 0 };
  if (expected.length !== actual.length) throw new AppError("STABILITY_COUNTS", { expected: expected.length, actual: actual.length });
  const sizeOf = (cell: readonly number[]): number =>
    Math.min(cell.reduce((s, i) => s + (expected[i] ?? 0), 0), cell.reduce((s, i) => s + (actual[i] ?? 0), 0));
  const ordered = bins.kind === "ordered" ? expected.length - bins.alone : 0;
  const ranges: number[][] = [];
  let open: number[] = [];
  for (let i = 0; i < ordered; i++) {
    open.push(i);
    if (sizeOf(open) < least) continue;
    ranges.push(open);
    open = [];
  }
  // What is left at the end joins the last range, or has none to join.
  let small = ranges.length > 0 ? [] : open;
  if (ranges.length > 0) ranges[ranges.length - 1]?.push(...open);
  const cells: number[][] = [...ranges];
  for (let i = ordered; i < expected.length; i++) {
    if (sizeOf([i]) >= least) cells.push([i]);
    else small = [...small, i];
  }
  if (small.every((i) => expected[i] === 0 && actual[i] === 0)) return cells;
  if (sizeOf(small) >= least) return [...cells, small];
  // Joined with the smallest cell: left out, the others' shares would tell how few they are.
  const host = [...cells.keys()].sort((a, b) => sizeOf(cells[a] ?? []) - sizeOf(cells[b] ?? []))[0];
  return host === undefined ? [] : cells.map((cell, i) => (i === host ? [...cell, ...small] : cell));
}

/** What may be told of a shift. Throws STABILITY_COUNTS. */
export function toldStability(expected: readonly number[], actual: readonly number[], options: ToldOptions = {}): Told {
  const cells = cellsOf(expected, actual, options);
  // Of one cell the index is 0 whatever happened.
  if (cells.length < 2) return { state: "too-few" };
  const joined = (side: readonly number[]): number[] => cells.map((cell) => cell.reduce((sum, i) => sum + (side[i] ?? 0), 0));
  const { index, noise } = stability(joined(expected), joined(actual), options.rule);
  return noise > mostNoise ? { state: "too-few" } : { state: "told", index: Math.round(index * 100) / 100, cells: cells.length };
}
