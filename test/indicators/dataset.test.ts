// From the system to a provider's definition: what its tables and its declaration allow, at a day, and nothing that reaches outside.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { parseDeclaration } from "../../catalogue/declare.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import { DataSession } from "../../enclave/data/duckdb.ts";
import { checkIndicatorSql } from "../../enclave/data/sql-guard.ts";
import { datasetIndicator, datasetIndicators, formulaAt, standardDeclaration } from "../../indicators/dataset.ts";
import { publishedSystem } from "../../indicators/load.ts";
import { subjectColumn } from "../../indicators/schema.ts";
import { findIndicator } from "../../indicators/select.ts";
import { refused } from "../catalogue/support.ts";
import { Folder, numeric, refusal } from "../enclave/data/support.ts";

const asOf = "2025-01-01";
const modelling = { asOf, use: "joint-modelling" } as const;
const columnsOf = (table: string): string[] => [subjectColumn, ...Object.keys(publishedSystem.tables.get(table)?.columns ?? {})];
const all = (...names: string[]): Record<string, string[]> => Object.fromEntries(names.map((name) => [name, columnsOf(name)]));

describe("the indicators of a provider", () => {
  it("are those whose tables it has, in a form that its definition takes", () => {
    const { indicators, leftOut } = datasetIndicators(standardDeclaration(["taxpayers", "tax_arrears"]), all("taxpayers", "tax_arrears"), modelling);
    assert.deepEqual(indicators.map((i) => i.name), ["tax_arrears_open", "tax_arrears_events_24m", "tax_abnormal_taxpayer"]);
    assert.strictEqual(indicators.length + leftOut.length, publishedSystem.indicators.length);
    assert.deepInclude(leftOut, { id: "tax_credit_grade", reason: "table" });
    const tables = Object.fromEntries(["taxpayers", "tax_arrears"].map((t) => [t, { file: `${t}.csv` }]));
    const definition = parseDefinition({ name: "tax", idColumn: "uscc", idKind: "uscc", tables, indicators });
    assert.isTrue("indicators" in definition && definition.indicators.length === 3);
  });

  it("go without a column that nothing of them reads, and lose those alone that read it", () => {
    const some = { filings: columnsOf("filings").filter((c) => c !== "declared_revenue" && c !== "cit_paid") };
    const declaration = parseDeclaration({ version: 1, catalogue: "2024-15", tables: { filings: { subject: "uscc", items: ["tax.payment"] } } });
    const { indicators, leftOut } = datasetIndicators(declaration, some, modelling);
    assert.deepEqual(indicators.map((i) => i.name), ["tax_vat_payable_12m", "tax_late_share_12m"]);
    assert.deepInclude(leftOut, { id: "tax_revenue_12m", reason: "column" });
    assert.deepInclude(leftOut, { id: "tax_paid_ratio_12m", reason: "column" });
  });

  it("are left out when what the provider declares does not allow them, with the catalogue's code", () => {
    const tables = all("contributions");
    const of = (item: string): readonly { id: string; reason: string }[] => datasetIndicators(
      parseDeclaration({ version: 1, catalogue: "2024-15", tables: { contributions: { subject: "uscc", items: [item] } } }), tables, modelling).leftOut;
    // The bands of 2021 are for verification alone.
    assert.deepInclude(of("social-insurance.payment"), { id: "si_paid_12m", reason: "CATALOGUE_INDICATOR_SOURCE" });
    const items = ["social-insurance.pension-payment"];
    const raised = { contributions: { subject: "uscc", items, columns: { paid_amount: { items, grade: "restricted" } } } };
    const { indicators, leftOut } = datasetIndicators(parseDeclaration({ version: 1, catalogue: "2024-15", tables: raised }), tables, modelling);
    assert.deepInclude(leftOut, { id: "si_paid_12m", reason: "CATALOGUE_MODE" });
    assert.include(indicators.map((i) => i.name), "si_insured_12m");
  });

  it("are none from tables for verification alone, for any use but that", () => {
    const names = ["company_properties", "company_mortgages", "marital_statuses", "farmers", "land_transfers", "designated_units"];
    for (const use of ["joint-modelling", "scoring", "report"] as const) {
      assert.isEmpty(datasetIndicators(standardDeclaration(names), all(...names), { asOf, use }).indicators);
    }
  });

  it("keep what is open and what is not apart by use", () => {
    const names = ["patents", "taxpayers"];
    const found = datasetIndicators(standardDeclaration(names), all(...names), { asOf, use: "report" });
    assert.isTrue(found.indicators.every((i) => i.name.startsWith("ip_")) && found.indicators.length === 4);
    assert.deepInclude(found.leftOut, { id: "tax_abnormal_taxpayer", reason: "CATALOGUE_MODE" });
  });

  it("are not asked of a declaration that does not fit the tables", () => {
    refused("CATALOGUE_COLUMN_UNDECLARED", () => datasetIndicators(standardDeclaration(["patents"]), { patents: [...columnsOf("patents"), "extra"] }, modelling));
    refused("CATALOGUE_COLUMN_MISSING", () => datasetIndicators(standardDeclaration(["patents"]), { patents: ["uscc"] }, modelling));
    refused("INDICATOR_DATA", () => standardDeclaration(["weather"]));
  });

  it("name several items where they read several", () => {
    assert.strictEqual(datasetIndicator(findIndicator("jd_defendant_amount_share"), asOf).sourceItem, "judicial.judgments + registry.particulars");
  });
});

describe("the day at which a formula looks back", () => {
  it("is a date and nothing else", () => {
    const indicator = findIndicator("ip_patents_applied_36m");
    assert.strictEqual(formulaAt(indicator, "2024-02-29"), "count(*) FILTER (applied_on >= DATE '2024-02-29' - INTERVAL 36 MONTH)");
    for (const wrong of ["2025-13-01", "2025-02-29", "today", "", "2025-01-01' OR 1 = 1 --", "2025-01-01T00:00:00Z", "01.02.2025"]) {
      refused("INDICATOR_AS_OF", () => formulaAt(indicator, wrong));
    }
  });

  it("moves every window with it", async () => {
    using folder = new Folder();
    folder.write("t.csv", "uscc,announced_on,project_amount,transaction_type\n91110000802100433B,2023-03-01,5,a\n91110000802100433B,2024-12-31,7,a\n");
    const at = async (day: string): Promise<number> => {
      const indicators = [datasetIndicator(findIndicator("pr_amount_24m"), day)];
      const data = await folder.load({ idColumn: "uscc", idKind: "uscc", tables: { public_transactions: { file: "t.csv" } }, indicators });
      return numeric(data, "pr_amount_24m").values[0] ?? Number.NaN;
    };
    assert.strictEqual(await at("2025-01-01"), 12);
    assert.strictEqual(await at("2025-03-02"), 7);
    assert.strictEqual(await at("2027-01-01"), 0);
  });
});

describe("what a published formula reads", () => {
  let session: DataSession;
  const types = { numeric: "DOUBLE", categorical: "VARCHAR", date: "DATE" } as const;
  const create = async (table: string, without?: string): Promise<void> => {
    const columns = Object.entries(publishedSystem.tables.get(table)?.columns ?? {}).map(([name, c]) => [name, types[c.type]] as const);
    const kept = [[subjectColumn, "VARCHAR"] as const, ...columns].filter(([name]) => name !== without).map(([name, type]) => `"${name}" ${type}`);
    await session.run(`CREATE OR REPLACE TABLE "${table}" (${kept.join(", ") || "nothing INTEGER"})`);
  };
  before(async () => {
    session = await DataSession.open({ files: [], threads: 1 });
    for (const table of publishedSystem.tables.keys()) await create(table);
  });
  after(() => session[Symbol.asyncDispose]());

  const queryOf = (id: string): string => {
    const indicator = findIndicator(id);
    const sql = formulaAt(indicator, asOf);
    return indicator.table === undefined ? sql : `SELECT ${subjectColumn}, (${sql}) FROM ${indicator.table} GROUP BY ${subjectColumn}`;
  };
  const runs = (sql: string): Promise<boolean> => session.columnTypes(sql).then(() => true, () => false);

  for (const { id, reads } of publishedSystem.indicators) {
    it(`${id}: its tables and columns are enough, each is needed, and its SQL is within the rules`, async () => {
      const sql = queryOf(id);
      assert.isTrue(await runs(sql));
      await checkIndicatorSql(session, sql, Object.keys(reads), {});
      for (const [table, columns] of Object.entries(reads)) {
        for (const column of columnsOf(table)) {
          await create(table, column);
          assert.strictEqual(await runs(sql), !columns.includes(column), `${table}.${column}`);
        }
        await create(table);
      }
    });
  }
});

describe("a definition whose formula reaches outside of its tables", () => {
  const good = datasetIndicator(findIndicator("pr_amount_24m"), asOf);
  const tables = { public_transactions: { file: "t.csv" } };
  const other = "91110000802100433B,2024-12-31,7,a";
  const load = (sql: string, extra: object = {}): Promise<unknown> => {
    const folder = new Folder();
    folder.write("t.csv", `uscc,announced_on,project_amount,transaction_type\n${other}\n`);
    folder.write("other.csv", "uscc,secret\n91110000802100433B,1\n");
    const indicators = [good, { ...good, name: "bad", table: undefined, sql, ...extra }].map((i) => JSON.parse(JSON.stringify(i)) as object);
    return folder.load({ idColumn: "uscc", idKind: "uscc", tables, indicators }).finally(() => folder[Symbol.dispose]());
  };
  const reaching: Readonly<Record<string, readonly [sql: string, rule: string]>> = {
    "another table of the provider": ["SELECT uscc, secret FROM other", "table"],
    "another file by name": ["SELECT uscc, secret FROM 'other.csv'", "table"],
    "a file function": ["SELECT uscc, secret FROM read_csv('other.csv')", "function"],
    "a file as text": ["SELECT uscc, (SELECT content FROM read_text('/etc/hostname')) FROM public_transactions", "function"],
    "a list of files": ["SELECT file, 1 FROM glob('/*')", "function"],
    "another database": ["ATTACH 'x.db' AS x", "syntax"],
    "another database after a query": ["SELECT uscc, 1 FROM public_transactions; ATTACH 'x.db'", "syntax"],
    "a table of another database": ["SELECT uscc, 1 FROM x.main.public_transactions", "table"],
    "a pragma": ["PRAGMA database_list", "syntax"],
    "a setting": ["SET enable_external_access = true", "syntax"],
    "an extension": ["INSTALL httpfs", "syntax"],
    "a copy to a file": ["COPY public_transactions TO '/tmp/out.csv'", "syntax"],
    "a pragma as a function": ["SELECT name, 1 FROM pragma_table_info('public_transactions')", "function"],
    "the information schema in a subquery": ["SELECT uscc, (SELECT count(*) FROM information_schema.tables) FROM public_transactions", "table"],
    "the catalog of the engine": ["SELECT table_name, 1 FROM duckdb_tables", "table"],
    "the settings of the engine as a function": ["SELECT name, value FROM duckdb_settings()", "function"],
    "an environment variable": ["SELECT uscc, getenv('HOME') FROM public_transactions", "function"],
    "a setting of the session": ["SELECT uscc, current_setting('allowed_paths') FROM public_transactions", "function"],
    "a remote file": ["SELECT * FROM 'https://example.com/x.csv'", "table"],
    "a query in a text": ["SELECT * FROM query('SELECT 1')", "function"],
    "the catalog behind a WITH clause of its name": ["WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT name, sql FROM sqlite_master", "table"],
    "the catalog before a WITH clause of its name": ["WITH a AS (SELECT count(*) AS c FROM duckdb_tables), duckdb_tables AS (SELECT 1) SELECT 'x', c FROM a", "table"],
    "the catalog beside a WITH clause elsewhere": [
      "SELECT uscc, (SELECT count(*) FROM duckdb_tables) FROM public_transactions WHERE EXISTS (WITH duckdb_tables AS (SELECT 1) SELECT 1)", "table"],
    "the catalog in the other half of a union": [
      "(WITH pg_type AS (SELECT 1 AS a) SELECT 'x', a FROM pg_type) UNION ALL SELECT typname, 1 FROM pg_type", "table"],
  };
  for (const [name, [sql, rule]] of Object.entries(reaching)) {
    it(`is refused: ${name}`, async () => {
      const error = await refusal(load(sql));
      assert.deepEqual([error.code, error.facts], ["DATA_INDICATOR_SQL", { indicator: 2, [rule]: true }]);
    });
  }

  it("is refused inside an expression as well", async () => {
    for (const sql of ["sum(project_amount) + (SELECT max(secret) FROM 'other.csv')", "(SELECT count(*) FROM sqlite_master)", "length(getenv('HOME'))"]) {
      assert.strictEqual((await refusal(load(sql, { table: "public_transactions" }))).code, "DATA_INDICATOR_SQL", sql);
    }
  });

  it("may still use WITH clauses: later ones and the query behind them see earlier ones", async () => {
    await load("WITH a AS (SELECT uscc, project_amount AS v FROM public_transactions), b AS (SELECT uscc, sum(v) AS s FROM a GROUP BY uscc) SELECT uscc, s FROM b WHERE s > (SELECT min(v) - 1 FROM a)");
    await load("WITH public_transactions AS (SELECT uscc, project_amount FROM public_transactions) SELECT uscc, sum(project_amount) FROM public_transactions GROUP BY uscc");
  });
});
