// Takes returned rows one at a time, in any order, and keeps per loan one byte a month. A row that contradicts what is there is refused, alone.
import { AppError } from "../../core/errors.ts";
import { loanStatuses, monthNumber, outcomeRecordSchema, type BadDefinition, type OutcomeRecord } from "./record.ts";

/** Bytes of a history: 0 nothing was returned, else 1 + place in `loanStatuses`. */
export const statusCode = { none: 0, current: 1, dpd30: 2, dpd60: 3, dpd90: 4, chargedOff: 5, paid: 6 } as const;

export type BookOptions = {
  /** The last month that the bank has reported, "2025-06". */
  readonly asOf: string;
  /** Loans kept at most; default 1,000,000 (a process of some 0.4 GB). */
  readonly maxLoans?: number;
  /** Months on book kept; later rows are counted and left out. Default 60. */
  readonly maxMonths?: number;
};

/** The loans of a book. Arrays have one entry per loan. */
export type Loans = {
  readonly count: number;
  /** Month number of the last reported month. */
  readonly asOf: number;
  readonly maxMonths: number;
  readonly originated: Int32Array;
  readonly score: Float64Array;
  /** Place in `models`. */
  readonly model: Uint16Array;
  readonly models: readonly string[];
  /** maxMonths + 1 bytes per loan, by months on book from 0. */
  readonly history: Uint8Array;
};
export type TakenRows = { readonly rows: number; readonly repeated: number; readonly beyond: number };

const maxModels = 1_000;

export class OutcomeBook {
  readonly #asOf: number;
  readonly #maxLoans: number;
  readonly #maxMonths: number;
  readonly #places = new Map<string, number>();
  readonly #models = new Map<string, number>();
  #originated = new Int32Array(1024);
  #score = new Float64Array(1024);
  #model = new Uint16Array(1024);
  #history: Uint8Array;
  #row = 0;
  #taken = { rows: 0, repeated: 0, beyond: 0 };

  /** Throws OUTCOME_SETTINGS. */
  constructor({ asOf, maxLoans = 1_000_000, maxMonths = 60 }: BookOptions) {
    const isMonth = outcomeRecordSchema.shape.month.safeParse(asOf).success;
    if (!isMonth || !(maxMonths >= 1 && maxMonths <= 600 && Number.isInteger(maxMonths)) || !(maxLoans >= 1)) throw new AppError("OUTCOME_SETTINGS");
    this.#asOf = monthNumber(asOf);
    this.#maxLoans = maxLoans;
    this.#maxMonths = maxMonths;
    this.#history = new Uint8Array(1024 * (maxMonths + 1));
  }

  /** Takes a row. The same row again changes nothing. Throws OUTCOME_RECORD, OUTCOME_ORDER, OUTCOME_CONFLICT, OUTCOME_LIMIT with the row's number (from 1);
   *  the row is then not taken, and the next one may be. */
  add(row: unknown): void {
    const facts = { row: ++this.#row };
    const parsed = outcomeRecordSchema.safeParse(row);
    if (!parsed.success) throw new AppError("OUTCOME_RECORD", facts);
    const { loan, score } = parsed.data;
    const originated = monthNumber(parsed.data.originated);
    const month = monthNumber(parsed.data.month);
    const status = loanStatuses.indexOf(parsed.data.status) + 1;
    if (month < originated || month > this.#asOf) throw new AppError("OUTCOME_ORDER", facts);
    const known = this.#places.get(loan);
    if (known === undefined) {
      const place = this.#newLoan(loan, { originated, score, model: parsed.data.model });
      this.#put(place, month - originated, status);
      return;
    }
    const isSame = this.#originated[known] === originated && this.#score[known] === score && this.#model[known] === this.#models.get(parsed.data.model);
    if (!isSame) throw new AppError("OUTCOME_CONFLICT", facts);
    const width = this.#maxMonths + 1;
    const fault = faultOf(this.#history.subarray(known * width, (known + 1) * width), month - originated, status);
    if (fault !== undefined) throw new AppError(fault, facts);
    this.#put(known, month - originated, status);
  }

  /** Takes a whole loan whose rows were checked before (`faultOf`). `history`: statuses by months on book; those after the last reported month are left out.
   *  Throws OUTCOME_CONFLICT for a loan that is there already, OUTCOME_LIMIT. */
  addLoan({ loan, ...of }: Pick<OutcomeRecord, "loan" | "score" | "model"> & { /** Month number. */ readonly originated: number }, history: Uint8Array): void {
    if (this.#places.has(loan)) throw new AppError("OUTCOME_CONFLICT", { row: ++this.#row });
    this.#row += 1;
    const place = this.#newLoan(loan, of);
    history.forEach((status, age) => {
      if (status !== statusCode.none && of.originated + age <= this.#asOf) this.#put(place, age, status);
    });
  }

  taken(): TakenRows {
    return { ...this.#taken };
  }

  loans(): Loans {
    const count = this.#places.size;
    return {
      count, asOf: this.#asOf, maxMonths: this.#maxMonths, originated: this.#originated.slice(0, count), score: this.#score.slice(0, count), model: this.#model.slice(0, count),
      models: [...this.#models.keys()], history: this.#history.slice(0, count * (this.#maxMonths + 1)),
    };
  }

  #put(place: number, age: number, status: number): void {
    if (age > this.#maxMonths) {
      this.#taken.beyond++;
      return;
    }
    const at = place * (this.#maxMonths + 1) + age;
    if (this.#history[at] === 0) this.#taken.rows++;
    else this.#taken.repeated++;
    this.#history[at] = status;
  }

  #newLoan(loan: string, { originated, score, model }: { readonly originated: number; readonly score: number; readonly model: string }): number {
    const place = this.#places.size;
    if (place >= this.#maxLoans) throw new AppError("OUTCOME_LIMIT", { most: this.#maxLoans });
    const known = this.#models.get(model);
    if (known === undefined && this.#models.size >= maxModels) throw new AppError("OUTCOME_LIMIT", { most: maxModels });
    if (place >= this.#originated.length) this.#grow();
    const index = known ?? this.#models.size;
    this.#models.set(model, index);
    this.#places.set(loan, place);
    this.#originated[place] = originated;
    this.#score[place] = score;
    this.#model[place] = index;
    return place;
  }

  #grow(): void {
    const size = Math.min(this.#maxLoans, this.#originated.length * 2);
    const grown = <T extends { set(from: ArrayLike<number>): void }>(to: T, from: ArrayLike<number>): T => {
      to.set(from);
      return to;
    };
    this.#originated = grown(new Int32Array(size), this.#originated);
    this.#score = grown(new Float64Array(size), this.#score);
    this.#model = grown(new Uint16Array(size), this.#model);
    this.#history = grown(new Uint8Array(size * (this.#maxMonths + 1)), this.#history);
  }
}

/** What is wrong with a status, given the other months of the loan: nothing but its own repetition follows the end of a loan. */
export function faultOf(history: Uint8Array, age: number, status: number): "OUTCOME_CONFLICT" | "OUTCOME_ORDER" | undefined {
  const there = history[age] ?? 0;
  if (there !== 0 && there !== status) return "OUTCOME_CONFLICT";
  for (let a = 0; a < history.length; a++) {
    const other = history[a] ?? 0;
    if (other === 0 || other === status || a === age) continue;
    if ((hasEnded(other) && a < age) || (hasEnded(status) && a > age)) return "OUTCOME_ORDER";
  }
  return undefined;
}

export function hasEnded(status: number): boolean {
  return status === statusCode.chargedOff || status === statusCode.paid;
}

export function historyOf({ history, maxMonths }: Loans, loan: number): Uint8Array {
  return history.subarray(loan * (maxMonths + 1), (loan + 1) * (maxMonths + 1));
}

/** Whether a status alone makes a loan bad. */
export function isBad(status: number, { daysPastDue }: Pick<BadDefinition, "daysPastDue">): boolean {
  return status === statusCode.chargedOff || (status >= 1 + daysPastDue / 30 && status <= statusCode.dpd90);
}
