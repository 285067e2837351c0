// A batch on its way into the bank's own enclave: CSV or NDJSON, whole or not at all, and which lines are wrong.
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { silentLog } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { csvRecords } from "../../enclave/batch/csv-lines.ts";
import { LineReport, type LineFault } from "../../enclave/batch/lines.ts";
import { removeBatch, stagedBatches, sweepBatches } from "../../enclave/batch/keep.ts";
import { loadBatch, type Batch } from "../../enclave/batch/load.ts";
import { stageBatch, type StageOptions } from "../../enclave/batch/stage.ts";
import type { ExpectedColumns } from "../../enclave/data/columns.ts";
import { featureTableSchema } from "../../enclave/data/definition.ts";
import { ndjsonOf } from "../../cli/scores-file.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { planOf, temporaryFolder } from "../support/enclave.ts";
import { usccOf } from "../public-credit/support.ts";

const expected: ExpectedColumns = new Map([["amount", "ordered"], ["sector", "categorical"], ["since", "ordered"]]);

class Desk implements Disposable {
  readonly folder = temporaryFolder();
  readonly options: StageOptions;

  constructor(idKind: "opaque" | "uscc" = "opaque", more: Partial<StageOptions> = {}) {
    const { path } = this.folder;
    mkdirSync(join(path, "batches"));
    writeFileSync(join(path, "bank.csv"), "id,y,amount,sector,since,note\nA,1,1,L,2020-01-01,x\n");
    const definition = featureTableSchema.parse({ name: "bank", idColumn: "id", idKind, labelColumn: "y", features: "bank.csv" });
    this.options = { folder: path, dataFolder: path, definition, log: silentLog, now: Date.now, expected, ...more };
  }

  async stage(text: string | Uint8Array, pieceBytes = 7): Promise<Batch> {
    const bytes = Buffer.from(text);
    const stream = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    };
    const { batch, rows } = await stageBatch(stream(), this.options);
    const { folder, definition } = this.options;
    const loaded = await loadBatch(folder, batch, definition, silentLog, this.options.expected);
    assert.equal(loaded.rows, rows);
    return loaded;
  }

  get kept(): readonly string[] {
    return readdirSync(join(this.folder.path, "batches"));
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

/** Code and facts of a refusal, and the lines that it names. */
async function refused(work: Promise<unknown>): Promise<{ code: string; facts: object; lines: Partial<Record<LineFault, readonly number[]>> }> {
  try {
    await work;
  } catch (error) {
    if (!isAppError(error)) throw error;
    const faults = error.cause instanceof LineReport ? error.cause.faults : [];
    return { code: error.code, facts: error.facts, lines: Object.fromEntries(faults.map(({ fault, first }) => [fault, first])) };
  }
  throw new AppError("JOB_INTERNAL", { refused: false });
}

const values = ({ features }: Batch, name: string): unknown[] => {
  const feature = features.find((f) => f.name === name) ?? assert.fail(name);
  return feature.kind === "numeric" ? [...feature.values] : [...feature.codes].map((code) => feature.levels[code] ?? null);
};

describe("a batch of companies", () => {
  const csv = "id,amount,sector,since,note\nA,1.5,7,2020-01-31,hello\nB,,8,,\n\"C,1\",1e308,,2021-02-01,\"two\nlines\"\n";
  const ndjson = '{"id":"A","amount":1.5,"sector":7,"since":"2020-01-31","note":"hello"}\n{"sector":"8","id":"B"}\n{"id":"C,1","amount":1e308,"sector":null,"since":"2021-02-01"}';

  it("is the same from CSV and from NDJSON, in pieces of any size, with the model's columns alone", async () => {
    using desk = new Desk();
    for (const [text, piece] of [[csv, 7], [csv, 1000], [ndjson, 1], [ndjson, 64], [`\ufeff${ndjson}\r\n\n`, 5]] as const) {
      const batch = await desk.stage(text, piece);
      assert.deepEqual([...batch.ids] as string[], ["A", "B", "C,1"]);
      assert.deepEqual(batch.features.map((f) => [f.name, f.kind]), [["amount", "numeric"], ["sector", "categorical"], ["since", "numeric"]]);
      assert.deepEqual(values(batch, "amount"), [1.5, Number.NaN, 1e308]);
      assert.deepEqual(values(batch, "sector"), ["7", "8", null], "numbers, but a category to the model");
      assert.deepEqual(values(batch, "since"), [18_292, Number.NaN, 18_659]);
    }
  });

  it("takes what is not finite or beyond a double for missing", async () => {
    using desk = new Desk();
    const texts = ["NaN", "inf", "-Infinity", "1e400", "-1e400", "", "nan"];
    const fromCsv = await desk.stage(`id,amount,sector,since\n${texts.map((t, i) => `C${i},${t},,`).join("\n")}\nC9,-1e308,,\n`);
    const fromJson = await desk.stage(`${texts.map((t, i) => JSON.stringify({ id: `C${i}`, amount: t })).join("\n")}\n{"id":"C8","amount":1e400}\n{"id":"C9","amount":-1e308}`);
    assert.deepEqual(values(fromCsv, "amount"), [...texts.map(() => Number.NaN), -1e308]);
    assert.deepEqual(values(fromJson, "amount"), [...texts.map(() => Number.NaN), Number.NaN, -1e308]);
  });

  it("may have the label and other columns of the bank's table, which are not read, and no column that the table does not have", async () => {
    using desk = new Desk();
    assert.lengthOf((await desk.stage("id,y,amount,sector,since\nA,1,2,x,\n")).features, 3);
    assert.deepInclude(await refused(desk.stage("id,amount,sector,since,phone\nA,2,x,,5\n")), { code: "BATCH_COLUMNS", facts: { unknown: 1, column: 5 } });
    assert.deepInclude(await refused(desk.stage("id,amount\nA,2\n")), { code: "BATCH_COLUMNS", facts: { missing: 2 } });
    assert.deepInclude(await refused(desk.stage('{"id":"A","phone":5}\n{"id":"B"}\n{"id":"C","Amount":1}')), { code: "BATCH_LINES", facts: { lines: 2, first: 1 }, lines: { column: [1, 3] } });
  });

  it("is refused with the lines that are wrong, their kinds and counts, never a value; nothing of it stays", async () => {
    using desk = new Desk();
    const wrongJson = ['{"id":"A"}', "secret-value", '{"id":"A","amount":"secret-value"}', "[1]", '{"amount":1}', '{"id":"B","sector":{"a":1}}', '{"id":"C","amount":"1_000"}', '{"id":"D","since":true}', "null", '{"id":12}', '{"id":"a\\u0000b"}'];
    const json = await refused(desk.stage(wrongJson.join("\n"), 11));
    assert.deepEqual(json, { code: "BATCH_LINES", facts: { lines: 9, first: 2 }, lines: { syntax: [2, 4, 9], value: [6, 11], "id-empty": [5, 11], duplicate: [3], number: [3, 7, 8] } });
    const rows = ["A,1,x,", "B,secret-value,x,", ",1,x,", "A,2,x,", '"C\nC",1,x,', "D,1,x,", "D,1,x,", "E,1,x", ...Array.from({ length: 9 }, () => "F,1,x,")];
    const fields = await refused(desk.stage(`id,amount,sector,since\n${rows.join("\n")}\n`));
    assert.equal(fields.code, "BATCH_LINES");
    assert.deepEqual(fields.lines.fields, [10]);
    const sound = await refused(desk.stage(`id,amount,sector,since\n${rows.filter((row) => row !== "E,1,x").join("\n")}\n`));
    assert.deepEqual(sound.lines, { number: [3], "id-empty": [4], duplicate: [5, 9, 11, 12, 13], "id-format": [6] });
    assert.notInclude(JSON.stringify([json, fields, sound]), "secret");
    assert.isEmpty(desk.kept);
    assert.deepInclude(await refused(desk.stage("")), { code: "DATA_FILE_EMPTY" });
    assert.deepInclude(await refused(desk.stage("id,amount,sector,since\n")), { code: "DATA_NO_ROWS" });
    assert.deepInclude(await refused(desk.stage(Buffer.concat([Buffer.from("id,amount,sector,since\nA,1,"), Buffer.from([0xff, 0x0a])]))), { code: "DATA_NOT_UTF8" });
    assert.deepInclude((await refused(desk.stage(Buffer.concat([Buffer.from('{"id":"A"}\n{"id":"'), Buffer.from([0xff]), Buffer.from('"}\n{"id":"B"}')])))).lines, { syntax: [2] });
    assert.deepInclude(await refused(desk.stage(`{"id":"${"x".repeat(2 ** 20)}`, 65_536)), { code: "BATCH_LINES", facts: { lines: 1, first: 1 } });
    assert.isEmpty(desk.kept);
  });

  it("names companies by credit codes whose check character holds, once after normalisation", async () => {
    using desk = new Desk("uscc");
    const [a, b] = [usccOf(1), usccOf(2)];
    assert.deepEqual([...(await desk.stage(`{"id":"${a}"}\n{"id":" ${b.toLowerCase()} "}`)).ids] as string[], [a, b]);
    const wrong = `${a.slice(0, -1)}${a.endsWith("0") ? "1" : "0"}`;
    const lines = { "id-check": [2], duplicate: [3], "id-format": [4] };
    assert.deepEqual((await refused(desk.stage([a, wrong, a.toLowerCase(), "123"].map((id) => JSON.stringify({ id })).join("\n")))).lines, lines);
    assert.deepEqual((await refused(desk.stage(`id,amount,sector,since\n${[b, a].join(",,,\n")},,,\n${b.toLowerCase()},,,\n`))).lines, { duplicate: [4] });
  });

  it("of another kind of model has all columns of the bank's table", async () => {
    using desk = new Desk("opaque", { expected: undefined });
    assert.deepEqual((await desk.stage('{"id":"A","amount":1,"note":"n"}\n{"id":"B","sector":"x"}')).features.map((f) => f.name), ["amount", "sector", "since", "note"]);
    using blind = new Desk("opaque", { expected: undefined, dataFolder: "/nowhere" });
    assert.deepInclude(await refused(blind.stage('{"id":"A"}')), { code: "BATCH_COLUMNS" });
  });

  it("is found again under its digest alone", async () => {
    using desk = new Desk();
    await desk.stage(csv);
    const [file = ""] = desk.kept;
    writeFileSync(join(desk.folder.path, "batches", file), `${csv}D,1,,,\n`);
    assert.deepInclude(await refused(loadBatch(desk.options.folder, file.replace(".csv", ""), desk.options.definition, silentLog, expected)), { code: "ENCLAVE_SNAPSHOT_CHANGED" });
  });
});

describe("staged batches", () => {
  const at = Date.parse("2030-05-01T00:00:00Z");
  const day = 86_400_000;
  const bytes = (n: number): Buffer => Buffer.from(`id,amount,sector,since,note\nA,1,a,,${"x".repeat(n)}\n`);
  class Shelf implements Disposable {
    readonly desk = new Desk();
    readonly db = new StateDatabase(enclavePaths(this.desk.folder.path).state);
    #jobs = 0;
    /** A file of so many bytes, as staged so many days ago. */
    add(size: number, days: number): string {
      const text = bytes(size);
      const batch = sha256Hex(text);
      const path = join(this.desk.folder.path, "batches", `${batch}.csv`);
      writeFileSync(path, text);
      utimesSync(path, new Date(at - days * day), new Date(at - days * day));
      return batch;
    }
    job(batch: string, state: string, endedDays?: number): string {
      const job = `job_${String(++this.#jobs).padStart(16, "0")}`;
      const plan = { ...planOf(), kind: "score", params: { batch, rows: 1 } };
      this.db.run("insert into jobs (job, state, plan, digest, created_at, finished_at) values (?, ?, ?, '', 1, ?)", job, state, canonicalJson(plan), endedDays === undefined ? null : at - endedDays * day);
      return job;
    }
    sweep(more: object = {}): number {
      return sweepBatches(this.desk.folder.path, this.db, { now: at, ...more });
    }
    [Symbol.dispose](): void {
      this.db[Symbol.dispose]();
      this.desk[Symbol.dispose]();
    }
  }
  const files = (batches: readonly string[]): string[] => batches.map((b) => `${b}.csv`).sort();

  it("go a month after they were last scored, but not while a job that is not over names them", () => {
    using shelf = new Shelf();
    const [old, young, open, seen, scored] = [shelf.add(1, 31), shelf.add(2, 29), shelf.add(3, 99), shelf.add(4, 99), shelf.add(5, 99)];
    shelf.job(open, "approved");
    shelf.job(open, "done", 80);
    shelf.job(seen, "seen");
    shelf.job(scored, "done", 40);
    shelf.job(scored, "failed", 10);
    shelf.db.run("insert into jobs (job, state, plan, digest, created_at) values ('job_x', 'approved', ?, '', 1)", '{"kind":"score" damaged');
    writeFileSync(join(shelf.desk.folder.path, "batches", "incoming-1.csv"), "half");
    utimesSync(join(shelf.desk.folder.path, "batches", "incoming-1.csv"), new Date(at - 2 * day), new Date(at - 2 * day));
    assert.deepEqual(stagedBatches(shelf.desk.folder.path, shelf.db).map(({ batch, jobs }) => [batch, jobs.length]), [[seen, 1], [open, 1], [old, 0], [young, 0], [scored, 0]]);
    assert.equal(shelf.sweep(), 1);
    assert.deepEqual([...shelf.desk.kept].sort(), files([young, open, seen, scored]), "what a killed staging left is gone, too");
    assert.equal(shelf.sweep({ days: 0 }), 2);
    assert.deepEqual([...shelf.desk.kept].sort(), files([open, seen]));
  });

  it("are removed by name, not while they are in use", () => {
    using shelf = new Shelf();
    const [free, open] = [shelf.add(1, 0), shelf.add(2, 0)];
    shelf.job(open, "approved");
    const remove = (id: string): string => {
      try {
        return removeBatch(shelf.desk.folder.path, shelf.db, id).batch;
      } catch (error) {
        return isAppError(error) ? error.code : String(error);
      }
    };
    assert.deepEqual([remove("0".repeat(64)), remove(""), remove(open.slice(0, 12)), remove(free.slice(0, 12)), remove(free)], ["BATCH_UNKNOWN", "BATCH_UNKNOWN", "BATCH_IN_USE", free, "BATCH_UNKNOWN"]);
    assert.deepEqual(shelf.desk.kept, files([open]));
  });

  it("take a bounded space: the oldest that nobody needs go first, and a new one is refused when that is not enough", async () => {
    using shelf = new Shelf();
    shelf.add(1000, 9);
    const [older, open, fresh] = [shelf.add(1001, 8), shelf.add(1002, 20), shelf.add(1003, 0)];
    shelf.job(open, "approved");
    assert.equal(shelf.sweep({ bytes: 3_200 }), 1);
    assert.deepEqual([...shelf.desk.kept].sort(), files([older, open, fresh]));
    const stage = (size: number, mostStaged: number) => stageBatch((async function* () { yield bytes(size); })(), { ...shelf.desk.options, mostStaged, now: () => at });
    assert.deepInclude(await refused(stage(900, 2_500)), { code: "BATCH_DISK" });
    assert.deepEqual([...shelf.desk.kept].sort(), files([open, fresh]), "nothing of the new one, and what could go is gone");
    assert.equal((await stage(900, 3_100)).rows, 1);
    assert.lengthOf(shelf.desk.kept, 3);
  });

  it("that were removed are said to be so when a job comes for them", async () => {
    using desk = new Desk();
    assert.deepInclude(await refused(loadBatch(desk.options.folder, "b".repeat(64), desk.options.definition, silentLog, expected)), { code: "BATCH_UNKNOWN" });
  });
});

describe("records of a CSV file", () => {
  it("are those of RFC 4180, each with the line on which it begins", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "x.csv");
    writeFileSync(path, 'a,b\r\n"x ""y"", z",2\n\n"two\nlines",\n,""\nlast,1');
    const records = [];
    for await (const { line, fields } of csvRecords(path, ",")) records.push([line, ...fields]);
    assert.deepEqual(records, [[1, "a", "b"], [2, 'x "y", z', "2"], [4, "two\nlines", ""], [6, "", ""], [7, "last", "1"]]);
  });
});

describe("scores as NDJSON", () => {
  it("are those of the CSV", async () => {
    const csv = 'id,points,probability,partial,refused,objection\nA,512.30,0.012345,0,,\n"B,""2""",,,1,CONSENT_MISSING,tax power\n';
    let text = "";
    for await (const piece of ndjsonOf(csv)) text += piece;
    assert.deepEqual(text.trim().split("\n").map((line) => JSON.parse(line) as unknown), [
      { id: "A", points: 512.3, probability: 0.012345, partial: false, refused: null, objection: [] },
      { id: 'B,"2"', points: null, probability: null, partial: true, refused: "CONSENT_MISSING", objection: ["tax", "power"] },
    ]);
  });
});
