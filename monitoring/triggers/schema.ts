// What a bank declares to be watched (动态监测, P21 (八)): one trigger each, in a strict schema. A trigger is public to the providers that
// approve it and holds no value of anybody's; its texts are what a person reads instead of one.
import { z } from "zod";

export const severities = ["info", "minor", "major", "critical"] as const;
export type Severity = (typeof severities)[number];
export const triggerKinds = ["score-drop", "arrears-begun", "new-listing", "activity-collapse", "indicator-drift", "data-gone"] as const;
export type TriggerKind = (typeof triggerKinds)[number];

/** More would be a way to read values by many thresholds. */
export const maxTriggers = 32;
/** Thresholds on one source by one kind: say, minor, major, critical. */
export const maxLevels = 3;

// A text that names a number could carry a threshold or a value; a template mark could be filled with one.
const withoutValue = (text: string): boolean => !/[\p{N}{}$%<>]/u.test(text);
const chinese = z.string().min(2).max(200).regex(/\p{Script=Han}/u).refine(withoutValue);
const english = z.string().min(2).max(200).regex(/^[\x20-\x7e]+$/).refine(withoutValue);

const indicator = z.string().regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/).max(63);
const score = z.string().regex(/^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/).max(63);
const share = z.number().gt(0).lt(1);
const amount = z.number().min(0).max(1e12);

const common = {
  id: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/).max(48),
  severity: z.enum(severities),
  /** What happened, as a person reads it. No digits. */
  text: z.strictObject({ zh: chinese, en: english }),
  /** Days of data between two alerts of this trigger about one company. */
  coolDownDays: z.int().min(1).max(366),
  /** Snapshots in a row that must show it before it is told: one wrong delivery of data is no event. */
  confirm: z.int().min(1).max(6).default(1),
  /** Snapshots in a row that must show it gone before it can be told again. */
  settle: z.int().min(1).max(6).default(1),
};
const history = {
  /** Months before the present one that its own past is taken from, and how many of them must be known. */
  months: z.int().min(3).max(24),
  known: z.int().min(3).max(24),
};
const isFull = (h: { months: number; known: number }): boolean => h.known <= h.months;

const scoreDropSchema = z.strictObject({
  ...common, kind: z.literal("score-drop"), score,
  /** Against the first score under this model version, or the best or the median of its own months. */
  against: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("first") }),
    z.strictObject({ kind: z.enum(["best", "median"]), ...history }).refine(isFull),
  ]),
  /** Points, or a share of the reference. `limit` tells, at or below `recover` it is over. */
  drop: z.discriminatedUnion("in", [
    z.strictObject({ in: z.literal("points"), limit: z.number().gt(0).max(1e6), recover: z.number().min(0).max(1e6) }),
    z.strictObject({ in: z.literal("share"), limit: share, recover: z.number().min(0).lt(1) }),
  ]).refine((d) => d.recover < d.limit),
});
const arrearsBegunSchema = z.strictObject({
  ...common, kind: z.literal("arrears-begun"), indicator,
  /** More than this is some; nothing (0 or less) is none; between the two, what it was stays. */
  above: amount.default(0),
  /** Whether it is told when it stands at the first look, or only when it turns from none to some. */
  atStart: z.enum(["baseline", "alert"]).default("baseline"),
});
const newListingSchema = z.strictObject({
  ...common, kind: z.literal("new-listing"), indicator,
  /** By how much a count must rise above what was told or was there at the first look. */
  rise: z.int().min(1).max(1000).default(1),
  atStart: z.enum(["baseline", "alert"]).default("baseline"),
});
const activityCollapseSchema = z.strictObject({
  ...common, ...history, kind: z.literal("activity-collapse"), indicator,
  /** Below this share of the median of its own months; at or above `recover` of the median that it fell from, it is over. */
  share, recover: z.number().gt(0).max(2),
}).refine(isFull).refine((t) => t.share < t.recover);
const indicatorDriftSchema = z.strictObject({
  ...common, ...history, kind: z.literal("indicator-drift"), indicator,
  /** worse: against the indicator's direction; either way otherwise. */
  way: z.enum(["worse", "either"]),
  /** Of the modified z-score, 0.6745 |x - median| / MAD (Iglewicz and Hoaglin, 1993, who suggest 3.5). */
  limit: z.number().gt(0).max(100).default(3.5), recover: z.number().min(0).max(100).default(2),
  /** A deviation up to this is none, however steady its past was. In the indicator's unit. */
  floor: amount,
}).refine(isFull).refine((t) => t.recover < t.limit);
const dataGoneSchema = z.strictObject({ ...common, kind: z.literal("data-gone"), indicator });

export const triggerSchema = z.discriminatedUnion("kind", [
  scoreDropSchema, arrearsBegunSchema, newListingSchema, activityCollapseSchema, indicatorDriftSchema, dataGoneSchema,
]);
export type Trigger = z.output<typeof triggerSchema>;
export type TriggerOf<K extends TriggerKind> = Extract<Trigger, { kind: K }>;
/** A declaration as it is written, before defaults are filled in. */
export type TriggerInput = z.input<typeof triggerSchema>;

/** Key of what a trigger watches: an indicator's id, or a score's name behind `score:`. */
export function sourceOf(trigger: Trigger): string {
  return trigger.kind === "score-drop" ? `score:${trigger.score}` : trigger.indicator;
}

/** How far back the months of its source must be kept; 0 for none. */
export function monthsOf(trigger: Trigger): number {
  if (trigger.kind === "score-drop") return trigger.against.kind === "first" ? 0 : trigger.against.months;
  return trigger.kind === "activity-collapse" || trigger.kind === "indicator-drift" ? trigger.months : 0;
}
