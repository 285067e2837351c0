// A scorecard as PMML 4.4 (dmg.org): element Scorecard, one Characteristic per feature, one Attribute per stretch of values.
import { AppError } from "../../core/errors.ts";
import type { FineDefinition } from "../binning/fine.ts";
import { featureKey } from "../trees/model.ts";
import { checkCard, unitsOfBin, type CardFeature, type WholeScorecard } from "./scorecard.ts";
import { writeXml, xml, type XmlNode } from "./xml.ts";

/** Reason codes that a scoring engine shall return. */
const reasonRanks = 4;

/**
 * The text of the file. The score is initialScore plus the partial score of the first Attribute of each Characteristic that is true: first
 * the one for a missing value, then special values, then stretches [a, b) or sets of levels, and for levels that training did not
 * know a last one that is always true. Edges are written as doubles, so the file scores exactly as we do. Reason codes: pointsBelow,
 * baseline = points of the typical company. Throws as `checkCard`, and MODEL_EXPORT_TEXT for a name or level that XML cannot hold.
 */
export function scorecardPmml(card: WholeScorecard, version: string): string {
  checkCard(card);
  const keys = card.features.map(featureKey);
  if (new Set([...keys, "score"]).size <= keys.length) throw new AppError("MODEL_SHAPE", { distinctNames: false });
  const points = (units: number): number => units / 10 ** card.scaling.decimals;
  const dictionary = card.features.map((f, i) => xml("DataField", f.definition.kind === "numeric"
    ? { name: keys[i] ?? "", optype: "continuous", dataType: "double" }
    : { name: keys[i] ?? "", optype: "categorical", dataType: "string" }));
  const characteristics = card.features.map((f, i) => xml("Characteristic", {
    name: `points of ${keys[i]}`, reasonCode: keys[i] ?? "", baselineScore: points(f.medianUnits),
  }, attributesOf(f, keys[i] ?? "", points)));
  const scorecard = xml("Scorecard", {
    modelName: card.model, functionName: "regression", initialScore: points(card.baseUnits), useReasonCodes: "true",
    reasonCodeAlgorithm: "pointsBelow", baselineMethod: "other",
  }, [
    xml("MiningSchema", {}, keys.map((name) => xml("MiningField", { name, usageType: "active", invalidValueTreatment: "asIs" }))),
    xml("Output", {}, [
      xml("OutputField", { name: "score", feature: "predictedValue", optype: "continuous", dataType: "double" }),
      ...Array.from({ length: Math.min(reasonRanks, keys.length) }, (_, i) => xml("OutputField", {
        name: `reason ${i + 1}`, feature: "reasonCode", rank: i + 1, optype: "categorical", dataType: "string",
      })),
    ]),
    xml("Characteristics", {}, characteristics),
  ]);
  return writeXml(xml("PMML", { version: "4.4", xmlns: "http://www.dmg.org/PMML-4_4" }, [
    xml("Header", { description: scaleText(card) }, [xml("Application", { name: "yunei", version })]),
    xml("DataDictionary", { numberOfFields: dictionary.length }, dictionary),
    scorecard,
  ]));
}

/** What a score means, since PMML has no place for the scale. */
function scaleText(card: WholeScorecard): string {
  const { points, odds, pdo } = card.scaling;
  return `${points} points = ${odds} goods per bad; ${pdo} points more double the odds`;
}

function attributesOf(feature: CardFeature, field: string, points: (units: number) => number): XmlNode[] {
  const attribute = (bin: number, predicate: XmlNode): XmlNode => xml("Attribute", { partialScore: points(unitsOfBin(feature, bin)) }, [predicate]);
  const { definition } = feature;
  const missing = attribute(definition.missing, xml("SimplePredicate", { field, operator: "isMissing" }));
  if (definition.kind === "categorical") return [missing, ...levelSets(feature, definition, field, attribute)];
  const specials = definition.special.filter((s) => Number.isFinite(s.value))
    .map((s) => attribute(s.bin, compare(field, "equal", s.value)));
  if (definition.orderedBins === 0) return [missing, ...specials, attribute(definition.fallback, xml("True"))];
  return [missing, ...specials, ...stretches(feature, definition.edges, field, attribute)];
}

type MakeAttribute = (bin: number, predicate: XmlNode) => XmlNode;

/** Neighbouring bins of one merged bin are one stretch. */
function stretches(feature: CardFeature, edges: readonly number[], field: string, attribute: MakeAttribute): XmlNode[] {
  const starts = [0, ...edges.map((_, i) => i + 1)].filter((bin) => bin === 0 || feature.mergedOf[bin] !== feature.mergedOf[bin - 1]);
  return starts.map((bin, i) => {
    const next = starts[i + 1];
    const from = bin === 0 ? [] : [compare(field, "greaterOrEqual", edges[bin - 1] ?? 0)];
    const to = next === undefined ? [] : [compare(field, "lessThan", edges[next - 1] ?? 0)];
    const [one, other] = [...from, ...to];
    if (one === undefined) return attribute(bin, xml("True"));
    return attribute(bin, other === undefined ? one : xml("CompoundPredicate", { booleanOperator: "and" }, [one, other]));
  });
}

function levelSets(
  feature: CardFeature, definition: FineDefinition & { kind: "categorical" }, field: string, attribute: MakeAttribute,
): XmlNode[] {
  const levelsOf = new Map<number, { bin: number; levels: string[] }>();
  for (const { level, bin } of definition.levels) {
    const merged = feature.mergedOf[bin] ?? -1;
    const set = levelsOf.get(merged) ?? { bin, levels: [] };
    set.levels.push(level);
    levelsOf.set(merged, set);
  }
  const sets = [...levelsOf.values()].map(({ bin, levels }) => attribute(bin, xml("SimpleSetPredicate", { field, booleanOperator: "isIn" }, [
    xml("Array", { type: "string", n: levels.length }, [levels.map(quoted).join(" ")]),
  ])));
  return [...sets, attribute(definition.fallback, xml("True"))];
}

function compare(field: string, operator: string, value: number): XmlNode {
  return xml("SimplePredicate", { field, operator, value });
}

/** An entry of a string Array: in quotes, with a backslash before quotes and backslashes. */
function quoted(level: string): string {
  return `"${level.replaceAll(/["\\]/gu, (c) => `\\${c}`)}"`;
}
