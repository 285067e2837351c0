import { assert } from "chai";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { Folder, numeric, refusal, texts } from "./support.ts";

const nan = Number.NaN;

describe("loading a Parquet feature table", () => {
  it("takes numbers and dates as they are stored, and types texts like CSV", async () => {
    using folder = new Folder();
    await folder.parquet("t.parquet", `SELECT * FROM (VALUES
      (10::BIGINT, 1.5::DOUBLE, 1.25::FLOAT, 12.34::DECIMAL(9,2), 7::UTINYINT, DATE '2020-01-01', TIMESTAMP '1970-01-02 23:59:00', '5', 'x', true),
      (20, 'nan', NULL, 0, NULL, NULL, TIMESTAMPTZ '1970-01-03 00:30:00+00', '6', 'NA', false),
      (30, -999, 2, 5, 9, DATE '1960-01-01', NULL, NULL, 'y', NULL)) t(id, d, f, dec, u, day, ts, t, c, b)`);
    const data = await folder.load({ features: "t.parquet", columns: { d: { special: [-999] } } });
    assert.deepEqual([...data.ids], ["10", "20", "30"]);
    assert.deepEqual([...numeric(data, "d").values], [1.5, nan, -999]);
    assert.deepEqual(numeric(data, "d").special, [-999]);
    assert.deepEqual([...numeric(data, "f").values], [1.25, nan, 2]);
    assert.deepEqual([...numeric(data, "dec").values], [12.34, 0, 5]);
    assert.deepEqual([...numeric(data, "u").values], [7, nan, 9]);
    assert.deepEqual([...numeric(data, "day").values], [18262, nan, -3653]);
    assert.deepEqual([...numeric(data, "ts").values], [1, 2, nan], "days are days in UTC on every machine");
    assert.deepEqual([...numeric(data, "t").values], [5, 6, nan]);
    assert.deepEqual(texts(data, "c"), ["x", null, "y"]);
    assert.deepEqual(texts(data, "b"), ["true", "false", null]);
  });

  it("gives the same digest as the same data in CSV", async () => {
    using folder = new Folder();
    await folder.parquet("t.parquet", "SELECT 'a' || i AS id, i % 2 AS y, i / 3 AS x, CASE WHEN i % 5 > 0 THEN 'k' || i % 4 END AS c FROM range(3000) t(i)");
    const fromParquet = await folder.load({ features: "t.parquet", labelColumn: "y" });
    const lines = Array.from({ length: 3000 }, (_, i) => `a${i},${i % 2},${i / 3},${i % 5 > 0 ? `k${i % 4}` : ""}`);
    const fromCsv = await folder.csv(`id,y,x,c\n${lines.join("\n")}\n`, { labelColumn: "y" });
    assert.equal(fromParquet.snapshotDigest, fromCsv.snapshotDigest);
  });

  it("keeps names that differ in case apart", async () => {
    using folder = new Folder();
    await folder.parquet("t.parquet", "SELECT 'a' AS id, 1 AS x, 2 AS X2");
    assert.deepEqual((await folder.load({ features: { file: "t.parquet", format: "parquet" } })).features.map((f) => f.name), ["x", "X2"]);
  });

  it("refuses nested and binary columns unless they are ignored, floating ids and infinite numbers", async () => {
    using folder = new Folder();
    await folder.parquet("t.parquet", "SELECT 'a' AS id, 1.0::DOUBLE AS f, [1] AS l, 'x'::BLOB AS b, {'q': 1} AS s, 'infinity'::DOUBLE AS i, 2 AS x");
    const codes: unknown[] = [];
    const ignore = { ignore: true };
    for (const columns of [{}, { l: ignore }, { l: ignore, b: ignore }, { l: ignore, b: ignore, s: ignore }]) codes.push(await refusal(folder.load({ features: "t.parquet", columns })));
    assert.deepEqual(codes.map((e) => [(e as { code: string }).code, (e as { facts: { column: number } }).facts.column]), [["DATA_COLUMN_TYPE", 3], ["DATA_COLUMN_TYPE", 4], ["DATA_COLUMN_TYPE", 5], ["DATA_NOT_FINITE", 6]]);
    const data = await folder.load({ features: "t.parquet", columns: { l: ignore, b: ignore, s: ignore, i: ignore } });
    assert.deepEqual(data.features.map((f) => f.name), ["f", "x"]);
    assert.equal((await refusal(folder.load({ features: "t.parquet", idColumn: "f" }))).code, "DATA_ID_TYPE");
    assert.equal((await refusal(folder.load({ features: "t.parquet", columns: { x: { type: "date" }, l: ignore, b: ignore, s: ignore, i: ignore } }))).code, "DATA_WRONG_TYPE");
  });

  it("refuses what is not a whole Parquet file: text, a cut file, flipped bytes", async () => {
    using folder = new Folder();
    await folder.parquet("t.parquet", "SELECT 'id' || i AS id, random() AS x FROM range(5000) t(i)");
    const whole = readFileSync(join(folder.path, "t.parquet"));
    const broken: Record<string, Uint8Array> = { "text.parquet": Buffer.from("id,x\n1,2\n"), "cut.parquet": whole.subarray(0, whole.length - 100), "head.parquet": whole.subarray(50), "tiny.parquet": whole.subarray(0, 4) };
    const garbled = Uint8Array.from(whole);
    garbled.fill(0xff, 4, whole.length - 2000);
    broken["garbled.pq"] = garbled;
    const footer = Uint8Array.from(whole);
    for (let at = footer.length - 200; at < footer.length - 8; at += 3) footer[at] = (footer[at] ?? 0) ^ 0x55;
    broken["footer.parquet"] = footer;
    for (const [name, bytes] of Object.entries(broken)) {
      folder.write(name, bytes);
      assert.equal((await refusal(folder.load({ features: name }))).code, "DATA_NOT_PARQUET", name);
    }
  });
});
