// Whether a trigger's condition holds for one reading: pure arithmetic, one function per kind. Between the limit that tells and the one that
// ends it lies a band where what was stays (hysteresis). What is missing is measured by nobody but data-gone.
import { medianOf } from "../../models/explain/points.ts";
import type { Memory } from "./state.ts";
import type { DeclaredTrigger } from "./declare.ts";
import type { TriggerOf } from "./schema.ts";

export type Measure = {
  readonly verdict: "over" | "between" | "clear" | "unmeasured";
  /** How far beyond: 1 at the limit; null where the kind has no scale. It never leaves but as a band. */
  readonly ratio: number | null;
  /** What it was measured against. */
  readonly reference: number | null;
  readonly spread: number | null;
};

const unmeasured: Measure = { verdict: "unmeasured", ratio: null, reference: null, spread: null };
/** 0.6745: the median absolute deviation of a normal distribution, in standard deviations (Iglewicz and Hoaglin, 1993). */
const madToSigma = 0.6745;

/** `value`: null is missing. `past`: its values of the trigger's months before this one. */
export function measure(trigger: DeclaredTrigger, value: number | null, memory: Memory, past: readonly number[]): Measure {
  if (trigger.kind === "data-gone") return gone(value, memory);
  if (value === null) return unmeasured;
  switch (trigger.kind) {
    case "score-drop": return dropped(trigger, value, memory, past);
    case "arrears-begun": return { ...unmeasured, verdict: value > trigger.above ? "over" : value <= 0 ? "clear" : "between" };
    case "new-listing": return listed(trigger, value, memory);
    case "activity-collapse": return collapsed(trigger, value, memory, past);
    default: return drifted(trigger, value, memory, past);
  }
}

function gone(value: number | null, memory: Memory): Measure {
  if (value !== null) return { ...unmeasured, verdict: "clear" };
  return memory.seen ? { ...unmeasured, verdict: "over" } : unmeasured;
}

function dropped(trigger: TriggerOf<"score-drop">, value: number, memory: Memory, past: readonly number[]): Measure {
  const { against, drop } = trigger;
  const usual = against.kind === "first" ? value : past.length < against.known ? null : against.kind === "best" ? Math.max(...past) : medianOf(past);
  const reference = memory.reference ?? usual;
  // A share of nothing, or of a negative score, says nothing.
  if (reference === null || (drop.in === "share" && reference <= 0)) return unmeasured;
  const fall = drop.in === "points" ? reference - value : (reference - value) / reference;
  return { verdict: fall >= drop.limit ? "over" : fall <= drop.recover ? "clear" : "between", ratio: fall / drop.limit, reference, spread: null };
}

function listed(trigger: TriggerOf<"new-listing">, value: number, memory: Memory): Measure {
  const reference = memory.reference ?? (trigger.atStart === "alert" ? 0 : value);
  const rise = value - reference;
  return { verdict: rise >= trigger.rise ? "over" : "clear", ratio: rise / trigger.rise, reference, spread: null };
}

function collapsed(trigger: TriggerOf<"activity-collapse">, value: number, memory: Memory, past: readonly number[]): Measure {
  const reference = memory.reference ?? (past.length < trigger.known ? null : medianOf(past));
  // Without activity in its past there is none to collapse.
  if (reference === null || reference <= 0) return unmeasured;
  const left = value / reference;
  return { verdict: left < trigger.share ? "over" : left >= trigger.recover ? "clear" : "between", ratio: (1 - left) / (1 - trigger.share), reference, spread: null };
}

function drifted(trigger: TriggerOf<"indicator-drift"> & { direction: string }, value: number, memory: Memory, past: readonly number[]): Measure {
  const isFrozen = memory.reference !== null && memory.spread !== null;
  if (!isFrozen && past.length < trigger.known) return unmeasured;
  const reference = isFrozen ? (memory.reference ?? 0) : medianOf(past);
  const spread = isFrozen ? (memory.spread ?? 0) : medianOf(past.map((x) => Math.abs(x - reference)));
  const signed = value - reference;
  const bad = trigger.way === "either" ? Math.abs(signed) : trigger.direction === "higher-better" ? -signed : signed;
  const z = bad <= trigger.floor ? 0 : spread === 0 ? Number.POSITIVE_INFINITY : (madToSigma * bad) / spread;
  return { verdict: z >= trigger.limit ? "over" : z <= trigger.recover ? "clear" : "between", ratio: z / trigger.limit, reference, spread };
}
