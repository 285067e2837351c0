// What an evaluating enclave needs of the platform beside jobs. `http.ts` is the real one; tests use their own.
import type { JobId, PartyId } from "../../core/brand.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";

/** A part of what is pushed to one institution for one purpose, from 0. */
export type PushAddress = { readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly part: number };

export interface EvaluationPlatform {
  /** Rows sealed to the institution (compact JWE). The same again changes nothing. */
  putPush(job: JobId, to: PushAddress, jwe: string): Promise<void>;
  /** Consents of companies that name the institutions of this run, in order, after number `after`; some at a time, until `next` stays. They are
   *  verified here. */
  subscribersConsents(job: JobId, after: number, signal?: AbortSignal): Promise<{ readonly next: number; readonly consents: readonly string[] }>;
}
