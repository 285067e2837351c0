// One watched company's state machine: its readings at a data version come in, alerts come out. A pure function of state and snapshot, on
// the data's own dates and no clock: after a restart or a replay the same inputs give the same alerts under the same ids.
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { DeclaredTrigger, TriggerSet } from "./declare.ts";
import { measure, type Measure } from "./measure.ts";
import { monthsOf, sourceOf, type Severity, type TriggerKind } from "./schema.ts";
import { freshMemory, type Memory, type WatchState } from "./state.ts";

/** Readings of one company. NaN, infinities (beyond 1e300), null and what is not there are missing. */
export type Snapshot = {
  /** Of the data version at its provider; rises with every version. */
  readonly sequence: number;
  /** SHA-256 of the data version, hex. */
  readonly version: string;
  /** The day that the data describe, ISO. */
  readonly asOf: string;
  readonly values: Readonly<Record<string, number | null>>;
  /** `version`: of the model; scores of two versions are not compared. */
  readonly scores?: Readonly<Record<string, { readonly value: number | null; readonly version: string }>>;
};

export const bands = ["slight", "marked", "strong"] as const;
export type Band = (typeof bands)[number];

/** All of it that leaves: neither a company nor a value. */
export type Alert = {
  /** The same for the same event, however often it is evaluated. */
  readonly id: string;
  readonly watch: string;
  readonly trigger: string; readonly kind: TriggerKind; readonly severity: Severity;
  readonly sequence: number; readonly version: string; readonly asOf: string;
  /** How far beyond the limit; null unless the provider's policy tells it of this kind. */
  readonly band: Band | null;
};

export type EvaluateOptions = {
  /** Opaque id of the watch. */
  readonly watch: string;
  /** Kinds of which the provider tells a band. */
  readonly bandsOf?: readonly TriggerKind[];
};

export type Evaluation = {
  /** ignored: of this version, or of an earlier one, that was evaluated before; nothing changed. */
  readonly outcome: "evaluated" | "ignored";
  readonly state: WatchState;
  /** To be stored with the state, in one transaction. */
  readonly alerts: readonly Alert[];
};

const dayMs = 86_400_000;

/** Throws MONITOR_SNAPSHOT (malformed), MONITOR_VERSION_CONFLICT (another version under a number that was evaluated). */
export function evaluate(set: TriggerSet, before: WatchState | undefined, snapshot: Snapshot, options: EvaluateOptions): Evaluation {
  const { day, month } = dateOf(snapshot);
  if (before !== undefined && snapshot.sequence <= before.sequence) {
    if (snapshot.sequence === before.sequence && snapshot.version !== before.version) throw new AppError("MONITOR_VERSION_CONFLICT", { sequence: snapshot.sequence });
    return { outcome: "ignored", state: before, alerts: [] };
  }
  const { sequence, version, asOf } = snapshot;
  const models = modelsOf(set, before, snapshot);
  const isRebased = (trigger: DeclaredTrigger): boolean => trigger.kind === "score-drop" && before?.models[trigger.score] !== models[trigger.score];
  const months: Record<string, [number, number][]> = {};
  const triggers: Record<string, Memory> = {};
  const alerts: Alert[] = [];
  for (const trigger of set.triggers) {
    const source = sourceOf(trigger);
    const value = readingOf(trigger, snapshot);
    const held = isRebased(trigger) ? [] : (before?.months[source] ?? []);
    const past = held.filter(([m]) => m < month && m >= month - monthsOf(trigger)).map(([, v]) => v);
    const known = recalled(before, trigger, isRebased(trigger));
    const { memory, tells } = step(trigger, known, measure(trigger, value, known, past), { value, day });
    triggers[trigger.id] = memory.seen || value === null ? memory : { ...memory, seen: true };
    if (tells !== undefined) {
      const id = `alert_${sha256Hex(`${options.watch}|${trigger.id}|${trigger.digest}|${memory.told}`).slice(0, 32)}`;
      const { kind, severity } = trigger;
      alerts.push({ id, watch: options.watch, trigger: trigger.id, kind, severity, sequence, version, asOf, band: options.bandsOf?.includes(kind) === true ? bandOf(tells) : null });
    }
    const back = Math.max(0, ...set.triggers.filter((t) => sourceOf(t) === source).map(monthsOf));
    if (back > 0) months[source] ??= withMonth(held, { month, value, back });
  }
  return { outcome: "evaluated", state: { v: 1, sequence, version, months, models, triggers }, alerts };
}

function dateOf(snapshot: Snapshot): { day: number; month: number } {
  const { sequence, version, asOf } = snapshot;
  const at = /^\d{4}-\d{2}-\d{2}$/.test(asOf) ? Date.parse(`${asOf}T00:00:00Z`) : Number.NaN;
  const isRight = Number.isSafeInteger(sequence) && sequence >= 1 && /^[0-9a-f]{64}$/.test(version) && Number.isFinite(at) && new Date(at).toISOString().startsWith(asOf);
  if (!isRight) throw new AppError("MONITOR_SNAPSHOT");
  return { day: at / dayMs, month: Number(asOf.slice(0, 4)) * 12 + Number(asOf.slice(5, 7)) - 1 };
}

function readingOf(trigger: DeclaredTrigger, snapshot: Snapshot): number | null {
  const own = <T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined => (record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined);
  const value: unknown = trigger.kind === "score-drop" ? own(snapshot.scores, trigger.score)?.value : own(snapshot.values, trigger.indicator);
  if (value === undefined || value === null) return null;
  if (typeof value !== "number") throw new AppError("MONITOR_SNAPSHOT");
  // Beyond this differences overflow; no indicator comes near.
  return Math.abs(value) <= 1e300 ? value : null;
}

/** The model versions that the state belongs to from now on: a missing score changes none. */
function modelsOf(set: TriggerSet, before: WatchState | undefined, snapshot: Snapshot): Record<string, string> {
  const models: Record<string, string> = {};
  for (const trigger of set.triggers) {
    if (trigger.kind !== "score-drop") continue;
    const now = readingOf(trigger, snapshot) === null ? undefined : snapshot.scores?.[trigger.score]?.version;
    if (now !== undefined && !/^[\x21-\x7e]{1,80}$/.test(now)) throw new AppError("MONITOR_SNAPSHOT");
    const version = now ?? before?.models[trigger.score];
    if (version !== undefined) models[trigger.score] = version;
  }
  return models;
}

/** What is remembered; of another declaration nothing, of another model version only what was told. */
function recalled(before: WatchState | undefined, trigger: DeclaredTrigger, isRebased: boolean): Memory {
  const memory = before !== undefined && Object.hasOwn(before.triggers, trigger.id) ? before.triggers[trigger.id] : undefined;
  if (memory === undefined || memory.digest !== trigger.digest) return freshMemory(trigger.digest);
  return isRebased ? { ...freshMemory(trigger.digest), told: memory.told, last: memory.last, seen: memory.seen } : memory;
}

/** The reading joins its month, as the last one known there; what no trigger looks back to is dropped. */
function withMonth(held: readonly (readonly [number, number])[], { month, value, back }: { month: number; value: number | null; back: number }): [number, number][] {
  const others = held.filter(([m]) => m !== month || value === null).map(([m, v]): [number, number] => [m, v]);
  if (value !== null) others.push([month, value]);
  const newest = Math.max(month, ...others.map(([m]) => m));
  return others.filter(([m]) => m >= newest - back).sort(([a], [b]) => a - b);
}

type Step = { readonly memory: Memory; readonly tells: Measure | undefined };

function step(trigger: DeclaredTrigger, before: Memory, seen: Measure, { value, day }: { value: number | null; day: number }): Step {
  if (seen.verdict === "unmeasured") return { memory: before, tells: undefined };
  const moved = before.phase === "raised" ? whileRaised(trigger, before, seen, value) : whileClear(trigger, before, seen, value);
  const isCool = moved.last === null || day - moved.last >= trigger.coolDownDays;
  if (moved.phase !== "raised" || !moved.owed || seen.verdict !== "over" || !isCool) return { memory: moved, tells: undefined };
  const told: Memory = { ...moved, told: moved.told + 1, last: day, owed: false };
  // A count may rise again: what was told is what the next one is measured against.
  return { memory: trigger.kind === "new-listing" ? { ...told, phase: "clear", reference: value } : told, tells: seen };
}

function whileClear(trigger: DeclaredTrigger, before: Memory, seen: Measure, value: number | null): Memory {
  const isFirst = before.phase === "unknown";
  const keeps = trigger.kind === "new-listing" || (trigger.kind === "score-drop" && trigger.against.kind === "first");
  const memory: Memory = { ...before, phase: "clear", ...(isFirst && keeps ? { reference: seen.reference } : {}) };
  if (seen.verdict !== "over") return { ...lowered(trigger, memory, value), run: 0 };
  if (isFirst && trigger.kind === "arrears-begun" && trigger.atStart === "baseline") return { ...memory, phase: "raised", run: 0 };
  if (memory.run + 1 < trigger.confirm) return { ...memory, run: memory.run + 1, below: 0 };
  return { ...memory, phase: "raised", run: 0, below: 0, owed: true, reference: seen.reference, spread: seen.spread };
}

/** Entries of a list grow old and leave: after `settle` snapshots the lower count is what the next rise is measured against. */
function lowered(trigger: DeclaredTrigger, memory: Memory, value: number | null): Memory {
  if (trigger.kind !== "new-listing" || value === null || memory.reference === null || value >= memory.reference) return { ...memory, below: 0 };
  return memory.below + 1 < trigger.settle ? { ...memory, below: memory.below + 1 } : { ...memory, below: 0, reference: value };
}

function whileRaised(trigger: DeclaredTrigger, before: Memory, seen: Measure, value: number | null): Memory {
  if (seen.verdict !== "clear") return { ...before, run: 0 };
  if (before.run + 1 < trigger.settle) return { ...before, run: before.run + 1 };
  const isFirst = trigger.kind === "score-drop" && trigger.against.kind === "first";
  const reference = trigger.kind === "new-listing" ? Math.min(before.reference ?? 0, value ?? 0) : isFirst ? before.reference : null;
  return { ...before, phase: "clear", run: 0, owed: false, reference, spread: null };
}

/** 1 to 1.5 times the limit, to 2.5 times, beyond; null for kinds without a scale. */
function bandOf({ ratio }: Measure): Band | null {
  if (ratio === null) return null;
  return ratio < 1.5 ? "slight" : ratio < 2.5 ? "marked" : "strong";
}
