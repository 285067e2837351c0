// What a provider's enclave tells the platform about its data beside jobs. `http.ts` is the real one; tests use their own.
import type { Released } from "../../core/brand.ts";

/** quality: rates of data quality and states of issues, in place of those told before. usage: what one finished job used; the same job again
 *  replaces it. probing: signs of it since the last report. outcomes: counts of finished loans of one model version. served-models: versions of a deployment with their states.
 *  evaluation: suppressed figures of one full-coverage evaluation. alert: of a monitoring service, sealed to the institution. stability: indices of one model in one month, told once. */
export type ReportKind = "quality" | "probing" | "usage" | "evaluation" | "outcomes" | "served-models" | "alert" | "stability";

export interface Reports {
  putReport(kind: ReportKind, report: Released): Promise<void>;
}
