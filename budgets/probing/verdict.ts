// What comes of a signal: allow, alert, slow down, refuse, by the thresholds of a policy.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { readRow, type BudgetStore } from "../store.ts";

export const verdicts = ["allow", "alert", "slow", "refuse"] as const;
export type Verdict = (typeof verdicts)[number];

export const signals = ["claims", "bits", "claim-spread", "near-set", "set-history", "variants", "steps", "sweep", "extraction", "repeats"] as const;
export type Signal = (typeof signals)[number];

/** From which measure on a verdict holds; one that is absent is never given. */
export type Thresholds = { readonly alert?: number | undefined; readonly slow?: number | undefined; readonly refuse?: number | undefined };

/** One signal of one request. `admitted`: may be answered; a slowed one may when enough time has passed. retryAt: milliseconds since 1970. */
export type Finding = {
  readonly signal: Signal; readonly verdict: Verdict; readonly admitted: boolean; readonly measured: number; readonly threshold: number;
  readonly retryAt?: number | undefined;
};
/** The verdict on a request: of its gravest signal. findings: all that are not "allow", for the log and the operator. */
export type Judgement = { readonly verdict: Verdict; readonly admitted: boolean; readonly retryAt?: number | undefined; readonly findings: readonly Finding[] };

export type Measure = {
  readonly signal: Signal; readonly measured: number; readonly thresholds: Thresholds;
  /** Whose requests are slowed together. */
  readonly scope: string;
  /** Near sets: the smaller the graver. */
  readonly falling?: boolean | undefined;
  /** When a refusal ends at the latest if nothing more is asked. */
  readonly freeAt?: number | undefined;
};

const grave = ["refuse", "slow", "alert"] as const;

export function grade({ measured, thresholds, falling = false }: Measure): { verdict: Verdict; threshold: number } {
  for (const verdict of grave) {
    const threshold = thresholds[verdict];
    if (threshold !== undefined && (falling ? measured < threshold : measured >= threshold)) return { verdict, threshold };
  }
  return { verdict: "allow", threshold: 0 };
}

const longestWaitMs = 3_600_000;

/** Judges the measures of one request. Nothing is written unless the request is admitted. */
export function judge(options: { store: BudgetStore; now: number; slowMs: number; measures: readonly Measure[] }): Judgement {
  const { store, now, slowMs } = options;
  const paces = new Set<string>();
  const findings = options.measures.map((measure): Finding => {
    const { verdict, threshold } = grade(measure);
    const finding = { signal: measure.signal, verdict, measured: measure.measured, threshold };
    if (verdict === "refuse") return { ...finding, admitted: false, retryAt: measure.freeAt };
    if (verdict !== "slow") return { ...finding, admitted: true };
    const pace = `probe-pace|${measure.signal}|${measure.scope}`;
    paces.add(pace);
    const last = readRow(store, pace, z.int());
    const beyond = measure.falling ? 0 : Math.min(20, Math.floor(measure.measured - threshold));
    const retryAt = (last ?? -Infinity) + Math.min(longestWaitMs, slowMs * 2 ** beyond);
    // A clock that was set back does not stretch the wait.
    return now >= retryAt || (last !== undefined && last > now) ? { ...finding, admitted: true } : { ...finding, admitted: false, retryAt };
  }).filter((finding) => finding.verdict !== "allow");
  const gravest = findings.toSorted((a, b) =>
    verdicts.indexOf(b.verdict) - verdicts.indexOf(a.verdict) || Number(a.admitted) - Number(b.admitted) || (b.retryAt ?? Infinity) - (a.retryAt ?? Infinity))[0];
  if (gravest === undefined) return { verdict: "allow", admitted: true, findings };
  const admitted = findings.every((finding) => finding.admitted);
  if (admitted) for (const pace of paces) store.put(pace, String(now), now + longestWaitMs);
  return { verdict: gravest.verdict, admitted, findings, ...(gravest.retryAt === undefined ? {} : { retryAt: gravest.retryAt }) };
}

/** The error of a request that was not admitted, or nothing. */
export function probingError(judgement: Judgement, now: number): AppError | undefined {
  if (judgement.admitted) return undefined;
  const { retryAt } = judgement;
  const when = retryAt === undefined ? {} : { freeAt: retryAt, retryAfter: Math.max(1, Math.ceil((retryAt - now) / 1000)) };
  return new AppError(judgement.verdict === "refuse" ? "BUDGET_PROBING" : "BUDGET_SLOWED", when);
}

/** Scopes of rows: public names and keyed hashes. */
export const scopeOf = (institution: PartyId, ...rest: readonly string[]): string => [institution, ...rest].join("|");
