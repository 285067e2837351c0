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
/** The platform does not know the service any longer, or never did: nobody could fetch the alert. */
const lost: readonly string[] = ["JOB_NOT_FOUND", "RESULT_WRONG_PARTY"];

export type AlertParts = { readonly db: StateDatabase; readonly box: SecretBox; readonly desk: Pick<ReportDesk, "send">; readonly env: Env };

export class AlertDelivery {
  readonly #p: AlertParts;

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

  /** Brings what waits, in its order. False when the platform did not take one: nothing after it is brought. */
  async tick(): Promise<boolean> {
    const { db, desk, env } = this.#p;
    for (;;) {
      const row = db.get("select n, id, service from watch_alerts where delivered = 0 order by n limit 1");
      if (row === undefined) return true;
      const [n, id, service] = [Number(row["n"]), String(row["id"]), jobIdSchema.parse(row["service"])];
      try {
        await desk.send("alert", { id, service, sealed: await this.#sealed(n, service) });
        db.run("update watch_alerts set delivered = 1 where n = ?", n);
      } catch (error) {
        const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
        env.log.warn("alert-not-delivered", { job: service, code });
        if (!lost.includes(code)) return false;
        db.run("update watch_alerts set delivered = 2 where n = ?", n);
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
