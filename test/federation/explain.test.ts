// Explanations of a batch: they add up to the printed score, measure against the median training company, and name what may be named; hosts
// tell their own part only as the plan says, within its bounds, and a guest takes in nothing else.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { explainBatch, gbdtExplainer, scorecardExplainer, type Told } from "../../federation/score/explain.ts";
import { gbdtGuestHalf, gbdtGuestHalfSchema } from "../../federation/gbdt/half.ts";
import type { GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { explainSchema, scoreJobSchema, type ScoreExplain } from "../../federation/score/params.ts";
import { reasonsOf, type HostExplain } from "../../federation/score/reasons-host.ts";
import { guestHalfSchema, type GuestHalf } from "../../federation/scorecard/finish.ts";
import { hostHalfSchema, halfColumns, type HostHalf } from "../../federation/scorecard/half.ts";
import { partyId } from "../../core/names.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { pointDecimals } from "../../models/explain/parts.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import { bank as bankParty, namesOf as treeNames, ownBins, treeParams, treePrograms, treeTables } from "../support/gbdt.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { assertWithin, generatedJob, holding, namesOf, planOf, refusal, scorePrograms, trainPrograms, type ScoreOptions, type Trained } from "../support/joint.ts";
import { createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const units = 10 ** pointDecimals;

const job = generatedJob({ rows: 2600, trainRows: 2100, seed: 31, guest: 2, hosts: [3, 2], absent: 0.2 });
const bank = partyId("bank");
const hostA = partyId("host_a");
let trained: Trained;
let halves: Record<string, HostHalf>;
before(async () => {
  const results = await createWorld({ parties: namesOf(job), seed: 1, kernels }).run(trainPrograms(job));
  trained = results["bank"] as Trained;
  halves = results as Record<string, HostHalf>;
});

/** Two of the three features of host_a have a group. */
const groups: Readonly<Record<string, string>> = { x1_0: "tax arrears", x1_1: "tax arrears" };
const groupOf = (feature: string): string | undefined => groups[feature];
const telling = (naming: "groups" | "features"): Omit<HostExplain, "reasons"> => ({ naming, groupOf });
const of = (reasons: number, ...hosts: string[]): ScoreExplain => ({ reasons, hosts: hosts.map(partyId) });

type Run = { readonly world: World; readonly programs: Record<string, Program<unknown>>; readonly scores: BatchScores };
async function score(options: Partial<ScoreOptions> & { tamper?: Tamper } = {}): Promise<Run> {
  const present = options.present ?? job.hosts.map((h) => h.name);
  const world = createWorld({ parties: ["bank", ...present], seed: 2, job: "job_scoring000000000", kernels, ...(options.tamper && { tamper: options.tamper }) });
  const programs = scorePrograms(job, { half: trained.half, hostHalves: halves, ...options });
  return { world, programs, scores: (await world.run(programs))["bank"] as BatchScores };
}
function tell(scores: BatchScores, options: { half?: GuestHalf; reasons?: number } = {}): Told[] {
  return [...explainBatch({
    self: bank, explainer: scorecardExplainer(options.half ?? trained.half, bank), features: job.guest.table.features, odds: scores.odds,
    told: scores.reasons, groupOf: () => undefined, reasons: options.reasons ?? 3,
  })].flat();
}
const total = (told: Told): number => told.contributions.reduce((sum, c) => sum + c.value, told.base);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN;
/** Points as `scores.csv` prints them, without the point. */
const printed = (odds: number): number => Number(pointsOfOdds(odds, trained.half.scaling).toFixed(2).replace(".", ""));

describe("explanations of a scorecard's batch", () => {
  let run: Run;
  before(async () => {
    run = await score();
  });

  it("add up to the printed score of every company, from one base", () => {
    const told = tell(run.scores);
    assert.lengthOf(told, run.scores.odds.length);
    for (const [i, one] of told.entries()) {
      assert.equal(total(one), one.score);
      assert.equal(one.score, printed(run.scores.odds[i] ?? 0));
      assert.equal(one.base, told[0]?.base);
    }
  });
  it("are what each own column weighs, against the median training company", () => {
    const told = tell(run.scores);
    const { rows, trainRows } = trained.result.alignment;
    const train = rows.subarray(0, trainRows);
    const factor = (units * trained.half.scaling.pdo) / Math.LN2;
    for (const column of trained.half.columns.filter((c) => c.party === "bank")) {
      const values = [...train].map((r) => told[r]?.contributions.find((c) => c.label.kind === "feature" && c.label.feature === column.name)?.value ?? 0);
      assert.isAtMost(Math.abs(median(values)), 1, "the median company has nothing of it");
      const bins = new Set(column.codes.map((code) => Math.round(-factor * column.weight * code)));
      assert.isAtMost(new Set(values).size, 2 * bins.size, "one value per bin, up to rounding");
      assert.isAbove(Math.max(...values) - Math.min(...values), 100);
    }
    const others = [...train].map((r) => told[r]?.contributions.find((c) => c.label.kind === "other")?.value ?? 0);
    // Training opened another total than the scoring: both are rounded, by half a step of each host.
    assert.isAtMost(Math.abs(median(others)), factor * trained.half.scoring.step);
    assert.isAbove(Math.max(...others) - Math.min(...others), 100);
  });
  it("name the bank's own columns and nothing of a host", () => {
    const text = JSON.stringify(tell(run.scores));
    assert.include(text, trained.half.columns.find((c) => c.party === "bank")?.name ?? "?");
    for (const secret of ["host_", "x1_", "x2_", "f00"]) assert.notInclude(text, secret);
    assert.isEmpty(run.world.sent.filter((m) => m.type.startsWith("score/")));
    assert.equal(run.scores.reasons?.size, 0);
  });
  it("give as reasons what speaks against a company, the strongest first, no more than asked for", () => {
    for (const one of tell(run.scores, { reasons: 2 })) {
      assert.isAtMost(one.reasons.length, 2);
      assert.deepEqual(one.reasons.map((r) => r.value), one.contributions.map((c) => c.value).filter((v) => v < 0).sort((a, b) => a - b).slice(0, 2));
    }
  });
  it("add up when a host is away", async () => {
    const { scores } = await score({ present: ["host_b"] });
    for (const [i, one] of tell(scores).entries()) {
      assert.equal(total(one), one.score);
      assert.equal(one.score, printed(scores.odds[i] ?? 0));
    }
  });
  it("can be made with a model of an earlier version, against the average company", () => {
    const { typical: _, ...earlier } = trained.half;
    const half = guestHalfSchema.parse(JSON.parse(JSON.stringify(earlier)));
    const told = tell(run.scores, { half });
    for (const one of told) assert.equal(total(one), one.score);
    assert.equal(told[0]?.base, Math.round(units * pointsOfOdds(half.intercept, half.scaling)));
    assert.notEqual(told[0]?.base, tell(run.scores)[0]?.base);
  });
  it("go by the group of an own feature where it has one", () => {
    const { names } = scorecardExplainer(trained.half, bank);
    const told = [...explainBatch({
      self: bank, explainer: scorecardExplainer(trained.half, bank), features: job.guest.table.features, odds: run.scores.odds, groupOf: () => "loans", reasons: 3,
    })].flat();
    assert.isAtLeast(names.length, 2);
    const kinds = new Set(told.flatMap((t) => t.reasons.map((r) => r.label.kind)));
    assert.deepEqual([...kinds].sort(), ["group", "other"]);
    assert.isTrue(told.some((t) => t.contributions.some((c) => c.label.kind === "feature")), "contributions stay apart");
  });
  it("refuse data that lack a column of the model", () => {
    const input = { self: bank, explainer: scorecardExplainer(trained.half, bank), features: [], odds: run.scores.odds, groupOf: () => undefined, reasons: 1 };
    assert.throws(() => [...explainBatch(input)], /JOB_MODEL_UNKNOWN/);
  });
});

describe("a host that explains its own part", () => {
  const explain = of(2, "host_a");
  let run: Run;
  before(async () => {
    run = await score({ explain, telling: telling("features") });
  });

  it("tells at most so many parts per company, which the guest takes out of the providers' common part", async () => {
    const told = tell(run.scores);
    const plain = tell((await score()).scores);
    const factor = (units * trained.half.scaling.pdo) / Math.LN2;
    let parts = 0;
    for (const [i, one] of told.entries()) {
      assert.equal(total(one), one.score);
      const own = one.contributions.filter((c) => c.label.kind === "feature" && c.label.party === "host_a");
      assert.isAtMost(own.length, 2);
      assert.isTrue(own.every((c) => c.value < 0), "only what speaks against a company is told");
      parts += own.length;
      const rest = (t: Told | undefined): number => t?.contributions.find((c) => c.label.kind === "other")?.value ?? 0;
      assert.closeTo(rest(one) + own.reduce((sum, c) => sum + c.value, 0), rest(plain[i]), 3);
      for (const c of own) assert.closeTo(-c.value / (factor * trained.half.scoring.step), Math.round(-c.value / (factor * trained.half.scoring.step)), 0.1, "whole units of the total");
    }
    assert.isAbove(parts, told.length / 4);
    assert.notInclude(JSON.stringify(told), "host_b");
  });
  it("tells the strongest of its features, by its own weights against its own medians", () => {
    const half = halves["host_a"] as HostHalf;
    const { ids, features } = holding(job, 0);
    const codes = halfColumns(half, features);
    const reasons = run.scores.reasons?.get(hostA);
    assert(reasons);
    let seen = 0;
    for (const [at, id] of ids.entries()) {
      const record = Number(/^company-(\d+)$/.exec(id)?.[1] ?? -1);
      if (record < 0) continue;
      const parts = half.columns.map((c, i) => (
        { feature: c.feature, size: Math.round(((half.plan.weights[i] ?? 0) * ((codes[i]?.[at] ?? 0) - (c.typical ?? Number.NaN))) / 2 ** half.plan.fractionBits) }));
      const expected = parts.filter((p) => p.size > 0).sort((a, b) => b.size - a.size).slice(0, 2);
      const got = [0, 1].flatMap((k) => (reasons.sizeOf[2 * record + k] === 0 ? [] : [{ feature: reasons.labels[reasons.labelOf[2 * record + k] ?? 0]?.feature, size: reasons.sizeOf[2 * record + k] }]));
      assert.deepEqual(got.map((g) => g.size), expected.map((e) => e.size));
      if (new Set(expected.map((e) => e.size)).size === expected.length) assert.deepEqual(got.map((g) => g.feature), expected.map((e) => e.feature));
      seen += got.length;
    }
    assert.isAbove(seen, 500);
  });
  it("has as typical code the median of its training companies", () => {
    const half = halves["host_a"] as HostHalf;
    const { ids, features } = holding(job, 0);
    const at = new Map(ids.map((id, i) => [id as string, i]));
    const train = Int32Array.from(trained.result.alignment.rows.subarray(0, job.trainRows), (record) => at.get(`company-${record}`) ?? -1);
    for (const [i, column] of halfColumns(half, features.map((f) => alignFeature(f, train))).entries()) assert.equal(half.columns[i]?.typical, median([...column]));
  });
  it("names groups alone when its policy says so, and no feature in any message", async () => {
    const { world, scores } = await score({ explain, telling: telling("groups") });
    const labels = scores.reasons?.get(hostA)?.labels;
    assert.deepEqual(labels, [{ group: "tax arrears" }, {}]);
    const frames = Buffer.concat(world.view("bank").map((m) => Buffer.from(m.frame))).toString("latin1");
    assert.include(frames, "tax arrears");
    assert.notInclude(frames, "x1_");
    const told = tell(scores);
    assert.notInclude(JSON.stringify(told), "x1_");
    for (const one of told) assert.equal(total(one), one.score);
    assert.include(new Set(told.flatMap((t) => t.reasons.map((r) => r.en))), "Data on “tax arrears” of host_a are less favourable than for the typical company");
  });
  it("names nothing that stands in no reason, and cleans what could drive a terminal", () => {
    const half = halves["host_a"] as HostHalf;
    const columns = half.columns.map(() => Int8Array.of(0));
    const none = reasonsOf({ ...half, plan: { ...half.plan, weights: half.plan.weights.map(() => 0) } }, columns, 1, { reasons: 3, ...telling("features") });
    assert.deepEqual(none, { labels: [], labelOf: new Uint16Array(3), sizeOf: new Uint8Array(3) });
    const nasty = { ...half, columns: half.columns.map((c, i) => ({ ...c, typical: 0, feature: `\u001b[31m\u202e${"字".repeat(300)}${i}` })), plan: { ...half.plan, weights: half.plan.weights.map(() => 2 ** 20) } };
    const { labels } = reasonsOf(nasty, columns.map(() => Int8Array.of(9)), 1, { reasons: 1, naming: "features", groupOf: () => "\ud800" });
    assert.deepEqual(labels, [{ feature: `?[31m?${"字".repeat(122)}`, group: "?" }]);
  });
  it("stays inside the statement of its plan, which says two numbers per reason and company", () => {
    const params = scoreJobSchema.parse({ batch: "0".repeat(64), rows: job.label.length, explain });
    const compiled = compileLeakage(planOf(job, "score", params));
    assertWithin(compiled, run.world);
    const lines = compiled.leakage.filter((l) => l.type === "score/reasons");
    assert.deepEqual(lines.map((l) => [l.from, l.to, l.numbers]), [["host_a", "bank", 2 * 2 * job.label.length]]);
    const without = compileLeakage(planOf(job, "score", scoreJobSchema.parse({ ...params, explain: of(3) })));
    assert.isEmpty(without.leakage.filter((l) => l.type.startsWith("score/")), "the guest's own explanations need no message");
    assert.deepEqual(without, compileLeakage(planOf(job, "score", scoreJobSchema.parse({ batch: params.batch, rows: params.rows }))));
  });
  it("is the same after a restart of any party", async () => {
    for (const name of namesOf(job)) assert.deepEqual(await run.world.replay(name, run.programs[name] as Program<unknown>), name === "bank" ? run.scores : undefined);
  });
  it("without a median of training tells against the average company", () => {
    const half = hostHalfSchema.parse(JSON.parse(JSON.stringify({ ...halves["host_a"], columns: halves["host_a"]?.columns.map((c) => ({ ...c, typical: undefined })) })));
    const given = { reasons: 2, ...telling("features") };
    const columns = half.columns.map((c) => Int8Array.of(c.codes[0] ?? 0));
    const zero = { ...half, columns: half.columns.map((c) => ({ ...c, typical: 0 })) };
    assert.deepEqual(reasonsOf(half, columns, 1, given), reasonsOf(zero, columns, 1, given));
  });

  describe("is refused", () => {
    const few = { explain, telling: telling("features"), records: [1, 2, 3, 4, 5, 6] };
    for (const { type, fields } of [{ type: "score/labels", fields: ["labels"] }, { type: "score/reasons", fields: ["index", "last", "labels", "sizes"] }]) {
      for (const hostile of hostileCases(type, fields, "host_a")) {
        it(`with ${type} ${hostile.name}`, async () => assert.equal((await refusal(score({ ...few, tamper: hostile.tamper }))).code, hostile.code));
      }
    }
    /** 6 companies x 2 reasons. */
    const sizes = (...values: number[]): Uint8Array => Uint8Array.from({ length: 12 }, (_, i) => values[i] ?? 0);
    const labels = (...values: number[]): Uint8Array => Uint8Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? (values[i / 2] ?? 0) : 0));
    const changes: [string, (b: never) => Record<string, unknown>, string][] = [
      ["fewer companies", (b: object) => ({ ...b, sizes: sizes().subarray(0, 10), labels: labels().subarray(0, 20) }), "PROTOCOL_WRONG_SHAPE"],
      ["more reasons than the plan's", (b: object) => ({ ...b, sizes: new Uint8Array(18), labels: new Uint8Array(36) }), "PROTOCOL_WRONG_SHAPE"],
      ["labels for other reasons than sizes", (b: object) => ({ ...b, labels: labels().subarray(0, 22) }), "PROTOCOL_WRONG_SHAPE"],
      ["a label that was not named", (b: object) => ({ ...b, sizes: sizes(5), labels: labels(9) }), "PROTOCOL_WRONG_SHAPE"],
      ["a label of a reason that is none", (b: object) => ({ ...b, sizes: sizes(5, 0), labels: labels(0, 1) }), "PROTOCOL_WRONG_SHAPE"],
      ["a stronger reason after a weaker one", (b: object) => ({ ...b, sizes: sizes(5, 6), labels: labels(0, 1) }), "PROTOCOL_WRONG_SHAPE"],
      ["a reason after none", (b: object) => ({ ...b, sizes: sizes(0, 6), labels: labels(0, 1) }), "PROTOCOL_WRONG_SHAPE"],
      ["one label twice", (b: object) => ({ ...b, sizes: sizes(6, 6), labels: labels(0, 0) }), "PROTOCOL_WRONG_SHAPE"],
      ["another chunk first", (b: object) => ({ ...b, index: 1 }), "PROTOCOL_OUT_OF_ORDER"],
      ["no last chunk", (b: object) => ({ ...b, last: false }), "PROTOCOL_WRONG_SHAPE"],
    ];
    for (const [name, change, code] of changes) {
      it(`with ${name}`, async () => {
        const failed = await refusal(score({ ...few, tamper: withBody("score/reasons", change, "host_a") }));
        assert.deepEqual(failed, { code, party: "host_a" });
      });
    }
    it("with the same name twice", async () => {
      const tamper = withBody("score/labels", (() => ({ labels: [{ feature: "a" }, { feature: "a" }] })), "host_a");
      assert.deepEqual(await refusal(score({ ...few, tamper })), { code: "PROTOCOL_WRONG_SHAPE", party: "host_a" });
    });
    it("with a name that is not to be printed", async () => {
      const tamper = withBody("score/labels", (() => ({ labels: [{ feature: "a\u202eb" }] })), "host_a");
      assert.equal((await refusal(score({ ...few, tamper }))).code, "PROTOCOL_SCHEMA");
    });
    it("before anything of its data leaves, beyond its budget", async () => {
      const guard = { admitSet() {}, admitRows() {}, admitCompany() {}, chargeQueries() {}, chargeBits() {}, chargeTotals() {}, chargeEvaluation() {}, chargeScores: () => { throw new AppError("BUDGET_TOTALS"); } };
      const world = createWorld({ parties: namesOf(job), seed: 2, kernels });
      const programs = scorePrograms(job, { half: trained.half, hostHalves: halves, ...few, hostGuard: () => guard });
      assert.equal((await refusal(world.run(programs))).code, "BUDGET_TOTALS");
      assert.isEmpty(world.sent.filter((m) => m.type.startsWith("score/")));
    });
  });
});

describe("what a plan may say of explanations", () => {
  const base = { batch: "0".repeat(64), rows: 10 };
  const refused: [string, object][] = [
    ["hosts without reasons", { reasons: 0, hosts: ["host_a"] }], ["a host twice", { reasons: 1, hosts: ["host_a", "host_a"] }], ["more than ten reasons", { reasons: 11 }],
    ["part of a reason", { reasons: 1.5 }], ["something unknown", { reasons: 1, all: true }],
  ];
  for (const [name, explain] of refused) it(`is not ${name}`, () => assert.isFalse(scoreJobSchema.safeParse({ ...base, explain }).success));
  it("is not a host of trees: it knows no weight", () => {
    const trees = { kind: "gbdt", trees: 10, depth: 3 };
    assert.isFalse(scoreJobSchema.safeParse({ ...base, shape: trees, explain: { reasons: 2, hosts: ["host_a"] } }).success);
    assert.isTrue(scoreJobSchema.safeParse({ ...base, shape: trees, explain: { reasons: 2 } }).success);
  });
  it("is nothing when it does not say anything", () => assert.deepEqual(scoreJobSchema.parse(base).explain, explainSchema.parse({})));
  it("names no host that is not in the job", () => {
    const plan = planOf(job, "score", scoreJobSchema.parse({ ...base, explain: of(1, "court") }));
    assert.throws(() => compileLeakage(plan), /JOB_PARAMS/);
  });
});

describe("explanations of a batch scored by boosted trees", () => {
  const tables = treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: [2, 1] });
  const scaling = { points: 600, odds: 50, pdo: 20 };
  it("add up for every company without any bit of a host, against the median training company, also with a model of an earlier version", async () => {
    const results = await createWorld({ parties: treeNames(tables), seed: 1, kernels }).run(treePrograms(tables));
    const guest = results[bankParty] as GbdtGuestResult;
    const half = gbdtGuestHalf({
      model: "model_0", input: { hosts: tables.hosts.map((h) => h.name), own: ownBins(tables, treeParams({})), trainRows: tables.trainRows }, result: guest, scaling,
    });
    const odds = guest.grown.scores.map((s) => s / 2 ** 20);
    const { typical: _, ...earlier } = half;
    for (const model of [half, gbdtGuestHalfSchema.parse(earlier)]) {
      const told = [...explainBatch({ self: bank, explainer: gbdtExplainer(model), features: tables.own, odds, groupOf: () => undefined, reasons: 4 })].flat();
      for (const [row, one] of told.entries()) {
        assert.equal(total(one), one.score);
        assert.equal(one.score, Number(pointsOfOdds(odds[row] ?? 0, scaling).toFixed(2).replace(".", "")));
        assert.equal(one.base, told[0]?.base);
      }
      const text = JSON.stringify(told);
      assert.notInclude(text, "host_");
      assert.notInclude(text, "f00");
      const valuesOf = (kind: string, feature?: string): number[] => told.slice(0, tables.trainRows).map((t) => (
        t.contributions.find((c) => c.label.kind === kind && (c.label.kind !== "feature" || c.label.feature === feature))?.value ?? 0));
      assert.isAbove(Math.max(...valuesOf("other")) - Math.min(...valuesOf("other")), 100);
      assert.isTrue(tables.own.some((f) => Math.max(...valuesOf("feature", f.name)) > 100));
      if (model.typical === undefined) continue;
      for (const values of [valuesOf("other"), ...tables.own.map((f) => valuesOf("feature", f.name))]) assert.isAtMost(Math.abs(median(values)), 1);
    }
    assert.throws(() => [...explainBatch({ self: bank, explainer: gbdtExplainer({ ...half, typical: { own: [], rest: 0 } }), features: tables.own, odds, groupOf: () => undefined, reasons: 4 })], /MODEL_SHAPE/);
  });
});
