// What every part of the platform is built from. Handed in, so that tests run the same parts with their own clock, limits
// and plan compiler.
import type { AuditTrail } from "../audit/trail.ts";
import type { JobId } from "../core/brand.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { Env } from "../core/env.ts";
import type { DatasetSummary, JobPlan, JobRequest } from "../federation/plan-schema.ts";
import type { TransparencyLog } from "./log/transparency.ts";
import type { LiveRelay } from "./live/relay.ts";
import type { Sessions } from "./http/sessions.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Attester } from "./pki/attester.ts";
import type { Authority } from "./pki/authority.ts";
import type { PlatformRegistrar } from "./pki/registrar.ts";
import type { WebhookKeys } from "./pki/webhook-keys.ts";
import type { RevocationDesk } from "./services/revocations.ts";
import type { WebhookSender } from "./services/webhook-sender.ts";
import type { PlatformSettings } from "./settings.ts";
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
  /** Sealed bytes that one run of an evaluation may push to all institutions. */
  readonly pushBytesPerRun: number;
  /** Bytes of bodies that may be on their way to disk at once. */
  readonly inFlightBytes: number;
  readonly openJobsPerInstitution: number;
  readonly eventsPerJob: number;
  /** Failed authentications per address and window before more are refused. */
  readonly authFailures: number;
  readonly authWindowMs: number;
  readonly certificateDays: number;
  /** How long a company's session counts after its login, ms. */
  readonly subjectSessionMs: number;
  /** Consents of one company that have not ended, withdrawn ones among them. */
  readonly runningConsents: number;
  /** Keys of one company, withdrawn ones among them. */
  readonly subjectKeys: number;
};

export const defaultLimits: Limits = {
  jobLifeMs: 7 * 86_400_000,
  settleMs: 60_000,
  retentionMs: 0,
  relayQuotaBytes: 64 * 2 ** 30,
  pushBytesPerRun: 64 * 2 ** 30,
  inFlightBytes: 256 * 2 ** 20,
  openJobsPerInstitution: 100,
  eventsPerJob: 5000,
  authFailures: 20,
  authWindowMs: 60_000,
  certificateDays: 365,
  subjectSessionMs: 30 * 60_000,
  runningConsents: 500,
  subjectKeys: 20,
};

export type Platform = {
  readonly db: Database;
  readonly blobs: BlobStore;
  readonly recent: Recent;
  readonly buffers: BufferPool;
  readonly wakeups: Wakeups;
  readonly authority: Authority;
  readonly attester: Attester;
  /** The data directory. */
  readonly data: string;
  readonly registrar: PlatformRegistrar;
  readonly revocations: RevocationDesk;
  readonly deadlines: Deadlines;
  /** Every access and operation. */
  readonly audit: AuditTrail;
  readonly log: TransparencyLog;
  readonly env: Env;
  readonly limits: Limits;
  readonly settings: PlatformSettings;
  /** Open requests, to be cut when their caller is no longer let in. */
  readonly sessions: Sessions;
  readonly compilePlan: CompilePlan;
  /** Frames and requests of standing services, in memory. */
  readonly live: LiveRelay;
  /** Keys that sign webhooks, and what sends them. */
  readonly webhookKeys: WebhookKeys;
  readonly webhooks: WebhookSender;
};
