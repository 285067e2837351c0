// Who calls. Institutions: an API key (only its SHA-256 is stored) or a client certificate. Enclaves: mutual TLS, the
// certificate issued last. The party's or institution's state in the database is read at every request: that is revocation.
import { createHash, timingSafeEqual, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Request } from "express";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { clientAuthOid, organisations, type SubjectKind } from "../pki/authority.ts";
import type { Platform } from "../platform.ts";
import { findInstitution, findInstitutionKeys, findParty, type InstitutionRow } from "../store/parties.ts";
import type { Guard, InstitutionCaller, PartyCaller } from "./route.ts";

/** Form of an API key: the institution's id and 256 random bits. */
export const apiKeyForm = /^Bearer (yk1\.(inst_[0-9a-f]{24})\.[A-Za-z0-9_-]{43})$/;
const maxAddresses = 10_000;

/** Counts failed authentications per remote address in a fixed window. */
export class FailureLimit {
  readonly #failures = new Map<string, { count: number; until: number }>();
  readonly #now: Clock;
  readonly #max: number;
  readonly #windowMs: number;

  constructor(now: Clock, max: number, windowMs: number) {
    this.#now = now;
    this.#max = max;
    this.#windowMs = windowMs;
  }

  /** Throws AUTH_RATE_LIMITED while an address is over its limit. */
  check(address: string): void {
    const entry = this.#failures.get(address);
    if (entry !== undefined && entry.until > this.#now() && entry.count >= this.#max) {
      throw new AppError("AUTH_RATE_LIMITED", { retryAfterSeconds: Math.ceil((entry.until - this.#now()) / 1000) });
    }
  }

  record(address: string): void {
    const entry = this.#failures.get(address);
    if (entry !== undefined && entry.until > this.#now()) {
      entry.count += 1;
      return;
    }
    this.#failures.delete(address);
    // Bounded: whoever was seen first is forgotten first.
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size < maxAddresses) break;
      this.#failures.delete(oldest);
    }
    this.#failures.set(address, { count: 1, until: this.#now() + this.#windowMs });
  }

  /** Runs a check of credentials; a refusal counts. */
  async guard<T>(address: string, verify: () => Promise<T>): Promise<T> {
    this.check(address);
    try {
      return await verify();
    } catch (error) {
      if (error instanceof AppError && ["AUTH_INVALID", "ENROL_TOKEN", "ENROL_USED", "ENROL_EXPIRED"].includes(error.code))
        this.record(address);
      throw error;
    }
  }
}

export function addressOf(request: Request): string {
  return request.socket.remoteAddress ?? "unknown";
}

export const openGuard: Guard<undefined> = async () => undefined;

export function institutionGuard(platform: Platform, failures: FailureLimit): Guard<InstitutionCaller> {
  const certificates = new Certificates();
  const verify = async (id: string, given: { key: string } | { certificate: string; to: number }): Promise<InstitutionCaller> => {
    const keys = await findInstitutionKeys(platform.db.sql, id);
    if (keys !== undefined && "key" in given && keys.state === "active" && isSame(given.key, keys.keyDigest)) return { institution: keys.id, party: keys.party };
    const row = await findInstitution(platform.db.read, id);
    // A key that does not exist takes the same path as a wrong one.
    const isRight = "key" in given ? isKeyOf(row, given.key, platform.env.now()) : isSame(given.certificate, row?.tlsFingerprint ?? "") && platform.env.now() <= given.to;
    if (row === undefined || !isRight) throw new AppError("AUTH_INVALID");
    if (row.state !== "active") throw new AppError("AUTH_SUSPENDED");
    return { institution: row.id, party: row.party };
  };
  return (request) =>
    failures.guard(addressOf(request), async () => {
      const header = request.headers.authorization;
      const subject = header === undefined ? certificates.subjectOf(request, "institution", platform.env.now()) : undefined;
      if (header === undefined && subject === undefined) throw new AppError("AUTH_REQUIRED");
      const [, key, keyOwner] = header === undefined ? [] : (apiKeyForm.exec(header) ?? []);
      const id = subject?.name ?? keyOwner;
      if (id === undefined) throw new AppError("AUTH_INVALID");
      const given = key === undefined ? { certificate: subject?.fingerprint ?? "", to: subject?.to ?? 0 } : { key: sha256(key) };
      const caller = await verify(id, given);
      platform.sessions.watch(request, `${id} ${"key" in given ? given.key : given.certificate}`, () => verify(id, given));
      return caller;
    });
}

/** The key issued last, or the one before while a rotation lets both work. */
function isKeyOf(row: InstitutionRow | undefined, digest: string, now: number): boolean {
  const isPrevious = isSame(digest, row?.previousKeyDigest ?? "") && (row?.previousKeyUntil?.getTime() ?? 0) > now;
  return isSame(digest, row?.keyDigest ?? "") || isPrevious;
}

export function partyGuard(platform: Platform): Guard<PartyCaller> {
  const certificates = new Certificates();
  const verify = async (name: string, fingerprint: string): Promise<PartyCaller> => {
    const row = await findParty(platform.db.sql, name);
    if (row === undefined || !isSame(fingerprint, row.tlsFingerprint ?? "")) throw new AppError("AUTH_INVALID");
    if (row.state !== "active") throw new AppError("AUTH_SUSPENDED");
    return { party: partyIdSchema.parse(row.id) };
  };
  return async (request) => {
    const subject = certificates.subjectOf(request, "party", platform.env.now());
    if (subject === undefined) throw new AppError("AUTH_INVALID");
    const { name, fingerprint } = subject;
    const caller = await verify(name, fingerprint);
    platform.sessions.watch(request, `${name} ${fingerprint}`, () => verify(name, fingerprint));
    return caller;
  };
}

type Subject = {
  readonly name: string | undefined;
  readonly organisation: unknown;
  readonly fingerprint: string;
  readonly from: number;
  readonly to: number;
  readonly isClient: boolean;
};

/** The certificates of open connections, read once each: there is no renegotiation in TLS 1.3. */
class Certificates {
  readonly #read = new WeakMap<TLSSocket, Subject>();

  /** The name in a verified client certificate of that kind; undefined without a certificate. Throws AUTH_INVALID. */
  subjectOf(request: Request, kind: SubjectKind, now: number): { name: string; fingerprint: string; to: number } | undefined {
    const socket = request.socket as TLSSocket;
    const subject = this.#read.get(socket) ?? this.#readFrom(socket);
    if (subject === undefined) return undefined;
    const inTime = now >= subject.from && now <= subject.to; // a connection may outlive it
    const { name, fingerprint, to } = subject;
    if (!socket.authorized || !inTime || !subject.isClient || subject.organisation !== organisations[kind] || name === undefined)
      throw new AppError("AUTH_INVALID");
    return { name, fingerprint, to };
  }

  #readFrom(socket: TLSSocket): Subject | undefined {
    const certificate: X509Certificate | undefined = socket.getPeerX509Certificate?.();
    if (certificate === undefined) return undefined;
    const { CN, O } = socket.getPeerCertificate().subject;
    const subject: Subject = {
      name: typeof CN === "string" ? CN : undefined,
      organisation: O,
      fingerprint: sha256(certificate.raw),
      from: certificate.validFromDate.getTime(),
      to: certificate.validToDate.getTime(),
      isClient: certificate.keyUsage?.includes(clientAuthOid) ?? false,
    };
    this.#read.set(socket, subject);
    return subject;
  }
}

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

export function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
