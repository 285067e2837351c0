// The declaration of a data set when it is loaded: what is not declared is not computed with, and what an indicator reads is found in its SQL,
// never less than it really depends on.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { gradeTable } from "../../../catalogue/grades.ts";
import type { Grade } from "../../../catalogue/schema.ts";
import { silentLog } from "../../../core/env.ts";
import { isAppError } from "../../../core/errors.ts";
import { sourceItems, type DeclaredFeature } from "../../../enclave/data/declared.ts";
import { parseDefinition } from "../../../enclave/data/definition.ts";
import { DataSession } from "../../../enclave/data/duckdb.ts";
import { viewCatalogue } from "../../../enclave/data/inspect.ts";
import type { LoadedDataset } from "../../../enclave/data/load.ts";
import { loadOwn, requireDeclaration } from "../../../enclave/data/own.ts";
import { requireNameable } from "../../../enclave/job/kinds/export.ts";
import { checkIndicatorSql } from "../../../enclave/data/sql-guard.ts";
import { readsOf } from "../../../enclave/data/sql-reads.ts";
import type { OwnerHalf } from "../../../federation/export/half.ts";
import { floors } from "../../../federation/guards.ts";
import { Folder, refusal } from "./support.ts";

const tables = { t: ["id", "a", "b", "c"], u: ["id", "a", "d"] } as const;
const columns = new Map(Object.entries(tables).map(([t, names]) => [t, new Set<string>(names)]));

async function tablesIn(session: DataSession, change?: { table: string; column: string }): Promise<void> {
  const rows = { t: [["x", 1, 2, 3], ["x", 4, 5, 6], ["y", 7, 8, 9]], u: [["x", 10, 11], ["y", 12, 13], ["y", 14, 15]] } as const;
  for (const [table, names] of Object.entries(tables)) {
    const values = rows[table as keyof typeof rows].map((row, r) => `(${row.map((v, i) => {
      const isChanged = change?.table === table && change.column === names[i];
      return typeof v === "string" ? `'${isChanged ? `z${r}` : v}'` : String(isChanged ? v * 100 - r : v);
    }).join(", ")})`);
    await session.run(`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM (VALUES ${values.join(", ")}) AS q(${names.join(", ")})`);
  }
}

/** What the query is found to read, and what its result is found to depend on when each column is changed in turn. */
async function both(sql: string): Promise<{ reads: Set<string>; depends: Set<string> }> {
  await using session = await DataSession.open({ files: [], threads: 1 });
  await tablesIn(session);
  const tree = await checkIndicatorSql(session, sql, Object.keys(tables), {});
  const reads = new Set(readsOf(tree, columns).flatMap(({ table, column }) => (column === undefined ? [...(columns.get(table) ?? [])] : [column]).map((c) => `${table}.${c}`)));
  const result = async (): Promise<string> => JSON.stringify((await session.rows(sql)).map(String).sort());
  const plain = await result();
  const depends = new Set<string>();
  for (const [table, names] of Object.entries(tables)) {
    for (const column of names) {
      await tablesIn(session, { table, column });
      if ((await result()) !== plain) depends.add(`${table}.${column}`);
    }
  }
  return { reads, depends };
}

describe("what an indicator reads", () => {
  const exact: [string, string[]][] = [
    ["SELECT id, sum(a) FROM t GROUP BY id", ["t.id", "t.a"]],
    ["SELECT T.ID, MAX(\"B\") FROM T GROUP BY t.Id", ["t.id", "t.b"]],
    ["SELECT x.id, x.b FROM t x JOIN u y ON y.id = x.id WHERE y.d > 0", ["t.id", "t.b", "u.id", "u.d"]],
    ["SELECT id, 1 FROM t WHERE c IS NOT NULL QUALIFY row_number() OVER (PARTITION BY id ORDER BY b) = 1", ["t.id", "t.b", "t.c"]],
    ["SELECT t.id, u.a FROM t JOIN u ON t.id = u.id", ["t.id", "u.id", "u.a"]],
    ["SELECT id, count(*) FROM t GROUP BY id", ["t.id"]],
    ["SELECT id, (SELECT max(d) FROM u WHERE u.id = t.id) FROM t", ["t.id", "u.id", "u.d"]],
  ];
  for (const [sql, expected] of exact) {
    it(`is ${expected.join(", ")} in ${sql}`, async () => {
      const { reads, depends } = await both(sql);
      assert.sameMembers([...reads], expected);
      assert.includeMembers([...reads], [...depends]);
    });
  }

  const doubtful = [
    "SELECT * FROM (SELECT id, a FROM t)", "SELECT id, c FROM (SELECT * FROM t)", "SELECT id, x FROM (SELECT id, COLUMNS('b') AS x FROM t)",
    "WITH w AS (SELECT id, b AS hidden FROM t) SELECT w.id, w.hidden FROM w", "WITH w(id, v) AS (SELECT id, c FROM t) SELECT id, v FROM w",
    "WITH t2 AS (SELECT * FROM t), w AS (SELECT id, a FROM t2) SELECT id, a FROM w",
    "SELECT id, v FROM t AS q(id, v, w, x)", "SELECT q.id, q.v FROM t AS q(id, v, w, x)", "SELECT id, CAST(t AS VARCHAR) FROM t", "SELECT x.id, CAST(x AS VARCHAR) FROM t x",
    "SELECT id, row(t.*)::VARCHAR FROM t", "SELECT id, d FROM t JOIN u USING (id, a)", "SELECT id, d FROM t NATURAL JOIN u", "SELECT id, a FROM t UNION ALL SELECT id, d FROM u",
    "SELECT #1, #2 FROM (SELECT id, b FROM t)", "SELECT id, list_max(list_transform(list(a), e -> e + 1)) FROM t GROUP BY id",
    "SELECT id, (SELECT sum(v) FROM (SELECT a AS v, id AS k FROM u) AS u WHERE k = t.id) FROM t",
    "SELECT b.id, b.a FROM u b WHERE EXISTS (SELECT 1 FROM t b WHERE b.c = 3)", "SELECT a.id, a.a FROM t a", "SELECT id.id, 1 FROM t id", "SELECT main.t.id, main.t.b FROM t",
    "SELECT id, a FROM t ORDER BY b LIMIT 1", "SELECT DISTINCT ON (id) id, a FROM t ORDER BY id, c DESC", "SELECT t.id, struct_extract(row(t), 'x') FROM t",
    "SELECT id, sum(a) FILTER (WHERE b > 2) OVER (PARTITION BY c) FROM t", "SELECT id, count(*) FROM t GROUP BY ALL", "FROM t SELECT id, c", "SELECT u.id, unnest(list(u.d)) FROM u GROUP BY u.id",
    "SELECT COALESCE(t.id, u.id), d FROM t FULL JOIN u ON t.id = u.id AND t.b = u.d", "SELECT id, a FROM t WHERE (a, b) IN (SELECT (a, d) FROM u)",
  ];
  for (const sql of doubtful) {
    it(`is never less than what the result depends on: ${sql}`, async () => {
      let found: Awaited<ReturnType<typeof both>>;
      try {
        found = await both(sql);
      } catch (error) {
        // Not within the rules, or nothing that the engine can run: nobody computes with it.
        assert.match(String(error), /DATA_INDICATOR_SQL|DATA_ENGINE/);
        return;
      }
      assert.includeMembers([...found.reads], [...found.depends]);
    });
  }
});

const filings = { subject: "id", columns: { period: ["tax.payment"], vat: ["tax.payment#vat_paid_12m"], revenue: ["tax.financial-filings"] } };
const pensions = { subject: "id", columns: { month: ["social-insurance.pension-payment"], band: ["social-insurance.payment#insured_band_12m"] } };
const declaration = (tablesOf: object = { filings, pensions }) => ({ version: 1, catalogue: "2024-15", tables: tablesOf });
const item = { unit: "yuan", direction: "higher-better" };
const paid = { name: "paid", ...item, sourceItem: "tax.payment", table: "filings", sql: "sum(vat)" };
const turnover = { name: "turnover", ...item, sourceItem: "P24/纳税信息/财务申报信息 + tax.payment", table: "filings", sql: "sum(revenue) / sum(vat)" };
const raw = (indicators: readonly object[] = [paid, turnover], more: object = {}): object => (
  { tables: { filings: { file: "filings.csv" }, pensions: { file: "pensions.csv" } }, indicators, catalogue: declaration(), ...more });

function provider(): Folder {
  const folder = new Folder();
  folder.write("filings.csv", "id,period,vat,revenue\nx,2024-01-01,1,10\ny,2024-01-01,2,30\n");
  folder.write("pensions.csv", "id,month,band\nx,2024-01-01,b1\ny,2024-01-01,b2\n");
  return folder;
}
const load = (folder: Folder, definition: object): Promise<LoadedDataset> => folder.load(definition);

describe("a declaration in a definition", () => {
  it("gives each indicator its items, of them those that need authorisation, and its grade", async () => {
    using folder = provider();
    const { catalogue } = await load(folder, raw());
    assert.deepEqual(catalogue?.version, "2024-15");
    assert.deepEqual<unknown>(catalogue?.items, ["tax.payment", "tax.financial-filings"]);
    assert.deepEqual(catalogue?.authorised, catalogue?.items);
    assert.deepEqual<unknown>(catalogue?.features.get("paid"), { items: ["tax.payment"], authorised: ["tax.payment"], grade: "sensitive" });
    assert.deepEqual(catalogue?.features.get("turnover")?.items.toSorted(), ["tax.financial-filings", "tax.payment"] as never);
    assert.isUndefined((await load(folder, { ...raw(), catalogue: undefined })).catalogue);
    assert.deepEqual(sourceItems({ sourceItem: " a.b +  P21/x/y + " }), ["a.b", "P21/x/y"]);
  });

  it("refuses a column without an item, wherever it stands, and a table that nobody declared", async () => {
    using folder = provider();
    const { vat: _, ...without } = filings.columns;
    const column = await refusal(load(folder, raw([turnover], { catalogue: declaration({ filings: { ...filings, columns: without }, pensions }) })));
    assert.deepEqual([column.code, column.facts], ["CATALOGUE_COLUMN_UNDECLARED", { table: 1, column: 3 }]);
    assert.equal((await refusal(load(folder, raw([paid], { catalogue: declaration({ filings }) })))).code, "CATALOGUE_COLUMN_UNDECLARED");
    assert.equal((await refusal(load(folder, raw([paid], { catalogue: declaration({ filings, pensions, more: filings }) })))).code, "CATALOGUE_COLUMN_MISSING");
    assert.equal((await refusal(load(folder, raw([paid], { catalogue: { ...declaration(), catalogue: "2031-1" } })))).code, "CATALOGUE_VERSION");
    const left = raw([{ ...paid }], { catalogue: declaration({ filings: { ...filings, columns: without }, pensions }) });
    const ignored = { ...left, tables: { filings: { file: "filings.csv", columns: { vat: { ignore: true } } }, pensions: { file: "pensions.csv" } } };
    assert.equal((await refusal(load(folder, ignored))).code, "CATALOGUE_INDICATOR_SOURCE", "what is left out of the table is not there");
  });

  it("refuses an indicator that uses an item against its mode, with the clause, and one that reads what it does not name", async () => {
    using folder = provider();
    const verified = await refusal(load(folder, raw([paid, { name: "band", ...item, sourceItem: "social-insurance.payment", sql: "SELECT id, any_value(band) FROM pensions GROUP BY id" }])));
    assert.deepEqual([verified.code, verified.facts["indicator"], verified.facts["item"], verified.facts["clause"]] as unknown[],
      ["CATALOGUE_MODE", 2, "social-insurance.payment", "P21-note-2-verification"]);
    const hidden = [
      { ...paid, sourceItem: "tax.financial-filings" }, { ...paid, sql: "sum(vat + revenue)" }, { ...paid, sql: "sum(vat) FILTER (WHERE revenue > 0)" },
      { ...paid, sourceItem: "" },
    ];
    for (const indicator of hidden) assert.equal((await refusal(load(folder, raw([indicator])))).code, "CATALOGUE_INDICATOR_SOURCE", indicator.sql);
    assert.equal((await refusal(load(folder, raw([{ ...paid, sourceItem: "tax.unheard-of" }])))).code, "CATALOGUE_UNKNOWN_ITEM");
  });

  it("lets tables hold what may only be verified, as long as no indicator reads it", async () => {
    using folder = provider();
    const { catalogue } = await load(folder, raw([paid]));
    assert.notInclude((catalogue?.items ?? []) as readonly string[], "social-insurance.payment");
  });

  it("counts every item of a table that an indicator reads as a whole", async () => {
    using folder = provider();
    const whole = (sql: string) => ({ name: "whole", ...item, sourceItem: "tax.payment", sql });
    for (const sql of ["SELECT id, count(*) FROM (SELECT * FROM filings) GROUP BY id", "SELECT id, max(CAST(filings AS VARCHAR)) FROM filings GROUP BY id"]) {
      const { catalogue } = await load(folder, raw([whole(sql)]));
      assert.sameMembers((catalogue?.items ?? []) as readonly string[] as string[], ["tax.payment", "tax.financial-filings"]);
    }
    assert.equal((await refusal(load(folder, raw([{ ...whole("SELECT id, count(*) FROM (SELECT * FROM pensions) GROUP BY id"), sourceItem: "social-insurance.pension-payment" }])))).code,
      "CATALOGUE_MODE", "a whole table with what may only be verified");
  });

  it("holds for a ready-made table, whose columns are features as they are; outcomes are the party's own", async () => {
    using folder = new Folder();
    const text = "id,y,vat,revenue,month\nx,1,1,10,2024-01\ny,0,2,20,2024-02\n";
    const features = { subject: "id", items: ["tax.payment"], columns: { revenue: ["tax.financial-filings"], month: { items: ["tax.payment"], grade: "restricted" } } };
    const definition = (more: object = {}) => ({ labelColumn: "y", catalogue: declaration({ features }), columns: { month: { ignore: true } }, ...more });
    const { catalogue } = await folder.csv(text, definition());
    assert.deepEqual([...(catalogue?.features.keys() ?? [])], ["vat", "revenue"]);
    const strict = await refusal(folder.csv(text, definition({ columns: {} })));
    assert.deepEqual([strict.code, strict.facts["clause"]] as unknown[], ["CATALOGUE_MODE", "P21-9-release"], "what its owner restricts is no feature");
    const { items: _, ...bare } = features;
    assert.equal((await refusal(folder.csv(text, definition({ catalogue: declaration({ features: bare }) })))).code, "CATALOGUE_COLUMN_UNDECLARED");
  });

  it("is needed of information about companies by their credit codes, unless it has outcomes or is the party's own", async () => {
    const of = (change: object): ReturnType<typeof parseDefinition> => parseDefinition({ name: "n", idColumn: "id", idKind: "uscc", features: "f.csv", ...change });
    assert.throws(() => requireDeclaration({ dataset: of({}) }), /CATALOGUE_UNDECLARED/);
    for (const change of [{ idKind: "opaque" }, { labelColumn: "y" }, { catalogue: declaration() }]) assert.doesNotThrow(() => requireDeclaration({ dataset: of(change) }));
    assert.doesNotThrow(() => requireDeclaration({ dataset: of({}), ownData: true }));
    using folder = new Folder();
    writeFileSync(join(folder.path, "f.csv"), "id,a\n91350100M000100Y43,1\n");
    const own = { dataset: of({}), dataFolder: folder.path };
    assert.equal((await refusal(loadOwn(own, new Uint8Array(32), silentLog))).code, "CATALOGUE_UNDECLARED");
    assert.equal((await loadOwn({ ...own, ownData: true }, new Uint8Array(32), silentLog)).rows, 1);
  });

  it("asks no more companies behind a figure than the floors of bins give", () => {
    const most = Math.max(...Object.values(gradeTable).map((rule) => rule.minCompanies ?? 0));
    assert.isAtLeast(floors.minRowsPerStatistic, most);
  });
});

describe("the grade of a feature", () => {
  const feature = (grade: Grade): DeclaredFeature => ({ items: [], authorised: [], grade });
  const features = new Map([["paid", feature("sensitive")], ["spouse", feature("restricted")]]);
  const exporting = (catalogue: { features: typeof features } | undefined, ...names: string[]) => (): void => (
    requireNameable({ kind: "scorecard", half: { columns: names.map((name) => ({ feature: name })) } } as unknown as OwnerHalf, catalogue));

  it("keeps names, edges and levels of what is strictly restricted out of an exported model, and of what is not declared any more", () => {
    assert.doesNotThrow(exporting({ features }, "paid"));
    assert.doesNotThrow(exporting(undefined, "anything"), "a party's own data have no grades");
    for (const name of ["spouse", "earlier"]) {
      let facts: unknown;
      try {
        exporting({ features }, "paid", name)();
      } catch (error) {
        if (isAppError(error)) facts = [error.code, error.facts];
      }
      assert.deepEqual(facts, ["CATALOGUE_EXPORT", { level: 4, clause: "P21-9-release" }]);
    }
  });
});

describe("the view of a declaration", () => {
  const view = (folder: Folder, definition: object): ReturnType<typeof viewCatalogue> =>
    viewCatalogue(parseDefinition({ name: "test", idColumn: "id", idKind: "opaque", ...definition }), folder.path);

  it("says what each item and feature may be used for", async () => {
    using folder = provider();
    const { items, features, problems, version } = await view(folder, raw());
    assert.deepEqual([version, problems], ["2024-15", []]);
    const of = (id: string) => items.find((i) => (i.item.id as string) === id)?.uses;
    assert.deepInclude(of("social-insurance.payment")?.["joint-modelling"], { allowed: false, clause: "P21-note-2-verification" });
    assert.deepInclude(of("social-insurance.payment")?.verification, { allowed: true, authorisation: true });
    assert.deepInclude(of("tax.payment")?.scoring, { allowed: true, authorisation: true });
    assert.deepEqual(features.map((f) => [f.name, f.uses["joint-modelling"], f.uses.scoring]), [["paid", "yes", "authorised"], ["turnover", "yes", "authorised"]]);
  });

  it("shows every problem by its name, not the first alone", async () => {
    using folder = provider();
    const bad = { filings: { subject: "id", columns: { vat: ["tax.payment#none"], gone: ["tax.payment"], revenue: ["tax.nothing"] } } };
    const { problems } = await view(folder, raw([paid], { catalogue: declaration(bad) }));
    assert.sameDeepMembers(problems.map((p) => [p.at, p.code]), [
      ["filings.gone", "CATALOGUE_COLUMN_MISSING"], ["filings.period", "CATALOGUE_COLUMN_UNDECLARED"], ["filings.vat", "CATALOGUE_UNKNOWN_FIELD"],
      ["filings.revenue", "CATALOGUE_UNKNOWN_ITEM"], ["pensions", "CATALOGUE_COLUMN_UNDECLARED"],
    ]);
    const mode = await view(folder, raw([paid, { name: "band", ...item, sourceItem: "social-insurance.payment", sql: "SELECT id, any_value(band) FROM pensions GROUP BY id" }]));
    assert.deepEqual(mode.problems.map((p) => [p.at, p.code, p.facts["clause"]] as unknown[]), [["band", "CATALOGUE_MODE", "P21-note-2-verification"]]);
    assert.deepEqual(await view(folder, raw([paid], { catalogue: undefined })), { version: undefined, items: [], features: [], problems: [] });
  });
});
