// Scorecards as PMML 4.4, read back by an evaluator of the standard. The standard's XSD is not at hand: the evaluator checks the order of
// elements, the attributes, the namespace and the counts itself; an XML library checks that the text is well-formed.
import { assert } from "chai";
import { describe, it } from "mocha";
import { applyFine, neutralBin } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { scorecardPmml } from "../../models/files/pmml.ts";
import { unitsOfBin } from "../../models/files/scorecard.ts";
import { writeXml, xml } from "../../models/files/xml.ts";
import { featureKey } from "../../models/trees/model.ts";
import { dataSets, loadJob } from "../support/csv.ts";
import { binOwned, drawnCard, oddFeatures, type Owned } from "../support/model-files.ts";
import { readPmml, type Raw } from "../support/pmml.ts";
import { needsRealData } from "../support/real-data.ts";

function rowOf(owned: readonly Owned[], row: number): Record<string, Raw> {
  return Object.fromEntries(owned.map(({ party, feature }) => [featureKey({ party, name: feature.name }), (
    feature.kind === "numeric" ? feature.values[row] : feature.levels[feature.codes[row] ?? -1])]));
}

function assertScores(owned: readonly Owned[], seed: number, decimals: number, rows: readonly number[]): void {
  const card = drawnCard(owned, seed, decimals);
  const pmml = readPmml(scorecardPmml(card, "0.1.0"));
  for (const row of rows) {
    const units = card.features.map((f, i) => unitsOfBin(f, owned[i]?.fine.binOf[row] ?? neutralBin));
    const { score, reasons } = pmml.score(rowOf(owned, row));
    assert.closeTo(score, units.reduce((a, b) => a + b, card.baseUnits) / 10 ** decimals, 1e-9);
    const below = card.features.map((f, i) => ({ key: featureKey(f), points: f.medianUnits - (units[i] ?? 0) })).sort((a, b) => b.points - a.points);
    const pointsOf = new Map(below.map((b) => [b.key, b.points]));
    assert.deepEqual(reasons.map((r) => pointsOf.get(r)), below.slice(0, 4).map((b) => b.points), "reasons by points below the typical company");
  }
}

describe("PMML files", () => {
  const owned = binOwned([{ name: "bank", features: oddFeatures(1500, 1) }, { name: "tax", features: oddFeatures(1500, 2) }], 1200, 12);
  const every = (step: number, rows: number): number[] => Array.from({ length: Math.ceil(rows / step) }, (_, i) => i * step);

  it("score features of every kind as we do: special values, missing ones, levels with awkward names", () => {
    for (const seed of [1, 2, 3]) assertScores(owned, seed, seed - 1, every(3, 1500));
  });

  it("know what to do with levels that training never saw, and with missing ones where there were none", () => {
    const later = owned.map((o): Owned => {
      const { feature } = o;
      const other: Feature = feature.kind === "numeric"
        ? { ...feature, values: Float64Array.of(Number.NaN, 1e12, -1e12) }
        : { ...feature, levels: ["unheard of"], codes: Int32Array.of(-1, 0, 0) };
      return { ...o, feature: other, fine: { ...o.fine, binOf: applyFine(o.fine.definition, other) } };
    });
    assertScores(later, 4, 1, [0, 1, 2]);
  });

  it("describe their fields and their scale", () => {
    const pmml = readPmml(scorecardPmml(drawnCard(owned, 1), "0.1.0"));
    assert.deepInclude(pmml.fields, { name: "bank/coded", optype: "continuous", dataType: "double" });
    assert.deepInclude(pmml.fields, { name: "tax/level", optype: "categorical", dataType: "string" });
    assert.equal(pmml.header, "600 points = 50 goods per bad; 20 points more double the odds");
  });

  it("refuse what XML cannot hold, and keep what would break out of it inside", () => {
    const values = Float64Array.from({ length: 200 }, (_, i) => i);
    const named = (name: string): Owned[] => binOwned([{ name: "bank", features: [{ kind: "numeric", name, values, special: [] }] }], 200, 8);
    for (const bad of ["a\u0000b", "a\ud800b", "a\u001bb"]) assert.throws(() => scorecardPmml(drawnCard(named(bad), 1), "0"), /MODEL_EXPORT_TEXT/);
    for (const name of ['"/><x y="', "]]><!--", "a\tb\nc", "&amp;&#10;", "税 & 费 <率>"]) {
      assert.deepEqual(readPmml(scorecardPmml(drawnCard(named(name), 1), "0")).fields.map((f) => f.name), [`bank/${name}`]);
    }
    assert.throws(() => writeXml(xml("a b")), /MODEL_EXPORT_TEXT/);
  });

  it("score real loans to the last unit", function () {
    needsRealData(this);
    const job = loadJob(dataSets.sba);
    const parties = [job.guest, ...job.hosts].map((p) => ({ name: p.name, features: p.table.features }));
    assertScores(binOwned(parties, job.trainRows, 20), 7, 0, every(5, job.label.length));
  });
});
