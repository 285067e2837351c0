// When changed files are to be loaded, and what of a new version is for a person to say.
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../../core/errors.ts";
import { Settling } from "../../../enclave/refresh/settling.ts";
import { checkExpected } from "../../../enclave/refresh/shape.ts";

describe("files that change", () => {
  const start = () => new Settling("a", { settleMs: 10_000, againMs: 60_000 });
  it("are loaded once they have stayed the same, and not while they are written", () => {
    const files = start();
    assert.equal(files.look("a", 0), "nothing");
    assert.equal(files.look("b", 1_000), "settle");
    assert.equal(files.look("b", 10_999), "settle");
    // A byte more.
    assert.equal(files.look("c", 11_000), "settle");
    assert.equal(files.look("c", 20_999), "settle");
    assert.equal(files.look("c", 21_000), "load");
    files.loaded("c");
    assert.equal(files.look("c", 21_001), "nothing");
    assert.equal(files.look("a", 22_000), "settle", "back to what was there before is a change, too");
  });
  it("are not tried again while they are as they were, but after a while; and at once when they were put back", () => {
    const files = start();
    files.look("b", 0);
    assert.equal(files.look("b", 10_000), "load");
    files.refused("b", 10_000);
    assert.equal(files.look("b", 69_999), "nothing");
    assert.equal(files.look("b", 70_000), "load");
    files.refused("b", 70_000);
    assert.equal(files.look("a", 71_000), "nothing", "what is in service");
    assert.equal(files.look("b", 72_000), "settle");
    assert.equal(files.look("b", 82_000), "load");
  });
  it("have to settle anew when they changed while they were read, and a clock that is put back stops nothing", () => {
    const files = start();
    files.look("b", 0);
    assert.equal(files.look("b", 10_000), "load");
    files.changed();
    assert.equal(files.look("b", 10_001), "settle");
    assert.equal(files.look("b", -5_000), "settle");
    assert.equal(files.look("b", 5_000), "load");
    files.refused("b", 5_000);
    assert.equal(files.look("b", -100_000), "settle");
    assert.equal(files.look("b", -90_000), "load");
  });
});

describe("a new version of the data", () => {
  type Input = Parameters<typeof checkExpected>[0];
  const version = (rows: number, columns: readonly string[], published: object = {}): Input => ({
    summary: { name: "d", rows, features: columns.length, labelled: false, snapshotDigest: String(rows), ...published },
    dataset: { features: columns.map((c) => ({ name: c.slice(1), kind: c.startsWith("n") ? "numeric" : "categorical" })) } as unknown as Input["dataset"],
  });
  const before = version(100, ["nx", "cy"]);
  const said = (next: Input, least = 50): unknown => {
    try {
      checkExpected(before, next, least);
      return "ok";
    } catch (error) {
      return error instanceof AppError ? [error.code, error.facts] : error;
    }
  };
  it("is taken without a word when only companies and values are others, also in another order of columns", () => {
    assert.equal(said(version(50, ["cy", "nx"])), "ok");
    assert.equal(said(version(100_000, ["nx", "cy"])), "ok");
  });
  it("waits for a person when columns, their kinds or what is published are others", () => {
    assert.deepEqual(said(version(100, ["nx"])), ["DATA_REFRESH_SHAPE", { gone: 1, added: 0 }]);
    assert.deepEqual(said(version(100, ["nx", "ny"])), ["DATA_REFRESH_SHAPE", { gone: 1, added: 1 }]);
    assert.deepEqual(said(version(100, ["nx", "cy", "nz"])), ["DATA_REFRESH_SHAPE", { gone: 0, added: 1 }]);
    assert.deepEqual(said(version(100, ["nx", "cy"], { consents: true })), ["DATA_REFRESH_SHAPE", { gone: 0, added: 0 }]);
    assert.deepEqual(said(version(100, ["nx", "cy"], { verification: { fields: [{ name: "f", type: "text", items: [], authorised: [] }] } })), ["DATA_REFRESH_SHAPE", { gone: 0, added: 0 }]);
  });
  it("waits for a person when most companies are gone, as in a file that was cut at the end of a line", () => {
    assert.deepEqual(said(version(49, ["nx", "cy"])), ["DATA_REFRESH_ROWS", { rows: 49, before: 100 }]);
    assert.equal(said(version(49, ["nx", "cy"]), 40), "ok");
    assert.equal(said(version(1, ["nx", "cy"]), 0), "ok");
  });
});
