import { assert } from "chai";
import { describe, it } from "mocha";
import { isAppError } from "../../../core/errors.ts";
import { seededRng } from "../../../core/rng.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { inferRejects, rejectMethods, type Applicants } from "../../../models/outcomes/reject.ts";
import { seededDraw } from "../../support/draw.ts";

const rng = seededRng(new Uint8Array(32), "parcelling");

/** Applicants of whom the less risky by score were accepted, the middle ones by a coin. */
function applicants(seed: number, count: number): Applicants & { readonly rejectedLabel: Uint8Array } {
  const draw = seededDraw(seed);
  const accepted: [number, number][] = [];
  const rejected: [number, number][] = [];
  for (let i = 0; i < count; i++) {
    const odds = -1.5 + draw.normal();
    const y = draw.uniform() < sigmoid(odds) ? 1 : 0;
    (draw.uniform() < sigmoid(-2 * (odds + 0.8)) ? accepted : rejected).push([sigmoid(odds), y]);
  }
  return {
    accepted: { score: Float64Array.from(accepted, ([s]) => s), label: Uint8Array.from(accepted, ([, y]) => y) },
    rejected: { score: Float64Array.from(rejected, ([s]) => s) }, rejectedLabel: Uint8Array.from(rejected, ([, y]) => y),
  };
}

describe("reject inference", () => {
  const all = applicants(1, 20_000);
  const a = all.accepted.score.length;
  const r = all.rejected.score.length;
  const weightOf = (rows: ReturnType<typeof inferRejects>, source: number, label?: number): number =>
    rows.weight.reduce((s, w, i) => s + (rows.source[i] === source && (label === undefined || rows.label[i] === label) ? w : 0), 0);

  it("keeps every accepted row with its own label, whatever the method", () => {
    for (const method of rejectMethods) {
      const rows = inferRejects(all, { method, rng });
      const own = [...rows.row.keys()].filter((i) => rows.source[i] === 0);
      assert.deepEqual(own.map((i) => rows.row[i] ?? -1).toSorted((x, y) => x - y), [...all.accepted.score.keys()]);
      assert.isTrue(own.every((i) => rows.label[i] === all.accepted.label[rows.row[i] ?? -1]), method);
    }
    const none = inferRejects(all, { method: "none" });
    assert.isTrue(none.source.every((s) => s === 0) && none.weight.every((w) => w === 1));
    assert.isNull(none.summary.rejectedBadRate);
  });

  it("weighs by augmentation so that each band counts all of its applicants", () => {
    const rows = inferRejects(all, { method: "augmentation" });
    assert.approximately(weightOf(rows, 0), a + r, 1e-6);
    assert.equal(weightOf(rows, 1), 0);
    // Equal scores, equal weights; riskier bands weigh more, as fewer were accepted there.
    const byScore = [...rows.row.keys()].map((i) => [all.accepted.score[rows.row[i] ?? 0] ?? 0, rows.weight[i] ?? 0] as const).toSorted(([x], [y]) => x - y);
    assert.isBelow(byScore[0]?.[1] ?? 9, 1.2);
    assert.isAbove(byScore.at(-1)?.[1] ?? 0, 5);
    assert.equal(rows.summary.maxWeight, Math.max(...rows.weight));
  });

  it("takes rejected applicants for what the accepted of their band were: one label each by parcels, two weighted rows by fuzzy augmentation", () => {
    const parcels = inferRejects(all, { method: "parcelling", rng });
    const own = [...parcels.row.keys()].filter((i) => parcels.source[i] === 1).map((i) => parcels.row[i] ?? -1);
    assert.deepEqual(own.toSorted((x, y) => x - y), [...all.rejected.score.keys()]);
    const fuzzy = inferRejects(all, { method: "fuzzy" });
    assert.equal(fuzzy.source.filter((s) => s === 1).length, 2 * r);
    assert.approximately(weightOf(fuzzy, 1), r, 1e-6);
    // Rounding apart (a half per band), they take the same number for bad.
    assert.approximately(weightOf(parcels, 1, 1), weightOf(fuzzy, 1, 1), 5);
    assert.approximately(parcels.summary.rejectedBadRate ?? 0, weightOf(fuzzy, 1, 1) / r, 0.001);
  });

  it("comes near the truth where the score holds all that the decision knew", () => {
    const truth = all.rejectedLabel.reduce((s, y) => s + y, 0) / r;
    for (const method of ["augmentation", "parcelling", "fuzzy"] as const) {
      const { summary } = inferRejects(all, { method, rng, bands: 30 });
      assert.isAbove(summary.rejectedBadRate ?? 0, 1.5 * summary.acceptedBadRate, method);
      assert.approximately(summary.rejectedBadRate ?? 0, truth, 0.03, method);
    }
    const strict = inferRejects(all, { method: "fuzzy", bands: 30, badRateFactor: 1.5 });
    assert.isAbove(strict.summary.rejectedBadRate ?? 0, 1.4 * truth);
  });

  it("says how much of it is extrapolation", () => {
    const cut: Applicants = { accepted: { score: Float64Array.from({ length: 100 }, (_, i) => 0.1 + i / 1_000), label: Uint8Array.from({ length: 100 }, (_, i) => i % 3 === 0 ? 1 : 0) }, rejected: { score: Float64Array.of(0.15, 0.5, 0.6, 0.7) } };
    const { summary } = inferRejects(cut, { method: "augmentation", bands: 5 });
    assert.equal(summary.beyondAccepted, 0.75);
    assert.equal(inferRejects({ ...cut, rejected: { score: new Float64Array() } }, { method: "fuzzy" }).summary.rejectedBadRate, null);
  });

  it("refuses too few accepted, wrong settings, and parcels without a source of randomness", () => {
    const code = (run: () => unknown): string => {
      try {
        run();
        return "none";
      } catch (error) {
        return isAppError(error) ? error.code : String(error);
      }
    };
    const few: Applicants = { accepted: { score: new Float64Array(100).fill(0.2), label: new Uint8Array(100) }, rejected: { score: new Float64Array(3) } };
    assert.equal(code(() => inferRejects(few, { method: "none" })), "OUTCOME_TOO_FEW");
    assert.equal(code(() => inferRejects({ ...few, accepted: { ...few.accepted, label: new Uint8Array(9) } }, { method: "none" })), "MODEL_SHAPE");
    assert.equal(code(() => inferRejects(all, { method: "parcelling" })), "OUTCOME_SETTINGS");
    assert.equal(code(() => inferRejects({ ...all, rejected: { score: Float64Array.of(1.5) } }, { method: "fuzzy" })), "OUTCOME_SETTINGS");
    for (const badRateFactor of [0.9, 21, Number.NaN]) assert.equal(code(() => inferRejects(all, { method: "fuzzy", badRateFactor })), "OUTCOME_SETTINGS");
  });
});
