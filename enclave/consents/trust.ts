// Whom this enclave believes about consents: what its policy says, and registrars that the platform's CA certified, if the policy lets it.
import { z } from "zod";
import type { Log } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { keyId, publicKeyFrom } from "../../consent/keys.ts";
import { digestSchema, timeSchema } from "../../consent/statement.ts";
import { registrarFromCertificate, registrarFromStatement, type Registrar } from "../../consent/trust.ts";
import type { StateDatabase } from "../store/database.ts";

const rawKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const registrarsSchema = z.strictObject({
  /** Registrars that the platform's CA certified. */
  platform: z.boolean().default(true),
  /** If there are any: of those, only keys with these fingerprints (SHA-256 of the SPKI). */
  pinned: z.array(digestSchema).max(64).default([]),
  /** Keys that the operator believes without a certificate. */
  keys: z.array(z.strictObject({ name: partyIdSchema, key: rawKey, from: timeSchema, to: timeSchema })).max(64).default([]),
  /** Registrars that a root vouches for whose key the operator believes. */
  roots: z.array(z.strictObject({ key: rawKey, statement: z.string().max(4096) })).max(64).default([]),
});
export type RegistrarsPolicy = z.output<typeof registrarsSchema>;

/** Certificates (PEM) that the platform has shown so far, believed or not. */
export function keptCertificates(db: StateDatabase): string[] {
  return db.all("select pem from registrar_certificates order by digest").map((row) => String(row["pem"]));
}

/** All registrars that are believed. What cannot be read is left out and logged: it is then believed by nobody. */
export function registrarsOf(policy: RegistrarsPolicy, certificates: readonly string[], options: { ca: string; log: Log }): readonly Registrar[] {
  const some = (read: () => Registrar): Registrar[] => {
    try {
      return [read()];
    } catch (error) {
      if (!isAppError(error)) throw error;
      options.log.warn("registrar-refused", { code: error.code });
      return [];
    }
  };
  const isPinned = ({ kid }: Registrar): boolean => policy.pinned.length === 0 || policy.pinned.includes(kid);
  const certified = policy.platform ? certificates.flatMap((pem) => some(() => registrarFromCertificate(pem, { ca: options.ca }))).filter(isPinned) : [];
  const keys = policy.keys.flatMap(({ name, key, from, to }) => some(() => {
    const object = publicKeyFrom(key);
    return { name, kid: keyId(object), key: object, from: Date.parse(from), to: Date.parse(to) };
  }));
  const rooted = policy.roots.flatMap(({ key, statement }) => some(() => registrarFromStatement(statement, publicKeyFrom(key))));
  return [...certified, ...keys, ...rooted];
}
