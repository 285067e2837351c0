// What every part of the platform is built from. Handed in, so that tests run the same parts with their own clock, limits
// and plan compiler.
import type { JobId } from "../core/brand.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { Env } from "../core/env.ts";
import type { DatasetSummary, JobPlan, JobRequest } from "../federation/plan-schema.ts";
import type { Authority } from "./pki/authority.ts";
import type { BlobStore } from "./store/blobs.ts";
import type { Database } from "./store/database.ts";
import type { Recent } from "./store/recent.ts";
import type { Wakeups } from "./wakeups.ts";

export type CompilePlan = (input: {
  readonly request: JobRequest;
  readonly job: JobId;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly datasets: Record<string, DatasetSummary>;
  readonly sealTo: JobPlan["sealTo"];
}) => JobPlan;

export type Limits = {
  /** From submission to the end of a job, ms. */
  readonly jobLifeMs: number;
  /** How long hosts may finish after the guest is done, ms. */
  readonly settleMs: number;
  /** How long relayed bytes of an ended job are kept, ms. */
  readonly retentionMs: number;
  /** Relayed bytes per job and sender. */
  readonly relayQuotaBytes: number;
  /** Bytes of bodies that may be on their way to disk at once. */
  readonly inFlightBytes: number;
  readonly openJobsPerInstitution: number;
  readonly eventsPerJob: number;
  /** Failed authentications per address and window before more are refused. */
  readonly authFailures: number;
  readonly authWindowMs: number;
  readonly certificateDays: number;
};

export const defaultLimits: Limits = {
  jobLifeMs: 7 * 86_400_000,
  settleMs: 60_000,
  retentionMs: 0,
  relayQuotaBytes: 64 * 2 ** 30,
  inFlightBytes: 256 * 2 ** 20,
  openJobsPerInstitution: 100,
  eventsPerJob: 5000,
  authFailures: 20,
  authWindowMs: 60_000,
  certificateDays: 365,
};

export type Platform = {
  readonly db: Database;
  readonly blobs: BlobStore;
  readonly recent: Recent;
  readonly buffers: BufferPool;
  readonly wakeups: Wakeups;
  readonly authority: Authority;
  readonly env: Env;
  readonly limits: Limits;
  readonly compilePlan: CompilePlan;
};
