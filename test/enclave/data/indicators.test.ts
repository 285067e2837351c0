import { assert } from "chai";
import { inspect } from "node:util";
import { describe, it } from "mocha";
import type { AppError } from "../../../core/errors.ts";
import type { LoadedDataset, LoadOptions } from "../../../enclave/data/load.ts";
import { Folder, numeric, refusal, texts } from "./support.ts";

const nan = Number.NaN;
const [alpha, beta, gamma] = ["91350100M000100Y43", "91330100799655058B", "91110000802100433B"] as const;
const sorted: readonly string[] = [gamma, beta, alpha];

/** Two raw tables of a tax office; ids in three spellings, a company that is in one table only. */
function tax(): Folder {
  const folder = new Folder();
  folder.write("filings.csv", `uscc,period,sales,paid_on,kind\n${alpha},2024-01-01,100.5,2024-02-10,vat\n${alpha.toLowerCase()},2024-02-01,200,2024-03-20,vat\n９１３５０１００M000100Y43,2024-03-01,NA,,cit\n${beta},2024-01-01,-5,2024-02-09,vat\n${beta},2024-02-01,0,2024-02-09,vat\n`);
  folder.write("companies.csv", `code,grade,founded,staff\n${alpha},A,2010-05-01,12\n${beta},?,2020-05-01,3\n${gamma},B,2015-01-01,7\n`);
  return folder;
}
const item = { unit: "yuan", direction: "higher-better", sourceItem: "P24/纳税信息/财务申报信息" };
const tables = { filings: { file: "filings.csv" }, companies: { file: "companies.csv", idColumn: "code" } };
function load(folder: Folder, indicators: readonly object[], extra: object = {}, options: Partial<LoadOptions> = {}): Promise<LoadedDataset> {
  return folder.load({ idColumn: "uscc", idKind: "uscc", tables, indicators: indicators.map((i, k) => ({ name: `i${k}`, ...item, ...i })), ...extra }, options);
}
function refused(folder: Folder, sql: string, extra: object = {}): Promise<AppError> {
  return refusal(load(folder, [{ sql: "SELECT uscc, 1 FROM filings GROUP BY uscc" }, { sql, ...extra }]));
}

describe("indicators over raw tables", () => {
  it("gives one value per id of all tables, ids normalised and in order, missing where the query gives none", async () => {
    using folder = tax();
    const data = await load(folder, [
      { name: "sales", sql: "SELECT uscc, sum(sales) AS value FROM filings WHERE period >= DATE '2024-01-01' GROUP BY uscc;" },
      { name: "late", sql: "avg(CASE WHEN date_diff('day', period, paid_on) > 45 THEN 1 ELSE 0 END)", table: "filings" },
      { name: "grade", sql: "SELECT code, grade FROM companies -- as it is" },
      { name: "founded", sql: "SELECT code, founded FROM companies" },
      { name: "big", sql: "SELECT c.code, c.staff > 5 FROM companies c" },
      { name: "year", sql: "SELECT code, make_date(year(founded), 1, 1) FROM companies" },
      { name: "per_head", sql: "WITH s AS (SELECT uscc, sum(sales) AS v FROM filings GROUP BY ALL) SELECT s.uscc, s.v / nullif(c.staff, 0) FROM s JOIN companies c ON c.code = s.uscc" },
      { name: "rank", sql: "SELECT code, row_number() OVER (ORDER BY staff) FROM companies QUALIFY true" },
    ]);
    assert.deepEqual<readonly string[]>(data.ids, sorted);
    assert.deepEqual([...numeric(data, "sales").values], [nan, -5, 300.5]);
    assert.deepEqual([...numeric(data, "late").values], [nan, 0, 1 / 3]);
    assert.deepEqual(texts(data, "grade"), ["B", null, "A"]);
    assert.deepEqual([...numeric(data, "founded").values], [16436, 18383, 14730]);
    assert.deepEqual([...numeric(data, "big").values], [1, 0, 1]);
    assert.deepEqual([...numeric(data, "year").values], [16436, 18262, 14610]);
    assert.deepEqual([...numeric(data, "per_head").values], [nan, -5 / 3, 300.5 / 12]);
    assert.deepEqual([...numeric(data, "rank").values], [2, 1, 3]);
  });

  it("takes population and label from the table that is named", async () => {
    using folder = tax();
    folder.write("loans.csv", `uscc,bad\n${beta},1\n${alpha},0\n`);
    const data = await load(folder, [{ sql: "SELECT code, staff FROM companies" }], { tables: { ...tables, loans: { file: "loans.csv" } }, population: "loans", labelColumn: "bad" });
    assert.deepEqual([...data.ids], [beta, alpha]);
    assert.deepEqual([...data.label ?? []], [1, 0]);
    assert.deepEqual([...numeric(data, "i0").values], [3, 12]);
    const twice = await refusal(load(folder, [{ sql: "SELECT code, staff FROM companies" }], { population: "filings" }));
    assert.deepEqual([twice.code, twice.facts], ["DATA_DUPLICATE_ID", { table: 1, ids: 2, rows: 3 }]);
    const hidden = await refused(folder, "SELECT uscc, bad FROM filings");
    assert.equal(hidden.code, "DATA_INDICATOR_FAILED");
  });

  it("gives the same digest on every run, sums of doubles included", async () => {
    using folder = new Folder();
    const rows = Array.from({ length: 60_000 }, (_, i) => `c${(i * 7919) % 500},${Math.sin(i) * 10 ** (i % 12)}`);
    folder.write("t.csv", `id,x\n${rows.join("\n")}\n`);
    const definition = { tables: { t: { file: "t.csv" } }, indicators: [{ name: "s", table: "t", sql: "sum(x)", ...item }, { name: "v", table: "t", sql: "stddev_samp(x)", ...item }] };
    const runs = [await folder.load(definition), await folder.load(definition), await folder.load(definition, { threads: 4 })];
    assert.equal(new Set(runs.map((d) => d.snapshotDigest)).size, 1);
    assert.equal(runs[0]?.rows, 500);
  });

  it("leaves an infinite ratio missing and says how many there were", async () => {
    using folder = tax();
    const warned: unknown[] = [];
    const log = { info() {}, error() {}, warn: (...args: unknown[]) => void warned.push(args) };
    const data = await load(folder, [{ sql: "SELECT code, staff / (staff - 3)::DOUBLE FROM companies" }], {}, { log });
    assert.deepEqual([...numeric(data, "i0").values], [7 / 4, nan, 12 / 9]);
    assert.deepEqual(warned, [["data.indicator.infinite", { indicator: 1, rows: 1 }]]);
  });

  const bad: Record<string, readonly string[]> = {
    syntax: ["", "   ", "SELEC 1", "SELECT uscc, FROM FROM filings", "DROP TABLE filings", "INSERT INTO filings SELECT * FROM filings", "UPDATE filings SET sales = 0", "DELETE FROM filings",
      "CREATE TABLE x AS SELECT 1", "COPY filings TO 'out.csv'", "ATTACH 'x.db'", "SET threads = 8", "CALL enable_logging(storage_path='logs')", "INSTALL httpfs", "LOAD httpfs", "PRAGMA version",
      "EXPORT DATABASE 'x'", "EXPLAIN ANALYZE SELECT 1", "PREPARE p AS SELECT 1", "EXECUTE p", "PIVOT filings ON kind USING sum(sales)", "VACUUM", "CHECKPOINT", "BEGIN", "SELECT 1; DROP TABLE filings", "SELECT uscc, 1 FROM filings) AS q; --"],
    statements: ["SELECT uscc, 1 FROM filings; SELECT uscc, 2 FROM filings"],
    node: ["DESCRIBE filings", "SUMMARIZE filings", "SHOW TABLES", "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT uscc, a FROM filings, r"],
    table: ["SELECT id, x FROM 'other.csv'", "SELECT id, x FROM \"/etc/passwd\"", "SELECT id, x FROM other", "SELECT * FROM duckdb_tables", "SELECT name, value FROM duckdb_settings", "SELECT * FROM information_schema.tables",
      "SELECT * FROM sqlite_master", "SELECT * FROM main.filings", "SELECT uscc, (SELECT max(x) FROM 'other.csv') FROM filings", "WITH \"other.csv\" AS (SELECT 1) SELECT * FROM 'other.csv'",
      "SELECT uscc, 1 FROM filings WHERE EXISTS (FROM 'other.csv')", "SELECT uscc, 1 FROM filings UNION ALL SELECT id, x FROM 'other.csv'",
      // A name of a WITH clause, where SQL does not know it: in its own query, before it, and elsewhere.
      "WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT name, 1 FROM sqlite_master", "WITH a AS (SELECT * FROM duckdb_tables), duckdb_tables AS (SELECT 1) SELECT 'x', 1 FROM a",
      "SELECT uscc, (SELECT count(*) FROM duckdb_views) FROM filings WHERE EXISTS (WITH duckdb_views AS (SELECT 1) SELECT 1)"],
    function: ["SELECT * FROM read_csv('other.csv')", "SELECT * FROM read_text('/etc/passwd')", "SELECT uscc, (SELECT content FROM read_text('/etc/passwd')) FROM filings", "SELECT * FROM read_parquet('x')", "SELECT * FROM glob('*')",
      "SELECT * FROM duckdb_settings()", "SELECT * FROM pragma_table_info('filings')", "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('filings')", "SELECT * FROM sniff_csv('x')", "SELECT * FROM parquet_metadata('x')",
      "SELECT uscc, random() FROM filings", "SELECT uscc, now() FROM filings", "SELECT uscc, today() FROM filings", "SELECT uscc, uuid() FROM filings", "SELECT uscc, current_setting('threads') FROM filings", "SELECT uscc, getvariable('x') FROM filings",
      "SELECT uscc, age(period) FROM filings", "SELECT uscc, nextval('s') FROM filings", "SELECT uscc, error('x') FROM filings", "SELECT uscc, pg_sleep(9) FROM filings", "SELECT uscc, json_serialize_plan('SELECT 1') FROM filings",
      "SELECT uscc, getenv('HOME') FROM filings", "SELECT uscc, write_log('x') FROM filings", "SELECT uscc, system.main.random() FROM filings", "SELECT uscc, sum(random()) OVER () FROM filings", "SELECT * FROM enable_logging(storage_path='logs')", "SELECT uscc, list_transform([1], lambda x: x + random()) FROM filings",
      "SELECT uscc, 1 FROM filings ORDER BY random()", "SELECT uscc, 1 FROM filings LIMIT (SELECT random())", "SELECT uscc, COLUMNS(c -> random() > 0) FROM filings"],
    clock: ["SELECT uscc, current_date - period FROM filings", "SELECT uscc, CURRENT_TIMESTAMP FROM filings", "SELECT uscc, localtimestamp FROM filings"],
    parameter: ["SELECT uscc, $1 FROM filings", "SELECT uscc, ? FROM filings"],
    sample: ["SELECT uscc, 1 FROM filings USING SAMPLE 1", "SELECT uscc, 1 FROM filings TABLESAMPLE 10%"],
  };
  for (const [rule, statements] of Object.entries(bad)) {
    it(`refuses SQL for the rule "${rule}", and names the indicator and the rule only`, async () => {
      using folder = tax();
      folder.write("other.csv", "id,x\na,1\n");
      for (const sql of statements) {
        const error = sql.length === 0 ? undefined : await refused(folder, sql).catch(() => assert.fail(`not refused: ${sql}`));
        if (error === undefined) continue;
        assert.deepEqual([sql, error.code, error.facts], [sql, "DATA_INDICATOR_SQL", { indicator: 2, [rule]: true }]);
      }
    });
  }

  it("refuses the same within an expression", async () => {
    using folder = tax();
    for (const sql of ["sum(sales)) FROM filings GROUP BY 1; DROP TABLE filings; SELECT (1", "(SELECT max(x) FROM 'other.csv')", "sum(sales) + random()", "sum(sales)) FROM 'other.csv' GROUP BY 1 --"]) {
      assert.equal((await refused(folder, sql, { table: "filings" })).code, "DATA_INDICATOR_SQL", sql);
    }
    assert.equal((await refused(folder, "sum(sales), sum(sales)", { table: "filings" })).code, "DATA_INDICATOR_SHAPE");
  });

  it("refuses queries of a wrong shape, queries that fail, and several rows for one id, without a value", async () => {
    using folder = tax();
    const expected: [string, string, object][] = [
      ["SELECT uscc FROM filings", "DATA_INDICATOR_SHAPE", { indicator: 2 }], ["SELECT * FROM filings", "DATA_INDICATOR_SHAPE", { indicator: 2 }],
      ["SELECT sales, uscc FROM filings", "DATA_INDICATOR_SHAPE", { indicator: 2 }], ["SELECT uscc, list(sales) FROM filings GROUP BY 1", "DATA_INDICATOR_SHAPE", { indicator: 2 }],
      ["SELECT uscc, [uscc] FROM filings", "DATA_INDICATOR_SHAPE", { indicator: 2 }], ["SELECT uscc, nothing FROM filings", "DATA_INDICATOR_FAILED", { indicator: 2 }],
      ["SELECT uscc, CAST(kind AS INTEGER) FROM filings", "DATA_INDICATOR_FAILED", { indicator: 2 }], ["SELECT uscc, sales FROM filings", "DATA_INDICATOR_IDS", { indicator: 2, rows: 3 }],
      ["SELECT CASE WHEN sales > 0 THEN uscc END, sum(sales) FROM filings GROUP BY ALL", "DATA_INDICATOR_IDS", { indicator: 2, rows: 1 }],
    ];
    for (const [sql, code, facts] of expected) {
      const error = await refused(folder, sql);
      assert.deepEqual([sql, error.code, error.facts], [sql, code, facts]);
      assert.notMatch(inspect(error, { depth: 9, showHidden: true }), /91350100|vat|cit/);
    }
  });

  it("names the raw table that is wrong, by position", async () => {
    using folder = tax();
    const companies: [string, string, object][] = [
      [`code,x\n${alpha},1\n,2\n`, "DATA_ID_EMPTY", { table: 2, column: 1, rows: 1 }], [`code,x\n91350100M000100Y44,1\n91350100M000100Y44,1\n`, "DATA_ID_CHECK", { table: 2, column: 1, rows: 2 }],
      [`id,x\n${alpha},1\n`, "DATA_MISSING_COLUMN", { table: 2, id: true }], [`code,x,X\n${alpha},1,2\n`, "DATA_DUPLICATE_COLUMN", { table: 2, column: 3 }],
      [`code,x\n${alpha}\n`, "DATA_RAGGED_ROWS", { table: 2, rows: 1, columns: 2 }], ["code,x\n", "DATA_NO_ROWS", { table: 2 }],
      [`code,x\n${Array.from({ length: 40 }, (_, i) => `${alpha},${i < 1 ? "M4RK3R" : i}`).join("\n")}\n`, "DATA_MIXED_TYPES", { table: 2, column: 2, rows: 1 }],
    ];
    for (const [text, code, facts] of companies) {
      folder.write("companies.csv", text);
      const error = await refusal(load(folder, [{ sql: "SELECT uscc, 1 FROM filings" }]));
      assert.deepEqual([error.code, error.facts], [code, facts]);
      assert.notInclude(inspect(error, { depth: 9, showHidden: true }), "M4RK3R");
    }
  });

  it("types raw columns for SQL: missing tokens are NULL, whole numbers are integers, declarations hold", async () => {
    using folder = new Folder();
    folder.write("t.csv", "id,a,b,c,d\n1,1,0012,2024-01-05,-1\n2,NA,0034,,7\n");
    const data = await folder.load({
      tables: { t: { file: "t.csv", columns: { b: { type: "categorical" }, d: { missing: ["-1"] } } } },
      indicators: ["SELECT id, typeof_a FROM (SELECT id, CASE WHEN a IS NULL THEN 'null' ELSE a::VARCHAR END AS typeof_a FROM t)", "SELECT id, b FROM t", "SELECT id, month(c) FROM t", "SELECT id, d FROM t"].map((sql, k) => ({ name: `i${k}`, sql, ...item })),
    });
    assert.deepEqual(texts(data, "i0"), ["1", "null"]);
    assert.deepEqual(texts(data, "i1"), ["0012", "0034"]);
    assert.deepEqual([...numeric(data, "i2").values], [1, nan]);
    assert.deepEqual([...numeric(data, "i3").values], [nan, 7]);
  });

  it("reads raw tables in Parquet", async () => {
    using folder = new Folder();
    await folder.parquet("t.parquet", "SELECT 'a' AS id, 3 AS n, TIMESTAMP '2024-01-05 10:00:00' AS seen UNION ALL SELECT 'a', 4, NULL");
    const data = await folder.load({ tables: { t: { file: "t.parquet" } }, indicators: [{ name: "n", table: "t", sql: "sum(n)", ...item }, { name: "at", table: "t", sql: "max(seen)", ...item }] });
    assert.deepEqual([...numeric(data, "n").values], [7]);
    assert.deepEqual([...numeric(data, "at").values], [19727]);
  });
});
