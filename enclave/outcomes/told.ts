// Counts of finished loans that the bank tells the platform: decided by a person, under the enclave's policy, held against everything that was told of the
// model version before; the running enclave brings them there.
import { setTimeout as delay } from "node:timers/promises";
import { canonicalJson } from "../../core/canonical.ts";
import type { Env } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { outcomeCountsSchema, releasedCounts, type OutcomeCounts } from "../../models/outcomes/release.ts";
import type { Policy } from "../policy.ts";
import type { ReportDesk } from "../reports.ts";
import type { StateDatabase } from "../store/database.ts";
import { sweepScores } from "./scores.ts";

const dayMs = 86_400_000;

export type ToldCounts = { readonly id: number; readonly at: number; readonly isSent: boolean; readonly counts: OutcomeCounts };

/** Everything that was decided to be told, oldest first. */
export function toldCounts(db: StateDatabase, model?: string): ToldCounts[] {
  const rows = model === undefined ? db.all("select * from outcome_told order by id") : db.all("select * from outcome_told where model = ? order by id", model);
  return rows.map((r) => ({ id: Number(r["id"]), at: Number(r["at"]), isSent: r["sent"] === 1, counts: outcomeCountsSchema.parse(JSON.parse(String(r["body"]))) }));
}

/** What would leave now; isNew: it is not what was told last. Throws OUTCOME_SETTINGS for another definition or grouping than before. */
export function nextCounts(db: StateDatabase, counts: OutcomeCounts): { readonly counts: OutcomeCounts; readonly isNew: boolean } {
  const told = toldCounts(db, counts.model);
  const next = releasedCounts(counts, told.map((t) => t.counts));
  const last = told.at(-1)?.counts;
  return { counts: next, isNew: last === undefined || canonicalJson(last) !== canonicalJson(next) };
}

/** Puts counts where the running enclave takes them from. Throws OUTCOME_POLICY, OUTCOME_SETTINGS. */
export function tellCounts(db: StateDatabase, counts: OutcomeCounts, { policy, now }: { readonly policy: Policy | undefined; readonly now: number }): ReturnType<typeof nextCounts> {
  if (policy?.outcomes !== "counts") throw new AppError("OUTCOME_POLICY");
  return db.transaction(() => {
    const next = nextCounts(db, counts);
    if (next.isNew) db.run("insert into outcome_told (model, at, body) values (?, ?, ?)", next.counts.model, now, canonicalJson(next.counts));
    return next;
  });
}

export type OutcomeReportsParts = { readonly db: StateDatabase; readonly desk: Pick<ReportDesk, "send">; readonly env: Env; /** As it stands now. */ readonly policy: () => Policy | undefined };

export class OutcomeReports {
  readonly #p: OutcomeReportsParts;
  #sweptAt = -Infinity;

  constructor(parts: OutcomeReportsParts) {
    this.#p = parts;
  }

  /** Ticks until the signal aborts. */
  async serve(signal: AbortSignal, everyMs = 10_000): Promise<void> {
    while (!signal.aborted) {
      await this.tick();
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async tick(): Promise<void> {
    const { db, desk, env, policy } = this.#p;
    const now = env.now();
    if (Math.abs(now - this.#sweptAt) >= dayMs) {
      this.#sweptAt = now;
      sweepScores(db, now);
    }
    const waiting = db.get("select 1 as x from outcome_told where sent = 0") === undefined ? [] : toldCounts(db).filter((t) => !t.isSent);
    // The policy may have been changed since.
    if (waiting.length === 0 || policy()?.outcomes !== "counts") return;
    for (const { id, counts } of waiting) {
      try {
        await desk.send("outcomes", counts);
        db.run("update outcome_told set sent = 1 where id = ?", id);
        env.log.info("outcomes.told", { cells: counts.cohorts.cells.length + counts.bands.cells.length });
      } catch (error) {
        env.log.warn("outcomes.not-told", { code: isAppError(error) ? error.code : "JOB_INTERNAL" });
        return;
      }
    }
  }
}
