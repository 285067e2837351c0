import { readFileSync } from "node:fs";
import { assert } from "chai";
import { describe, it } from "mocha";
import { isNecessary } from "../../catalogue/purposes.ts";
import { findItem } from "../../catalogue/search.ts";
import { isAppError } from "../../core/errors.ts";
import { baselineScorecard, cardFor, parseScorecard } from "../../evaluation/load.ts";
import type { Scorecard } from "../../evaluation/schema.ts";
import { scorecardMarkdown, tableMarks } from "../../evaluation/table.ts";
import { areaOf, findIndicator, listIndicators, useOf } from "../../indicators/select.ts";
import { withTable } from "../../indicators/table.ts";
import { cards } from "./support.ts";

type Loose = { [key: string]: unknown; entries: Record<string, unknown>[]; grades: Record<string, unknown>[] };
const copy = (): Loose => structuredClone<unknown>(baselineScorecard) as Loose;

/** Problems that a scorecard is refused with; fails when it is not. */
function problemsOf(change: (card: Loose) => void): number {
  const value = copy();
  change(value);
  try {
    parseScorecard(value);
  } catch (error) {
    if (!isAppError(error) || error.code !== "EVALUATION_SCORECARD") throw error;
    return Number(error.facts["problems"]);
  }
  return assert.fail("the scorecard was taken");
}

describe("the published scorecard", () => {
  it("has 25 to 35 indicators, spread over areas", () => {
    const { entries } = baselineScorecard;
    assert.isAtLeast(entries.length, 25);
    assert.isAtMost(entries.length, 35);
    // The numbers that the README names.
    assert.deepEqual([entries.length, entries.filter((e) => e.scope === "every").length, cards.open.entries.length], [35, 27, 14]);
    const areas = Map.groupBy(entries, (e) => areaOf(e.indicator).area);
    assert.isAtLeast(areas.size, 13);
    for (const [area, own] of areas) assert.isAtMost(own.length, entries.length / 3, area);
  });

  it("repeats direction and sources of the indicator system, and points follow the direction", () => {
    for (const entry of baselineScorecard.entries) {
      const indicator = findIndicator(entry.indicator);
      assert.strictEqual(entry.direction, indicator.direction);
      assert.deepEqual([...entry.items], [...indicator.items]);
      assert.isTrue(useOf(indicator, "scoring").allowed);
      const better = entry.direction === "higher-better" ? [...entry.points] : entry.points.toReversed();
      assert.deepEqual(better, better.toSorted((a, b) => a - b), entry.indicator);
      assert.isAbove(Math.max(...entry.points), Math.min(...entry.points));
    }
  });

  it("gives nobody the best grade for public records alone, nor a grade below the second for knowing nothing bad", () => {
    const best = cards.open.entries.reduce((sum, e) => sum + Math.max(...e.points), cards.open.base);
    assert.isBelow(best, cards.open.grades[0]?.from ?? 0);
    assert.strictEqual(baselineScorecard.base, baselineScorecard.grades[1]?.from);
  });

  it("on the open basis reads what needs no authorisation, and no more", () => {
    assert.isAbove(cards.open.entries.length, 5);
    assert.isBelow(cards.open.entries.length, cards.full.entries.length);
    for (const entry of cards.full.entries) {
      const { authorisation } = useOf(findIndicator(entry.indicator), "scoring");
      assert.strictEqual(cards.open.entries.some((e) => e.indicator === entry.indicator), !authorisation, entry.indicator);
    }
    assert.notStrictEqual(cards.open.digest, cards.full.digest);
  });

  it("has no open part when everything asked of every company needs authorisation", () => {
    const value = copy();
    value.entries = value.entries.filter((e) => e["scope"] === "trade" || String(e["indicator"]).startsWith("tax_"));
    const scorecard: Scorecard = parseScorecard(value);
    assert.throws(() => cardFor(scorecard, "open"), /EVALUATION_SCORECARD/);
    assert.isAbove(cardFor(scorecard, "full").entries.length, 8);
  });

  it("is the table of the README", () => {
    const text = readFileSync(new URL("../../evaluation/README.md", import.meta.url), "utf8");
    assert.strictEqual(withTable(text, scorecardMarkdown(baselineScorecard), tableMarks), text, "run node scripts/evaluation-table.ts");
  });

  for (const [name, change, problems] of [
    ["an indicator that does not exist", (c) => void Object.assign(c.entries[0] ?? {}, { indicator: "tax_luck" }), 1],
    ["another direction than the indicator's", (c) => void Object.assign(c.entries[0] ?? {}, { direction: "lower-better", points: [8, 2, -10, -22] }), 1],
    ["other sources than the indicator's", (c) => void Object.assign(c.entries[0] ?? {}, { items: ["tax.payment"] }), 1],
    ["points against the direction", (c) => void Object.assign(c.entries[0] ?? {}, { points: [8, 2, -10, -22] }), 1],
    ["points that are all the same", (c) => void Object.assign(c.entries[0] ?? {}, { points: [1, 1, 1, 1] }), 1],
    ["a band too few", (c) => void Object.assign(c.entries[0] ?? {}, { points: [1, 2] }), 1],
    ["edges that do not rise", (c) => void Object.assign(c.entries[0] ?? {}, { edges: [0, 0, 1] }), 1],
    ["an edge that is no number", (c) => void Object.assign(c.entries[0] ?? {}, { edges: [Number.NaN, 0, 1] }), 1],
    ["broken points", (c) => void Object.assign(c.entries[0] ?? {}, { points: [1.5, 2, 3, 4] }), 1],
    ["an indicator twice", (c) => void c.entries.push(c.entries[0] ?? {}), 1],
    ["a reason in one language", (c) => void Object.assign(c.entries[0] ?? {}, { zh: "no" }), 1],
    ["thresholds out of order", (c) => void Object.assign(c.grades[1] ?? {}, { from: 700 }), 1],
    ["a last grade above 0", (c) => void Object.assign(c.grades[3] ?? {}, { from: 10 }), 1],
    ["a field that is not known", (c) => void Object.assign(c, { pd: 0.1 }), 1],
    ["nothing asked of every company", (c) => void c.entries.splice(0, c.entries.length, ...c.entries.filter((e) => e["scope"] === "trade")), 1],
  ] as readonly (readonly [string, (card: Loose) => void, number])[]) {
    it(`is refused with ${name}`, () => {
      assert.isAtLeast(problemsOf(change), problems);
    });
  }

  it("is refused when its sums could be too large to be read back from residues", () => {
    const entries = listIndicators({ use: "scoring" }).filter((i) => i.direction !== "none" && i.items.every((id) => isNecessary("credit-evaluation", findItem(id)))).map(({ id, direction, items }) => ({
      indicator: id, scope: "every", direction, items, edges: [0], points: direction === "higher-better" ? [-200, 200] : [200, -200], zh: "理由", en: "reason",
    }));
    assert.isAtLeast(entries.length, 82);
    assert.throws(() => parseScorecard({ ...copy(), entries }), /EVALUATION_SCORECARD/);
    assert.doesNotThrow(() => parseScorecard({ ...copy(), entries: entries.slice(0, 81) }));
  });

  it("is refused as anything but an object, and counts several problems", () => {
    for (const value of [null, 7, "scorecard", []]) assert.throws(() => parseScorecard(value), /EVALUATION_SCORECARD/);
    assert.strictEqual(problemsOf((c) => {
      Object.assign(c.entries[0] ?? {}, { items: ["tax.payment"] });
      Object.assign(c.entries[1] ?? {}, { indicator: "tax_luck" });
    }), 2);
  });
});
