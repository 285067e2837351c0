// Tells the platform of signs of probing, until it has heard of each.
import { setTimeout as delay } from "node:timers/promises";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { maxSigns, type ProbingReport } from "../../api/contract/probing.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { ReportDesk } from "../reports.ts";
import type { StateDatabase } from "../store/database.ts";
import { markTold, sightingLines } from "./sightings.ts";

const everyMs = 5_000;
const retryMs = 60_000;

export class ProbingReports {
  readonly #p: { readonly db: StateDatabase; readonly desk: Pick<ReportDesk, "send">; readonly env: Env };

  constructor(parts: { readonly db: StateDatabase; readonly desk: Pick<ReportDesk, "send">; readonly env: Env }) {
    this.#p = parts;
  }

  /** Until the signal aborts. */
  async serve(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isTold = await this.tick(signal);
      await delay(isTold ? everyMs : retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** False when the platform did not take it. */
  async tick(signal: AbortSignal): Promise<boolean> {
    const { db, desk, env } = this.#p;
    const lines = sightingLines(db, { limit: maxSigns, untold: true });
    const newest = lines.at(-1)?.id;
    if (newest === undefined) return true;
    const signs = lines.flatMap(({ at, institution, signal: kind, verdict, company, measured }): ProbingReport["signs"] =>
      (verdict === "allow" ? [] : [{ at: new Date(at).toISOString(), party: partyIdSchema.parse(institution), signal: kind, verdict, company, measured }]));
    try {
      if (signs.length > 0) await desk.send("probing", { version: 1, signs });
      markTold(db, newest);
      return true;
    } catch (error) {
      if (!signal.aborted) env.log.error("probing.not-told", { code: error instanceof AppError ? error.code : "JOB_INTERNAL" });
      return false;
    }
  }
}
