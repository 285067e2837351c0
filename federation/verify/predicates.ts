// What may be asked about a field in the clear: a predicate, and one of three answers. Neither the value nor how far off a claim is comes out.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { canonicalValue, ordinal, type ClaimType } from "./claims.ts";

const value = z.string().min(1).max(512);
const count = z.int().min(0).max(1_000_000);

export const predicateKinds = ["equals", "within", "one-of", "exists", "dated", "count"] as const;
export type PredicateKind = (typeof predicateKinds)[number];

export const predicateSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("equals"), value }),
  /** Both ends belong to it; one may be missing. */
  z.strictObject({ kind: z.literal("within"), from: value.optional(), to: value.optional() }).refine((p) => p.from !== undefined || p.to !== undefined),
  z.strictObject({ kind: z.literal("one-of"), values: z.array(value).min(1).max(256) }),
  z.strictObject({ kind: z.literal("exists") }),
  /** Strictly before, or strictly after, a day. */
  z.strictObject({ kind: z.literal("dated"), before: z.iso.date().optional(), after: z.iso.date().optional() }).refine((p) => p.before !== undefined || p.after !== undefined),
  /** How many entries the company has. */
  z.strictObject({ kind: z.literal("count"), from: count.optional(), to: count.optional() }).refine((p) => p.from !== undefined || p.to !== undefined),
]);
export type Predicate = z.output<typeof predicateSchema>;

/** Characters of its values. */
export function textOf(predicate: Predicate): number {
  switch (predicate.kind) {
    case "equals":
      return predicate.value.length;
    case "one-of":
      return predicate.values.reduce((sum, v) => sum + v.length, 0);
    case "within":
      return (predicate.from ?? "").length + (predicate.to ?? "").length;
    default:
      return 0;
  }
}

/** In the order of their codes on the wire. */
export const answers = ["no-match", "match", "not-available"] as const;
export type Answer = (typeof answers)[number];
/** In place of an answer: claims before it in the same question were wrong too often in a row, so that it is not answered any more. */
export const lockedByte = answers.length;

/** What a provider has about one company and field: nothing at all, or the entries, of which there may be none. */
export type Held = { readonly known: false } | { readonly known: true; readonly entries: readonly string[] };

/** Checks a predicate against the field's type before anybody is asked. Throws VERIFY_PREDICATE, VERIFY_VALUE. */
export function requirePredicate(type: ClaimType, predicate: Predicate): void {
  const isOrdered = type === "number" || type === "money" || type === "date";
  switch (predicate.kind) {
    case "equals":
      canonicalValue(type, predicate.value);
      return;
    case "one-of":
      for (const v of predicate.values) canonicalValue(type, v);
      return;
    case "within": {
      if (!isOrdered) throw new AppError("VERIFY_PREDICATE");
      const [from, to] = [predicate.from, predicate.to].map((end) => (end === undefined ? undefined : ordinal(type, end)));
      if (from !== undefined && to !== undefined && from > to) throw new AppError("VERIFY_PREDICATE");
      return;
    }
    case "dated":
      if (type !== "date") throw new AppError("VERIFY_PREDICATE");
      for (const end of [predicate.before, predicate.after]) if (end !== undefined) ordinal("date", end);
      return;
    case "count":
      if (predicate.from !== undefined && predicate.to !== undefined && predicate.from > predicate.to) throw new AppError("VERIFY_PREDICATE");
      return;
    case "exists":
      return;
  }
}

/** "match" where at least one entry fits; entries that the provider itself holds in a wrong form fit nothing. Throws VERIFY_PREDICATE, VERIFY_VALUE. */
export function evaluate(type: ClaimType, predicate: Predicate, held: Held): Answer {
  requirePredicate(type, predicate);
  if (!held.known) return "not-available";
  const { entries } = held;
  if (predicate.kind === "exists") return entries.length > 0 ? "match" : "no-match";
  if (predicate.kind === "count") {
    return entries.length >= (predicate.from ?? 0) && entries.length <= (predicate.to ?? Infinity) ? "match" : "no-match";
  }
  if (entries.length === 0) return "not-available";
  const fits = fitter(type, predicate);
  const readable = entries.filter((entry) => isReadable(type, entry));
  if (readable.length === 0) return "not-available";
  return readable.some(fits) ? "match" : "no-match";
}

/** Whether a provider's own entry has a form that claims can be compared with. */
export function isReadable(type: ClaimType, entry: string): boolean {
  try {
    canonicalValue(type, entry);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === "VERIFY_VALUE") return false;
    throw error;
  }
}

function fitter(type: ClaimType, predicate: Extract<Predicate, { kind: "equals" | "one-of" | "within" | "dated" }>): (entry: string) => boolean {
  switch (predicate.kind) {
    case "equals": {
      const claimed = canonicalValue(type, predicate.value);
      return (entry) => canonicalValue(type, entry) === claimed;
    }
    case "one-of": {
      const claimed = new Set(predicate.values.map((v) => canonicalValue(type, v)));
      return (entry) => claimed.has(canonicalValue(type, entry));
    }
    case "within": {
      const [from, to] = [predicate.from, predicate.to].map((end) => (end === undefined ? undefined : ordinal(type, end)));
      return (entry) => {
        const at = ordinal(type, entry);
        return (from === undefined || at >= from) && (to === undefined || at <= to);
      };
    }
    default: {
      const [before, after] = [predicate.before, predicate.after].map((day) => (day === undefined ? undefined : ordinal("date", day)));
      return (entry) => {
        const at = ordinal("date", entry);
        return (before === undefined || at < before) && (after === undefined || at > after);
      };
    }
  }
}
