import { assert } from "chai";
import { describe, it } from "mocha";
import { addParts, evaluate, gradeAt, residues, signed } from "../../evaluation/combine.ts";
import { assign, bandOf, boundsOf, evaluatePart, stakeOf, wholeStake, type Part } from "../../evaluation/part.ts";
import type { Entry } from "../../evaluation/schema.ts";
import type { Feature } from "../../models/features.ts";
import { cards, draws } from "./support.ts";

const card = cards.full;
const entryOf = (id: string): Entry => card.entries.find((e) => e.indicator === id) ?? assert.fail(id);
const numeric = (name: string, values: readonly number[], special: readonly number[] = []): Feature => ({ kind: "numeric", name, values: Float64Array.from(values), special });
const part = (points: readonly number[], covered: readonly number[]): Part => ({ points: Int32Array.from(points), covered: Int32Array.from(covered) });

describe("a party's part", () => {
  it("takes the band of a value, its lower edge included", () => {
    const arrears = entryOf("tax_arrears_open");
    assert.deepEqual([...arrears.edges], [1, 10000, 100000]);
    assert.deepEqual([-5, 0, 0.99, 1, 9999, 10000, 99999.9, 100000, 1e300].map((v) => bandOf(arrears, v)), [0, 0, 0, 1, 1, 2, 2, 3, 3]);
  });

  it("is neutral where a value is missing: no points, not covered; infinities and special codes are missing", () => {
    const values = [0, Number.NaN, Infinity, -Infinity, -999, 5];
    const { points, covered } = evaluatePart(card, ["tax_arrears_open"], [numeric("tax_arrears_open", values, [-999])], values.length);
    const { points: [clean = 0, some = 0] } = entryOf("tax_arrears_open");
    assert.deepEqual([...points], [clean, 0, 0, 0, 0, some]);
    const stake = stakeOf(entryOf("tax_arrears_open"));
    assert.strictEqual(stake, 51);
    assert.deepEqual([...covered], [stake, 0, 0, 0, 0, stake]);
  });

  it("counts no coverage for indicators of some trades, and their points all the same", () => {
    const { points, covered } = evaluatePart(card, ["cu_credit_grade"], [numeric("cu_credit_grade", [1, 2, 3, Number.NaN])], 4);
    assert.deepEqual([...points], [-40, 0, 12, 0]);
    assert.deepEqual([...covered], [0, 0, 0, 0]);
  });

  it("ignores features that are not assigned, and has zeros for a party without indicators", () => {
    const features = [numeric("tax_arrears_open", [0]), numeric("rg_age_months", [500])];
    assert.deepEqual([...evaluatePart(card, ["rg_age_months"], features, 1).points], [12]);
    assert.deepEqual([...evaluatePart(card, [], features, 2).points], [0, 0]);
  });

  it("is refused without the data: unknown, doubled, categorical, missing, of other rows", () => {
    const feature = numeric("rg_age_months", [1, 2]);
    assert.throws(() => evaluatePart(card, ["rg_luck"], [feature], 2), /EVALUATION_INDICATOR/);
    assert.throws(() => evaluatePart(card, ["rg_age_months", "rg_age_months"], [feature], 2), /EVALUATION_INDICATOR/);
    assert.throws(() => evaluatePart(cards.open, ["tax_arrears_open"], [numeric("tax_arrears_open", [1])], 1), /EVALUATION_INDICATOR/);
    assert.throws(() => evaluatePart(card, ["rg_age_months"], [], 2), /EVALUATION_FEATURE/);
    assert.throws(() => evaluatePart(card, ["rg_age_months"], [feature], 3), /EVALUATION_FEATURE/);
    assert.throws(() => evaluatePart(card, ["rg_age_months"], [feature, feature], 2), /EVALUATION_FEATURE/);
    const categorical: Feature = { kind: "categorical", name: "rg_age_months", codes: Int32Array.of(0, 1), levels: ["old", "young"] };
    assert.throws(() => evaluatePart(card, ["rg_age_months"], [categorical], 2), /EVALUATION_FEATURE/);
  });
});

describe("the assignment of indicators", () => {
  it("gives each to one party, whatever the order of the offers, and names those that nobody has", () => {
    const offers = new Map([["tax", ["tax_arrears_open", "rg_age_months", "no_such"]], ["registry", ["rg_age_months", "rg_abnormal_now"]], ["idle", []]]);
    const { parties, absent } = assign(card, offers);
    assert.deepEqual([...parties], [["registry", ["rg_age_months", "rg_abnormal_now"]], ["tax", ["tax_arrears_open"]]]);
    assert.strictEqual(absent.length, card.entries.length - 3);
    assert.notInclude(absent, "tax_arrears_open");
    assert.deepEqual(assign(card, new Map([...offers].toReversed())), { parties, absent });
  });
});

describe("the combination of parts", () => {
  const all = card.entries.map((e) => e.indicator);
  const everything = { parties: new Map([["one", all]]), absent: [] };

  it("adds up under masks that cancel, to the last integer", () => {
    const random = draws("masks");
    const rows = 500;
    const features = card.entries.map((e) => numeric(e.indicator, Array.from({ length: rows }, () => (random.bernoulli(0.2) ? Number.NaN : (e.edges[0] ?? 0) + 5 * random.normal()))));
    const pooled = evaluatePart(card, all, features, rows);
    const shares = [all.slice(0, 9), all.slice(9, 11), all.slice(11)].map((own) => evaluatePart(card, own, features, rows));
    const masks = shares.map(() => new Uint16Array(rows));
    for (const [a, mine] of masks.entries()) {
      for (const theirs of masks.slice(a + 1)) {
        for (let row = 0; row < rows; row++) {
          const m = random.integer(65536);
          mine[row] = (mine[row] ?? 0) + m;
          theirs[row] = (theirs[row] ?? 0) - m;
        }
      }
    }
    const opened = (of: (p: Part) => Int32Array): Int32Array => {
      const sum = new Uint16Array(rows);
      for (const [i, share] of shares.entries()) residues(of(share)).forEach((v, row) => void (sum[row] = (sum[row] ?? 0) + v + (masks[i]?.[row] ?? 0)));
      return signed(sum);
    };
    assert.isTrue(pooled.points.some((p) => p < 0) && pooled.points.some((p) => p > 0));
    assert.deepEqual(opened((p) => p.points), pooled.points);
    assert.deepEqual(opened((p) => p.covered), pooled.covered);
    assert.deepEqual(addParts(shares), pooled);
  });

  it("scores from 0 to 1000, grades from the threshold on, and not below the least coverage", () => {
    const whole = wholeStake(card);
    const enough = Math.ceil(card.minCoverage * whole);
    const { lowest, highest, stake } = boundsOf(card, all);
    assert.strictEqual(stake, whole);
    const points = [0, 79, 80, -1, -60, -61, lowest, highest, 80, 80];
    const covered = [...points.slice(0, 8).map(() => whole), enough, enough - 1];
    const found = evaluate(card, everything, part(points, covered), "2025-01-01");
    assert.deepEqual([...found.scores], [600, 679, 680, 599, 540, 539, 0, 600 + highest, 680, 680]);
    assert.deepEqual(points.map((_, row) => gradeAt(found, row)), ["B", "B", "A", "C", "C", "D", "D", "A", "A", null]);
    assert.deepEqual([found.coverage[0], found.coverage[8]], [1000, Math.floor((1000 * enough) / whole)]);
    assert.isFalse(found.partial);
  });

  it("is partial without some provider, and what it had is part of the coverage no more", () => {
    const offers = new Map([["registry", all.filter((id) => id.startsWith("rg_"))]]);
    const assignment = assign(card, offers);
    const { stake } = boundsOf(card, assignment.parties.get("registry") ?? []);
    const found = evaluate(card, assignment, part([10], [stake]), "2025-01-01");
    assert.isTrue(found.partial);
    assert.strictEqual(found.absent.length, card.entries.length - (assignment.parties.get("registry")?.length ?? 0));
    assert.isBelow(found.coverage[0] ?? 1000, 1000 * card.minCoverage);
    assert.isNull(gradeAt(found, 0));
    assert.strictEqual(found.scores[0], 610);
  });

  it("refuses sums that the indicators cannot give, and parts of other rows", () => {
    const { lowest, highest, stake } = boundsOf(card, all);
    for (const [p, c] of [[lowest - 1, 0], [highest + 1, 0], [0, -1], [0, stake + 1]] as const) {
      assert.throws(() => evaluate(card, everything, part([0, p], [0, c]), "2025-01-01"), /EVALUATION_PART/);
    }
    assert.throws(() => evaluate(card, everything, part([0, 0], [0]), "2025-01-01"), /EVALUATION_PART/);
    assert.throws(() => addParts([part([0, 0], [0, 0]), part([0], [0])]), /EVALUATION_PART/);
  });

  it("of nobody is empty", () => {
    assert.strictEqual(evaluate(card, everything, addParts([]), "2025-01-01").scores.length, 0);
  });
});
