// What an enclave needs from the platform. `http.ts` is the real one; tests use their own.
import type { z } from "zod";
import type { enclaveEndpoints, EnclaveEvent, EnclaveJob } from "../../api/contract.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import type { DatasetSummary } from "../../federation/plan-schema.ts";

export type JobEnd = z.input<typeof enclaveEndpoints.reportState.body>;
export type ModelNotice = z.input<typeof enclaveEndpoints.putModel.body>;

export interface Platform extends AsyncDisposable {
  publishDataset(summary: DatasetSummary): Promise<void>;
  /** Jobs of this party that changed after `cursor` (0 at first); waits up to `waitSeconds` for a change. */
  jobs(cursor: number, waitSeconds: number, signal: AbortSignal): Promise<{ cursor: number; jobs: readonly EnclaveJob[] }>;
  /** Identity certificates (PEM) of all active parties. */
  parties(): Promise<ReadonlyMap<string, string>>;
  approve(job: JobId, jws: string): Promise<void>;
  refuse(job: JobId, code: z.input<typeof enclaveEndpoints.refuse.body>["code"]): Promise<void>;
  report(job: JobId, events: readonly EnclaveEvent[]): Promise<void>;
  finish(job: JobId, end: JobEnd): Promise<void>;
  /** A result sealed to the institution (compact JWE). */
  putResult(job: JobId, name: "report" | "scores", jwe: string): Promise<void>;
  putModel(job: JobId, model: ModelNotice): Promise<void>;
  /** Puts one sealed frame; idempotent. */
  put(job: JobId, to: PartyId, seq: number, sealed: Released): Promise<void>;
  /** Message number `seq` from that peer, or undefined when it is not there within `waitSeconds`. The bytes are only lent to `take`: their
   *  memory is used again after it. */
  pull<T>(job: JobId, from: PartyId, seq: number, waitSeconds: number, signal: AbortSignal, take: (sealed: Uint8Array) => T): Promise<T | undefined>;
  /** Lets the relay delete the frames from that peer with numbers in [first, below): this party will not ask for them again. */
  forget(job: JobId, from: PartyId, first: number, below: number): Promise<void>;
}
