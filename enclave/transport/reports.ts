// What a provider's enclave tells the platform about its data beside jobs. `http.ts` is the real one; tests use their own.
import type { Released } from "../../core/brand.ts";

/** quality: rates of data quality and states of issues, in place of those told before. usage: what one finished job used; the same job again
 *  replaces it. */
export type ReportKind = "quality" | "usage";

export interface Reports {
  putReport(kind: ReportKind, report: Released): Promise<void>;
}
