// Takes a file of outcomes into the enclave: a few hundred rows a transaction, with how far it has come, so that a killed import has lost nothing and the
// same file again changes nothing.
import { setImmediate } from "node:timers/promises";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { faultOf } from "../../models/outcomes/book.ts";
import { loanStatuses, monthNumber } from "../../models/outcomes/record.ts";
import type { IdKind } from "../data/definition.ts";
import { idFault, normaliseId } from "../data/ids.ts";
import type { StateDatabase } from "../store/database.ts";
import type { KeptLoan, LoanStore } from "./loans.ts";
import { outcomeRowSchema, type FileRow, type OutcomeRow } from "./rows.ts";

/** rows = taken + repeated + corrected + the sum of refused. */
export type ImportCounts = { rows: number; taken: number; repeated: number; corrected: number; refused: Partial<Record<Code, number>> };
export type ImportLine = ImportCounts & { readonly id: number; readonly at: number; readonly file: string; readonly isFinished: boolean };
export type ImportResult = ImportCounts & { readonly id: number; /** The first of the refused rows. */ readonly first: readonly { readonly row: number; readonly code: Code }[] };
export type ImportOptions = {
  readonly db: StateDatabase; readonly loans: LoanStore; readonly now: number; readonly idKind: IdKind;
  /** SHA-256 of the file. */
  readonly file: string;
  /** Digests of this enclave's model versions by their ids. */
  readonly models: ReadonlyMap<string, string>;
  /** Rows that contradict what is there replace it. */
  readonly correct?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((rows: number) => void) | undefined;
};

const atATime = 250;
const firstShown = 20;
/** Longest history kept. */
const maxMonths = 600;

export async function importOutcomes(rows: AsyncIterable<FileRow>, options: ImportOptions): Promise<ImportResult> {
  const { db } = options;
  const id = begin(options);
  const counts: ImportCounts = { rows: 0, taken: 0, repeated: 0, corrected: 0, refused: {} };
  const first: { row: number; code: Code }[] = [];
  const take = async (group: readonly FileRow[], isLast: boolean): Promise<void> => {
    options.signal?.throwIfAborted();
    db.transaction(() => {
      for (const { row, value } of group) {
        const code = takeRow(value, counts, options);
        counts.rows += 1;
        if (code === undefined) continue;
        counts.refused[code] = (counts.refused[code] ?? 0) + 1;
        if (first.length < firstShown) first.push({ row, code });
      }
      db.run("update outcome_imports set counts = ?, finished = ? where id = ?", JSON.stringify(counts), isLast ? 1 : 0, id);
    });
    options.progress?.(counts.rows);
    await setImmediate();
  };
  let group: FileRow[] = [];
  for await (const row of rows) {
    group.push(row);
    if (group.length < atATime) continue;
    await take(group, false);
    group = [];
  }
  await take(group, true);
  return { ...counts, id, first };
}

function begin({ db, now, file }: ImportOptions): number {
  return db.transaction(() => {
    db.run("insert into outcome_imports (at, file, counts) values (?, ?, ?)", now, file, JSON.stringify({ rows: 0, taken: 0, repeated: 0, corrected: 0, refused: {} } satisfies ImportCounts));
    return Number(db.get("select last_insert_rowid() as id")?.["id"]);
  });
}

/** Imports of this enclave, newest first. One that was killed is not finished: its rows up to there are taken. */
export function importsOf(db: StateDatabase, limit: number): ImportLine[] {
  return db.all("select * from outcome_imports order by id desc limit ?", limit).map((r) => ({
    ...(JSON.parse(String(r["counts"])) as ImportCounts), id: Number(r["id"]), at: Number(r["at"]), file: String(r["file"]), isFinished: r["finished"] === 1,
  }));
}

/** The code of a refusal, or undefined; what it came to is counted. */
function takeRow(value: unknown, counts: ImportCounts, options: ImportOptions): Code | undefined {
  try {
    const parsed = outcomeRowSchema.safeParse(value);
    if (!parsed.success) return "OUTCOME_RECORD";
    const key = options.loans.keyOf(parsed.data.loan);
    const fresh = loanOf(parsed.data, options);
    const known = options.loans.get(key);
    const merged = known === undefined ? { loan: fresh, change: "taken" as const } : mergedWith(known, fresh, options.correct === true);
    counts[merged.change] += 1;
    if (merged.change !== "repeated") options.loans.put(key, merged.loan);
    return undefined;
  } catch (error) {
    if (isAppError(error) && error.code.startsWith("OUTCOME_")) return error.code;
    throw error;
  }
}

/** One row as a loan of its own. Throws OUTCOME_COMPANY, OUTCOME_MODEL, OUTCOME_FUTURE, OUTCOME_ORDER. */
function loanOf(row: OutcomeRow, { idKind, models, now }: ImportOptions): KeptLoan {
  const { company, amount, score, status } = row;
  if (company !== undefined && idFault(company, idKind, new Set([""])) !== undefined) throw new AppError("OUTCOME_COMPANY");
  const model = row.model?.startsWith("model_") === true ? models.get(row.model) : row.model;
  if (row.model !== undefined && model === undefined) throw new AppError("OUTCOME_MODEL");
  const today = monthNumber(new Date(now).toISOString().slice(0, 7));
  const originated = monthNumber(row.originated);
  const month = row.month === undefined ? originated : monthNumber(row.month);
  if (Math.max(originated, month) > today) throw new AppError("OUTCOME_FUTURE");
  if (month < originated || month - originated > maxMonths) throw new AppError("OUTCOME_ORDER");
  return {
    originated, ...(company !== undefined && { company: normaliseId(company, idKind) }), ...(amount !== undefined && { amount }), ...(model !== undefined && { model }),
    ...(score !== undefined && { score, from: "row" as const }), ...(status === "rejected" && { rejected: true as const }),
    history: status === "rejected" ? new Uint8Array(0) : historyWith(new Uint8Array(0), month - originated, loanStatuses.indexOf(status) + 1),
  };
}

function historyWith(history: Uint8Array, age: number, status: number): Uint8Array {
  const out = new Uint8Array(Math.max(history.length, age + 1));
  out.set(history);
  out[age] = status;
  return out;
}

type Merged = { readonly loan: KeptLoan; readonly change: "taken" | "repeated" | "corrected" };

/** Throws OUTCOME_CONFLICT for a row that says something else than what is there, unless it may correct it, and OUTCOME_ORDER. */
function mergedWith(known: KeptLoan, fresh: KeptLoan, mayCorrect: boolean): Merged {
  // A score that the enclave found itself gives way to the bank's own.
  const isFound = known.from === "service" || known.from === "batch";
  const base: KeptLoan = isFound && fresh.model !== undefined ? without(known) : known;
  const differs = (["company", "amount", "model", "score", "rejected"] as const).some((f) => base[f] !== undefined && fresh[f] !== undefined && base[f] !== fresh[f])
    || base.originated !== fresh.originated || (base.rejected === true) !== (fresh.rejected === true);
  if (differs && !mayCorrect) throw new AppError("OUTCOME_CONFLICT");
  const moved = fresh.rejected === true ? new Uint8Array(0) : movedHistory(base, fresh.originated);
  const age = fresh.history.length - 1;
  const status = fresh.history[age] ?? 0;
  const fault = age < 0 ? undefined : faultOf(moved, age, status);
  if (fault === "OUTCOME_ORDER" || (fault !== undefined && !mayCorrect)) throw new AppError(fault);
  // A corrected month may stand against the rest of the loan's life, too.
  if (fault !== undefined && faultOf(without0(moved, age), age, status) !== undefined) throw new AppError("OUTCOME_ORDER");
  const history = age < 0 ? moved : historyWith(moved, age, status);
  // A score is of its model.
  const { rejected: _rejected, ...rest } = fresh.model !== undefined && fresh.model !== base.model ? without(base) : base;
  const loan: KeptLoan = { ...rest, ...fresh, history };
  if (differs || fault !== undefined) return { loan, change: "corrected" };
  const isSame = same(known, loan);
  return { loan, change: isSame ? "repeated" : "taken" };
}

function without({ model: _model, score: _score, from: _from, ...loan }: KeptLoan): KeptLoan {
  return loan;
}

function without0(history: Uint8Array, age: number): Uint8Array {
  const out = history.slice();
  out[age] = 0;
  return out;
}

/** The same months of a loan whose origination is corrected. */
function movedHistory({ originated, history }: KeptLoan, to: number): Uint8Array {
  const by = originated - to;
  if (by >= 0) return by === 0 ? history : Uint8Array.from([...new Uint8Array(by), ...history]);
  if (history.subarray(0, -by).some((status) => status !== 0)) throw new AppError("OUTCOME_ORDER");
  return history.slice(-by);
}

function same(a: KeptLoan, b: KeptLoan): boolean {
  return (["company", "originated", "amount", "model", "score", "rejected"] as const).every((f) => a[f] === b[f]) && Buffer.compare(a.history, b.history) === 0;
}
