// `yunei enclave budgets` as an operator runs it: what is used and left, and a change of the policy that leaves the rest of it as it was.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { budgetsPolicySchema } from "../../enclave/charges/policy.ts";
import { PrivateReports } from "../../enclave/charges/private-reports.ts";
import type { BudgetsView } from "../../enclave/charges/view.ts";
import { enclavePaths, type EnclaveConfig } from "../../enclave/config.ts";
import { ServiceBudgets } from "../../enclave/live/service-budgets.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { bank, tax, temporaryFolder } from "../support/enclave.ts";
import { fails, json, succeeds } from "./support.ts";

describe("yunei enclave budgets", () => {
  it("shows what is used, left and seen, and writes amounts into the policy, all of it or nothing", async function () {
    this.timeout(300_000);
    using folder = temporaryFolder();
    const paths = enclavePaths(join(folder.path, "enclave"));
    mkdirSync(paths.keys, { recursive: true });
    const config: EnclaveConfig = {
      version: 1, party: tax, platform: "https://127.0.0.1:1", dataFolder: folder.path, workers: 1, peerTimeoutSeconds: 60,
      dataset: { name: "tax", idColumn: "id", idKind: "opaque", missingTokens: [""], features: { file: "tax.csv" }, columns: {} },
    };
    writeFileSync(paths.config, JSON.stringify(config));
    const rule = { guest: "bank", kinds: ["serve"], purposes: ["loan-approval"] };
    writeFileSync(paths.policy, JSON.stringify({ version: 1, allow: [rule] }));
    const run = (...args: string[]): string[] => ["enclave", "budgets", ...args, "--dir", "enclave"];
    const shown = (): Promise<BudgetsView> => json<BudgetsView>(run("show"), folder.path);

    await json(run("set", "--limit", "companies-a-month=500", "requests-a-day=900", "--probing", "slow"), folder.path);
    await json(run("set", "--institution", "bank", "--limit", "companies-a-month=120"), folder.path);
    await json(run("set", "--epsilon-per-year", "2", "--mechanism", "laplace", "--releases-per-year", "8"), folder.path);
    const policy = readPolicy(paths.policy);
    assert.deepInclude(policy?.budgets, { privacy: { epsilonPerYear: 2, delta: 1e-9, mechanism: "laplace", releasesPerYear: 8 } });
    assert.equal(policy?.allow[0]?.guest, bank, "the rules stay as they were");
    const before = readFileSync(paths.policy, "utf8");
    await fails(run("set", "--limit", "no-such-limit=3"), folder.path, "BUDGET_POLICY");
    await fails(run("set", "--limit", "companies-a-month"), folder.path, "CLI_ARGUMENT");
    await fails(run("set", "--delta", "0.5"), folder.path, "CLI_ARGUMENT");
    assert.equal(readFileSync(paths.policy, "utf8"), before);

    // What the running enclave does beside it.
    using db = new StateDatabase(paths.state);
    const budgets = new Budgets(db, Date.now, systemRng(32), undefined, { policy: () => policy?.budgets ?? budgetsPolicySchema.parse({}) });
    const limits = { requestsPerDay: 1000, companiesPerMonth: 1000, perCompanyPerDay: 1000 };
    const service = new ServiceBudgets({ db, budgets, now: Date.now, guest: bank, dataset: "tax", model: "model_1", limits, charges: { service: "job_1", kind: "score", items: [] } });
    for (let i = 0; i < 7; i++) assert.isUndefined(service.ask(`SECRET-${i % 5}`, "s", i));
    for (let i = 0; i < 6; i++) service.ask("SECRET-X", "s", 7 + i, { claims: [{ item: "tax.payment", claim: { kind: "clear", text: `equal ${i}` } }] });
    db.transaction(() => service.write());
    const figures = new PrivateReports({ db, env: { now: Date.now, rng: systemRng }, policy: () => policy?.budgets ?? assert.fail() });
    figures.toRelease("quality", {
      version: 1, ranAt: "2026-01-01T00:00:00.000Z", issues: [], rates: [{ rule: "own.x", item: null, dimension: "accuracy", severity: "minor", limit: 5, state: "rated", permille: 5 }],
    }, [{ checked: 1000, failed: 5 }]);

    const view = await shown();
    assert.equal(view.probing, "slow");
    const [of] = view.institutions;
    assert.equal(of?.institution, "bank");
    assert.deepInclude(of?.quotas.find((q) => q.name === "companies-a-month"), { used: 6, limit: 120 });
    assert.deepInclude(of?.quotas.find((q) => q.name === "requests-a-day"), { used: 13, limit: 900 });
    assert.deepInclude(of?.each.find((q) => q.name === "company-a-day"), { limit: 10_000 });
    assert.deepInclude(view.services.find((s) => s.counts === "requests"), { scope: "bank model_1", used: 13 });
    assert.deepInclude(view.privacy, { spent: 0.25, limit: 2, delta: null });
    assert.deepEqual(view.signs.map((s) => [s.institution, s.signal, s.verdict]), [["bank", "claims", "alert"]]);
    assert.notInclude(JSON.stringify(view), "SECRET");
    assert.match(await succeeds(run("show"), folder.path), /companies-a-month {2}companies 6 \/ 120 {2}left 114[\s\S]*privacy {2}epsilon 0\.2500 \/ 2 {2}left 1\.7500[\s\S]*signs of probing \(at most: slow\): 1/);
    assert.match(await succeeds(run("show", "--lang", "zh"), folder.path), /companies-a-month {2}企业 6 \/ 120 {2}剩余 114/);
    await json(run("set", "--no-privacy"), folder.path);
    assert.isNull((await shown()).privacy);
  });
});
