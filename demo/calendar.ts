// Months and days of the demo's world. Nothing here reads a clock: the history always ends at the same day.

/** The day at which every indicator looks back: first day after the last month of history. */
export const snapshotDate = "2025-01-01";
const snapshotMonth = 2025 * 12;

/** The months of a history of `months` months that ends just before `snapshotDate`; index 0 is the oldest. */
export type Calendar = {
  readonly months: number;
  /** Day number of the snapshot. */
  readonly snapshotDay: number;
  /** A day number (days since 1970-01-01) as ISO text. */
  readonly dayText: (day: number) => string;
  /** ISO text of the first day of month `t`; t may lie after the history. */
  readonly monthText: (t: number) => string;
  /** Day number of the first day of month `t`. */
  readonly firstDay: (t: number) => number;
  /** Month of the year of month `t`, 0 = January. */
  readonly monthOfYear: (t: number) => number;
  /** Calendar year of month `t`. */
  readonly year: (t: number) => number;
};

export function calendarOf(months: number): Calendar {
  const first = snapshotMonth - months;
  const year = (t: number): number => Math.floor((first + t) / 12);
  const monthOfYear = (t: number): number => (first + t) % 12;
  const firstDay = (t: number): number => Date.UTC(year(t), monthOfYear(t), 1) / 86_400_000;
  const texts = new Map<number, string>();
  const dayText = (day: number): string => {
    const whole = Math.floor(day);
    let text = texts.get(whole);
    if (text === undefined) {
      text = new Date(whole * 86_400_000).toISOString().slice(0, 10);
      texts.set(whole, text);
    }
    return text;
  };
  const days = Array.from({ length: months + 4 }, (_, t) => firstDay(t));
  return {
    months,
    snapshotDay: firstDay(months),
    dayText,
    monthText: (t) => dayText(days[t] ?? firstDay(t)),
    firstDay: (t) => days[t] ?? firstDay(t),
    monthOfYear,
    year,
  };
}
