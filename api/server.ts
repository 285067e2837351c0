// A running platform: two TLS 1.3 listeners over one set of parts, and the clock-driven work. Used by the process entry and
// by tests in their own process.
import { constants } from "node:crypto";
import { createServer, type Server, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { RequestListener } from "node:http";
import { BufferPool } from "../core/buffer-pool.ts";
import type { Env } from "../core/env.ts";
import { buildBankApp } from "./bank-app.ts";
import { databaseUrl, openAuthority, serverCertificate } from "./data-dir.ts";
import { buildEnclaveApp } from "./enclave-app.ts";
import { defaultLimits, type CompilePlan, type Limits, type Platform } from "./platform.ts";
import { endDueJobs } from "./services/jobs.ts";
import { sweepRelay } from "./services/relay.ts";
import { BlobStore } from "./store/blobs.ts";
import { openDatabase } from "./store/database.ts";
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
};
export type RunningPlatform = {
  readonly apiPort: number;
  readonly enclavePort: number;
  readonly platform: Platform;
  stop(): Promise<void>;
};

/** Throws PLATFORM_NOT_INITIALISED, PLATFORM_MIGRATION, and what listening or opening the database throws. */
export async function startPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const { data, env, compilePlan } = options;
  const authority = await openAuthority(data, env);
  const pair = await serverCertificate(data, authority, options.hosts ?? [], env);
  const blobs = await BlobStore.open(join(data, "blobs"), env.now());
  const db = await openDatabase(databaseUrl(data, options.database));
  const buffers = new BufferPool();
  const platform: Platform = {
    db,
    blobs,
    recent: new Recent(recentBytes, buffers),
    buffers,
    wakeups: new Wakeups(),
    authority,
    env,
    compilePlan,
    limits: { ...defaultLimits, ...options.limits },
  };
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
  for (const server of [bank, enclave]) server.on("tlsClientError", () => env.log.warn("tls.refused"));
  try {
    const apiPort = await listen(bank, options.apiPort ?? 0, options.listen);
    const enclavePort = await listen(enclave, options.enclavePort ?? 0, options.listen);
    const stopTicking = everySecond(platform);
    const stop = async (): Promise<void> => {
      platform.wakeups.close();
      await Promise.all([stopTicking(), close(bank), close(enclave)]);
      await db.close();
    };
    return { apiPort, enclavePort, platform, stop };
  } catch (error) {
    bank.close();
    enclave.close();
    await db.close();
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

/** Ends due jobs and deletes what they relayed. Returns what stops it, after the round that is under way. */
function everySecond(platform: Platform): () => Promise<void> {
  let round: Promise<void> = Promise.resolve();
  let isBusy = false;
  const tick = async (): Promise<void> => {
    isBusy = true;
    try {
      await endDueJobs(platform);
      await sweepRelay(platform);
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
