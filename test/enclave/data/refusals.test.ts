import { assert } from "chai";
import { mkdirSync, symlinkSync, truncateSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, it } from "mocha";
import type { AppError, Facts } from "../../../core/errors.ts";
import { errorTable } from "../../../core/errors.ts";
import { dataErrors } from "../../../core/error-codes/data.ts";
import { locate, checkUnchanged, defaultLimits } from "../../../enclave/data/source.ts";
import { Folder, refusal } from "./support.ts";

/** Planted in every value, id and name of the tables below. */
const marker = "M4RK3R";
const m = marker;

/** No error may show a marker anywhere: message, facts, stack, cause, hidden properties. */
function assertSilent(error: AppError): void {
  assert.notInclude(inspect(error, { depth: 20, showHidden: true }), marker);
  assert.notInclude(`${error.message} ${JSON.stringify(error)} ${error.stack}`, marker);
  assert.isUndefined(error.cause);
  for (const fact of Object.values(error.facts)) assert.include(["number", "boolean"], typeof fact);
}

type Case = { readonly text: string | Uint8Array; readonly code: keyof typeof dataErrors; readonly facts: Facts; readonly definition?: object; readonly limits?: object };
const many = (n: number, line: (i: number) => string): string => Array.from({ length: n }, (_, i) => line(i)).join("\n");
const id = `${m}id`;
const named = { idColumn: id };

const cases: Record<string, Case> = {
  "an empty file": { text: "", code: "DATA_FILE_EMPTY", facts: {} },
  "a header without rows": { text: `${id},x\n`, code: "DATA_NO_ROWS", facts: {} },
  "a missing id column": { text: `${m},x\na,1\n`, code: "DATA_MISSING_COLUMN", facts: { id: true } },
  "the wrong delimiter": { text: `${id},x\na,1\n`, definition: { features: { file: "table.csv", delimiter: ";" } }, code: "DATA_MISSING_COLUMN", facts: { id: true } },
  "a missing label column": { text: `${id},x\na,1\n`, definition: { labelColumn: m }, code: "DATA_MISSING_COLUMN", facts: { label: true } },
  "a declared column that is not there": { text: `${id},x\na,1\n`, definition: { columns: { x: {}, [m]: {} } }, code: "DATA_MISSING_COLUMN", facts: { declared: 2 } },
  "two columns of one name": { text: `${id},${m},y,${m}\na,1,2,3\n`, code: "DATA_DUPLICATE_COLUMN", facts: { column: 4 } },
  "a column without name": { text: `${id},,y\na,1,2\n`, code: "DATA_COLUMN_NAME", facts: { column: 2 } },
  "a column name that is too long": { text: `${id},${m.repeat(50)}\na,1\n`, code: "DATA_COLUMN_NAME", facts: { column: 2 } },
  "rows that are too short or too long": { text: `${id},x\n${m}1,1\n${m}2\n${m}3,1,${m}\n${m}4,1\n`, code: "DATA_RAGGED_ROWS", facts: { rows: 2, columns: 2 } },
  "ragged rows among ignored columns": { text: `${id},x\n${m}1,1\n${m}2\n`, definition: { columns: { x: { ignore: true } } }, code: "DATA_RAGGED_ROWS", facts: { rows: 1, columns: 2 } },
  "a quote that never ends": { text: `${id},x\na,1\nb,"${m}\nc,${m}\n`, code: "DATA_CSV_SYNTAX", facts: { row: 2 } },
  "a quote that never ends after quoted line ends": { text: `${id},x\na,"1\n"\nb,"${m}\nc,${m}\n`, code: "DATA_CSV_SYNTAX", facts: { row: 2 } },
  "text after a quote": { text: `${id},x\na,"${m}"${m}\nb,1\n`, code: "DATA_CSV_SYNTAX", facts: { rows: 1 } },
  "mixed line ends": { text: `${id},x\r\na,${m}\nb,${m}\r\n`, code: "DATA_CSV_SYNTAX", facts: {} },
  "NUL bytes": { text: `${id},x\na,${m}\u0000\n`, code: "DATA_NOT_CSV", facts: { binary: true } },
  "UTF-16": { text: Buffer.from(`\ufeff${id},x\na,${m}\n`, "utf16le"), code: "DATA_NOT_CSV", facts: { binary: true } },
  "GBK": { text: Buffer.concat([Buffer.from(`${id},x\n${m},`), Buffer.from([0xd6, 0xd0, 0x0a])]), code: "DATA_NOT_UTF8", facts: { byte: 20 } },
  "a cut character at the end": { text: Buffer.from(`${id},x\n${m},企`).subarray(0, -1), code: "DATA_NOT_UTF8", facts: { byte: 19 } },
  "a header that never ends": { text: `${id},${"x".repeat(2 ** 20)}`, code: "DATA_NOT_CSV", facts: {} },
  "too many columns": { text: `${id},a,b,c\n${m},1,2,3\n`, limits: { columns: 3 }, code: "DATA_TOO_MANY_COLUMNS", facts: { columns: 4, limit: 3 } },
  "too many rows": { text: `${id},a\n${many(4, (i) => `${m}${i},1`)}\n`, limits: { rows: 3 }, code: "DATA_TOO_MANY_ROWS", facts: { rows: 4, limit: 3 } },
  "too many cells": { text: `${id},a,b\n${many(4, (i) => `${m}${i},1,1`)}\n`, limits: { cells: 7 }, code: "DATA_TOO_MANY_CELLS", facts: { rows: 4, columns: 2, limit: 7 } },
  "a large file": { text: `${id},a\n${m},1\n`, limits: { fileBytes: 10 }, code: "DATA_FILE_TOO_LARGE", facts: { bytes: 20, limit: 10 } },
  "numbers with a few texts": { text: `${id},x\n${many(100, (i) => `${i},${i < 3 ? m : i}`)}\n`, code: "DATA_MIXED_TYPES", facts: { column: 2, rows: 3 } },
  "dates with a few texts": { text: `${id},x\n${many(100, (i) => `${i},${i < 2 ? m : "2020-01-01"}`)}\n`, code: "DATA_MIXED_TYPES", facts: { column: 2, rows: 2 } },
  "texts in a numeric column": { text: `${id},x\na,1\nb,${m}\nc,${m}\n`, definition: { columns: { x: { type: "numeric" } } }, code: "DATA_WRONG_TYPE", facts: { column: 2, rows: 2 } },
  "texts in a date column": { text: `${id},x\na,2020-01-01\nb,${m}\n`, definition: { columns: { x: { type: "date" } } }, code: "DATA_WRONG_TYPE", facts: { column: 2, rows: 1 } },
  "dates that do not exist": { text: `${id},x\na,2020-02-30\nb,20201301\n`, definition: { columns: { x: { type: "date" } } }, code: "DATA_WRONG_TYPE", facts: { column: 2, rows: 2 } },
  "infinite numbers": { text: `${id},x\na,1\nb,-Infinity\nc,1e999\n`, code: "DATA_NOT_FINITE", facts: { column: 2, rows: 2 } },
  "too many categories": { text: `${id},x\n${many(9, (i) => `${i},${m}${i}`)}\n`, definition: { columns: { x: { type: "categorical" } } }, limits: { levels: 5 }, code: "DATA_TOO_MANY_LEVELS", facts: { column: 2, limit: 5 } },
  "a category that is a book": { text: `${id},x\na,${m.repeat(60)}\n`, definition: { columns: { x: { type: "categorical" } } }, code: "DATA_TOO_MANY_LEVELS", facts: { column: 2, limit: 10_000 } },
  "rows without id": { text: `x,${id}\n1,${m}\n2,\n3, \n4,NA\n`, code: "DATA_ID_EMPTY", facts: { column: 2, rows: 3 } },
  "ids with control characters or too long": { text: `${id}\n${m}\n${m}\u0007\n${"x".repeat(129)}\n`, code: "DATA_ID_FORMAT", facts: { column: 1, rows: 2 } },
  "USCCs of a wrong form": { text: `${id}\n91350100M000100Y43\n${m}\n91350100I000100Y43\n91350100M000100Y4\n`, definition: { idKind: "uscc" }, code: "DATA_ID_FORMAT", facts: { column: 1, rows: 3 } },
  "USCCs with a wrong check character": { text: `${id}\n91350100M000100Y43\n91350100M000100Y44\n`, definition: { idKind: "uscc" }, code: "DATA_ID_CHECK", facts: { column: 1, rows: 1 } },
  "ids that repeat": { text: `${id},x\n${m},1\n${m}2,1\n ${m} ,2\nＭ4RK3R,3\n${m}2,3\n${m}3,3\n`, code: "DATA_DUPLICATE_ID", facts: { column: 1, ids: 2, rows: 3 } },
  "USCCs that repeat in another case": { text: `${id}\n91350100M000100Y43\n91350100m000100y43\n`, definition: { idKind: "uscc" }, code: "DATA_DUPLICATE_ID", facts: { column: 1, ids: 1, rows: 1 } },
  "rows without label": { text: `${id},y\na,0\nb,1\nc,\nd,NA\n`, definition: { labelColumn: "y" }, code: "DATA_LABEL_MISSING", facts: { column: 2, rows: 2 } },
  "labels of other values": { text: `${id},y\na,0\nb,1\nc,2\nd,${m}\n`, definition: { labelColumn: "y" }, code: "DATA_LABEL_VALUES", facts: { column: 2, rows: 2 } },
  "labels of one class": { text: `${id},y\na,0\nb,0\n`, definition: { labelColumn: "y" }, code: "DATA_LABEL_ONE_CLASS", facts: { column: 2, rows: 2 } },
};

describe("what the data door refuses", () => {
  for (const [what, { text, code, facts, definition, limits }] of Object.entries(cases)) {
    it(`refuses ${what} with ${code} and no value`, async () => {
      using folder = new Folder();
      const error = await refusal(folder.csv(text, { ...named, ...definition }, limits ? { limits } : {}));
      assert.equal(error.code, code);
      assert.deepEqual(error.facts, facts);
      assertSilent(error);
    });
  }

  it("refuses a 5 GB file at once, without reading it", async () => {
    using folder = new Folder();
    truncateSync(folder.write("table.csv", "id,x\n"), 5 * 10 ** 9);
    const before = process.resourceUsage().fsRead;
    const error = await refusal(folder.load({ features: "table.csv" }));
    assert.equal(error.code, "DATA_FILE_TOO_LARGE");
    assert.deepEqual(error.facts, { bytes: 5 * 10 ** 9, limit: 4 * 2 ** 30 });
    assert.isBelow((process.resourceUsage().fsRead - before) * 512, 10 ** 8);
  });

  const places: Record<string, [file: string, code: string]> = {
    "a file that is not there": [`${m}.csv`, "DATA_FILE_MISSING"], "a path through a file": [`here.csv/${m}`, "DATA_FILE_MISSING"], "a folder": [`${m}folder`, "DATA_FILE_NOT_REGULAR"],
    "a path that climbs out": [`../${m}.csv`, "DATA_FILE_OUTSIDE"], "an absolute path": ["/etc/hostname", "DATA_FILE_OUTSIDE"], "the folder itself": [".", "DATA_FILE_OUTSIDE"],
    "a link that leads out": [`${m}link.csv`, "DATA_FILE_OUTSIDE"], "a glob": [`${m}*.csv`, "DATA_FILE_NAME"], "a NUL in the name": [`${m}\u0000.csv`, "DATA_FILE_NAME"],
    "a device through a link": [`${m}device`, "DATA_FILE_OUTSIDE"],
  };
  for (const [what, [file, code]] of Object.entries(places)) {
    it(`refuses ${what} with ${code}`, async () => {
      using folder = new Folder();
      using outside = new Folder();
      folder.write("here.csv", "id\na\n");
      mkdirSync(join(folder.path, `${m}folder`));
      symlinkSync(outside.write("there.csv", "id\na\n"), join(folder.path, `${m}link.csv`));
      symlinkSync("/dev/zero", join(folder.path, `${m}device`));
      const error = await refusal(folder.load({ features: file }));
      assert.equal(error.code, code);
      assertSilent(error);
    });
  }

  it("refuses a file that it may not read", async () => {
    using folder = new Folder();
    const { chmodSync } = await import("node:fs");
    chmodSync(folder.path, 0o755);
    chmodSync(folder.write(`${m}.csv`, "id\na\n"), 0o000);
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65534);
    const error = await refusal(folder.load({ features: `${m}.csv` })).finally(() => root && process.seteuid?.(0));
    assert.equal(error.code, "DATA_FILE_UNREADABLE");
    assertSilent(error);
  });

  it("refuses a data folder that is not there", async () => {
    using folder = new Folder();
    const error = await refusal(folder.load({ features: "x.csv" }, { directory: join(folder.path, m) }));
    assert.deepEqual([error.code, error.facts], ["DATA_FILE_MISSING", { folder: true }]);
  });

  it("notices a file that changes while it is read", async () => {
    using folder = new Folder();
    const path = folder.write("t.csv", "id,x\na,1\n");
    const file = await locate({ file: "t.csv" }, folder.path, defaultLimits, { table: 2 });
    await checkUnchanged(file);
    utimesSync(path, new Date(0), new Date(0));
    assert.deepEqual((await refusal(checkUnchanged(file))).facts, { table: 2 });
    folder.write("t.csv", "id,x\na,1\nb,2\n");
    assert.equal((await refusal(checkUnchanged(file))).code, "DATA_FILE_CHANGED");
  });

  it("has a sentence in both languages for every code", () => {
    for (const [code, { status, en, zh }] of Object.entries(dataErrors)) {
      assert.include(Object.keys(errorTable), code);
      assert.isAtLeast(status, 400);
      assert.match(en, /^[A-Z].{20,}\.$/s, code);
      assert.match(zh, /^[\u4e00-\u9fff].{5,}。$|^[A-Z].{5,}。$/s, code);
    }
  });
});
