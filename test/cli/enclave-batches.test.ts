// `yunei enclave batches`: what a bank's operator sees of staged batches and how they go.
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { Bank } from "../enclave/outcomes/support.ts";
import { planOf } from "../support/enclave.ts";
import { fails, json, succeeds } from "./support.ts";

describe("yunei enclave batches", function () {
  this.timeout(120_000);

  it("lists what lies here and removes what no open job names, by name or by age, on the record", async () => {
    using bank = new Bank();
    const place = join(bank.folder, "batches");
    mkdirSync(place);
    const add = (text: string, days: number): string => {
      const path = join(place, `${sha256Hex(text)}.csv`);
      writeFileSync(path, text);
      const at = new Date(Date.now() - days * 86_400_000);
      utimesSync(path, at, at);
      return sha256Hex(text);
    };
    const [old, open, fresh] = [add("a", 5), add("bb", 9), add("ccc", 0)];
    const plan = { ...planOf(), kind: "score", params: { batch: open, rows: 1 } };
    bank.db.run("insert into jobs (job, state, plan, digest, created_at) values ('job_0000000000000001', 'approved', ?, '', 1)", canonicalJson(plan));
    const run = (...args: string[]): string[] => ["enclave", "batches", ...args, "--dir", "enclave"];

    const { batches, keptDays } = await json<{ batches: { batch: string; bytes: number; jobs: string[] }[]; keptDays: number }>(run("list"), bank.root);
    assert.deepEqual(batches.map(({ batch, bytes, jobs }) => [batch, bytes, jobs]), [[open, 2, ["job_0000000000000001"]], [old, 1, []], [fresh, 3, []]]);
    assert.equal(keptDays, 30);
    assert.match(await succeeds(run("list"), bank.root), new RegExp(`^${open.slice(0, 16)} .* job_0000000000000001$`, "m"));
    for (const args of [["delete"], ["delete", old, "--older-than", "1"], ["delete", "../etc"]]) await fails(run(...args), bank.root, "CLI_ARGUMENT");
    await fails(run("delete", open), bank.root, "BATCH_IN_USE");
    await fails(run("delete", "0".repeat(64)), bank.root, "BATCH_UNKNOWN");
    assert.deepEqual(await json(run("delete", "--older-than", "3"), bank.root), { removed: 1 });
    assert.deepEqual(await json(run("delete", fresh.slice(0, 12)), bank.root), { removed: 1 });
    assert.deepEqual(readdirSync(place), [`${open}.csv`]);
    const spool = join(bank.folder, "audit", "spool");
    assert.include(readdirSync(spool).map((f) => readFileSync(join(spool, f), "utf8")).join(""), "delete-batches");
  });
});
