// `yunei enclave quality` and `yunei enclave usage` as an operator runs them.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { EnclaveConfig } from "../../enclave/config.ts";
import { tax, temporaryFolder } from "../support/enclave.ts";
import { fails, json, succeeds } from "./support.ts";

const table = (negative: number): string => ["id,day,amount", ...Array.from({ length: 60 }, (_, i) => `C${i},2024-01-${String((i % 28) + 1).padStart(2, "0")},${i < negative ? -1 : i}`)].join("\n");

describe("yunei enclave quality", () => {
  it("runs the checks, lists issues, takes an operator's word on them, sees a correction, and shows what would leave", async function () {
    this.timeout(300_000);
    using folder = temporaryFolder();
    const dir = join(folder.path, "enclave");
    mkdirSync(dir, { recursive: true });
    const data = join(folder.path, "bills.csv");
    writeFileSync(data, table(3));
    const config: EnclaveConfig = {
      version: 1, party: tax, platform: "https://127.0.0.1:1", dataFolder: folder.path, workers: 1, peerTimeoutSeconds: 60,
      dataset: {
        name: "tax", idColumn: "id", idKind: "opaque", missingTokens: [""], tables: { bills: { file: "bills.csv", columns: {} } },
        indicators: [{ name: "n", table: "bills", sql: "count(*)", unit: "", direction: "none", sourceItem: "utilities.water" }],
      },
    };
    writeFileSync(join(dir, "enclave.json"), JSON.stringify(config));
    writeFileSync(join(dir, "quality.json"), JSON.stringify({ version: 1, tables: { bills: { columns: { amount: { nonNegative: true, max: 50 } } } } }));
    const run = (...args: string[]): string[] => ["enclave", "quality", ...args, "--dir", "enclave"];
    type Shown = { issues: { issue: number; check: string; state: string; permille: number; overdue: boolean; reason: string | null }[] };
    assert.deepInclude(await json<object>(run("run"), folder.path), { opened: 2, closed: 0, issues: 2 });
    const { issues } = await json<Shown>(run("issues"), folder.path);
    assert.deepEqual(issues.map((i) => [i.check, i.state, i.permille, i.overdue]), [["validity.range|bills|amount", "open", 150, false], ["validity.amount|bills|amount", "open", 50, false]]);
    assert.match(await succeeds(run("rates"), folder.path), /^validity\.amount\|bills\|amount {2}3 \/ 60$/m);
    assert.match(await succeeds(run("issues", "--lang", "zh"), folder.path), /^#2 {2}待分派 {2}major {2}5\.0 % > 0\.0 %/m);
    assert.deepInclude(await json<object>(run("assign", "2", "--to", "计量处", "--note", "asked the meter department"), folder.path), { state: "assigned", assignee: "计量处" });
    await fails(run("assign", "2", "--to", " "), folder.path, "QUALITY_ASSIGNEE");
    await fails(run("assign", "2"), folder.path, "CLI_ARGUMENT");
    assert.deepInclude(await json<object>(run("corrected", "2"), folder.path), { state: "corrected" });
    await fails(run("corrected", "2"), folder.path, "QUALITY_ISSUE_STATE");
    // It was not: the next check hands it back.
    assert.deepInclude(await json<object>(run("run"), folder.path), { opened: 0, closed: 0, issues: 2 });
    assert.deepInclude(await json<object>(run("show", "2"), folder.path), { state: "assigned", assignee: "计量处" });
    assert.deepInclude(await json<object>(run("accept", "1", "--reason", "source-is-right", "--days", "30"), folder.path), { state: "accepted", reason: "source-is-right" });
    await fails(run("accept", "1", "--reason", "because"), folder.path, "CLI_ARGUMENT");
    await fails(run("accept", "2", "--reason", "source-is-right", "--days", "367"), folder.path, "CLI_ARGUMENT");
    await fails(run("corrected", "1"), folder.path, "QUALITY_ISSUE_STATE");
    await fails(run("corrected", "9"), folder.path, "QUALITY_ISSUE_UNKNOWN");
    await fails(run("show", "x"), folder.path, "CLI_ARGUMENT");
    const { steps } = await json<{ steps: { state: string; by: string; note: string | null }[] }>(run("show", "2"), folder.path);
    assert.deepEqual(steps.map((s) => [s.state, s.by, s.note]), [
      ["open", "check", null], ["assigned", "operator", "asked the meter department"], ["corrected", "operator", null], ["assigned", "check", null],
    ]);
    assert.isNotEmpty(readdirSync(join(dir, "audit", "spool")));
    writeFileSync(data, table(0));
    assert.deepInclude(await json<object>(run("run"), folder.path), { opened: 0, closed: 1, issues: 1 });
    const all = await json<Shown>(run("issues", "--all"), folder.path);
    assert.deepEqual(all.issues.map((i) => i.state), ["accepted", "closed"]);
    assert.match(await succeeds(run("show", "2", "--lang", "zh"), folder.path), /已关闭[\s\S]*计量处 {2}asked the meter department/);
    type Told = { publication: { rates: { rule: string; permille: number | null }[]; issues: { issue: number; state: string }[] }; reports: unknown[] };
    const told = await json<Told>(run("told"), folder.path);
    assert.deepEqual(told.publication.issues.map((i) => [i.issue, i.state]), [[1, "accepted"], [2, "closed"]]);
    assert.deepEqual(told.publication.rates.filter((r) => r.rule === "validity.range").map((r) => r.permille), [150]);
    assert.isEmpty(told.reports, "nothing has left: no enclave runs");
    assert.notMatch(JSON.stringify(told), /bills|amount\||计量/);
    assert.match(await succeeds(run("told", "--lang", "zh"), folder.path), /validity\.range +utilities\.water +15\.0 % ! +上限 0\.0 %/);
    assert.deepEqual(await json<object>(["enclave", "usage", "--dir", "enclave"], folder.path), { party: "tax", items: [], jobs: [] });
    writeFileSync(join(dir, "quality.json"), "[]");
    await fails(run("run"), folder.path, "QUALITY_SETTINGS");
    await fails(["enclave", "quality", "issues", "--dir", "elsewhere"], folder.path, "ENCLAVE_CONFIG");
    await fails(["enclave", "usage", "--dir", "elsewhere"], folder.path, "ENCLAVE_CONFIG");
  });
});
