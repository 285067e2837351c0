// A running platform: two TLS 1.3 listeners over one set of parts, and the clock-driven work. Used by the process entry and
// by tests in their own process.
import { constants } from "node:crypto";
import { createServer, type Server, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { join, resolve as pathFrom } from "node:path";
import type { RequestListener } from "node:http";
import type { Request } from "express";
import type { AuditDisk } from "../audit/disk.ts";
import { BufferPool } from "../core/buffer-pool.ts";
import type { Env } from "../core/env.ts";
import { noticeSettings, openPlatformAudit } from "./audit/open.ts";
import { buildBankApp } from "./bank-app.ts";
import { databaseUrl, openAuthority, serverCertificate } from "./data-dir.ts";
import { buildEnclaveApp } from "./enclave-app.ts";
import { TransparencyLog } from "./log/transparency.ts";
import { LiveRelay } from "./live/relay.ts";
import { findService } from "./live/requests.ts";
import { partyGuard } from "./http/auth.ts";
import { Sessions } from "./http/sessions.ts";
import { readDeadlines } from "./deadlines.ts";
import { each } from "./each.ts";
import { openAttester } from "./pki/attester.ts";
import { openRegistrar } from "./pki/registrar.ts";
import { openWebhookKeys } from "./pki/webhook-keys.ts";
import { defaultLimits, type CompilePlan, type Limits, type Platform } from "./platform.ts";
import { sweepPushes } from "./services/evaluations/pushes.ts";
import { stepRuns } from "./services/evaluations/runs.ts";
import { planDueRounds } from "./services/evaluations/schedule.ts";
import { endDueJobs } from "./services/jobs.ts";
import { sweepMembers } from "./services/institutions/supervision.ts";
import { forgetLogins } from "./services/login.ts";
import { passTime } from "./services/objections.ts";
import { sweepRelay } from "./services/relay.ts";
import { RevocationDesk } from "./services/revocations.ts";
import { sweepAlerts } from "./services/alerts.ts";
import { sweepReports } from "./services/credit-reports.ts";
import { WebhookSender, type SenderOptions } from "./services/webhook-sender.ts";
import { withdrawOverdue } from "./services/public-items.ts";
import { sweepUsesRequests } from "./services/uses-requests.ts";
import { readSettings } from "./settings.ts";
import { BlobStore } from "./store/blobs.ts";
import { openDatabase, type Database } from "./store/database.ts";
import { Recent } from "./store/recent.ts";
import { Wakeups } from "./wakeups.ts";

export const platformVersion = "0.1.0";
const tickMs = 1000;
const drainMs = 3000;
/** Relayed frames that are kept in memory until their receiver has come. */
const recentBytes = 64 * 2 ** 20;

export type PlatformOptions = {
  /** An initialised data directory. */
  readonly data: string;
  readonly env: Env;
  readonly compilePlan: CompilePlan;
  /** "file:<path>" or "postgresql://..."; the data directory's own file by default. */
  readonly database?: string | undefined;
  /** Address to listen on; 127.0.0.1 by default. */
  readonly listen?: string | undefined;
  /** Names and addresses, beyond localhost, for the server's certificate. */
  readonly hosts?: readonly string[] | undefined;
  /** 0 or absent: any free port. */
  readonly apiPort?: number | undefined;
  readonly enclavePort?: number | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Where the audit log lies; `audit/` of the data directory by default. */
  readonly auditDisk?: AuditDisk | undefined;
  /** How webhooks are sent, for tests. */
  readonly webhooks?: Pick<SenderOptions, "schedule" | "resolve" | "timeoutMs">;
};
export type RunningPlatform = {
  readonly apiPort: number;
  readonly enclavePort: number;
  readonly platform: Platform;
  stop(): Promise<void>;
};

/** Throws PLATFORM_NOT_INITIALISED, PLATFORM_MIGRATION, LOG_…, and what listening or opening the database throws. */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const { data, env, compilePlan } = options;
  const authority = await openAuthority(data, env);
  const settings = readSettings(data);
  const deadlines = readDeadlines(data);
  const registrar = await openRegistrar(data, authority, env);
  const pair = await serverCertificate(data, authority, options.hosts ?? [], env);
  const blobs = await BlobStore.open(join(data, "blobs"), env.now());
  const db = await openDatabase(databaseUrl(data, options.database));
  const buffers = new BufferPool();
  const wakeups = new Wakeups();
  // First of what has one writer: it holds the data folder's lock.
  const log = await orClose(db, () => TransparencyLog.open({ data, authority, db, env, wake: () => wakeups.wake("log") }));
  const opened = { close: () => closeBoth(log, db) };
  const audit = await orClose(opened, () => openPlatformAudit(data, authority, env, options.auditDisk));
  const webhookKeys = await orClose(opened, async () => openWebhookKeys(data, env.rng));
  const { caFile, ...rules } = settings.webhooks;
  const ca = caFile === undefined ? undefined : await orClose(opened, async () => readFileSync(pathFrom(data, caFile), "utf8"));
  const platform: Platform = {
    db,
    log,
    blobs,
    recent: new Recent(recentBytes, buffers),
    buffers,
    wakeups,
    authority,
    attester: openAttester(data),
    data,
    registrar,
    revocations: new RevocationDesk({ db, registrar, now: env.now, wakeups, audit }),
    deadlines,
    audit,
    env,
    compilePlan,
    limits: { ...defaultLimits, ...options.limits },
    settings,
    sessions: new Sessions(),
    webhookKeys,
    webhooks: new WebhookSender({ db, env, webhookKeys, audit, rules, ca, ...options.webhooks }),
    // Its connections are watched like all others: one of a suspended party is cut.
    live: new LiveRelay({ env, find: (id) => findService({ db, env }, id), identify: async (request) => (await guard(request as Request)).party }),
  };
  const guard = partyGuard(platform);
  const tls: ServerOptions = {
    key: pair.keyPem,
    // The CA's certificate goes with the server's: an enrolling enclave looks for the one that its token pins.
    cert: pair.certificatePem + authority.certificatePem,
    ca: [authority.certificatePem],
    minVersion: "TLSv1.3",
    requestCert: true,
    // No resumption: every connection shows a certificate that is valid now.
    secureOptions: constants.SSL_OP_NO_TICKET,
    maxHeaderSize: 16_384,
    headersTimeout: 20_000,
    requestTimeout: 120_000,
    keepAliveTimeout: 65_000,
  };
  // An institution may come with an API key instead; its certificate, if any, is judged by the guard.
  const bank = createServer({ ...tls, rejectUnauthorized: false }, buildBankApp(platform, platformVersion) as RequestListener);
  const enclave = createServer({ ...tls, rejectUnauthorized: true }, buildEnclaveApp(platform) as RequestListener);
  enclave.on("upgrade", platform.live.upgrade);
  for (const server of [bank, enclave]) {
    server.on("tlsClientError", () => refusedHandshake(platform));
    server.prependListener("request", (request, response) => platform.sessions.begin(request, response));
  }
  try {
    // A withdrawal may have been stored just before the last process ended.
    await platform.revocations.issue();
    const apiPort = await listen(bank, options.apiPort ?? 0, options.listen);
    const enclavePort = await listen(enclave, options.enclavePort ?? 0, options.listen);
    await audit.record({ actor: { role: "platform" }, action: "process.started", facts: { migrations: db.migrated } });
    await noticeSettings(audit, data);
    const stopTicking = everySecond(platform);
    const stop = async (): Promise<void> => {
      platform.wakeups.close();
      platform.live.close();
      await Promise.all([stopTicking(), platform.webhooks.close(), close(bank), close(enclave)]);
      await closeAudit(platform);
      await opened.close();
    };
    return { apiPort, enclavePort, platform, stop };
  } catch (error) {
    bank.close();
    enclave.close();
    await audit.close();
    await opened.close();
    throw error;
  }
}

async function listen(server: Server, port: number, host = "127.0.0.1"): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

function refusedHandshake({ env, audit }: Platform): void {
  env.log.warn("tls.refused");
  try {
    audit.sum({ actor: { role: "unknown" }, action: "tls.refused", outcome: "AUTH_INVALID" });
  } catch {
    // The log takes nothing now: that is said once a tick.
  }
}

async function closeAudit({ audit, env }: Platform): Promise<void> {
  try {
    await audit.record({ actor: { role: "platform" }, action: "process.stopped" });
  } catch {
    env.log.error("audit.stopped", { stopping: true });
  }
  await audit.close();
}

async function closeBoth(log: AsyncDisposable, db: Database): Promise<void> {
  try {
    await log[Symbol.asyncDispose]();
  } finally {
    await db.close();
  }
}

async function orClose<T>(before: Pick<Database, "close">, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await before.close();
    throw error;
  }
}

const everyTick: readonly ((platform: Platform) => Promise<unknown>)[] = [
  endDueJobs, planDueRounds, stepRuns, sweepPushes, sweepRelay, sweepMembers, ({ revocations }) => revocations.renew(), passTime, sweepUsesRequests, withdrawOverdue, sweepReports, sweepAlerts, forgetLogins,
  ({ sessions }) => sessions.sweep(), ({ webhooks }) => webhooks.look(),
];

/** Ends due jobs and deletes what they relayed. Returns what stops it, after the round that is under way. */
function everySecond(platform: Platform): () => Promise<void> {
  let round: Promise<void> = Promise.resolve();
  let isBusy = false;
  const tick = async (): Promise<void> => {
    isBusy = true;
    try {
      await platform.audit.tick();
      // Without a log nothing is ended and nobody is suspended either.
      platform.audit.check();
      await each(everyTick, (work) => work(platform), platform.env.log);
    } catch (error) {
      // Tried again at the next tick.
      platform.env.log.error("tick.failed", { reason: error instanceof Error ? error.name : "unknown" });
    } finally {
      isBusy = false;
    }
  };
  const timer = setInterval(() => {
    if (!isBusy) round = tick();
  }, tickMs);
  return async () => {
    clearInterval(timer);
    await round;
  };
}

/** Lets requests that are under way end, for a while. */
async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // A connection becomes idle only when its last reply is out.
  const idle = setInterval(() => server.closeIdleConnections(), 20);
  const late = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
