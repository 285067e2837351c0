// What a provider's data set has of what triggers watch: indicators by their published names, the public scorecard over its own indicators, and
// its own part of a scorecard that it has trained with the bank.
import type { ItemId, PartyId } from "../../core/brand.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { baselineScorecard, cardFor } from "../../evaluation/load.ts";
import { evaluatePart } from "../../evaluation/part.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { halfColumns, hostHalfSchema } from "../../federation/scorecard/half.ts";
import { triggersOf, watchJobSchema } from "../../federation/watch/params.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { partialTotals } from "../../models/scorecard/quantise.ts";
import { declareTriggers, type TriggerSet } from "../../monitoring/triggers/declare.ts";
import type { Snapshot } from "../../monitoring/triggers/evaluate.ts";
import type { LoadedDataset } from "../data/load.ts";
import { itemsOf } from "../job/consents.ts";
import { readHalf } from "../job/halves.ts";
import { ServingStore } from "../serving/store.ts";
import type { StateDatabase } from "../store/database.ts";

/** Score of the published scorecard, over what this provider has of it. */
export const publicCard = "public-card";

export type Readings = Pick<Snapshot, "values" | "scores">;
export type WatchSources = {
  /** The version of the data that is read. */
  readonly snapshotDigest: string;
  readonly set: TriggerSet;
  /** Items behind all triggers: those that need each company's authorisation, and the rest; and those of one trigger. */
  readonly items: { readonly authorised: readonly ItemId[]; readonly open: readonly ItemId[] };
  readonly itemsOf: (trigger: string) => readonly ItemId[];
  /** undefined: the company is not held here. */
  read(company: string): Readings | undefined;
};

/** Throws MONITOR_TRIGGERS, MONITOR_SOURCE, CATALOGUE_MODE, JOB_MODEL_UNKNOWN, and POLICY_CONSENTS for data that are not declared. */
export function openSources(plan: JobPlan, { dataset, self, db }: { readonly dataset: LoadedDataset; readonly self: PartyId; readonly db: StateDatabase }): WatchSources {
  const { catalogue } = dataset;
  // Without a declaration nobody could say what a consent has to cover.
  if (catalogue === undefined) throw new AppError("POLICY_CONSENTS");
  const declared = triggersOf(watchJobSchema.parse(plan.params), self);
  const scores = new Map(declared.flatMap((t) => (t.kind === "score-drop" ? [[t.score, scoreOf(t.score, plan, { dataset, db })] as const] : [])));
  const featuresOf = (trigger: (typeof declared)[number]): readonly string[] => (trigger.kind === "score-drop" ? (scores.get(trigger.score)?.features ?? []) : [trigger.indicator]);
  const set = declareTriggers(declared, { scores: Object.fromEntries([...scores].map(([name, { features }]) => [name, itemsOf(catalogue, features).all])) });
  const columns = new Map(dataset.features.flatMap((f) => (f.kind === "numeric" ? [[f.name, f] as const] : [])));
  for (const [i, trigger] of declared.entries()) {
    if (!featuresOf(trigger).every((name) => catalogue.features.has(name)) || (trigger.kind !== "score-drop" && !columns.has(trigger.indicator))) throw new AppError("MONITOR_SOURCE", { position: i + 1 });
  }
  const { all, authorised } = itemsOf(catalogue, declared.flatMap(featuresOf));
  const byTrigger = new Map(declared.map((t) => [t.id, itemsOf(catalogue, featuresOf(t)).all]));
  const indicators = [...new Set(declared.flatMap((t) => (t.kind === "score-drop" ? [] : [t.indicator])))];
  const { records, snapshotDigest } = dataset;
  return {
    snapshotDigest, set, items: { authorised, open: all.filter((item) => !authorised.includes(item)) }, itemsOf: (trigger) => byTrigger.get(trigger) ?? [],
    read: (company) => {
      const record = records.get(company);
      if (record === undefined) return undefined;
      const value = (name: string): number | null => {
        const feature = columns.get(name);
        const read = feature?.values[record] ?? Number.NaN;
        // A special code says nothing of the amount.
        return Number.isFinite(read) && feature?.special.includes(read) !== true ? read : null;
      };
      return {
        values: Object.fromEntries(indicators.map((name) => [name, value(name)])),
        scores: Object.fromEntries([...scores].map(([name, score]) => [name, { value: score.of(record), version: score.version }])),
      };
    },
  };
}

/** The code of the refusal when the data do not have what a plan's triggers watch; at the bank SERVING_SERVICE when what is to score is no service of its own for
 *  this purpose: consents for another one do not cover it. */
export function unwatchable(...given: Parameters<typeof openSources>): Code | undefined {
  const [plan, { self, db }] = given;
  if (plan.guest === self) {
    const { jointScore } = watchJobSchema.parse(plan.params);
    const serving = jointScore === undefined ? undefined : new ServingStore(db).planOf(jointScore.service);
    return jointScore === undefined || (serving?.kind === "serve" && serving.guest === self && serving.purpose === plan.purpose) ? undefined : "SERVING_SERVICE";
  }
  try {
    openSources(...given);
    return undefined;
  } catch (error) {
    if (isAppError(error)) return error.code;
    throw error;
  }
}

type Score = { readonly features: readonly string[]; readonly version: string; readonly of: (record: number) => number | null };

/** Higher is better, in both. */
function scoreOf(name: string, plan: JobPlan, { dataset, db }: { readonly dataset: LoadedDataset; readonly db: StateDatabase }): Score {
  const alone = (record: number, features: readonly string[]): LoadedDataset["features"] => dataset.features.filter((f) => features.includes(f.name)).map((f) => alignFeature(f, Int32Array.of(record)));
  if (name === publicCard) {
    const card = cardFor(baselineScorecard, "full");
    const numeric = new Set(dataset.features.filter((f) => f.kind === "numeric").map((f) => f.name));
    const features = card.entries.map((e) => e.indicator).filter((id) => numeric.has(id));
    return { features, version: card.digest, of: (record) => {
      const { points, covered } = evaluatePart(card, features, alone(record, features), 1);
      // Nothing known is no score.
      return covered[0] === 0 && points[0] === 0 ? null : card.base + (points[0] ?? 0);
    } };
  }
  const half = readHalf(db, { ...plan, model: name }, "scorecard-host", hostHalfSchema);
  if (half.guest !== plan.guest) throw new AppError("JOB_MODEL_UNKNOWN");
  const features = half.columns.map((c) => c.feature);
  return { features, version: half.digest, of: (record) => {
    const [odds = 0] = partialTotals(half.plan, halfColumns(half, alone(record, features)), 1);
    return -odds;
  } };
}
