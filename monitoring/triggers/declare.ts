// Triggers of unknown origin, checked: schema, no repetition, sources that are there and fit, uses that the sharing catalogue allows. What
// comes out is frozen, with what a plan states of it: the items behind it and the most that it can tell.
import { z } from "zod";
import { frozen } from "../../catalogue/frozen.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { requireUse } from "../../catalogue/modes.ts";
import type { Catalogue } from "../../catalogue/schema.ts";
import type { ItemId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { publishedSystem, type IndicatorSystem } from "../../indicators/load.ts";
import type { PublishedIndicator } from "../../indicators/schema.ts";
import { referencesOf } from "../../indicators/select.ts";
import { maxLevels, maxTriggers, sourceOf, triggerSchema, type Trigger } from "./schema.ts";

/** A trigger that was checked. `digest`: of its rule with all defaults, words and severity aside; under another one its state begins anew. */
export type DeclaredTrigger = Trigger & { readonly digest: string; readonly direction: PublishedIndicator["direction"] };

export type TriggerSet = {
  readonly triggers: readonly DeclaredTrigger[];
  /** Items of the catalogue that are read, sorted; the items for which each company must have authorised it. */
  readonly items: readonly ItemId[];
  readonly authorised: readonly ItemId[];
  readonly digest: string;
};

export type DeclareOptions = {
  /** Scores that may be watched, with the items that each model reads. */
  readonly scores?: Readonly<Record<string, readonly string[]>>;
  readonly system?: IndicatorSystem;
  readonly catalogue?: Catalogue;
};

/**
 * Checks a declaration. Throws MONITOR_TRIGGERS (schema, ids or rules that repeat, more than `maxLevels` of a kind on one source),
 * MONITOR_SOURCE (no such indicator or score, or one that does not fit the kind), CATALOGUE_MODE (not for scoring).
 */
export function declareTriggers(value: unknown, options: DeclareOptions = {}): TriggerSet {
  const parsed = z.array(triggerSchema).min(1).max(maxTriggers).safeParse(value);
  if (!parsed.success) throw new AppError("MONITOR_TRIGGERS", { problems: parsed.error.issues.length });
  const system = options.system ?? publishedSystem;
  const catalogue = options.catalogue ?? officialCatalogue;
  const problems = repetitions(parsed.data);
  if (problems > 0) throw new AppError("MONITOR_TRIGGERS", { problems });
  const items = new Set<ItemId>();
  const authorised = new Set<ItemId>();
  const triggers = parsed.data.map((trigger, i): DeclaredTrigger => {
    const { references, direction } = source(trigger, i, system, options.scores ?? {});
    for (const reference of references) {
      const [id = "", field] = reference.split("#");
      const item = catalogue.find(id);
      if (item === undefined) throw new AppError("MONITOR_SOURCE", { position: i + 1 });
      const verdict = requireUse(item, "scoring", field === undefined ? {} : { fields: [field] });
      items.add(item.id);
      if (verdict.authorisation) authorised.add(item.id);
    }
    return { ...trigger, direction, digest: ruleDigest(trigger) };
  });
  return frozen({ triggers, items: [...items].sort(), authorised: [...authorised].sort(), digest: digestOf(parsed.data) });
}

function ruleDigest({ id: _id, text: _text, severity: _severity, ...rule }: Trigger): string {
  return digestOf(rule);
}

function repetitions(triggers: readonly Trigger[]): number {
  const ids = triggers.map((t) => t.id);
  const levels = triggers.map((t) => `${t.kind} ${sourceOf(t)}`);
  const repeated = (keys: readonly string[], atMost: number): number => keys.filter((key, i) => keys.slice(0, i).filter((k) => k === key).length >= atMost).length;
  return repeated(ids, 1) + repeated(triggers.map(ruleDigest), 1) + repeated(levels, maxLevels);
}

function source(
  trigger: Trigger, i: number, system: IndicatorSystem, scores: Readonly<Record<string, readonly string[]>>,
): { references: readonly string[]; direction: PublishedIndicator["direction"] } {
  const refuse = (): never => {
    throw new AppError("MONITOR_SOURCE", { position: i + 1 });
  };
  if (trigger.kind === "score-drop") {
    const items = Object.hasOwn(scores, trigger.score) ? scores[trigger.score] : undefined;
    // A score of nothing that the catalogue knows could not be held against any consent.
    return items === undefined || items.length === 0 ? refuse() : { references: items, direction: "higher-better" };
  }
  const indicator = system.indicators.find((known) => known.id === trigger.indicator) ?? refuse();
  const { direction, unit } = indicator;
  if (trigger.kind === "new-listing" && unit.en !== "count" && unit.en !== "flag") refuse();
  if (trigger.kind === "arrears-begun" && direction !== "lower-better") refuse();
  if (trigger.kind === "indicator-drift" && trigger.way === "worse" && direction === "none") refuse();
  if (categoryUnits.has(unit.en)) refuse();
  const references = referencesOf(indicator, system).filter((reference) => indicator.items.includes(reference.split("#")[0] ?? ""));
  return { references, direction };
}

/** Codes of categories are no amounts. */
const categoryUnits: ReadonlySet<string> = new Set(["category", "size or legal form", "section of GB/T 4754"]);
