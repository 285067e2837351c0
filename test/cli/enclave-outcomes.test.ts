// `yunei enclave outcomes` as a bank's operator runs it on generated loans: the report is that of the rows, a killed import loses nothing.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { assert } from "chai";
import { describe, it } from "mocha";
import { enclavePaths } from "../../enclave/config.ts";
import { importsOf } from "../../enclave/outcomes/import.ts";
import type { OutcomeReport } from "../../enclave/outcomes/report.ts";
import { backTest } from "../../models/outcomes/back-test.ts";
import { Bank, bankRows, counted } from "../enclave/outcomes/support.ts";
import { bookOf, modelA, portfolio } from "../models/outcomes/support.ts";
import { seededDraw } from "../support/draw.ts";
import { fails, json, succeeds, yunei } from "./support.ts";

type Imported = { rows: number; taken: number; repeated: number; corrected: number; refused: Record<string, number>; joined: { without: number } };

describe("yunei enclave outcomes", function () {
  this.timeout(240_000);

  it("imports, reports what the rows say, tells counts by the policy's leave, and exports labels", async () => {
    using bank = new Bank();
    const records = portfolio({ first: "2023-01", months: 6, perMonth: 200, seed: 3, asOf: "2024-12" });
    bank.file("loans.csv", bankRows(records));
    const draw = seededDraw(9);
    const probability = Float64Array.from({ length: 1200 }, () => 1 / (1 + Math.exp(2 - draw.normal())));
    const label = Uint8Array.from(probability, (p) => (draw.uniform() < p ? 1 : 0));
    bank.file("development.csv", Array.from(probability, (p, i) => ({ probability: p, label: label[i] })));
    const run = (...args: string[]): string[] => ["enclave", "outcomes", ...args, "--dir", "enclave"];

    const imported = await json<Imported>(run("import", "loans.csv"), bank.root);
    counted(imported);
    assert.deepInclude(imported, { rows: records.length, taken: records.length, refused: {} });
    const report = await json<OutcomeReport>(run("report", "--development", "development.csv", "--out", "report.json"), bank.root);
    const oracle = backTest({ loans: bookOf("2024-12", records, 60), model: modelA, development: { probability, label } });
    assert.deepEqual(report.backTest.population, oracle.population);
    assert.deepEqual(report.backTest.vintages, oracle.vintages);
    assert.closeTo(report.backTest.discrimination.all?.auc ?? 0, oracle.discrimination.all?.auc ?? 1, 1e-12);
    assert.closeTo(report.backTest.discrimination.all?.ks ?? 0, oracle.discrimination.all?.ks ?? 1, 1e-12);
    assert.deepEqual(report.backTest.stability.map((s) => [s.cohort, s.loans]), oracle.stability.map((s) => [s.cohort, s.loans]));
    assert.deepEqual(report.backTest.verdicts.map((v) => v.verdict), oracle.verdicts.map((v) => v.verdict));
    assert.deepEqual(JSON.parse(readFileSync(join(bank.root, "report.json"), "utf8")), report);
    assert.match(await succeeds(run("report", "--lang", "zh"), bank.root), /贷款 1200 笔[\s\S]*2023-01 {2}200/);
    await fails(run("report", "--model", `model_${"0".repeat(24)}`), bank.root, "OUTCOME_MODEL");
    await fails(run("report", "--window", "61"), bank.root, "CLI_ARGUMENT");

    await fails(run("tell"), bank.root, "OUTCOME_POLICY");
    writeFileSync(enclavePaths(bank.folder).policy, JSON.stringify({ version: 1, outcomes: "counts" }));
    const told = await json<{ isNew: boolean; told: boolean; counts: { cohorts: { cells: { goods: number; bads: number }[] } } }>(run("tell", "--check"), bank.root);
    assert.deepInclude(told, { isNew: true, told: false });
    assert.isTrue(told.counts.cohorts.cells.every((c) => c.goods >= 20 && c.bads >= 20));
    assert.deepEqual((await json<{ told: unknown[] }>(run("told"), bank.root)).told, []);
    assert.deepInclude(await json<object>(run("tell"), bank.root), { told: true });
    assert.lengthOf((await json<{ told: unknown[] }>(run("told"), bank.root)).told, 1);

    const labels = await json<{ manifest: { rows: number } }>(run("export-labels", "--out", "labels", "--as-of", "2024-12"), bank.root);
    assert.equal(labels.manifest.rows, oracle.population.good + oracle.population.bad);
    assert.sameMembers(readdirSync(join(bank.root, "labels")), ["labels.csv", "labels.json"]);

    writeFileSync(join(bank.root, "wrong.ndjson"), '{"loan":"X","originated":"2024-01","month":"2099-01","status":"paid"}\n{}\n');
    const wrong = await yunei([...run("import", "wrong.ndjson"), "--json"], bank.root);
    assert.equal(wrong.status, 1);
    assert.deepEqual((JSON.parse(wrong.out) as Imported).refused, { OUTCOME_FUTURE: 1, OUTCOME_RECORD: 1 });
    const { loans, imports } = await json<{ loans: number; imports: { rows: number; isFinished: boolean }[] }>(run("list"), bank.root);
    assert.deepEqual([loans, imports.map((i) => [i.rows, i.isFinished])], [1200, [[2, true], [records.length, true]]]);
    // What was done stands in the audit log's spool, without a loan or company.
    const spool = join(bank.folder, "audit", "spool");
    const events = readdirSync(spool).map((f) => readFileSync(join(spool, f), "utf8")).join("");
    for (const word of ["outcomes-import", "outcomes-report", "outcomes-tell", "outcomes-export-labels"]) assert.include(events, word);
  });

  it("loses nothing when it is killed", async () => {
    using bank = new Bank();
    const records = portfolio({ first: "2023-01", months: 6, perMonth: 200, seed: 3, asOf: "2024-12" });
    bank.file("loans.csv", bankRows(records));
    const launcher = join(import.meta.dirname, "..", "..", "cli", "yunei.mjs");
    const child = spawn(process.execPath, [launcher, "enclave", "outcomes", "import", "loans.csv", "--dir", "enclave"], { cwd: bank.root, stdio: "ignore", detached: true });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    while ((importsOf(bank.db, 1)[0]?.rows ?? 0) < 1000) await delay(5);
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
    const [broken] = importsOf(bank.db, 1);
    assert.isFalse(broken?.isFinished);
    const again = await json<Imported>(["enclave", "outcomes", "import", "loans.csv", "--dir", "enclave"], bank.root);
    assert.deepEqual([again.repeated, again.taken, again.refused], [broken?.taken ?? -1, records.length - (broken?.taken ?? 0), {}]);
  });
});
