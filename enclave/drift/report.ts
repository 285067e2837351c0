// At the end of a month: how far what was scored is from training, as indices alone (monitoring/drift/told.ts). Each month is told once, when it is over:
// two reports of one month would differ by single companies.
import { setTimeout as delay } from "node:timers/promises";
import type { PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { guestHalfSchema } from "../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../federation/scorecard/half.ts";
import { monthNumber } from "../../models/outcomes/record.ts";
import { bandEdges, countByBands } from "../../monitoring/drift/bands.ts";
import { scoreRow, type StabilityReport } from "../../monitoring/drift/report.ts";
import { toldStability, type ToldOptions } from "../../monitoring/drift/told.ts";
import type { EnclaveConfig } from "../config.ts";
import type { Development } from "../outcomes/development.ts";
import type { GivenScores } from "../outcomes/scores.ts";
import type { ReportDesk } from "../reports.ts";
import type { StateDatabase } from "../store/database.ts";
import { guestColumns, hostColumns, type DriftColumn } from "./columns.ts";
import { countsOf, endedMonths, monthOf } from "./counts.ts";

const everyMs = 3_600_000;
const keptMonths = 13;

export type DriftParts = {
  readonly db: StateDatabase; readonly config: Pick<EnclaveConfig, "party" | "publishStability">; readonly desk: Pick<ReportDesk, "send">; readonly env: Env;
  /** At a bank: the scores that its services gave, and what each model version gave on its development sample, by the digest of the version. */
  readonly scores: Pick<GivenScores, "probabilities">;
  /** The same of the largest batch of a month, by the id of the version. */
  readonly batch: (model: string, month: string) => Promise<Float64Array>;
  readonly development: (digest: string) => Promise<Development>;
  readonly digestOf: (model: string) => string | undefined;
};

export class DriftReports {
  readonly #p: DriftParts;

  constructor(parts: DriftParts) {
    this.#p = parts;
  }

  /** Ticks until the signal aborts. */
  async serve(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.tick();
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Tells every month that is over and was not told, where the operator wants that; forgets what is old. */
  async tick(): Promise<void> {
    const { db, config, desk, env } = this.#p;
    const now = env.now();
    if (config.publishStability === true) {
      for (const { model, month } of endedMonths(db, now)) {
        if (db.get("select 1 from drift_told where model = ? and month = ?", model, month) !== undefined) continue;
        try {
          const report = await this.report(model, month);
          if (report !== undefined) await desk.send("stability", report);
          db.run("insert or ignore into drift_told values (?, ?)", model, month);
        } catch (error) {
          env.log.warn("stability-not-told", { model, code: error instanceof AppError ? error.code : "JOB_INTERNAL" });
        }
      }
    }
    db.transaction(() => {
      // Who was scored in a month matters to that month alone.
      db.run("delete from drift_seen where month < ?", monthOf(now));
      const oldest = monthBack(monthOf(now), keptMonths);
      for (const table of ["drift_counts", "drift_told"] as const) db.run(`delete from ${table} where month < ?`, oldest);
    });
  }

  /** What may be told of one month: undefined for a model of which this party has no scorecard's half. */
  async report(model: string, month: string): Promise<StabilityReport | undefined> {
    const { db, config: { party } } = this.#p;
    const columns = columnsOf(db, model, party);
    const counts = countsOf(db, model, month);
    if (columns === undefined || counts === undefined) return undefined;
    const figures = columns.map((column, i) => ({ feature: `c${i + 1}`, index: indexOf(column.expected, counts.columns[i], { bins: column.bins }) }));
    const score = await this.#score(model, month);
    const all = score === undefined ? figures : [{ feature: scoreRow, index: score }, ...figures];
    return all.length === 0 ? undefined : { version: 1, model, party, month, rule: "half", figures: all };
  }

  /** Of the whole model's score, at the bank: deciles of the development sample. undefined where this party has no scores. */
  async #score(model: string, month: string): Promise<number | null | undefined> {
    const digest = this.#p.digestOf(model);
    if (digest === undefined) return undefined;
    try {
      const [service, batch] = [this.#p.scores.probabilities(digest, monthNumber(month)), await this.#p.batch(model, month)];
      const actual = service.length >= batch.length ? service : batch;
      if (actual.length === 0) return null;
      const { probability } = await this.#p.development(digest);
      const edges = bandEdges(probability);
      return indexOf(countByBands(probability, edges), countByBands(actual, edges), { bins: { kind: "ordered", alone: 1 } });
    } catch (error) {
      if (isAppError(error) && (error.code === "OUTCOME_DEVELOPMENT" || error.code === "STABILITY_COUNTS")) return null;
      throw error;
    }
  }
}

function indexOf(expected: readonly number[] | undefined, actual: readonly number[] | undefined, options: ToldOptions): number | null {
  const isThere = expected !== undefined && actual !== undefined && expected.length === actual.length && [expected, actual].every((side) => side.some((n) => n > 0));
  if (!isThere) return null;
  const told = toldStability(expected, actual, options);
  return told.state === "told" ? told.index : null;
}

function columnsOf(db: StateDatabase, model: string, party: PartyId): DriftColumn[] | undefined {
  const row = db.get("select kind, half from models where model = ?", model);
  if (row?.["kind"] === "scorecard-host") return hostColumns(hostHalfSchema.parse(JSON.parse(String(row["half"]))));
  if (row?.["kind"] === "scorecard-guest") return guestColumns(guestHalfSchema.parse(JSON.parse(String(row["half"]))), party);
  return undefined;
}

function monthBack(month: string, months: number): string {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 - months, 1)).toISOString().slice(0, 7);
}
