// Four eyes: signed decisions of operators, and a worker that waits for two of them.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { signStatement } from "../../enclave/job/approval.ts";
import { countDecisions, signDecision, type OperatorDecision } from "../../enclave/operators/decisions.ts";
import { createOperatorKey, openOperatorKey } from "../../enclave/operators/key.ts";
import { readOperators, writeOperators, type Operator } from "../../enclave/operators/list.ts";
import { bank, tax, temporaryFolder } from "../support/enclave.ts";
import { eventually } from "../support/process.ts";
import { Stock, Workers } from "../support/workers.ts";

const first = "job_000000000000000a" as JobId;
const second = "job_000000000000000b" as JobId;
const digest = "a".repeat(64);
type Signer = { operator: Operator; key: KeyObject };

function signer(name: string): Signer {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { operator: { name, key: String(publicKey.export({ format: "jwk" }).x) }, key: privateKey };
}
const [li, wang, mallory] = [signer("li"), signer("wang"), signer("mallory")];
const listed = [li.operator, wang.operator];
const said = (by: Signer, change: Partial<OperatorDecision> = {}): Promise<string> =>
  signDecision({ job: first, party: tax, planDigest: digest, operator: by.operator.name, decision: "approve", at: "2026-01-05T00:00:00Z", ...change }, by.key);
const count = (signed: string[], operators: readonly Operator[] = listed) => countDecisions(signed, { job: first, party: tax, planDigest: digest }, operators);
const refusal = async (work: Promise<unknown>): Promise<string> => work.then(() => "nothing", (error: unknown) => (error instanceof AppError ? error.code : "other"));

describe("signed decisions of operators", () => {
  it("count once per operator, and only for this job, party and plan", async () => {
    assert.deepEqual(await count([await said(li), await said(li), await said(li, { at: "2026-01-06T00:00:00Z" })]), { approved: ["li"], refused: [] });
    assert.deepEqual(await count([await said(wang), await said(li)]), { approved: ["li", "wang"], refused: [] });
    for (const change of [{ job: second }, { party: bank }, { planDigest: "b".repeat(64) }] as const) assert.deepEqual((await count([await said(li, change)])).approved, []);
  });

  it("do not count under another name, from people who are not on the list, unsigned or of another type", async () => {
    const forged = [
      await said(mallory), await said(mallory, { operator: "li" }), await said(li, { operator: "wang" }), "a.b.c", "",
      (await said(li)).replace(/\.[^.]*$/, "."), `${Buffer.from('{"alg":"none","typ":"yunei-operator-decision+jws"}').toString("base64url")}.${(await said(li)).split(".")[1]}.`,
      await signStatement({ job: first, party: tax, planDigest: digest, operator: "li", decision: "approve", at: "2026-01-05T00:00:00Z" }, "yunei-approval+jws", li.key),
    ];
    assert.deepEqual(await count(forged), { approved: [], refused: [] });
    assert.deepEqual((await count([await said(li), await said(wang)], [wang.operator])).approved, ["wang"]);
  });

  it("are not undone: a refusal stays one", async () => {
    assert.deepEqual(await count([await said(li), await said(li, { decision: "refuse" }), await said(li), await said(wang)]), { approved: ["wang"], refused: ["li"] });
  });
});

describe("keys of operators", () => {
  it("are sealed under a passphrase and open for the operator on the list alone", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "li.json");
    assert.equal(await refusal(createOperatorKey(path, "li", "too short", systemRng)), "OPERATOR_PASSPHRASE");
    const operator = await createOperatorKey(path, "li", "correct horse battery", systemRng);
    assert.equal((await openOperatorKey(path, operator, "correct horse battery")).asymmetricKeyType, "ed25519");
    assert.equal(await refusal(openOperatorKey(path, operator, "wrong horse battery")), "OPERATOR_KEY");
    assert.equal(await refusal(openOperatorKey(path, { ...operator, key: wang.operator.key }, "correct horse battery")), "OPERATOR_KEY");
    const text = Buffer.from(readBytes(path)).toString("utf8");
    writeDurably(path, text.replace('"li"', '"wang"'));
    assert.equal(await refusal(openOperatorKey(path, { ...operator, name: "wang" }, "correct horse battery")), "OPERATOR_KEY"); // another's name on it
  });

  it("are listed once: neither two names for a key nor two keys for a name", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "operators.json");
    writeOperators(path, listed);
    assert.deepEqual(readOperators(path), listed);
    for (const wrong of [{ name: "li-2", key: li.operator.key }, { name: "li", key: mallory.operator.key }]) {
      assert.throws(() => writeOperators(path, [...listed, wrong]), /OPERATOR_EXISTS/);
    }
    assert.deepEqual(readOperators(path), listed);
  });
});

describe("a policy with four eyes", () => {
  let stock: Stock;
  let workers: Workers;
  before(async () => {
    stock = await Stock.make();
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
    workers.setPolicy(tax, { allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "four-eyes" }] });
    mkdirSync(enclavePaths(workers.folder(tax)).operatorKeys, { recursive: true });
    writeOperators(enclavePaths(workers.folder(tax)).operators, listed);
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  const sign = async (by: Signer, decision: "approve" | "refuse" = "approve"): Promise<void> => {
    const jws = await said(by, { planDigest: String(workers.rows(tax, "select digest from jobs")[0]?.["digest"]), decision });
    workers.change(tax, "insert or ignore into operator_decisions values (?, ?, ?, ?)", first, by.operator.name, jws, Date.now());
  };
  const looked = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 1500)); // the worker looks for decisions each second
  };
  const isApproved = (): boolean => workers.exchange.notice(first).approvals[tax] !== undefined;

  it("waits for two operators; one of them twice, a stranger and a bare decision are not enough", async () => {
    workers.exchange.submit(workers.plan(first));
    workers.start(tax);
    await eventually("seen", () => workers.rows(tax, "select 1 from jobs").length === 1);
    workers.change(tax, "insert into decisions values (?, 'approve', ?)", first, Date.now());
    await sign(li);
    await sign(li);
    await sign(mallory);
    await looked();
    assert.isFalse(isApproved());
    await workers.stop(tax);
    workers.start(tax); // what was signed outlives the process
    await looked();
    assert.isFalse(isApproved());
    await sign(wang);
    await eventually("approved", isApproved);
  });

  it("is refused by one operator, even after an approval", async () => {
    workers.exchange.submit(workers.plan(first));
    workers.start(tax);
    await eventually("seen", () => workers.rows(tax, "select 1 from jobs").length === 1);
    await sign(li);
    await sign(wang, "refuse");
    await workers.until(first, "failed");
    assert.deepInclude(workers.exchange.notice(first).failure, { code: "POLICY_REFUSED", party: tax });
    assert.equal(workers.stateAt(tax, first), "refused");
  });
});
