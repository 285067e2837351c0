// An evaluator of the part of PMML 4.4 that our scorecards use, written from the standard's text; whatever it does not know, it refuses.
import { DOMParser, type Element } from "@xmldom/xmldom";

export type Raw = number | string | undefined;
export type PmmlResult = { readonly score: number; readonly reasons: readonly string[] };
export type Pmml = {
  readonly fields: readonly { readonly name: string; readonly optype: string; readonly dataType: string }[];
  readonly header: string;
  score(row: Readonly<Record<string, Raw>>): PmmlResult;
};

const childrenOf = (e: Element): Element[] => [...e.childNodes].filter((n): n is Element => n.nodeType === 1);

function only(e: Element, names: readonly string[]): Element[] {
  const found = childrenOf(e);
  const text = [...e.childNodes].filter((n) => n.nodeType !== 1).map((n) => n.textContent ?? "").join("").trim();
  const tags = found.map((c) => c.tagName).join();
  if (text !== "" || tags !== names.join()) throw new Error(`children of ${e.tagName}: ${tags} ${text}`);
  return found;
}

function attributes(e: Element, required: readonly string[], optional: readonly string[] = []): Record<string, string> {
  const found = Object.fromEntries([...e.attributes].map((a) => [a.name, a.value]));
  for (const name of required) if (!(name in found)) throw new Error(`${e.tagName} lacks ${name}`);
  for (const name of Object.keys(found)) if (![...required, ...optional].includes(name)) throw new Error(`${e.tagName} has ${name}`);
  return found;
}

/** Reads a file: well-formed, in the namespace of PMML 4.4, elements in the order of its schema, attributes known. */
export function readPmml(text: string): Pmml {
  const document = new DOMParser({ onError: (level, message) => {
    throw new Error(`${level}: ${message}`);
  } }).parseFromString(text, "text/xml");
  const root = document.documentElement as Element;
  const { version } = attributes(root, ["version", "xmlns"]);
  if (root.tagName !== "PMML" || root.namespaceURI !== "http://www.dmg.org/PMML-4_4" || version !== "4.4") throw new Error("not PMML 4.4");
  const [header, dictionary, card] = only(root, ["Header", "DataDictionary", "Scorecard"]) as [Element, Element, Element];
  attributes(only(header, ["Application"])[0] as Element, ["name"], ["version"]);
  const fields = childrenOf(dictionary).map((f) => attributes(f, ["name", "optype", "dataType"])) as Pmml["fields"][number][];
  if (Number(attributes(dictionary, [], ["numberOfFields"])["numberOfFields"]) !== fields.length) throw new Error("numberOfFields");
  const optional = ["modelName", "initialScore", "useReasonCodes", "reasonCodeAlgorithm", "baselineMethod"];
  const settings = attributes(card, ["functionName"], optional);
  if (settings["functionName"] !== "regression" || settings["reasonCodeAlgorithm"] !== "pointsBelow") throw new Error("settings");
  const [schema, output, list] = only(card, ["MiningSchema", "Output", "Characteristics"]) as [Element, Element, Element];
  const active = childrenOf(schema).map((f) => attributes(f, ["name"], ["usageType", "invalidValueTreatment"])["name"] ?? "");
  if (active.join("|") !== fields.map((f) => f.name).join("|")) throw new Error("mining schema");
  const outputs = childrenOf(output).map((f) => attributes(f, ["name"], ["feature", "rank", "optype", "dataType"]));
  const ranks = outputs.filter((f) => f["feature"] === "reasonCode").map((f) => Number(f["rank"]));
  const characteristics = childrenOf(list).map((c) => ({
    ...attributes(c, ["reasonCode", "baselineScore"], ["name"]) as { reasonCode: string; baselineScore: string }, options: childrenOf(c),
  }));
  return {
    fields,
    header: header.getAttribute("description") ?? "",
    score(row) {
      let score = Number(settings["initialScore"]);
      const below = characteristics.map((c) => {
        const first = c.options.find((option) => test(childrenOf(option)[0] as Element, row, active) === true);
        if (first === undefined) throw new Error(`nothing is true for ${c.reasonCode}`);
        const partial = Number(attributes(first, ["partialScore"])["partialScore"]);
        score += partial;
        return { code: c.reasonCode, points: Number(c.baselineScore) - partial };
      });
      const sorted = below.toSorted((a, b) => b.points - a.points);
      return { score, reasons: ranks.flatMap((rank) => sorted[rank - 1]?.code ?? []) };
    },
  };
}

/** true, false, or undefined for unknown: the three-valued logic of the standard. */
function test(predicate: Element, row: Readonly<Record<string, Raw>>, active: readonly string[]): boolean | undefined {
  switch (predicate.tagName) {
    case "True": return true;
    case "SimplePredicate": return simple(attributes(predicate, ["field", "operator"], ["value"]), row, active);
    case "CompoundPredicate": {
      if (attributes(predicate, ["booleanOperator"])["booleanOperator"] !== "and") throw new Error("operator");
      const parts = childrenOf(predicate).map((p) => test(p, row, active));
      return parts.includes(false) ? false : parts.includes(undefined) ? undefined : true;
    }
    case "SimpleSetPredicate": {
      const { field = "", booleanOperator } = attributes(predicate, ["field", "booleanOperator"]);
      const array = childrenOf(predicate)[0] as Element;
      const { n, type } = attributes(array, ["type"], ["n"]);
      const values = [...(array.textContent ?? "").matchAll(/"((?:[^"\\]|\\.)*)"(?:\s|$)/gu)].map((m) => (m[1] ?? "").replaceAll(/\\(.)/gu, "$1"));
      if (booleanOperator !== "isIn" || type !== "string" || values.length !== Number(n) || !active.includes(field)) throw new Error("set");
      const value = row[field];
      return value === undefined ? undefined : values.includes(String(value));
    }
    default: throw new Error(predicate.tagName);
  }
}

function simple(p: Record<string, string>, row: Readonly<Record<string, Raw>>, active: readonly string[]): boolean | undefined {
  const { field = "", operator } = p;
  if (!active.includes(field)) throw new Error(`no field ${field}`);
  const raw = row[field];
  const value = typeof raw === "number" && Number.isNaN(raw) ? undefined : raw;
  if (operator === "isMissing") return value === undefined;
  if (value === undefined) return undefined;
  const limit = Number(p["value"]);
  switch (operator) {
    case "equal": return value === limit;
    case "lessThan": return Number(value) < limit;
    case "greaterOrEqual": return Number(value) >= limit;
    default: throw new Error(operator);
  }
}
