// Quality checks over generated demo data with defects planted in it: every count is held to a second one that shares no code.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { silentLog } from "../../../core/env.ts";
import { parseDefinition, type DatasetDefinition } from "../../../enclave/data/definition.ts";
import { runChecks, type QualityRunOptions } from "../../../enclave/quality/run.ts";
import { exceeds, publishedRates, type Result } from "../../../quality/rates.ts";
import { parseSettings, type QualitySettings } from "../../../quality/settings.ts";
import { demoWorld, type World } from "../../demo/support.ts";
import { Folder, refusal } from "../data/support.ts";
import { oracle, readCsv, writeCsv, type Counts, type Table } from "./oracle.ts";

const now = Date.parse("2026-03-01T08:00:00Z");
const countsOf = (results: readonly Result[], key: string): Counts => {
  const { counts } = results.find((r) => r.check.key === key) ?? assert.fail(`no check ${key}: ${results.map((r) => r.check.key).join(" ")}`);
  return counts === null ? assert.fail(`${key} was not made`) : { checked: counts.checked, failed: counts.failed };
};

const settings = parseSettings({
  version: 1, asOf: "2025-01-31",
  tables: {
    filings: {
      key: ["uscc", "period"], series: { column: "period" }, newest: { column: "period", maxAgeDays: 100 },
      order: [["period", "filed_on"]], bounds: [["vat_paid", "vat_payable"], ["cit_paid", "cit_payable"]],
      columns: { vat_payable: { nonNegative: true }, declared_revenue: { min: 0, max: 1e15 } },
    },
    credit_grades: { columns: { grade: { values: ["A", "B", "M", "C", "D"], pattern: "[A-Z]" } } },
    statements: { bounds: [["total_liabilities", "total_assets"]], },
    tax_arrears: { columns: { cleared_on: { maxMissing: 1000 } } },
  },
});

describe("quality checks in the domain", () => {
  let world: World;
  let folder: string;
  let definition: DatasetDefinition;
  const tables = new Map<string, Table>();
  const rows = (name: string) => tables.get(name)?.rows ?? assert.fail(name);
  const run = (using: QualitySettings = settings, more: Partial<QualityRunOptions> = {}): Promise<Result[]> => runChecks(definition, using, { directory: folder, log: silentLog, now, ...more });

  before(async () => {
    world = await demoWorld({ companies: 1000, seed: 7, months: 24, force: false });
    folder = join(world.directory, "tax");
    definition = parseDefinition(JSON.parse(readFileSync(join(folder, "dataset.json"), "utf8")));
    for (const name of ["taxpayers", "filings", "arrears", "credit_grades", "statements"]) tables.set(name, readCsv(join(folder, `${name}.csv`)));
    plant(tables);
    for (const [name, table] of tables) writeCsv(join(folder, `${name}.csv`), table);
  });
  after(() => world[Symbol.asyncDispose]());

  it("find every planted defect with the exact counts", async () => {
    const results = await run();
    const found = (key: string): Counts => countsOf(results, key);
    const filings = rows("filings");
    assert.deepEqual(found("validity.id|filings"), oracle.ids(filings));
    assert.deepEqual(found("uniqueness.key|filings|uscc|period"), oracle.key(filings, ["uscc", "period"]));
    assert.deepEqual(found("uniqueness.key|taxpayers|uscc"), oracle.key(rows("taxpayers"), ["uscc"]));
    for (const column of ["declared_revenue", "vat_payable", "vat_paid"]) {
      assert.deepEqual(found(`completeness.missing|filings|${column}`), oracle.missing(filings, column), column);
      assert.deepEqual(found(`validity.number|filings|${column}`), oracle.numbers(filings, column), column);
    }
    for (const column of ["period", "filed_on"]) assert.deepEqual(found(`validity.date|filings|${column}`), oracle.dates(filings, column), column);
    assert.deepEqual(found("validity.amount|filings|vat_payable"), oracle.below(filings, "vat_payable", 0));
    assert.deepEqual(found("accuracy.order|filings|period|filed_on"), oracle.order(filings, "period", "filed_on"));
    assert.deepEqual(found("accuracy.bound|filings|vat_paid|vat_payable"), oracle.bound(filings, "vat_paid", "vat_payable"));
    assert.deepEqual(found("accuracy.bound|statements|total_liabilities|total_assets"), oracle.bound(rows("statements"), "total_liabilities", "total_assets"));
    assert.deepEqual(found("validity.code|credit_grades|grade"), oracle.code(rows("credit_grades"), "grade", ["A", "B", "M", "C", "D"]));
    assert.deepEqual(found("accuracy.reference|tax_arrears"), oracle.reference(rows("arrears"), rows("taxpayers")));
    assert.deepEqual(found("continuity.series|filings|period"), oracle.series(filings, "period"));
    // The oracle has seen the defects, not nothing.
    assert.deepEqual([oracle.ids(filings).failed, oracle.numbers(filings, "vat_paid").failed, oracle.missing(filings, "declared_revenue").failed], [7, 11, 9]);
    assert.isAbove(oracle.series(filings, "period").failed, 20);
    assert.isTrue([oracle.order(filings, "period", "filed_on"), oracle.bound(filings, "vat_paid", "vat_payable"), oracle.reference(rows("arrears"), rows("taxpayers"))].every((c) => c.failed > 0));
  });

  it("take a declared step in place of each company's own", async () => {
    const monthly = parseSettings({ ...settings, tables: { filings: { series: { column: "period", months: 1 } } } });
    const found = countsOf(await run(monthly), "continuity.series|filings|period");
    assert.deepEqual(found, oracle.series(rows("filings"), "period", 1));
    assert.isAbove(found.failed, oracle.series(rows("filings"), "period").failed);
  });

  it("measure age from the day that the settings name, or from today", async () => {
    const key = "timeliness.newest|filings|period";
    assert.deepEqual(countsOf(await run(), key), { checked: 1, failed: 0 });
    const { asOf: _, ...today } = settings;
    assert.deepEqual(countsOf(await run(today), key), { checked: 1, failed: 1 });
  });

  it("let nothing out but rates per rule and item: no table, column, count or company", async () => {
    const results = await run();
    const text = JSON.stringify(publishedRates(results));
    const ids = rows("taxpayers").map((r) => r["uscc"] ?? "");
    for (const word of [...ids, ...tables.keys(), "period", "declared_revenue", "vat_paid", "checked", "failed"]) assert.notInclude(text, `"${word}`);
    assert.notInclude(text, String(rows("filings").length));
    const overdue = results.filter((r) => exceeds(r) === true).length;
    assert.isAbove(overdue, 8);
  });

  it("make a provider's own rule, and refuse one that is no single SELECT over its tables, before any data is read", async () => {
    const own = (sql: string): QualitySettings => parseSettings({ ...settings, rules: [{ id: "own.revenue-of-payers", dimension: "accuracy", en: "Who pays VAT has revenue.", zh: "缴纳增值税者应有收入。", limit: 0, severity: "minor", sql }] });
    const sql = "SELECT count(*), count(*) FILTER (declared_revenue = 0) FROM filings WHERE vat_paid > 0";
    const payers = rows("filings").filter((r) => Number(r["vat_paid"]) > 0);
    const zero = payers.filter((r) => r["declared_revenue"] !== "" && Number(r["declared_revenue"]) === 0);
    assert.deepEqual(countsOf(await run(own(sql)), "own.revenue-of-payers"), { checked: payers.length, failed: zero.length });
    for (const refused of [
      "SELECT 1, 0; DROP VIEW filings", "SELECT count(*), 0 FROM read_csv('/etc/passwd')", "SELECT count(*), 0 FROM other", "COPY filings TO 'x'", "no sql", "SELECT count(*), 0 FROM duckdb_settings()",
      "SELECT count(*), 0 FROM filings WHERE current_date > filed_on",
    ]) assert.equal((await refusal(run(own(refused), { directory: folder }))).code, "QUALITY_SQL", refused);
    for (const shapeless of ["SELECT 1, 2, 3", "SELECT uscc, 1 FROM filings", "SELECT 1, 0 FROM filings", "SELECT 1, 2", "SELECT 1.5, 1", "SELECT 1, -1"]) {
      assert.equal((await refusal(run(own(shapeless)))).code, "QUALITY_SHAPE", shapeless);
    }
    assert.equal((await refusal(run(own("SELECT count(missing_column), 0 FROM filings")))).code, "QUALITY_SQL");
  });

  it("refuse settings that name what is not there, or a column of another type", async () => {
    const bad: object[] = [
      { tables: { nothing: {} } }, { tables: { filings: { order: [["vat_paid", "filed_on"]] } } }, { tables: { filings: { bounds: [["vat_paid", "nothing"]] } } },
      { tables: { filings: { key: ["nothing"] } } }, { adjust: { "accuracy.nothing": { off: true } } }, { tables: { filings: { columns: { period: { min: 0 } } } } },
    ];
    for (const change of bad) assert.equal((await refusal(run(parseSettings({ version: 1, ...change })))).code, "QUALITY_BINDING", JSON.stringify(change));
    const pattern = parseSettings({ version: 1, tables: { credit_grades: { columns: { grade: { pattern: "([A-Z" } } } } });
    assert.equal((await refusal(run(pattern))).code, "QUALITY_SQL");
    for (const malformed of [{ version: 2 }, { version: 1, tables: { filings: { keys: [] } } }, { version: 1, rules: [{ id: "accuracy.mine" }] }, { version: 1, everyHours: 2 }, null]) {
      assert.throws(() => parseSettings(malformed), /QUALITY_SETTINGS/);
    }
  });
});

/** Defects of every kind, at fixed places. */
function plant(tables: ReadonlyMap<string, Table>): void {
  const filings = tables.get("filings") ?? assert.fail();
  const statements = tables.get("statements") ?? assert.fail();
  const every = (table: Table, n: number, from: number, step: number, change: (row: Record<string, string>) => void): void => {
    for (let i = 0; i < n; i++) change(table.rows[(from + i * step) % table.rows.length] ?? assert.fail());
  };
  filings.rows = filings.rows.filter((_, i) => i % 97 !== 40);
  every(filings, 7, 3, 131, (r) => (r["uscc"] = `${(r["uscc"] ?? "").slice(0, 17)}${(r["uscc"] ?? "").endsWith("1") ? "2" : "1"}`));
  every(filings, 11, 11, 173, (r) => (r["vat_paid"] = "n.n."));
  every(filings, 9, 29, 211, (r) => (r["declared_revenue"] = ""));
  every(filings, 4, 57, 307, (r) => (r["vat_payable"] = "-100"));
  every(filings, 6, 61, 401, (r) => (r["filed_on"] = "2001-02-03"));
  every(filings, 3, 71, 503, (r) => (r["filed_on"] = "2024-02-30"));
  every(filings, 8, 83, 157, (r) => (r["vat_paid"] = "1e12"));
  filings.rows.push(...filings.rows.slice(100, 105).map((r) => ({ ...r })));
  every(statements, 4, 9, 37, (r) => (r["total_liabilities"] = String(Number(r["total_assets"]) * 2 + 1)));
  every(tables.get("credit_grades") ?? assert.fail(), 6, 5, 61, (r) => (r["grade"] = "E"));
  // Two companies that the register does not have.
  const taxpayers = tables.get("taxpayers") ?? assert.fail();
  const owing = new Set((tables.get("arrears")?.rows ?? []).slice(0, 2).map((r) => r["uscc"]));
  taxpayers.rows = taxpayers.rows.filter((r) => !owing.has(r["uscc"]));
}

describe("quality checks at the limits", () => {
  const raw = (tables: object): DatasetDefinition => parseDefinition({
    name: "t", idColumn: "id", idKind: "opaque", tables, indicators: [{ name: "n", table: Object.keys(tables)[0], sql: "count(*)", unit: "", direction: "none", sourceItem: "tax.payment" }],
  });
  const check = (folder: Folder, definition: DatasetDefinition, more: Partial<QualityRunOptions> = {}, given: object = {}): Promise<Result[]> =>
    runChecks(definition, parseSettings({ version: 1, ...given }), { directory: folder.path, log: silentLog, now, ...more });

  it("say that a table is empty, and nothing else about it", async () => {
    using folder = new Folder();
    folder.write("a.csv", "id,amount,day\n");
    const results = await check(folder, raw({ a: { file: "a.csv" } }));
    assert.deepEqual(countsOf(results, "completeness.empty|a"), { checked: 1, failed: 1 });
    assert.deepEqual(results.filter((r) => exceeds(r) === true).map((r) => r.check.rule), ["completeness.empty"]);
    const rates = publishedRates(results);
    assert.deepEqual(rates.filter((r) => r.state === "rated").map((r) => [r.rule, r.item, r.permille]), [["completeness.empty", "tax.payment", 1000]]);
  });

  it("keep figures about fewer than 20 companies in the domain, however many records they have", async () => {
    using folder = new Folder();
    const lines = (companies: number): string => ["id,amount", ...Array.from({ length: 200 }, (_, i) => `c${i % companies},${i % 10 === 0 ? "" : i}`)].join("\n");
    folder.write("few.csv", lines(19));
    folder.write("enough.csv", lines(20));
    const of = async (file: string): Promise<unknown> => publishedRates(await check(folder, raw({ t: { file } }))).find((r) => r.rule === "completeness.missing");
    assert.deepInclude(await of("few.csv") as object, { state: "suppressed", permille: null });
    assert.deepInclude(await of("enough.csv") as object, { state: "rated", permille: 100 });
  });

  it("keep a figure in the domain whose records are of few companies in a table of many", async () => {
    using folder = new Folder();
    // 100 companies with three records each; only `few` of them have what the checks look at, 25 records each.
    const lines = (few: number): string => [
      "id,from,until,total,part,code",
      ...Array.from({ length: 300 }, (_, i) => `c${i % 100},2024-01-01,,,,`),
      ...Array.from({ length: 25 * few }, (_, i) => `c${i % few},2024-02-01,${i % 25 === 0 ? "2023-01-01" : "2024-03-01"},10,${i % 25 === 0 ? 11 : 9},${i % 25 === 0 ? "z" : "a"}`),
    ].join("\n");
    folder.write("few.csv", lines(19));
    folder.write("enough.csv", lines(20));
    const given = { tables: { t: {
      order: [["from", "until"]], bounds: [["part", "total"]], sums: [{ total: "total", parts: ["part"], tolerance: 1 }], columns: { total: { min: 0, max: 9 }, code: { values: ["a"] } }, series: { column: "until" },
    } } };
    const rules = ["accuracy.order", "accuracy.bound", "accuracy.sum", "validity.range", "validity.code", "validity.number", "continuity.series"];
    const states = async (file: string): Promise<unknown> => {
      const rates = publishedRates(await check(folder, raw({ t: { file, columns: { total: { type: "numeric" }, part: { type: "numeric" }, until: { type: "date" } } } }), {}, given));
      return rules.map((rule) => rates.find((r) => r.rule === rule)?.state);
    };
    assert.deepEqual(await states("few.csv"), rules.map(() => "suppressed"));
    assert.deepEqual(await states("enough.csv"), rules.map((r) => (r === "continuity.series" ? "suppressed" : "rated")));
  });

  it("find the one monthly series of a table by itself, and its age by the item's update frequency", async () => {
    using folder = new Folder();
    const months = Array.from({ length: 12 }, (_, m) => `2025-${String(m + 1).padStart(2, "0")}-01`);
    const lines = Array.from({ length: 30 }, (_, c) => months.filter((_m, m) => !(c < 5 && m === 6)).map((m) => `c${c},${m},1`)).flat();
    folder.write("a.csv", ["id,month,amount", ...lines].join("\n"));
    const definition = parseDefinition({ name: "t", idColumn: "id", idKind: "opaque", tables: { a: { file: "a.csv" } }, indicators: [{ name: "n", table: "a", sql: "count(*)", unit: "", direction: "none", sourceItem: "utilities.electricity" }] });
    const key = "timeliness.newest|a|month";
    const results = await check(folder, definition, {}, { asOf: "2026-01-20" });
    assert.deepEqual(countsOf(results, "continuity.series|a|month"), { checked: 360, failed: 5 });
    assert.deepEqual(countsOf(results, key), { checked: 1, failed: 0 });
    assert.deepEqual(countsOf(await check(folder, definition, {}, { asOf: "2026-03-18" }), key), { checked: 1, failed: 0 });
    assert.deepEqual(countsOf(await check(folder, definition, {}, { asOf: "2026-03-19" }), key), { checked: 1, failed: 1 });
  });

  it("hold totals against their parts, whatever is missing, within a tolerance", async () => {
    using folder = new Folder();
    const lines = Array.from({ length: 60 }, (_, i) => {
      const [a, b] = [i * 1.1, i * 2.3];
      return `c${i},${(a + b + (i % 10 === 3 ? 0.6 : i % 10 === 4 ? 0.4 : 0)).toFixed(2)},${i % 20 === 7 ? "" : a.toFixed(2)},${b.toFixed(2)}`;
    });
    const path = folder.write("a.csv", `${["uscc,total,a,b", ...lines].join("\n")}\n`);
    const definition = parseDefinition({ name: "t", idColumn: "uscc", idKind: "opaque", features: "a.csv" });
    const results = await check(folder, definition, {}, { tables: { features: { sums: [{ total: "total", parts: ["a", "b"], tolerance: 0.5 }] } } });
    const counts = countsOf(results, "accuracy.sum|features|total|a|b");
    assert.deepEqual(counts, oracle.sum(readCsv(path).rows, "total", ["a", "b"], 0.5));
    assert.deepEqual(counts, { checked: 57, failed: 6 });
  });

  it("count ids by the one rule of the data door: missing, malformed, with a wrong check character", async () => {
    using folder = new Folder();
    folder.write("a.csv", "id,x\n91110108MA01A1B2C3,1\n,2\n１２,3\nabc,4\n");
    const definition = parseDefinition({ name: "t", idColumn: "id", idKind: "uscc", features: "a.csv" });
    assert.deepEqual(countsOf(await check(folder, definition), "validity.id|features"), { checked: 4, failed: 4 });
  });

  it("do not make what does not fit in the engine's memory, say so, and go on", async () => {
    using folder = new Folder();
    // 3 million keys: their hashes alone are more than the limit.
    await folder.parquet("big.parquet", "SELECT 'company-' || i AS id, i AS amount FROM range(3000000) r(i)");
    const rss = process.memoryUsage().rss;
    const results = await check(folder, raw({ big: { file: "big.parquet" } }), { memoryMb: 40 });
    const state = (rule: string): string | undefined => publishedRates(results).find((r) => r.rule === rule)?.state;
    assert.equal(state("uniqueness.record"), "not-run");
    assert.deepEqual(results.find((r) => r.check.rule === "completeness.missing")?.counts?.checked, 3_000_000);
    // Companies could not be counted either: no figure about them leaves.
    assert.equal(state("completeness.missing"), "suppressed");
    assert.isUndefined(exceeds(results.find((r) => r.check.rule === "uniqueness.record") ?? assert.fail()));
    assert.isBelow(process.memoryUsage().rss - rss, 400 * 2 ** 20);
  });

  it("refuse a file that is gone, or is no table, by the codes of the data door", async () => {
    using folder = new Folder();
    assert.equal((await refusal(check(folder, raw({ a: { file: "a.csv" } })))).code, "DATA_FILE_MISSING");
    folder.write("a.csv", "id,amount\nc1,1,2\n");
    assert.include(["DATA_CSV_SYNTAX", "DATA_RAGGED_ROWS"], (await refusal(check(folder, raw({ a: { file: "a.csv" } })))).code);
  });
});
