// The platform's data directory (0700): the authority's, the server's and the transparency log's keys (0600), the database file, the
// blobs, the log.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { writeDurably } from "../core/files.ts";
import { initialiseLog } from "./log/key.ts";
import { Authority, type KeyAndCertificate } from "./pki/authority.ts";

const serverDays = 365;
const renewBeforeMs = 30 * 86_400_000;

export function databaseUrl(data: string, given?: string): string {
  return given ?? `file:${join(data, "platform.db")}`;
}

/** Makes directory, authority and transparency log if they are not there. Keys are never overwritten. */
export async function initialiseDataDir(data: string, env: Env): Promise<Authority> {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (!existsSync(join(data, "ca.pem"))) store(data, "ca", await Authority.create("yunei platform CA", env));
  const authority = await openAuthority(data, env);
  await initialiseLog(data, authority.certificatePem);
  return authority;
}

/** Throws PLATFORM_NOT_INITIALISED. */
export async function openAuthority(data: string, env: Env): Promise<Authority> {
  const stored = load(data, "ca");
  if (stored === undefined) throw new AppError("PLATFORM_NOT_INITIALISED");
  return Authority.open(stored, env);
}

/** The server's key and certificate for these hosts; issued again when they change or the certificate is about to expire. */
export async function serverCertificate(
  data: string,
  authority: Authority,
  hosts: readonly string[],
  env: Env,
): Promise<KeyAndCertificate> {
  const names = [...new Set(["localhost", "127.0.0.1", "::1", ...hosts])];
  const stored = load(data, "server");
  if (stored !== undefined && isUsable(stored, authority, names, env.now())) return stored;
  const issued = await authority.issueServer(names, serverDays);
  store(data, "server", issued);
  return issued;
}

function isUsable(stored: KeyAndCertificate, authority: Authority, names: readonly string[], now: number): boolean {
  const certificate = new X509Certificate(stored.certificatePem);
  if (!certificate.checkIssued(new X509Certificate(authority.certificatePem))) return false;
  if (certificate.validToDate.getTime() - now < renewBeforeMs) return false;
  return names.every((name) => certificate.checkHost(name) !== undefined || certificate.checkIP(name) !== undefined);
}

// The certificate is written last: with it there, the key is there.
function store(data: string, name: string, pair: KeyAndCertificate): void {
  writeDurably(join(data, `${name}.key`), pair.keyPem);
  writeDurably(join(data, `${name}.pem`), pair.certificatePem);
}

function load(data: string, name: string): KeyAndCertificate | undefined {
  if (!existsSync(join(data, `${name}.pem`))) return undefined;
  return { keyPem: readFileSync(join(data, `${name}.key`), "utf8"), certificatePem: readFileSync(join(data, `${name}.pem`), "utf8") };
}
