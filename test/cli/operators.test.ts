// Four eyes at an enclave as its people type it: keys under passphrases, signed decisions, what `status` shows.
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { JobId } from "../../core/brand.ts";
import { systemRng } from "../../core/rng.ts";
import type { EnclaveStatus } from "../../cli/show.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { planDigest } from "../../federation/plan-schema.ts";
import { tax } from "../support/enclave.ts";
import { Stock, Workers } from "../support/workers.ts";
import { json, yunei } from "./support.ts";

const job = "job_000000000000000a" as JobId;

describe("yunei enclave operators, approve --as", () => {
  let stock: Stock;
  let workers: Workers;
  let folder = "";
  const pass = (name: string): string => join(folder, `${name}.pass`);
  before(async () => {
    stock = await Stock.make();
    workers = await Workers.make(stock);
    folder = workers.folder(tax);
    const config = { version: 1, party: "tax", platform: "https://127.0.0.1:1", dataFolder: folder, dataset: { name: "t", idColumn: "ent_id", idKind: "opaque", features: { file: "t.csv" }, columns: {} } };
    writeFileSync(enclavePaths(folder).config, JSON.stringify(config));
    workers.setPolicy(tax, { allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "four-eyes" }] });
    for (const name of ["li", "wang"]) writeFileSync(pass(name), `a long passphrase of ${name}\n`);
    writeFileSync(pass("short"), "short\n");
    using db = new StateDatabase(enclavePaths(folder).state);
    const records = new JobRecords({ db, box: SecretBox.open(enclavePaths(folder).box, systemRng), rng: systemRng, now: Date.now });
    const plan = workers.plan(job);
    records.see(canonicalJson(plan as unknown as Json), planDigest(plan));
  });
  after(async () => {
    await workers[Symbol.asyncDispose]();
    await stock[Symbol.asyncDispose]();
  });

  const run = async (...args: string[]): Promise<string> => {
    const { status, out, err } = await yunei(["enclave", ...args, "--dir", folder, "--json"], folder);
    return status === 0 ? "ok" : ((JSON.parse(out || "{}") as { error?: { code: string } }).error?.code ?? err);
  };
  const fourEyes = async (): Promise<unknown> => (await json<EnclaveStatus>(["enclave", "status", "--dir", folder], folder)).jobs[0]?.fourEyes;

  it("counts two different people who sign with their own passphrases", async function () {
    this.timeout(120_000);
    assert.equal(await run("operators", "add", "li", "--passphrase-file", pass("short")), "OPERATOR_PASSPHRASE");
    assert.equal(await run("operators", "add", "li", "--passphrase-file", pass("li")), "ok");
    assert.equal(await run("operators", "add", "li", "--passphrase-file", pass("wang")), "OPERATOR_EXISTS");
    assert.equal(await run("operators", "add", "wang", "--passphrase-file", pass("wang")), "ok");
    assert.equal(statSync(join(enclavePaths(folder).operatorKeys, "li.json")).mode & 0o777, 0o600);
    assert.equal(await run("approve", job), "OPERATOR_REQUIRED");
    assert.equal(await run("approve", job, "--as", "zhao", "--passphrase-file", pass("li")), "OPERATOR_UNKNOWN");
    assert.equal(await run("approve", job, "--as", "wang", "--passphrase-file", pass("li")), "OPERATOR_KEY");
    assert.equal(await run("approve", job, "--as", "li"), "OPERATOR_PASSPHRASE"); // no terminal, no file
    assert.deepEqual(await fourEyes(), { approvedBy: [], needed: 2 });
    for (let i = 0; i < 2; i++) assert.equal(await run("approve", job, "--as", "li", "--passphrase-file", pass("li")), "ok");
    assert.deepEqual(await fourEyes(), { approvedBy: ["li"], needed: 2 });
    assert.equal(await run("approve", job, "--as", "wang", "--passphrase-file", pass("wang")), "ok");
    assert.deepEqual(await fourEyes(), { approvedBy: ["li", "wang"], needed: 2 });
    assert.equal(await run("operators", "remove", "li"), "ok");
    assert.deepEqual(await fourEyes(), { approvedBy: ["wang"], needed: 2 });
    assert.equal(await run("operators", "remove", "li"), "OPERATOR_UNKNOWN");
  });
});
