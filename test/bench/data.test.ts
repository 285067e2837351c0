import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { runWatched, type Watched } from "../../bench/run-process.ts";
import { cpuOf, leakageOf, peaksOf, phasesOf, sandboxArguments, type Job } from "../../bench/sandbox.ts";
import { writeIdTables, writeWideData } from "../../bench/wide-data.ts";
import { sampleTrees } from "../support/sample-report.ts";

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "yunei-test-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const linesOf = (file: string): string[][] => readFileSync(file, "utf8").trimEnd().split("\n").map((line) => line.split(","));
const idsOf = (lines: readonly string[][]): string[] => lines.slice(1).map((cells) => cells[0] ?? "");

describe("the generated table of the large case", () => {
  const shape = { rows: 2000, guestColumns: 6, hostColumns: 12 };

  it("is the same for the same seed, holds the same companies on both sides, and both classes", () => inFolder((folder) => {
    const read = (name: string, seed: string): string[] => {
      const files = writeWideData(join(folder, name), shape, seed);
      return [files.guest, files.host].map((file) => readFileSync(file, "utf8"));
    };
    const first = read("a", "one");
    assert.deepEqual(read("b", "one"), first);
    assert.notDeepEqual(read("c", "two"), first);
    const [guest = [], host = []] = ["guest.csv", "host.csv"].map((file) => linesOf(join(folder, "a", file)));
    assert.deepEqual([guest.length, host.length], [2001, 2001]);
    assert.isTrue(guest.every((cells) => cells.length === 8) && host.every((cells) => cells.length === 13));
    assert.notDeepEqual(idsOf(guest), idsOf(host));
    assert.deepEqual(idsOf(guest).sort(), idsOf(host).sort());
    const bads = guest.slice(1).filter((cells) => cells[1] === "1").length;
    assert.isAbove(bads, 60);
    assert.isBelow(bads, 600);
  }));

  it("has exactly the test rows asked for, spread over all rows", () => inFolder((folder) => {
    const { split, guest } = writeWideData(folder, { ...shape, testRows: 150 }, "one");
    const parts = linesOf(split ?? "");
    assert.deepEqual(idsOf(parts), idsOf(linesOf(guest)));
    const isTest = parts.slice(1).map((cells) => cells[1] === "test");
    assert.equal(isTest.filter(Boolean).length, 150);
    assert.equal(isTest.slice(0, 1000).filter(Boolean).length, 75);
  }));
});

describe("the generated tables of ids", () => {
  it("share half of their companies, and both columns tell of the risk", () => inFolder((folder) => {
    const { guest, host } = writeIdTables(folder, 2001);
    const [own, other] = [linesOf(guest), linesOf(host)];
    assert.deepEqual([own.length, other.length], [2002, 2002]);
    const theirs = new Set(idsOf(other));
    assert.equal(theirs.size, 2001);
    assert.equal(idsOf(own).filter((id) => theirs.has(id)).length, 1001);
    const valueOf = new Map(other.slice(1).map((cells) => [cells[0], Number(cells[1])]));
    const mean = (label: string, value: (cells: string[]) => number | undefined): number => {
      const all = own.slice(1).filter((cells) => cells[1] === label).flatMap((cells) => value(cells) ?? []);
      return all.reduce((sum, x) => sum + x, 0) / all.length;
    };
    for (const value of [(cells: string[]) => Number(cells[2]), (cells: string[]) => valueOf.get(cells[0])]) {
      assert.isAbove(mean("1", value) - mean("0", value), 80);
    }
  }));
});

describe("what the bench reads of a job", () => {
  const watched: Watched = { status: 0, wallSeconds: 9, cpuSeconds: { bank: 2, platform: 1.5 }, peakMb: {}, stderr: "" };
  const report = sampleTrees();
  const job: Job = { watched, report };

  it("adds up phases that stand more than once, CPU of all parties, and CPU of all processes", () => {
    const twice = phasesOf({ phases: [
      { name: "align", wallSeconds: 1, cpuSeconds: { a: 1, b: 2 }, rounds: 3 }, { name: "trees", wallSeconds: 5, cpuSeconds: {} },
      { name: "align", wallSeconds: 2, cpuSeconds: { a: 4 }, rounds: 1 },
    ] });
    assert.deepEqual(twice, [
      { name: "align", wallSeconds: 3, cpuSeconds: 7, rounds: 4 }, { name: "trees", wallSeconds: 5, cpuSeconds: 0, rounds: 0 },
    ]);
    assert.equal(cpuOf(job), 3.5);
  });

  it("takes memory from the report where the system does not tell", () => {
    assert.deepEqual(peaksOf(job), report.peakRssMb);
    assert.deepEqual(peaksOf({ report, watched: { ...watched, peakMb: { bank: 3 } } }), { bank: 3 });
  });

  it("counts what each side can compute from the ledger, what bitmaps told, and keeps the attacks in words", () => {
    const { figures, notes } = leakageOf("x", job);
    const valueOf = (part: string): number | undefined => figures.find((f) => f.name.includes(part))?.value;
    const total = report.leakage.ledger.reduce((sum, line) => sum + line.numbers, 0);
    const guest = valueOf("the guest can compute") ?? 0;
    assert.isAbove(guest, 0);
    assert.equal(guest + (valueOf("hosts can compute") ?? 0), total);
    for (const { party, bitsPerRow } of report.model.disclosed) assert.equal(valueOf(`${party}'s bitmaps`), bitsPerRow);
    assert.lengthOf(notes, report.leakage.attacks?.length ?? 0);
  });

  it("watches a process and what it starts, with status and stderr", async () => {
    const burn = "const until = 3e5; while (process.cpuUsage().user < until) ; ";
    const script = `${burn} require("node:child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(burn)} + "setTimeout(() => {}, 300)"]); console.error("said"); process.exitCode = 3;`;
    const run = await runWatched(process.execPath, ["-e", script]);
    assert.equal(run.status, 3);
    assert.equal(run.stderr.trim(), "said");
    if (process.platform !== "linux") return;
    assert.deepEqual(Object.keys(run.cpuSeconds), ["command"]);
    assert.isAtLeast(run.cpuSeconds["command"] ?? 0, 0.58, "both together");
    assert.isAbove(run.peakMb["command"] ?? 0, 20);
  });
});

describe("the jobs of the bench", () => {
  it("are asked for as a user would: files, model, switches", () => {
    const files = { id: "id", guest: "g.csv", hosts: { a: "a.csv", b: "b.csv" }, split: "s.csv" };
    const trees = sandboxArguments(files, { model: "gbdt", params: { trees: 2 }, acceptLeakage: true, liftFloors: true, network: "20ms/100mbit" }, "o");
    assert.equal(trees.join(" "), "sandbox --guest g.csv --id id --label y --host a=a.csv --host b=b.csv --split s.csv --model gbdt --params {\"trees\":2} "
      + "--accept-leakage --lift-floors --network 20ms/100mbit --out o");
    assert.equal(sandboxArguments({ id: "id", guest: "g.csv", hosts: {} }, { model: "scorecard" }, "o").join(" "),
      "sandbox --guest g.csv --id id --label y --model scorecard --out o");
  });
});
