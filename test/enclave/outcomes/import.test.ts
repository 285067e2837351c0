// Files of loan outcomes at the bank's enclave: what is taken, what is refused with which code, what a killed import leaves, what lies in the database.
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../../core/errors.ts";
import { enclavePaths } from "../../../enclave/config.ts";
import { importsOf, type ImportResult } from "../../../enclave/outcomes/import.ts";
import { sampleOf } from "../../../enclave/outcomes/report.ts";
import { OutcomeBook, type Loans } from "../../../models/outcomes/book.ts";
import type { OutcomeRecord } from "../../../models/outcomes/record.ts";
import { anyLives, modelA, shuffled } from "../../models/outcomes/support.ts";
import { assertFails, Bank, bankRows, counted, numberOf } from "./support.ts";

const row = (more: object = {}): object => ({ loan: "L1", company: "C1", originated: "2025-01", month: "2025-03", status: "current", model: modelA, score: 0.04, ...more });

/** Loans in an order that does not depend on keys: origination, score, history. */
function plain({ count, originated, score, model, models, history, maxMonths }: Loans): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify([originated[i], score[i], models[model[i] ?? 0], [...history.subarray(i * (maxMonths + 1), (i + 1) * (maxMonths + 1))]])).sort();
}

function bookOf(records: readonly OutcomeRecord[], asOf: string): Loans {
  const book = new OutcomeBook({ asOf });
  for (const record of records) book.add(record);
  return book.loans();
}

describe("import of loan outcomes", () => {
  it("takes CSV and NDJSON in any order to the same loans as a plain book, and the same file again changes nothing", async () => {
    using bank = new Bank();
    const records = anyLives(11, 400);
    const rows = bankRows(records);
    const half = Math.floor(rows.length / 2);
    const mixed = shuffled(rows, 3);
    const first = await bank.desk.importFile({ file: bank.file("a.csv", mixed.slice(0, half)) });
    const second = await bank.desk.importFile({ file: bank.file("b.ndjson", mixed.slice(half)) });
    assert.deepEqual([first.refused, second.refused], [{}, {}]);
    assert.equal(first.taken + second.taken, rows.length);
    const expected = plain(bookOf(records, "2025-06"));
    assert.deepEqual(plain(sampleOf(bank.desk.loans, { asOf: "2025-06" }).loans), expected);
    const again = await bank.desk.importFile({ file: join(bank.root, "a.csv") });
    assert.deepEqual([again.taken, again.repeated, again.corrected], [0, half, 0]);
    assert.deepEqual(plain(sampleOf(bank.desk.loans, { asOf: "2025-06" }).loans), expected);
  });

  it("refuses each wrong row with its code and place, and takes the others", async () => {
    using bank = new Bank();
    const wrong: readonly [object | string, string][] = [
      ["not json", "OUTCOME_RECORD"], ["[1,2]", "OUTCOME_RECORD"], [row({ loan: "" }), "OUTCOME_RECORD"], [row({ score: 1 }), "OUTCOME_RECORD"], [row({ score: "0.1" }), "OUTCOME_RECORD"], [row({ amount: -5 }), "OUTCOME_RECORD"],
      [row({ status: "late" }), "OUTCOME_RECORD"], [row({ month: "2025-13" }), "OUTCOME_RECORD"], [row({ month: undefined }), "OUTCOME_RECORD"], [row({ model: undefined }), "OUTCOME_RECORD"], [row({ name: "x" }), "OUTCOME_RECORD"],
      [row({ company: "a".repeat(129) }), "OUTCOME_COMPANY"], [row({ model: `model_${"0".repeat(24)}` }), "OUTCOME_MODEL"],
      [row({ month: "2026-04" }), "OUTCOME_FUTURE"], [row({ originated: "2031-01", month: "2031-02" }), "OUTCOME_FUTURE"], [row({ month: "2024-12" }), "OUTCOME_ORDER"],
      [row({ status: "dpd30" }), "OUTCOME_CONFLICT"], [row({ score: 0.05 }), "OUTCOME_CONFLICT"], [row({ company: "C2" }), "OUTCOME_CONFLICT"], [row({ status: "rejected" }), "OUTCOME_CONFLICT"],
    ];
    const good = [row(), row({ month: "2025-04", status: "paid" }), row({ loan: "L2", month: "2025-05-31", status: "dpd90", amount: 12.5 })];
    const path = bank.file("rows.ndjson", good.slice(0, 2));
    appendFileSync(path, `\n\n${wrong.map(([w]) => (typeof w === "string" ? w : JSON.stringify(w))).join("\n")}\n${JSON.stringify(row({ month: "2025-05" }))}\n${JSON.stringify(good[2])}`);
    const result = await bank.desk.importFile({ file: path });
    counted(result);
    const expected: Record<string, number> = { OUTCOME_ORDER: 1 };
    for (const [, code] of wrong) expected[code] = (expected[code] ?? 0) + 1;
    assert.deepEqual(result.refused, expected);
    assert.equal(result.taken, 3);
    assert.deepEqual(result.first[0], { row: 4, code: "OUTCOME_RECORD" });
    assert.equal(bank.desk.loans.count, 2);
    assert.deepEqual(bank.desk.loans.get(bank.desk.loans.keyOf("L2"))?.amount, 12.5);
  });

  it("refuses files that are something else before a row is taken", async () => {
    using bank = new Bank();
    const fails = async (name: string, text: string, code: string, columns?: ReadonlyMap<string, string>): Promise<void> => {
      writeFileSync(join(bank.root, name), text);
      await assertFails(() => bank.desk.importFile({ file: join(bank.root, name), columns }), code);
    };
    await fails("empty.csv", "", "DATA_FILE_EMPTY");
    await fails("columns.csv", "loan,originated,month,status,name\n1,2025-01,2025-02,current,x", "OUTCOME_COLUMN");
    await fails("missing.csv", "loan,originated,month\n1,2025-01,2025-02", "OUTCOME_COLUMN");
    await fails("twice.csv", "loan,originated,month,status\n1,2025-01,2025-02,current", "OUTCOME_COLUMN", new Map([["loan", "loan"], ["originated", "originated"], ["month", "month"], ["status", "stat"]]));
    await fails("broken.csv", `loan,originated,month,status\n1,2025-01,2025-02,current\n2,2025-01,"2025-02,current`, "DATA_CSV_SYNTAX");
    await fails("long.ndjson", `{"loan":"${"x".repeat(70_000)}"`, "OUTCOME_LINE");
    await fails("no.parquet", "PAR1 nothing", "DATA_NOT_PARQUET");
    assert.equal(bank.desk.loans.count, 0);
  });

  it("reads files with other names of columns", async () => {
    using bank = new Bank();
    writeFileSync(join(bank.root, "own.csv"), `kredit;firma;von;monat;stand;notiz\nL1;C1;2025-01-17;2025-02-28;current;secret`);
    const columns = new Map([["kredit", "loan"], ["firma", "company"], ["von", "originated"], ["monat", "month"], ["stand", "status"]]);
    assert.equal((await bank.desk.importFile({ file: join(bank.root, "own.csv"), columns })).taken, 1);
    assert.deepInclude(bank.desk.loans.get(bank.desk.loans.keyOf("L1")) as object, { company: "C1" });
  });

  it("replaces what a correcting file contradicts, and refuses what no loan's life can be", async () => {
    using bank = new Bank();
    const take = (rows: readonly object[], correct: boolean): Promise<ImportResult> => bank.desk.importFile({ file: bank.file("rows.ndjson", rows), correct });
    await take([row(), row({ month: "2025-05", status: "charged-off" })], false);
    const refused = await take([row({ month: "2025-05", status: "dpd60" }), row({ month: "2025-06", status: "current" })], false);
    assert.deepEqual(refused.refused, { OUTCOME_CONFLICT: 1, OUTCOME_ORDER: 1 });
    // After the end of the loan: no correction of that month.
    assert.deepEqual((await take([row({ month: "2025-06", status: "current" })], true)).refused, { OUTCOME_ORDER: 1 });
    const corrected = await take([row({ month: "2025-05", status: "dpd60" }), row({ month: "2025-06", status: "current" }), row({ month: "2025-05", status: "dpd60", score: 0.07 })], true);
    assert.deepEqual([corrected.corrected, corrected.taken, corrected.refused], [2, 1, {}]);
    const kept = (): object | undefined => bank.desk.loans.get(bank.desk.loans.keyOf("L1"));
    assert.deepInclude(kept() as object, { score: 0.07 });
    assert.deepEqual([...((kept() as { history: Uint8Array }).history)], [0, 0, 1, 0, 3, 1]);
    // A month earlier made than was said: the same calendar months.
    await take([row({ originated: "2024-12", month: "2025-03", score: 0.07 })], true);
    assert.deepEqual([...((kept() as { history: Uint8Array }).history)], [0, 0, 0, 1, 0, 3, 1]);
    assert.deepEqual((await take([row({ originated: "2025-04", month: "2025-05", status: "dpd60", score: 0.07 })], true)).refused, { OUTCOME_ORDER: 1 });
  });

  it("loses nothing when it is stopped in the middle: it says so, and the same file again completes it", async () => {
    using bank = new Bank();
    const records = anyLives(5, 300);
    const file = bank.file("rows.ndjson", bankRows(records));
    const stop = new AbortController();
    await assertFails(() => bank.desk.importFile({ file, signal: stop.signal, progress: (rows) => (rows >= 1000 ? stop.abort(new AppError("JOB_CANCELLED")) : undefined) }), "JOB_CANCELLED");
    const [broken] = importsOf(bank.db, 1);
    assert.deepInclude(broken as object, { isFinished: false, rows: 1000, taken: 1000 });
    const again = await bank.desk.importFile({ file });
    assert.deepEqual([again.repeated, again.taken], [1000, records.length - 1000]);
    assert.deepEqual(plain(sampleOf(bank.desk.loans, { asOf: "2025-06" }).loans), plain(bookOf(records, "2025-06")));
    assert.deepEqual(importsOf(bank.db, 9).map((i) => i.isFinished), [true, false]);
  });

  it("keeps the scores of a group that was not committed for the next one", () => {
    using bank = new Bank();
    const note = (company: string, probability: number): void => bank.scores.note({ company, model: modelA, probability, at: Date.parse("2025-01-01"), service: "job_000000000000000a", role: "champion" });
    note("a", 0.2);
    assert.throws(() => bank.db.transaction(() => { bank.scores.write(); throw new Error("disk"); }), "disk");
    assert.isEmpty(bank.scores.of("a", 0, 99_999));
    note("a", 0.3);
    note("b", 0.4);
    bank.db.transaction(() => bank.scores.write());
    assert.deepEqual(["a", "b"].map((company) => bank.scores.of(company, 0, 99_999).map(({ given }) => given.probability)), [[0.3], [0.4]], "the latest of a month");
    note("c", 0.5);
    assert.throws(() => bank.db.transaction(() => { bank.scores.write(); throw new Error("disk"); }), "disk");
    bank.db.transaction(() => bank.scores.write());
    assert.lengthOf(bank.scores.of("c", 0, 99_999), 1);
  });
  it("keeps neither loan nor company in the open", async () => {
    using bank = new Bank();
    const records = anyLives(2, 50);
    const rows = bankRows(records) as { loan: string; company: string }[];
    await bank.desk.importFile({ file: bank.file("rows.ndjson", rows) });
    bank.scores.note({ company: rows[0]?.company ?? "", model: modelA, probability: 0.2, at: Date.parse("2025-01-01"), service: "job_000000000000000a", role: "champion" });
    bank.scores.write();
    bank.db.settle();
    const bytes = readFileSync(enclavePaths(bank.folder).state).toString("latin1");
    for (const { loan, company } of rows) {
      assert.notInclude(bytes, loan);
      assert.notInclude(bytes, company);
    }
    for (const { loan } of records) assert.notInclude(bytes, loan, numberOf(loan));
  });
});
