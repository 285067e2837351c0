// Alerts on their way from the bank's enclave to the institution: sealed to its key, once, and brought to the platform until it has them.
import { setTimeout as delay } from "node:timers/promises";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema } from "../../core/names.ts";
import { jobPlanSchema } from "../../federation/plan-schema.ts";
import { sealResult } from "../job/seal-result.ts";
import type { SecretBox } from "../keys/box.ts";
import type { ReportDesk } from "../reports.ts";
import type { StateDatabase } from "../store/database.ts";

/** Every alert has this size before it is sealed, so that its length tells nothing: bytes of UTF-8. */
const sealedBytes = 1536;
const everyMs = 500;
const longestPauseMs = 60_000;
const longestRowPauseMs = 600_000;
/** The platform does not know the service any longer, or never did: nobody could fetch the alert. */
const lost: readonly string[] = ["JOB_NOT_FOUND", "RESULT_WRONG_PARTY"];
/** What is wrong with one alert passes this often before it counts as a fault of the platform or of this enclave: then the others wait as well. */
const mostFailing = 3;

export type AlertParts = { readonly db: StateDatabase; readonly box: SecretBox; readonly desk: Pick<ReportDesk, "send">; readonly env: Env };

export class AlertDelivery {
  readonly #p: AlertParts;
  /** Alerts that could not be brought: when they are tried again, with growing pauses of their own. */
  readonly #failing = new Map<number, { readonly at: number; readonly pause: number }>();

  constructor(parts: AlertParts) {
    this.#p = parts;
  }

  /** Ticks until the signal aborts; with growing pauses while the platform does not take them. */
  async serve(signal: AbortSignal): Promise<void> {
    let pause = everyMs;
    while (!signal.aborted) {
      pause = (await this.tick()) ? everyMs : Math.min(2 * pause, longestPauseMs);
      await delay(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Brings what waits, in its order; one that cannot be brought holds up no other. False when the platform takes none: nothing more is brought. */
  async tick(): Promise<boolean> {
    const { db, desk, env } = this.#p;
    let inARow = 0;
    for (let after = -1; ;) {
      const row = db.get("select n, id, service from watch_alerts where delivered = 0 and n > ? order by n limit 1", after);
      if (row === undefined) return true;
      const [n, id, service] = [Number(row["n"]), String(row["id"]), String(row["service"])];
      after = n;
      const failed = this.#failing.get(n);
      if (failed !== undefined && env.now() < failed.at) continue;
      try {
        const job = jobIdSchema.parse(service);
        await desk.send("alert", { id, service: job, sealed: await this.#sealed(n, job) });
        db.run("update watch_alerts set delivered = 1 where n = ?", n);
        this.#failing.delete(n);
        inARow = 0;
      } catch (error) {
        const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
        env.log.warn("alert-not-delivered", { job: service, code });
        if (lost.includes(code)) {
          db.run("update watch_alerts set delivered = 2 where n = ?", n);
          this.#failing.delete(n);
          continue;
        }
        if (isOfAll(code) || ++inARow >= mostFailing) return false;
        const pause = Math.min(2 * (failed?.pause ?? everyMs), longestRowPauseMs);
        this.#failing.set(n, { at: env.now() + pause, pause });
      }
    }
  }

  /** The same bytes again after a restart. */
  async #sealed(n: number, service: string): Promise<string> {
    const { db, box } = this.#p;
    const row = db.get("select sealed, jwe from watch_alerts where n = ?", n);
    if (typeof row?.["jwe"] === "string") return row["jwe"];
    const plan = db.get("select plan from jobs where job = ?", service)?.["plan"];
    if (!(row?.["sealed"] instanceof Uint8Array) || typeof plan !== "string") throw new AppError("JOB_NOT_FOUND");
    const { sealTo } = jobPlanSchema.parse(JSON.parse(plan));
    const text = Buffer.from(box.open(row["sealed"])).toString("utf8");
    const jwe = await sealResult(text + " ".repeat(Math.max(0, sealedBytes - Buffer.byteLength(text))), sealTo, "application/json");
    db.run("update watch_alerts set jwe = ? where n = ?", jwe, n);
    return jwe;
  }
}

/** The platform is away, busy or does not let this enclave in, or nothing may leave now. */
function isOfAll(code: string): boolean {
  return code === "JOB_PLATFORM_UNREACHABLE" || code === "PLATFORM_BUSY" || code === "PLATFORM_STORAGE" || code === "AUDIT_STOPPED" || code === "ENCLAVE_STATE" || code.startsWith("AUTH_");
}
