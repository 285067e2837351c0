// Quality checks on schedule inside the enclave: at its start, when the data files or the settings change, when somebody says that an issue is
// corrected, and every so many hours. What comes of it goes to the state database; the platform is told rates and states of issues, again until it has heard them.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { sha256Hex } from "../../core/canonical.ts";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes } from "../../core/files.ts";
import { noSettings, parseSettings, type QualitySettings } from "../../quality/settings.ts";
import { isOverdue } from "../../quality/states.ts";
import type { EnclaveConfig } from "../config.ts";
import { defaultLimits } from "../data/source.ts";
import type { ReportDesk } from "../reports.ts";
import { runChecks } from "./run.ts";
import type { Cause, QualityStore } from "./store.ts";
import { locateTables } from "./tables.ts";

export type QualityParts = {
  readonly folder: string; readonly config: Pick<EnclaveConfig, "dataset" | "dataFolder" | "quality">; readonly env: Env; readonly store: QualityStore;
  readonly desk: Pick<ReportDesk, "send">;
};

const hour = 3_600_000;
/** After a run that failed. */
const retryMs = hour;
/** After a report that the platform did not take. */
const resendMs = 60_000;
export const standardHours = 24;

/** The settings beside an enclave's configuration, and their digest. Throws QUALITY_SETTINGS. */
export function readSettings(folder: string): { settings: QualitySettings; digest: string } {
  const path = join(folder, "quality.json");
  if (!existsSync(path)) return { settings: noSettings, digest: "none" };
  const bytes = readBytes(path);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw new AppError("QUALITY_SETTINGS", { problems: 1 }, { cause });
  }
  return { settings: parseSettings(value), digest: sha256Hex(bytes) };
}

/** Identity and version of all declared files. */
async function filesDigest({ dataset, dataFolder }: QualityParts["config"]): Promise<string> {
  return sha256Hex((await locateTables(dataset, dataFolder, defaultLimits)).map((f) => f.stamp).join("\n"));
}

/** One run, written down. Throws what `runChecks` throws. */
export async function checkNow(parts: Omit<QualityParts, "desk">, cause: Cause, signal?: AbortSignal): Promise<{ readonly opened: number; readonly closed: number; readonly checks: number }> {
  const { folder, config, env, store } = parts;
  const { settings, digest } = readSettings(folder);
  const files = await filesDigest(config);
  const results = await runChecks(config.dataset, settings, { directory: config.dataFolder, log: env.log, now: env.now(), memoryMb: config.quality?.memoryMb, signal });
  const found = store.record(results, { at: env.now(), cause, files });
  store.settings = digest;
  env.log.info("quality.checked", { checks: results.length, opened: found.opened, closed: found.closed });
  return { ...found, checks: results.length };
}

/** Follows the schedule. One tick does what is due; a fault of data or settings is logged by its code and tried again later. */
export class QualityService {
  readonly #p: QualityParts;
  #isFresh = true;
  #notBefore = 0;
  /** What a run failed on: tried again at once when it changes. */
  #failedOn: string | undefined;
  /** The report that the platform did not take, and when it is sent again; a newer one is sent at once. */
  #refused: { readonly revision: number; readonly until: number } | undefined;

  constructor(parts: QualityParts) {
    this.#p = parts;
  }

  /** Ticks until the signal aborts. */
  async serve(signal: AbortSignal, everyMs = 10_000): Promise<void> {
    while (!signal.aborted) {
      await this.tick(signal);
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async tick(signal: AbortSignal): Promise<void> {
    const { env } = this.#p;
    let on: string | undefined;
    try {
      on = await this.#present();
      const cause = on === this.#failedOn && env.now() < this.#notBefore ? undefined : this.#due(on);
      if (cause !== undefined) {
        await checkNow(this.#p, cause, signal);
        this.#isFresh = false;
        this.#failedOn = undefined;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (on !== this.#failedOn || env.now() >= this.#notBefore) {
        env.log.error("quality.failed", error instanceof AppError ? { code: error.code, ...error.facts } : { code: "JOB_INTERNAL" });
        this.#notBefore = env.now() + retryMs;
        this.#failedOn = on;
      }
    }
    await this.#publish(signal);
  }

  /** What a run would look at. */
  async #present(): Promise<string> {
    return `${await filesDigest(this.#p.config)} ${readSettings(this.#p.folder).digest}`;
  }

  #due(on: string): Cause | undefined {
    const { store, env, config } = this.#p;
    // A bank's own table is looked at where its operator asks for it.
    if (config.quality === undefined && config.dataset.labelColumn !== undefined) return undefined;
    const last = store.lastRun();
    if (last === undefined || this.#isFresh) return "start";
    const [files, settings] = on.split(" ");
    if (last.files !== files) return "data-changed";
    if (store.settings !== settings) return "settings-changed";
    if (store.isCorrectionNew) return "correction";
    // A clock that was put back must not stop the schedule.
    const age = env.now() - last.at;
    return age >= (config.quality?.everyHours ?? standardHours) * hour || age < 0 ? "schedule" : undefined;
  }

  /** A bank's own labelled data are its own business: nothing about them is told. */
  async #publish(signal: AbortSignal): Promise<void> {
    const { config, store, desk, env } = this.#p;
    if (config.quality?.publish === false || config.dataset.labelColumn !== undefined) return;
    const found = store.unpublished();
    const now = env.now();
    // A clock that was put back must not keep it here.
    const isWaiting = this.#refused !== undefined && this.#refused.revision === found?.revision && now < this.#refused.until && now >= this.#refused.until - resendMs;
    if (found === undefined || isWaiting) return;
    try {
      await desk.send("quality", found.publication, store.rateCounts());
      store.published(found.revision);
      this.#refused = undefined;
      const overdue = store.issues().filter((i) => isOverdue(i.state, i.dueAt, now)).length;
      env.log.info("quality.published", { rates: found.publication.rates.length, issues: found.publication.issues.length, overdue });
    } catch (error) {
      this.#refused = { revision: found.revision, until: now + resendMs };
      if (!signal.aborted) env.log.warn("quality.not-published", { code: error instanceof AppError ? error.code : "JOB_INTERNAL" });
    }
  }
}
