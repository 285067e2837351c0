// Snapshots, a watch store in memory, and the like, for the tests of monitoring.
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { declareTriggers, type TriggerSet } from "../../monitoring/triggers/declare.ts";
import { evaluate, type Alert, type Snapshot } from "../../monitoring/triggers/evaluate.ts";
import type { TriggerInput, TriggerKind } from "../../monitoring/triggers/schema.ts";
import { parseState, serialiseState, type WatchState } from "../../monitoring/triggers/state.ts";
import type { VerifiedConsent } from "../../monitoring/watch/list.ts";
import type { Watch, WatchStore } from "../../monitoring/watch/store.ts";

export const text = { zh: "情况有变", en: "Something has changed" };
export const scores = { "loan-model": ["tax.payment"] };
export const declared = (...triggers: readonly TriggerInput[]): TriggerSet => declareTriggers(triggers, { scores });

export const arrears = (more: object = {}): TriggerInput => ({
  kind: "arrears-begun", id: "arrears", severity: "major", text, indicator: "tax_arrears_open", coolDownDays: 1, ...more });
export const listing = (more: object = {}): TriggerInput => ({
  kind: "new-listing", id: "listing", severity: "critical", text, indicator: "jd_dishonest_debtor_24m", coolDownDays: 1, ...more });
export const collapse = (more: object = {}): TriggerInput => ({
  kind: "activity-collapse", id: "collapse", severity: "major", text, indicator: "ut_kwh_12m", months: 6, known: 3, share: 0.5, recover: 0.8, coolDownDays: 1, ...more });
export const drift = (more: object = {}): TriggerInput => ({
  kind: "indicator-drift", id: "drift", severity: "minor", text, indicator: "tax_late_share_12m", months: 12, known: 5, way: "worse", floor: 0.05, coolDownDays: 1, ...more });
export const gone = (more: object = {}): TriggerInput => ({
  kind: "data-gone", id: "gone", severity: "info", text, indicator: "tax_revenue_12m", coolDownDays: 1, ...more });
export const drop = (more: object = {}): TriggerInput => ({
  kind: "score-drop", id: "drop", severity: "major", text, score: "loan-model", against: { kind: "first" }, drop: { in: "points", limit: 50, recover: 20 }, coolDownDays: 1, ...more });

const dayMs = 86_400_000;
/** A data version a day, from 2025-01-01 on, unless `asOf` is given. */
export function snapshot(n: number, values: Snapshot["values"], more: Partial<Snapshot> = {}): Snapshot {
  return { sequence: n, version: sha256Hex(`version ${n}`), asOf: new Date(Date.UTC(2025, 0, 1) + (n - 1) * dayMs).toISOString().slice(0, 10), values, ...more };
}
/** A data version a month. */
export const monthly = (n: number, values: Snapshot["values"], more: Partial<Snapshot> = {}): Snapshot =>
  snapshot(n, values, { asOf: new Date(Date.UTC(2024, n - 1, 15)).toISOString().slice(0, 10), ...more });
export const scored = (n: number, value: number | null, version = "v1"): Snapshot => monthly(n, {}, { scores: { "loan-model": { value, version } } });

/** Runs snapshots one after another, through the stored form of the state each time. */
export function run(set: TriggerSet, snapshots: readonly Snapshot[], bandsOf: readonly TriggerKind[] = [], begin?: WatchState): { told: string[]; alerts: Alert[]; state: WatchState } {
  let state = begin;
  const alerts: Alert[] = [];
  for (const next of snapshots) {
    const result = evaluate(set, state, next, { watch: "watch_1", bandsOf });
    state = parseState(serialiseState(result.state));
    alerts.push(...result.alerts);
  }
  return { told: alerts.map((a) => `${a.sequence} ${a.trigger}`), alerts, state: state as WatchState };
}

export const usccOf = (n: number): string => {
  const first = `91310000${String(n).padStart(9, "0")}`;
  return first + (usccCheckCharacter(first) ?? "");
};
export const now = Date.UTC(2025, 5, 1);
export const consentOf = (n: number, more: Partial<VerifiedConsent> = {}): VerifiedConsent => ({
  digest: sha256Hex(`consent ${n}`), registrar: "registrar", subject: usccOf(n), grantee: "bank", kinds: ["monitor"], purpose: "post-loan-monitoring",
  items: ["tax.arrears", "tax.payment"], notBefore: now / 1000 - 100, notAfter: now / 1000 + 1000, ...more,
});

export class MemoryWatchStore implements WatchStore {
  watches = new Map<string, Watch>();
  states = new Map<string, string>();
  alerts = new Map<string, { watch: string; text: string }>();
  /** Fails at the n-th write, as a full disk does. */
  failAt = Number.POSITIVE_INFINITY;
  #writes = 0;

  transaction<T>(work: () => T): T {
    const before = [new Map(this.watches), new Map(this.states), new Map(this.alerts)] as const;
    try {
      return work();
    } catch (error) {
      [this.watches, this.states, this.alerts] = before;
      throw error;
    }
  }

  #write(): void {
    this.#writes++;
    if (this.#writes >= this.failAt) throw new AppError("MONITOR_STATE", { full: true });
  }

  count(institution: string): number {
    return [...this.watches.values()].filter((w) => w.institution === institution).length;
  }

  find(institution: string, subject: string): Watch | undefined {
    return [...this.watches.values()].find((w) => w.institution === institution && w.subject === subject);
  }

  get(id: string): Watch | undefined {
    return this.watches.get(id);
  }

  put(watch: Watch): void {
    this.#write();
    this.watches.set(watch.id, watch);
  }

  /** Watches that ended without their institution's knowing, with the reason. */
  ends: [string, string][] = [];

  remove(id: string, ended?: string): void {
    this.#write();
    if (ended !== undefined) this.ends.push([id, ended]);
    this.watches.delete(id);
    this.states.delete(id);
    for (const [key, alert] of this.alerts) if (alert.watch === id) this.alerts.delete(key);
  }

  ofConsent(consent: string): readonly Watch[] {
    return [...this.watches.values()].filter((w) => w.consent === consent);
  }

  ended(time: number, limit: number): readonly Watch[] {
    return [...this.watches.values()].filter((w) => w.until <= time).slice(0, limit);
  }

  state(id: string): string | undefined {
    return this.states.get(id);
  }

  putState(id: string, state: string): void {
    this.#write();
    this.states.set(id, state);
  }

  putAlert(alert: { id: string; watch: string; text: string }): void {
    this.#write();
    if (!this.alerts.has(alert.id)) this.alerts.set(alert.id, { watch: alert.watch, text: alert.text });
  }
}

/** The code of what is thrown, or "fine". */
export function codeOf(work: () => unknown): string {
  try {
    work();
    return "fine";
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}
