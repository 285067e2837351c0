import { readFileSync } from "node:fs";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { Figure } from "../../bench/figures.ts";
import { markdown, verdictLine } from "../../bench/render.ts";
import { machineFacts, merged, readResults, resultsSchema, writeResults, type Results, type SectionResult } from "../../bench/results.ts";
import { sections } from "../../bench/sections.ts";

const bench = join(import.meta.dirname, "..", "..", "bench");
const section = (name: string, at: string, figures: Figure[] = [{ name: "n", value: 1, unit: "s", bar: { atMost: 2 } }]): SectionResult => ({
  name, title: `Title of ${name}`, about: "About it.", at, machine: machineFacts(), loadAtStart: 0.5, runs: 1, tookSeconds: 3, full: false, figures, notes: [],
});
const before: Results = {
  version: 2, sections: [section("kernel", "2026-11-01T10:00:00.000Z"), section("psi", "2026-11-01T10:05:00.000Z"), section("gone", "2026-10-01T10:05:00.000Z")],
  notRun: [{ name: "network", title: "Network", at: "2026-11-01T10:06:00.000Z", reason: "not there" }],
};

describe("results of the bench", () => {
  it("in the repository: RESULTS.md is what results.json renders to, and every section is one of the bench", () => {
    const stored = resultsSchema.parse(JSON.parse(readFileSync(join(bench, "results.json"), "utf8")));
    assert.equal(readFileSync(join(bench, "RESULTS.md"), "utf8"), markdown(stored));
    assert.isAbove(stored.sections.length, 0);
    const known = sections.map((s) => s.name);
    assert.deepEqual(stored.sections.map((s) => s.name).filter((name) => !known.includes(name)), []);
  });

  it("a run of some sections replaces these, leaves the others with their time, and drops what is no longer known", () => {
    const after = merged(before, { sections: [section("psi", "2026-11-20T09:00:00.000Z")], notRun: [] }, ["psi", "kernel", "network"]);
    assert.deepEqual(after.sections.map((s) => [s.name, s.at.slice(0, 10)]), [["psi", "2026-11-20"], ["kernel", "2026-11-01"]]);
    assert.deepEqual(after.notRun.map((s) => s.name), ["network"]);
    assert.include(markdown(after), "Older than the last run: Title of kernel (2026-11-01).");
  });

  it("a section that cannot run keeps its older figures and is named with its reason, until it runs again", () => {
    const failed = { name: "kernel", title: "Kernel", at: "2026-11-20T09:00:00.000Z", reason: "it broke" };
    const known = ["kernel", "psi", "network"];
    const after = merged(before, { sections: [], notRun: [failed] }, known);
    assert.deepEqual(after.sections.map((s) => s.name), ["kernel", "psi"]);
    assert.include(markdown(after), "- Kernel (2026-11-20): it broke");
    const again = merged(after, { sections: [section("kernel", "2026-11-21T09:00:00.000Z")], notRun: [] }, known);
    assert.notInclude(markdown(again), "it broke");
  });

  it("survive writing and reading; a broken or older file is as none", () => {
    const folder = mkdtempSync(join(tmpdir(), "yunei-test-"));
    try {
      const path = join(folder, "results.json");
      assert.isEmpty(readResults(path).sections);
      writeResults(path, before);
      assert.deepEqual(readResults(path), before);
      for (const broken of ["{", '{"version":1,"figures":[]}']) {
        writeFileSync(path, broken);
        assert.isEmpty(readResults(path).sections);
      }
      const unfinished = section("kernel", "2026-11-20T09:00:00.000Z", [{ name: "n", value: Number.NaN, unit: "s" }]);
      assert.throws(() => writeResults(path, { ...before, sections: [unfinished] }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("say which bars are missed", () => {
    assert.equal(verdictLine(before.sections), "Bars kept: 3 of 3.");
    const slow = section("psi", "2026-11-20T09:00:00.000Z", [{ name: "slow", value: 3, unit: "s", bar: { atMost: 2 } }]);
    assert.equal(verdictLine([slow]), "Bars MISSED: 1 of 1: Title of psi: slow.");
  });

  it("name each section once, in words that fit a file and an option", () => {
    const names = sections.map((s) => s.name);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, /^[a-z][a-z0-9-]*$/);
  });
});
