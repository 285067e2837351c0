// What an enclave does by the clock beside its jobs: checks the quality of its data, and tells the platform of quality, use, and
// what a bank decided to tell of the outcomes of its loans; brings alerts about borrowers to the institution.
import type { Audit } from "../audit/trail.ts";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { serveSweeps } from "./batch/keep.ts";
import { presentPolicy } from "./charges/open.ts";
import { PrivateReports } from "./charges/private-reports.ts";
import { ProbingReports } from "./charges/told.ts";
import { enclavePaths, type EnclaveConfig } from "./config.ts";
import type { SecretBox } from "./keys/box.ts";
import { QualityService } from "./quality/service.ts";
import { QualityStore } from "./quality/store.ts";
import { OutcomeReports } from "./outcomes/told.ts";
import type { Policy } from "./policy.ts";
import { ReportDesk } from "./reports.ts";
import { ServingReports } from "./serving/told.ts";
import type { StateDatabase } from "./store/database.ts";
import type { Reports } from "./transport/reports.ts";
import { UsageService } from "./usage.ts";
import { DriftReports, type DriftParts } from "./drift/report.ts";
import { AlertDelivery } from "./watch/alerts.ts";
import { sweepWatches } from "./watch/sweep.ts";

/** Where reports leave: with noise on their counts where the present policy wants it. */
export function openReportDesk(parts: { readonly folder: string; readonly env: Env; readonly db: StateDatabase; readonly audit: Pick<Audit, "record">; readonly reports: Reports }): ReportDesk {
  const { db, env, folder } = parts;
  const figures = new PrivateReports({ db, env, policy: presentPolicy({ policyFile: enclavePaths(folder).policy, now: env.now }) });
  return new ReportDesk({ ...parts, now: env.now, figures });
}

/** Starts them; disposing stops them and waits. */
export function startDuties(parts: { readonly folder: string; readonly config: EnclaveConfig; readonly env: Env; readonly db: StateDatabase; readonly audit: Pick<Audit, "record">; readonly reports: Reports; readonly policy: () => Policy | undefined; readonly box: SecretBox; readonly drift: Pick<DriftParts, "scores" | "batch" | "development" | "digestOf"> }): AsyncDisposable {
  const { db, config, env } = parts;
  const desk = openReportDesk(parts);
  const stop = new AbortController();
  const quality = new QualityService({ ...parts, store: new QualityStore(db), desk });
  const usage = new UsageService({ db, config, desk, env });
  const outcomes = new OutcomeReports({ db, desk, env, policy: parts.policy });
  const probing = new ProbingReports({ db, desk, env });
  const alerts = new AlertDelivery({ db, box: parts.box, desk, env });
  const serving = new ServingReports({ db, desk, env });
  const drift = new DriftReports({ db, config, desk, env, ...parts.drift });
  // A fault of theirs ends neither the enclave nor its jobs.
  const failed = (error: unknown): void => {
    if (!stop.signal.aborted) env.log.error("duty-ended", { code: error instanceof AppError ? error.code : "JOB_INTERNAL" });
  };
  const running = Promise.all([quality.serve(stop.signal).catch(failed), usage.serve(stop.signal).catch(failed), outcomes.serve(stop.signal).catch(failed), serving.serve(stop.signal).catch(failed), probing.serve(stop.signal).catch(failed), alerts.serve(stop.signal).catch(failed), sweepWatches(db, env.now, stop.signal).catch(failed), drift.serve(stop.signal).catch(failed), serveSweeps({ folder: parts.folder, db, now: env.now, log: env.log }, stop.signal).catch(failed)]);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort(new AppError("JOB_CANCELLED"));
      await running;
    },
  };
}
