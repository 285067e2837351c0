// Roll rates: of the loans in a state of delinquency in one month, how many are in which state a month later.
import { hasEnded, historyOf, statusCode, type Loans } from "./book.ts";
import { loanStatuses, type LoanStatus } from "./record.ts";

export const openStatuses = ["current", "dpd30", "dpd60", "dpd90"] as const satisfies readonly LoanStatus[];
export type RollRow = {
  readonly from: (typeof openStatuses)[number];
  readonly loans: number;
  /** By `loanStatuses`. Sum: loans. */
  readonly to: readonly number[];
  /** Share that went into a worse state; share of a delinquent state that went into a better one, payment included (0 for current). */
  readonly worse: number;
  readonly better: number;
};
export type RollOptions = {
  /** Calendar months (numbers) of the first month of a pair; default all. */
  readonly from?: number;
  readonly to?: number;
  readonly use?: (loan: number) => boolean;
};

/** Over all pairs of consecutive months that both were returned. A month without a row makes no pair. */
export function rollRates(loans: Loans, { from = 0, to = Number.MAX_SAFE_INTEGER, use = () => true }: RollOptions = {}): RollRow[] {
  const counts = openStatuses.map(() => loanStatuses.map(() => 0));
  for (let loan = 0; loan < loans.count; loan++) {
    if (!use(loan)) continue;
    const history = historyOf(loans, loan);
    for (let age = 0; age + 1 < history.length; age++) {
      const now = history[age] ?? 0;
      const next = history[age + 1] ?? 0;
      const month = (loans.originated[loan] ?? 0) + age;
      if (now === statusCode.none || next === statusCode.none || hasEnded(now) || month < from || month > to) continue;
      const row = counts[now - 1] as number[];
      row[next - 1] = (row[next - 1] ?? 0) + 1;
    }
  }
  return openStatuses.map((status, i) => {
    const row = counts[i] as number[];
    const all = row.reduce((s, n) => s + n, 0);
    const paid = row[statusCode.paid - 1] ?? 0;
    const better = row.slice(0, i).reduce((s, n) => s + n, 0) + (i > 0 ? paid : 0);
    const worse = row.slice(i + 1, statusCode.chargedOff).reduce((s, n) => s + n, 0);
    return { from: status, loans: all, to: row, worse: all > 0 ? worse / all : 0, better: all > 0 ? better / all : 0 };
  });
}
