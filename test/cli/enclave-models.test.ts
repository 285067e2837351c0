// `yunei enclave models` as a bank's operators run it: registering services, evaluations, two persons, back again, and what stands in the record.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { digestOf } from "../../core/canonical.ts";
import { planOf } from "../support/enclave.ts";
import { Bank } from "../enclave/outcomes/support.ts";
import { fails, json, succeeds, yunei } from "./support.ts";

type Shown = { state: string; deployment: { revision: number; champion: number | null; versions: { version: number; model: string; state: string; share: number; evaluation: { kind: string; passed: boolean; rows: number } | null }[] } };
type Listed = { deployments: { name: string; services: { service: string }[] }[]; waiting: { id: number; signedBy: string[] }[] };

describe("yunei enclave models", function () {
  this.timeout(240_000);

  it("takes a version from candidate to champion and out again, by two operators where it is wanted", async () => {
    using bank = new Bank();
    const add = (n: number, more: object = {}): string => {
      const [model, job] = [`model_${String(n).repeat(24)}`, `job_000000000000000${n}`];
      bank.db.run("insert into models (model, job, created_at, kind, half) values (?, 'job_0000000000000000', 1, 'scorecard-guest', ?)", model, JSON.stringify({ weights: [n] }));
      const plan = { ...planOf({ kind: "serve", purpose: "loan-approval", model, params: { days: 1 } }, { job }), ...more };
      bank.db.run("insert into jobs (job, state, plan, digest, created_at) values (?, 'approved', ?, '', 1)", job, JSON.stringify(plan));
      return job;
    };
    const [one, two, other] = [add(1), add(2), add(3, { purpose: "credit-line-review" })];
    const run = (...args: string[]): string[] => ["enclave", "models", ...args, "--dir", "enclave"];
    const of = (...args: string[]): string[] => run(...args, "--deployment", "loans");
    const because = ["--reason", "a test"];

    assert.match(await succeeds(["enclave", "models", "register", "--help"], bank.root), /default:\s+50\)/, "in percent, as it is asked for");
    const first = await json<Shown>(of("register", "--service", one, "--two-persons", "--max-share", "20"), bank.root);
    assert.deepInclude(first.deployment.versions[0] as object, { version: 1, model: digestOf({ weights: [1] }), state: "candidate", share: 0, evaluation: null });
    await json(of("register", "--service", two), bank.root);
    await fails(of("register", "--service", other), bank.root, "SERVING_SERVICE");
    for (const late of [["--two-persons"], ["--max-share", "5"]]) await fails(of("register", "--service", two, ...late), bank.root, "CLI_ARGUMENT");
    await fails(of("register", "--service", "job_0000000000000009"), bank.root, "SERVING_SERVICE");
    await fails(of("shadow", "--version", "1", ...because), bank.root, "SERVING_EVALUATION");

    // A report on outcomes that says `act`, or is about another model, is no passed evaluation.
    const report = (model: object, verdict: string): string => {
      writeFileSync(join(bank.root, "report.json"), JSON.stringify({ backTest: { model: digestOf(model as never), verdict, population: { good: 900, bad: 100 } } }));
      return "report.json";
    };
    await fails(of("evaluate", "--version", "1", "--report", report({ weights: [1] }, "act"), "--verdict", "passed"), bank.root, "SERVING_REPORT");
    await fails(of("evaluate", "--version", "1", "--report", report({ weights: [2] }, "ok"), "--verdict", "passed"), bank.root, "SERVING_REPORT");
    const evaluated = await json<Shown>(of("evaluate", "--version", "1", "--report", report({ weights: [1] }, "watch"), "--verdict", "passed"), bank.root);
    assert.deepInclude(evaluated.deployment.versions[0]?.evaluation as object, { kind: "back-test", passed: true, rows: 1000 });
    writeFileSync(join(bank.root, "validation.pdf"), "a report");
    await fails(of("evaluate", "--version", "2", "--report", "validation.pdf", "--verdict", "passed"), bank.root, "CLI_ARGUMENT");
    assert.equal((await json<Shown>(of("shadow", "--version", "1", ...because), bank.root)).deployment.versions[0]?.state, "shadow");
    await fails(of("promote", "--version", "1", ...because), bank.root, "OPERATOR_REQUIRED");
    for (const name of ["li", "wang"]) {
      writeFileSync(join(bank.root, `${name}.txt`), `a passphrase of ${name}\n`);
      await succeeds(["enclave", "operators", "add", name, "--dir", "enclave", "--passphrase-file", `${name}.txt`], bank.root);
    }
    const as = (name: string): string[] => ["--as", name, "--passphrase-file", `${name}.txt`];
    assert.deepInclude(await json<object>(of("promote", "--version", "1", ...because, ...as("li")), bank.root), { state: "waits", signedBy: ["li"] });
    const { waiting, deployments } = await json<Listed>(run("list"), bank.root);
    assert.deepEqual([waiting.map((w) => w.signedBy), deployments.map((d) => d.services.map((s) => s.service))], [[["li"]], [[one, two]]]);
    await fails(run("approve", String(waiting[0]?.id), "--as", "wang", "--passphrase-file", "li.txt"), bank.root, "OPERATOR_KEY");
    assert.equal((await json<Shown>(run("approve", String(waiting[0]?.id), ...as("wang")), bank.root)).deployment.champion, 1);

    assert.match(await succeeds([...run("list"), "--lang", "zh"], bank.root), /v1 {2}冠军[\s\S]*v2 {2}候选/);
    // One more service of the model that answers.
    const more = add(4, { model: `model_${"1".repeat(24)}` });
    await fails(of("register", "--service", more), bank.root, "OPERATOR_REQUIRED");
    assert.deepInclude(await json<object>(of("register", "--service", more, ...as("li")), bank.root), { state: "waits" });
    const [stands] = (await json<Listed>(run("list"), bank.root)).waiting;
    await json(run("approve", String(stands?.id), ...as("wang")), bank.root);
    assert.include((await json<Listed>(run("list"), bank.root)).deployments.flatMap((d) => d.services.map((s) => s.service)), more);
    // Switching off needs one person, who must have seen what is there now.
    await fails(of("retire", "--version", "1", "--expected", "3", ...because), bank.root, "SERVING_CONFLICT");
    assert.isNull((await json<Shown>(of("retire", "--version", "1", ...because), bank.root)).deployment.champion);
    await fails(of("compare", "--version", "2", "--against", "1"), bank.root, "OUTCOME_NONE");

    const { events } = await json<{ events: { revision: number; by: string; approvedBy?: string; change: { type: string } }[] }>(of("history"), bank.root);
    assert.deepEqual(events.map((e) => e.revision), events.map((_, i) => i + 1));
    assert.deepInclude(events.find((e) => e.change.type === "promote") as object, { by: "li", approvedBy: "wang", reason: "a test" });
    const spool = join(bank.folder, "audit", "spool");
    const audited = readdirSync(spool).map((f) => readFileSync(join(spool, f), "utf8")).join("");
    for (const word of ["models-create", "models-register", "models-evaluate", "models-promote", "models-retire", "models-approve"]) assert.include(audited, word);
    bank.db.run("update serving_events set event = replace(event, 'a test', 'another') where event like '%a test%'");
    bank.db.run("insert into serving_proposals (at, proposal, signed) values (1, '{', '[]')");
    await json(["enclave", "models", "register", "--dir", "enclave", "--deployment", "cards", "--service", other], bank.root);
    await fails(run("list"), bank.root, "SERVING_HISTORY");
    const list = await yunei([...run("list"), "--json"], bank.root);
    assert.equal(list.status, 1);
    const shown = JSON.parse(list.out) as Listed & { damaged: object[] };
    assert.deepEqual(shown.deployments.map((d) => d.name), ["cards"], "the others are shown");
    assert.deepInclude(shown.damaged[0] as object, { deployment: "loans", code: "SERVING_HISTORY" });
    assert.deepInclude(shown.damaged[1] as object, { code: "SERVING_HISTORY" });
    await fails(of("history"), bank.root, "SERVING_HISTORY");
  });
});
