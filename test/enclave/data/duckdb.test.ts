import { assert } from "chai";
import { existsSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, it } from "mocha";
import { DataSession, quoteText } from "../../../enclave/data/duckdb.ts";
import { Folder, refusal } from "./support.ts";

describe("the locked DuckDB session", () => {
  it("reads the files it was opened for", async () => {
    using folder = new Folder();
    const file = folder.write("mine.csv", "id,x\na,1\n");
    await using session = await DataSession.open({ files: [file] });
    assert.deepEqual(await session.rows(`SELECT * FROM read_csv(${quoteText(file)}, all_varchar=true)`), [["a", "1"]]);
  });

  it("reaches nothing else, by any statement, and stays locked", async () => {
    using folder = new Folder();
    using outside = new Folder();
    const file = folder.write("mine.csv", "id,x\na,1\n");
    const secret = outside.write("secret.csv", "id,x\na,SECRET\n");
    folder.write("other.csv", "id,x\na,SECRET\n");
    symlinkSync(secret, join(folder.path, "link.csv"));
    await outside.parquet("p.parquet", "SELECT 1 AS a");
    await using session = await DataSession.open({ files: [file] });
    const attacks = [
      ...[secret, join(folder.path, "other.csv"), join(folder.path, "link.csv"), `${file}/../other.csv`, join(folder.path, "*.csv"), "/etc/passwd"].flatMap((path) => [
        `SELECT * FROM read_csv('${path}')`, `SELECT * FROM '${path}'`, `SELECT * FROM read_text('${path}')`, `SELECT * FROM read_blob('${path}')`,
        `CREATE TABLE stolen AS FROM read_csv('${path}')`, `COPY (SELECT 1 AS id) TO '${path}'`, `ATTACH '${path}' AS stolen`, `SELECT * FROM sniff_csv('${path}')`,
      ]),
      `SELECT * FROM read_parquet('${outside.path}/p.parquet')`, `SELECT * FROM parquet_schema('${outside.path}/p.parquet')`,
      `SELECT * FROM glob('${outside.path}/*')`, `SELECT * FROM read_json('${outside.path}/x.json')`,
      `EXPORT DATABASE '${outside.path}'`, `IMPORT DATABASE '${outside.path}'`, `ATTACH '${outside.path}/new.db'`, `COPY (SELECT 1) TO '${folder.path}/out.csv'`,
      "INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL httpfs", `LOAD '${outside.path}/x.duckdb_extension'`, "INSTALL spatial FROM community",
      "SELECT * FROM 'https://example.com/x.csv'", "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')", "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
      "CREATE SECRET (TYPE s3)", "CREATE PERSISTENT SECRET (TYPE s3)",
      "SET enable_external_access=true", "SET lock_configuration=false", "RESET lock_configuration", "RESET allowed_paths", "SET allowed_paths=['/etc/passwd']",
      "SET allowed_directories=['/']", "SET autoinstall_known_extensions=true", "SET memory_limit='100GB'", "SET threads=64", `SET temp_directory='${outside.path}'`,
      `SET profile_output='${outside.path}/profile'`, `SET log_query_path='${outside.path}/log'`, "SET GLOBAL enable_external_access=true",
    ];
    for (const sql of attacks) {
      const error = await refusal(session.rows(sql)).catch(() => assert.fail(`not refused: ${sql}`));
      assert.notInclude(inspect(error, { depth: 9, showHidden: true }), "SECRET");
      assert.isUndefined(error.cause);
    }
    assert.deepEqual(readdirSync(outside.path).sort(), ["p.parquet", "secret.csv"]);
    assert.isFalse(existsSync(join(folder.path, "out.csv")));
    assert.deepEqual(await session.rows(`SELECT * FROM read_csv(${quoteText(file)}, all_varchar=true)`), [["a", "1"]], "the session still works");
  });

  it("has no home of its own on disk: results that do not fit its memory are an error, not a spill", async () => {
    await using session = await DataSession.open({ files: [], memoryMb: 32 });
    const error = await refusal(session.rows("SELECT count(*) FROM (SELECT DISTINCT md5(i::VARCHAR) || repeat('x', 200) FROM range(2000000) t(i))"));
    assert.equal(error.code, "DATA_MEMORY");
  });

  it("drops DuckDB's message, which quotes values, in every error", async () => {
    await using session = await DataSession.open({ files: [] });
    const error = await refusal(session.rows("SELECT CAST('91350100M000100Y43' AS INTEGER)", { code: "DATA_NOT_CSV", facts: { table: 3 } }));
    assert.equal(error.code, "DATA_NOT_CSV");
    assert.deepEqual(error.facts, { table: 3 });
    assert.notInclude(inspect(error, { depth: 9, showHidden: true }), "91350100M000100Y43");
  });
});
