// What an enclave does by the clock beside its jobs: checks the quality of its data, and tells the platform of both quality and use.
import type { Audit } from "../audit/trail.ts";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import type { EnclaveConfig } from "./config.ts";
import { QualityService } from "./quality/service.ts";
import { QualityStore } from "./quality/store.ts";
import { ReportDesk } from "./reports.ts";
import type { StateDatabase } from "./store/database.ts";
import type { Reports } from "./transport/reports.ts";
import { UsageService } from "./usage.ts";

/** Starts them; disposing stops them and waits. */
export function startDuties(parts: { readonly folder: string; readonly config: EnclaveConfig; readonly env: Env; readonly db: StateDatabase; readonly audit: Pick<Audit, "record">; readonly reports: Reports }): AsyncDisposable {
  const { db, config, env } = parts;
  const desk = new ReportDesk({ ...parts, now: env.now });
  const stop = new AbortController();
  const quality = new QualityService({ ...parts, store: new QualityStore(db), desk });
  const usage = new UsageService({ db, config, desk, env });
  // A fault of theirs ends neither the enclave nor its jobs.
  const failed = (error: unknown): void => {
    if (!stop.signal.aborted) env.log.error("duty-ended", { code: error instanceof AppError ? error.code : "JOB_INTERNAL" });
  };
  const running = Promise.all([quality.serve(stop.signal).catch(failed), usage.serve(stop.signal).catch(failed)]);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new AppError("JOB_CANCELLED"));
      await running;
    },
  };
}
