// Drops of whole scores: what is told, what the next score is held against, and when a company is scored again.
import { assert } from "chai";
import { describe, it } from "mocha";
import { compareScore, firstLook, nextLook, type HeldScore } from "../../monitoring/triggers/joint-score.ts";

const [a, b] = ["a".repeat(64), "b".repeat(64)];
const hour = 3_600_000;
const day = 24 * hour;

describe("drops of a whole score", () => {
  /** What is told of scores one after another, and the reference at the end. */
  const told = (limit: number, ...scores: readonly (readonly [score: number, model?: string])[]): { drops: (number | undefined)[]; held: HeldScore | undefined } => {
    let held: HeldScore | undefined;
    const drops = scores.map(([score, model = a], i) => {
      const result = compareScore(held, { score, model, at: i }, limit);
      held = result.held;
      return result.drop;
    });
    return { drops, held };
  };

  it("are told from the limit on, in points; the first score is the basis and tells nothing", () => {
    assert.deepEqual(told(20, [600], [581]).drops, [undefined, undefined]);
    assert.deepEqual(told(20, [600], [580]).drops, [undefined, 20]);
    assert.deepEqual(told(20, [600], [550.5]).drops, [undefined, 49.5]);
  });
  it("add up over small steps, and count from the best score since the last one told", () => {
    assert.deepEqual(told(20, [600], [590], [585], [579]).drops, [undefined, undefined, undefined, 21]);
    assert.deepEqual(told(20, [600], [640], [615]).drops, [undefined, undefined, 25]);
  });
  it("are told once: the next one counts from the score that was told", () => {
    const { drops, held } = told(20, [600], [570], [570], [551], [550]);
    assert.deepEqual(drops, [undefined, 30, undefined, undefined, 20]);
    assert.deepEqual(held, { score: 550, model: a, at: 4 });
  });
  it("are not counted over another model version, which begins anew, also when an earlier one comes back", () => {
    const { drops, held } = told(20, [600], [300, b], [290, b], [280, a], [260, a]);
    assert.deepEqual(drops, [undefined, undefined, undefined, undefined, 20]);
    assert.deepEqual(held, { score: 260, model: a, at: 4 });
  });
  it("are not made of a score that is no number", () => {
    for (const score of [Number.NaN, -Infinity]) assert.throws(() => compareScore({ score: 600, model: a, at: 0 }, { score, model: a, at: 1 }, 20), RangeError);
  });
});

describe("when a borrower is scored again", () => {
  const next = (looked: Parameters<typeof nextLook>[0], draw: number, everyDays = 30): number => nextLook(looked, { everyDays, draw });

  it("is within the first day, and then at least once in each period, spread over its last quarter", () => {
    const first = (companies: number, draw = 0.5): number => firstLook({ companies, draw });
    assert.deepEqual([first(100_000, 0), first(100_000), first(10_000), first(100)], [0, day / 2, day / 2, day / 200]);
    assert.equal(next({ how: "whole" }, 0), 22.5 * day);
    assert.isBelow(next({ how: "whole" }, 0.999), 30 * day);
    assert.isAbove(next({ how: "whole" }, 0.999), 29 * day);
  });
  it("is sooner where there was no whole score, after a budget's own time, and never within the hour", () => {
    assert.equal(next({ how: "partial" }, 0), 6 * hour);
    assert.equal(next({ how: "refused" }, 0), 18 * hour);
    assert.equal(next({ how: "refused", retryAfter: 1 }, 0), hour);
    assert.equal(next({ how: "refused", retryAfter: 7200 }, 0), 2 * hour);
    assert.equal(next({ how: "refused", retryAfter: 40 * 86_400 }, 0, 7), 7 * day, "not later than the period");
  });
});
