// Data quality and use through real processes: a provider's enclave checks its data by its own clock and tells rates and an issue; the operator
// assigns it, says too early that it is corrected, corrects it, and the next check closes it. Then a job, and what its provider sees of its use.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { UsageReply } from "../../api/contract/usage.ts";
import { writeDurably } from "../../core/files.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { json, succeeds } from "../cli/support.ts";
import { eventually, walk } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { plainParams, Topology } from "../support/topology.ts";

type Issue = { party: string; issue: number; rule: string; item: string | null; state: string; permille: number; overdue: boolean };
type Rate = { party: string; rule: string; item: string | null; state: string; permille: number | null };
type Seen = { issues: Issue[] };

const tables = smallTables();
/** Three companies owe less than nothing. */
const broken = tables.tax.split("\n").map((line, i) => (i >= 11 && i <= 13 ? line.replace(/,[^,]*,([^,]*)$/, ",-4,$1") : line)).join("\n");

describe("data quality and use of a provider's data in real processes", function () {
  this.timeout(400_000);
  let topology: Topology;
  const file = (): string => join(topology.work, "data", "tax", "tax.csv");
  const reach = (): string[] => ["--url", topology.apiUrl, "--ca", join(topology.platformFolder, "ca.pem")];
  const as = async <T>(who: string, args: readonly string[]): Promise<T> => {
    process.env["YUNEI_KEY"] = readFileSync(join(topology.work, `${who}.key`), "utf8").trim();
    try {
      return await json<T>([...args, ...reach()], topology.work);
    } finally {
      delete process.env["YUNEI_KEY"];
    }
  };
  const quality = <T>(...args: string[]): Promise<T> => json<T>(["enclave", "quality", ...args, "--dir", topology.folder("tax")], topology.work);
  const causes = (): string[] => topology.rows("tax", "select cause from quality_runs order by id").map((r) => String(r["cause"]));
  const issue = (state: string): Promise<Issue> => eventually(`an issue that is ${state}`, async () => (await as<Seen>("supervisor", ["quality", "issues"])).issues.find((i) => i.state === state), 90_000);

  before(async () => {
    topology = await Topology.start({ tables });
    const data = ["--data", topology.platformFolder];
    for (const [who, list] of [["supervisor", "supervisors"], ["operator", "operators"]] as const) await succeeds(["platform", list, "add", `${who} 1`, ...data, "--out", join(topology.work, `${who}.key`)], topology.work);
    await as("operator", ["platform", "keys", "issue", "--role", "provider-operator", "--holder", "tax 1", "--party", "tax", "--out", join(topology.work, "tax.key")]);
    // As the provider's operator sets it up: items of its columns, the report on use, what its data should be like.
    await topology.stop("tax");
    const { config } = enclavePaths(topology.folder("tax"));
    const given = JSON.parse(readFileSync(config, "utf8")) as { dataset: object };
    const columns = { turnover: ["tax.payment"], arrears: ["tax.arrears"], sector: ["tax.payment"] };
    const catalogue = { version: 1, catalogue: "2024-15", tables: { features: { subject: "ent_id", columns } } };
    writeDurably(config, JSON.stringify({ ...given, dataset: { ...given.dataset, catalogue }, publishUsage: true }));
    writeFileSync(join(topology.folder("tax"), "quality.json"), JSON.stringify({ version: 1, tables: { features: { columns: { arrears: { nonNegative: true } } } } }));
    await topology.launch("tax");
  });
  after(() => topology[Symbol.asyncDispose]());

  it("checks at its start and by the clock, and the platform shows rates by item, and no issue", async () => {
    const rates = await eventually("rates by item", async () => {
      const { rates: found } = await as<{ rates: Rate[] }>("supervisor", ["quality", "rates", "--party", "tax"]);
      return found.some((r) => r.item === "tax.arrears") ? found : undefined;
    });
    assert.deepInclude(rates.find((r) => r.rule === "validity.amount") as object, { party: "tax", item: "tax.arrears", state: "rated", permille: 0 });
    // 5 % of the turnovers are missing.
    const missing = rates.find((r) => r.rule === "completeness.missing" && r.item === "tax.payment")?.permille ?? -1;
    const lines = tables.tax.trim().split("\n").slice(1);
    assert.equal(missing, Math.round((1000 * lines.filter((l) => l.split(",")[1] === "").length) / (2 * lines.length)));
    assert.isEmpty((await as<Seen>("supervisor", ["quality", "issues"])).issues);
    const runs = causes().length;
    // A day goes by.
    using db = new StateDatabase(enclavePaths(topology.folder("tax")).state);
    db.run("update quality_runs set at = at - 86400000");
    await eventually("a run by the clock", () => causes().length > runs);
    assert.equal(causes().at(-1), "schedule");
  });

  it("opens an issue when the data break a rule; assigned, corrected in word only, then in fact, it is closed by its check", async () => {
    writeFileSync(file(), broken);
    const opened = await issue("open");
    assert.deepInclude(opened, { party: "tax", issue: 1, rule: "validity.amount", item: "tax.arrears", overdue: false });
    assert.deepInclude((await as<Seen>("tax", ["quality", "issues"])).issues[0] as object, { issue: 1, state: "open" });
    // Three of some 3,000 are told as five.
    const rows = broken.trim().split("\n").length - 1;
    assert.equal(opened.permille, Math.round(5000 / rows));
    assert.deepInclude(await quality<object>("show", "1"), { permille: Math.round(3000 / rows), told: opened.permille });
    await quality("assign", "1", "--to", "计量处", "--note", "of sheet 12");
    assert.equal((await issue("assigned")).issue, 1);
    await quality("corrected", "1");
    await eventually("handed back", () => causes().includes("correction") && topology.rows("tax", "select 1 from quality_issues where state = 'assigned'").length === 1);
    writeFileSync(file(), tables.tax);
    await quality("corrected", "1");
    assert.deepInclude(await issue("closed"), { issue: 1, permille: 0, overdue: false });
    const { steps } = await quality<{ steps: { state: string; by: string }[] }>("show", "1");
    assert.deepEqual(steps.map((s) => `${s.state} ${s.by}`).filter((s, i, all) => s !== all[i - 1]), ["open check", "assigned operator", "corrected operator", "assigned check", "corrected operator", "closed check"]);
  });

  it("wrote down every report before it left, in its ledger and in its audit log, and told no name and no note", async () => {
    const { reports } = await quality<{ reports: { entry: number; kind: string; digest: string; acknowledged: boolean }[] }>("told");
    assert.isAtLeast(reports.length, 5);
    assert.isTrue(reports.every((r) => r.kind === "quality" && r.acknowledged));
    const entries = walk(join(topology.folder("tax"), "audit")).filter((f) => f.path.endsWith(".ndjson")).flatMap((f) => readFileSync(f.path, "utf8").trim().split("\n")).map((l) => JSON.parse(l) as { action: string; facts?: Record<string, unknown> });
    assert.includeMembers(entries.filter((e) => e.action === "report.released").map((e) => e.facts?.["entry"]), reports.map((r) => r.entry));
    assert.includeMembers(entries.filter((e) => e.action === "operator.command").map((e) => e.facts?.["command"]), ["quality-assign", "quality-corrected"]);
    const kept = walk(topology.platformFolder).filter((f) => !f.isFolder).map((f) => readFileSync(f.path).toString("latin1")).join("\n");
    for (const secret of ["计量处", "of sheet 12"].map((text) => Buffer.from(text).toString("latin1")).concat("turnover", "arrears|", "nonNegative")) assert.notInclude(kept, secret);
  });

  it("shows the provider how a job used its items: institution, counts, classes and gain where the bank allows it", async () => {
    const allow = (feedback: "nothing" | "bands"): void => topology.setPolicy("bank", (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, feedback })) }));
    allow("nothing");
    const refused = await topology.submit({ ...plainParams, feedback: "bands" });
    const failure = await eventually("a refusal by the bank's own enclave", async () => (await topology.view(refused))?.failure ?? undefined);
    assert.deepInclude(failure, { code: "JOB_REFUSED", party: "bank" } as object);
    await eventually("its reason in its log", () => topology.log("bank").includes(`"event":"refused","job":"${refused}","code":"POLICY_FEEDBACK"`));
    allow("bands");
    const job = await topology.submit({ ...plainParams, feedback: "bands" });
    await topology.until(job, "done");
    const used = await eventually("the provider's report", async () => {
      const [found] = (await as<UsageReply>("tax", ["usage"])).jobs;
      return found?.items.some((i) => i.bands !== null) === true ? found : undefined;
    }, 150_000);
    assert.deepInclude(used, { job, institution: "bank", kind: "scorecard", purpose: "model-development", companies: 3000 } as object);
    const report = await topology.report(job);
    assert.equal(used.uplift, Math.round(100 * (report.metrics.test.auc - report.guestOnly.test.auc)));
    const indicators = report.features.filter((f) => f.party === "tax").length;
    assert.equal(used.items.reduce((n, i) => n + (i.indicators ?? 0), 0), indicators);
    assert.equal(used.items.reduce((n, i) => n + Object.values(i.bands ?? {}).reduce((a, b) => a + b, 0), 0), indicators);
    const here = await json<{ jobs: { job: string; items: { indicators: { name: string; band: string | null }[] }[] }[] }>(["enclave", "usage", "--dir", topology.folder("tax")], topology.work);
    const named = here.jobs[0]?.items.flatMap((i) => i.indicators) ?? [];
    assert.lengthOf(named, indicators);
    assert.isTrue(named.every((i) => ["turnover", "arrears", "sector"].includes(i.name) && i.band !== null));
    const totals = (await as<UsageReply>("supervisor", ["usage"])).totals.filter((t) => t.item !== null);
    assert.deepEqual(totals.map((t) => [t.jobs, t.institutions, t.providers]), totals.map(() => [1, 1, 1]));
    assert.isNotEmpty(totals);
  });
});
