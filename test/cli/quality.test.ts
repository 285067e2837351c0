// `yunei quality` and `yunei usage` as people in roles run them.
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { Role } from "../../api/contract/roles.ts";
import type { UsageReply } from "../../api/contract/usage.ts";
import { issueCredential } from "../../api/services/credentials.ts";
import type { PartyId } from "../../core/brand.ts";
import { publishedRules } from "../../quality/rules.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { newWorld, runningJob, TestClock, type World } from "../support/platform.ts";
import { fails, json, succeeds } from "./support.ts";

const day = 86_400_000;
const about = { rule: "completeness.missing", item: "tax.payment", dimension: "completeness", severity: "minor", limit: 300 };

describe("yunei quality and yunei usage", function () {
  this.timeout(240_000);
  let world: World;
  const clock = new TestClock();
  const folder = temporaryFolder();
  const keys = new Map<string, string>();
  const reach = (): string[] => ["--url", `https://127.0.0.1:${world.platform.apiPort}`, "--ca", join(world.platform.data, "ca.pem")];
  const as = async <T>(who: string, work: () => Promise<T>): Promise<T> => {
    process.env["YUNEI_KEY"] = keys.get(who) ?? assert.fail(who);
    try {
      return await work();
    } finally {
      delete process.env["YUNEI_KEY"];
    }
  };
  const read = <T>(who: string, ...args: string[]): Promise<T> => as(who, () => json<T>([...args, ...reach()], folder.path));
  const text = (who: string, ...args: string[]): Promise<string> => as(who, () => succeeds([...args, ...reach()], folder.path));
  const refused = (who: string, code: string, ...args: string[]): Promise<string> => as(who, () => fails([...args, ...reach()], folder.path, code));

  before(async () => {
    world = await newWorld({ now: clock.now });
    const running = world.platform.running?.platform ?? assert.fail();
    const people: readonly (readonly [string, Exclude<Role, "subject">, { institution?: string; party?: PartyId }])[] = [
      ["bank", "bank-submitter", { institution: world.bank.institution }], ["tax", "provider-operator", { party: world.tax.identity.party }], ["supervisor", "supervisor", {}],
    ];
    for (const [who, role, owner] of people) keys.set(who, (await running.db.write((tx) => issueCredential(running, tx, { role, holder: `${who} 1`, ...owner }))).key);
    const at = (days: number): string => new Date(clock.ms + days * day).toISOString();
    const issue = { ...about, issue: 4, state: "corrected", permille: 412, openedAt: at(-31), dueAt: at(-1), closedAt: null, reason: null, acceptedUntil: null };
    const rates = [{ ...about, state: "rated", permille: 412 }, { ...about, item: null, state: "suppressed", permille: null }];
    assert.equal((await world.tax.client.put("/enclave/v1/quality", { version: 1, ranAt: at(0), rates, issues: [issue, { ...issue, issue: 3, state: "closed", permille: 0, closedAt: at(-2) }] })).status, 200);
    const job = await runningJob(world);
    for (const party of [world.guest, world.tax, world.power]) assert.equal((await party.client.post(`/enclave/v1/jobs/${job}/state`, { state: "done" })).status, 200);
    const items = [{ item: "tax.payment", indicators: 3, bands: { unpredictive: 0, weak: 1, medium: 2, strong: 0 } }];
    assert.equal((await world.tax.client.put("/enclave/v1/usage", { job, items, uplift: 9 })).status, 200);
  });
  after(async () => {
    await world.platform[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("prints the published rules without a connection, in both languages", async () => {
    const { rules } = await json<{ rules: { id: string; dueDays: number }[] }>(["quality", "rules"], folder.path);
    assert.deepEqual(rules.map((r) => r.id), publishedRules.map((r) => r.id));
    assert.isTrue(rules.every((r) => r.dueDays > 0));
    assert.match(await succeeds(["quality", "rules", "--lang", "zh"], folder.path), /^accuracy\.bound +0\.0 % +major +10 天 +部分大于整体/m);
  });

  it("shows rates to an institution, and issues to supervisors and their provider, overdue ones named as such", async () => {
    type Issues = { issues: { party: string; issue: number; state: string; overdue: boolean }[] };
    assert.lengthOf((await read<{ rates: unknown[] }>("bank", "quality", "rates", "--item", "tax.payment", "--dimension", "completeness", "--party", "tax")).rates, 1);
    const rates = await text("bank", "quality", "rates");
    assert.match(rates, /^tax .*completeness\.missing +tax\.payment +41\.2 % ! +limit 30\.0 % +completeness$/m);
    assert.match(rates, /\(too few to tell\)/);
    assert.deepEqual((await read<Issues>("supervisor", "quality", "issues", "--overdue")).issues.map((i) => [i.party, i.issue, i.state, i.overdue]), [["tax", 4, "corrected", true]]);
    assert.deepEqual((await read<Issues>("tax", "quality", "issues", "--state", "closed")).issues.map((i) => i.issue), [3]);
    assert.match(await text("supervisor", "quality", "issues", "--lang", "zh"), /^tax +#4 {2}已修正待复核 已逾期 .* 期限 /m);
    await refused("bank", "AUTH_ROLE", "quality", "issues");
  });

  it("shows a provider its jobs with institution, counts, classes and gain, and a supervisor totals by item", async () => {
    const usage = await read<UsageReply>("tax", "usage");
    assert.deepEqual(usage.jobs.map((j) => [j.institution, j.kind, j.companies, j.uplift]), [["Bank of bank", "scorecard", 3000, 9]]);
    const lines = await text("tax", "usage");
    assert.match(lines, /^tax\.payment +jobs 1 \(training 1, scoring 0\) {2}institutions 1 .*IV: weak 1, medium 2$/m);
    assert.match(lines, /scorecard {2}Bank of bank {2}model-development {2}3000 companies {2}AUC \+0\.09$/m);
    assert.match(await text("supervisor", "usage", "--lang", "zh"), /^tax\.payment +任务 1/m);
    assert.match(await text("supervisor", "usage", "--since", new Date(clock.ms + day).toISOString()), /^nothing was used since /);
    await refused("bank", "AUTH_ROLE", "usage");
  });

  it("refuses options that mean nothing, and a call without a key", async () => {
    for (const args of [["quality", "rates", "--item", "no item"], ["quality", "rates", "--dimension", "beauty"], ["quality", "issues", "--state", "lost"], ["quality", "issues", "--state", "open", "--overdue"], ["usage", "--since", "yesterday"]]) {
      await refused("supervisor", "CLI_ARGUMENT", ...args);
    }
    await fails(["usage", ...reach()], folder.path, "CLI_ARGUMENT");
  });
});
