// Exports and challengers through whole enclaves: what they write, what they release, and what they refuse before anything leaves.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { JobId, PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { stageChallenger } from "../../enclave/challenger.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { exportSummarySchema } from "../../enclave/job/exported.ts";
import { openChallenger } from "../../enclave/onnx.ts";
import { judge, policySchema } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { modelIdOf } from "../../federation/finish/end.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { encodeOnnx, type OnnxFile, type OnnxValue } from "../../models/files/onnx-proto.ts";
import { evaluatePart } from "../../models/metrics/evaluate.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { bank, power, sealTo, tax } from "../support/enclave.ts";
import { readPmml } from "../support/pmml.ts";
import { Stock, Workers } from "../support/workers.ts";
import { codeOf } from "../support/world.ts";

const first = "job_000000000000000a" as JobId;
const second = "job_000000000000000b" as JobId;
const third = "job_000000000000000c" as JobId;

/** p = sigmoid(weight * term). */
function ownModel(input = "term", weight = 0.01): Uint8Array<ArrayBuffer> {
  const value = (name: string): OnnxValue => ({ name, type: "float", dims: ["n", 1] });
  const file: OnnxFile = {
    irVersion: 8, opsets: { "": 13 },
    graph: {
      name: "own", constants: [{ name: "w", dims: [1], floats: [weight] }], inputs: [value(input)], outputs: [value("p")],
      nodes: [{ op: "Mul", inputs: [input, "w"], outputs: ["z"] }, { op: "Sigmoid", inputs: ["z"], outputs: ["p"] }],
    },
  };
  return encodeOnnx(file);
}

describe("enclaves with models in and out", () => {
  let stock: Stock;
  let workers: Workers;
  before(async () => {
    stock = await Stock.make();
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  const allow = (party: PartyId, kinds: readonly string[]): void => (
    workers.setPolicy(party, { allow: [{ guest: "bank", kinds, purposes: ["model-development"], approve: "auto", sealTo: sealTo.x }] }));
  const results = (job: JobId): string => join(enclavePaths(workers.folder(bank)).results, job);
  const exportPlan = (job: JobId, change: Partial<Parameters<Workers["plan"]>[1]> = {}): JobPlan => (
    workers.plan(job, { kind: "export", model: modelIdOf(first), params: {}, ...change }));
  const sentBy = (party: PartyId, job: JobId): unknown[] => workers.rows(party, "select type from ledger where job = ?", job).map((r) => r["type"]);
  const stage = async (bytes: Uint8Array): Promise<string> => {
    const file = join(workers.folder(bank), "own.onnx");
    writeFileSync(file, bytes);
    return stageChallenger(enclavePaths(workers.folder(bank)).models, file);
  };
  const withChallenger = (challenger: string): JobPlan => workers.plan(first, { params: { scorecard: { fit: { refinementRounds: 0 } }, challenger } });

  it("export the scorecard that they trained, also after a restart: files in the bank's own folder, a sealed summary, receipts; nothing more", async () => {
    const { exchange } = workers;
    for (const party of [bank, tax, power]) allow(party, ["scorecard", "export"]);
    exchange.submit(workers.plan(first));
    workers.startAll();
    await workers.until(first, "done");
    for (const party of [bank, tax, power]) {
      await workers.untilAt(party, first, "done");
      await workers.stop(party);
    }
    workers.startAll();
    exchange.submit(exportPlan(second));
    await workers.until(second, "done");
    await workers.untilAt(bank, second, "done");
    const summary = exportSummarySchema.parse(JSON.parse(readFileSync(join(results(second), "export.json"), "utf8")));
    assert.deepEqual(summary.files.map((f) => f.name), ["scorecard.onnx", "scorecard.pmml"]);
    for (const { name, sha256, bytes } of summary.files) {
      const content = readFileSync(join(results(second), name));
      assert.deepEqual([sha256Hex(content), content.length], [sha256, bytes]);
    }
    assert.equal(summary.model, modelIdOf(first));
    assert.sameMembers(Object.keys(summary.features).filter((p) => p !== bank), [tax, power]);
    assert.sameMembers([...exchange.results.keys()].filter((k) => k.startsWith(second)), [`${second}/report`]);
    assert.deepEqual(sentBy(tax, second), ["export/half", "finish/receipt"]);
    assert.deepEqual(sentBy(bank, second), ["export/open", "export/open"]);
    // Real names and edges of a provider are in the files now.
    const pmml = readFileSync(join(results(second), "scorecard.pmml"), "utf8");
    assert.includeMembers(readPmml(pmml).fields.map((f) => f.name), ["tax/turnover"]);
    // Nothing is charged for it, and a second export gives the same bytes.
    exchange.submit(exportPlan(third));
    await workers.until(third, "done");
    await workers.untilAt(bank, third, "done");
    for (const { name } of summary.files) assert.deepEqual(readFileSync(join(results(third), name)), readFileSync(join(results(second), name)));
  });

  it("refuse an export that one owner's policy does not name, and then no half leaves anybody", async () => {
    const { exchange } = workers;
    for (const party of [bank, tax]) allow(party, ["scorecard", "export"]);
    allow(power, ["scorecard"]);
    exchange.submit(exportPlan(second));
    workers.startAll();
    await workers.until(second, "failed");
    assert.deepInclude(exchange.notice(second).failure, { code: "POLICY_KIND", party: power });
    for (const party of [bank, tax, power]) assert.isEmpty(sentBy(party, second));
  });

  it("refuse the export of a model of cells, of a model that they do not know, and of one without all of its owners", async () => {
    const { exchange } = workers;
    for (const party of [bank, tax, power]) allow(party, ["scorecard", "export"]);
    assert.throws(() => exportPlan(second, { params: { shape: { kind: "crossboost", bins: 32, totals: 1 } } }), /JOB_EXPORT_KIND/);
    for (const party of [bank, tax, power]) {
      using db = new StateDatabase(enclavePaths(workers.folder(party)).state);
      db.run("insert into models (model, job, created_at, kind, half) values (?, 'job', 0, ?, '{}')", modelIdOf(first), `crossboost-${party === bank ? "guest" : "host"}`);
    }
    workers.startAll();
    exchange.submit(exportPlan(second));
    await workers.until(second, "failed");
    assert.equal(exchange.notice(second).failure?.code, "JOB_EXPORT_KIND");
    exchange.submit(exportPlan(third, { model: "model_0123456789abcdef01234567" }));
    await workers.until(third, "failed");
    assert.equal(exchange.notice(third).failure?.code, "JOB_MODEL_UNKNOWN");
    for (const job of [second, third]) for (const party of [bank, tax, power]) assert.isEmpty(sentBy(party, job));
    assert.isFalse(existsSync(results(second)));
  });

  it("approve an export with one provider without `singleHostTotals`: no total is opened", () => {
    const rule = { guest: "bank", kinds: ["export", "score"], purposes: ["model-development"], approve: "auto" };
    const policy = policySchema.parse({ version: 1, allow: [rule] });
    const says = (plan: JobPlan): string => {
      const verdict = judge(plan, tax, policy, stock.summaryOf(tax));
      return verdict.kind === "refuse" ? verdict.code : verdict.kind;
    };
    assert.equal(says(exportPlan(second, { hosts: [tax] })), "approve");
    assert.equal(says(workers.plan(second, { kind: "score", model: modelIdOf(first), hosts: [tax], params: { batch: "c".repeat(64), rows: 10 } })), "POLICY_SINGLE_HOST");
    // A plan that says less than an export would send is not what its parameters compile to.
    const plan = exportPlan(second);
    assert.equal(says({ ...plan, leakage: plan.leakage.map((l) => (l.type === "export/half" ? { ...l, numbers: 0 } : l)) }), "POLICY_LEAKAGE");
  });

  it("measure the bank's own model on the companies of the joint one, and tell nobody more than its digest", async () => {
    const { exchange } = workers;
    const challenger = await stage(ownModel());
    exchange.submit(withChallenger(challenger));
    workers.startAll();
    await workers.until(first, "done");
    await workers.untilAt(bank, first, "done");
    const report = jointReportSchema.parse(JSON.parse(readFileSync(join(results(first), "report.json"), "utf8")));
    assert.equal(report.digests?.["challenger"], challenger);
    const lines = readFileSync(join(results(first), "scores.csv"), "utf8").trim().split("\n").slice(1).map((l) => l.split(","));
    const data = stock.datasets.get(bank) ?? assert.fail();
    const rowOf = new Map(data.ids.map((id, i) => [String(id), i]));
    await using scorer = await openChallenger(join(enclavePaths(workers.folder(bank)).models, "challengers", `${challenger}.onnx`), { maxBytes: 10_000, featureNames: data.features.map((f) => f.name) });
    const all = await scorer.score(data.features);
    for (const part of ["train", "test"] as const) {
      const records = lines.filter((l) => l[3] === part).map((l) => rowOf.get(l[0] ?? "") ?? -1);
      const odds = Float64Array.from(records, (r) => Math.log((all[r] ?? 0) / (1 - (all[r] ?? 0))));
      const label = Uint8Array.from(records, (r) => data.label?.[r] ?? 0);
      const expected = evaluatePart(odds, label, 0, label.length);
      assert.closeTo(report.challenger?.[part].auc ?? 0, expected.auc, 1e-12);
      assert.closeTo(report.challenger?.[part].logLoss ?? 0, expected.logLoss, 1e-9);
      assert.equal(report.challenger?.[part].rows, report.rows[part].rows);
    }
    const page = readFileSync(join(results(first), "report.html"), "utf8");
    assert.include(page, "Challenger");
  });

  const bad: readonly (readonly [title: string, code: string, plan: () => Promise<JobPlan>])[] = [
    ["that nobody staged", "JOB_CHALLENGER", async () => withChallenger("a".repeat(64))],
    ["whose file was changed", "JOB_CHALLENGER", async () => {
      const challenger = await stage(ownModel());
      writeFileSync(join(enclavePaths(workers.folder(bank)).models, "challengers", `${challenger}.onnx`), ownModel("term", 2));
      return withChallenger(challenger);
    }],
    ["that wants a column which the bank does not have", "MODEL_ONNX_INPUTS", async () => withChallenger(await stage(ownModel("turnover")))],
  ];
  for (const [title, code, plan] of bad) {
    it(`end a job with a challenger ${title} before anything is sent: ${code}`, async () => {
      const { exchange } = workers;
      exchange.submit(await plan());
      workers.startAll();
      await workers.until(first, "failed");
      const { failure } = exchange.notice(first);
      assert.equal(failure?.code, code);
      assert.equal(failure?.party, bank);
      for (const host of [tax, power]) assert.isEmpty(exchange.frames(first, bank, host));
    });
  }

  it("take no challenger into their folder that is no model or not one of standard operators", async () => {
    const random = encodeOnnx({
      irVersion: 8, opsets: { "": 13 },
      graph: { name: "g", constants: [], inputs: [], outputs: [{ name: "p", type: "float", dims: ["n", 1] }], nodes: [{ op: "RandomUniform", inputs: [], outputs: ["p"] }] },
    });
    assert.equal(await codeOf(stage(new TextEncoder().encode("not a model"))), "MODEL_ONNX");
    assert.equal(await codeOf(stage(random)), "MODEL_ONNX_OPERATOR");
    assert.equal(await codeOf(stage(new Uint8Array(64 * 1024 * 1024 + 1))), "MODEL_ONNX_SIZE");
    const { models } = enclavePaths(workers.folder(bank));
    assert.isFalse(existsSync(join(models, "challengers")) && readdirSync(join(models, "challengers")).length > 0);
  });
});
