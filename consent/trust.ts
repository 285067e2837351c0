// Whom an enclave believes: platform CA or pinned root -> registrar's key -> (a company's own key ->) consent. A registrar's key counts
// for what it signed while it was valid and as long as the operator keeps it here; removing it here ends all that hangs on it.
import { createPublicKey, X509Certificate, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { fit, isSignedBy, openJws, readPayload, signJws } from "./jws.ts";
import { keyId, publicHalf, publicKeyFrom, rawKey, rawKeyId } from "./keys.ts";
import { realNameSchema, timeSchema, usccSchema } from "./statement.ts";

/** Extended key usage of a registrar's certificate, "registers companies and signs consents" (an arc of UUID
 *  f0755997-b5fa-4508-b138-087538ea9d30): no party's or institution's certificate of the same CA can stand in for it. */
export const registrarOid = "2.25.319624034875054993218232821839328615728";
export const registrarType = "yunei-registrar+jws";
export const subjectKeyType = "yunei-subject-key+jws";
const maxStatementBytes = 4096;
const cachedStatements = 10_000;

/** A registrar's key, with the time (ms) within which it signs. */
export type Registrar = { readonly name: PartyId; readonly kid: string; readonly key: KeyObject; readonly from: number; readonly to: number };
/** A company's own key. */
export type SubjectKey = {
  readonly subject: string; readonly kid: string; readonly key: KeyObject; readonly from: number; readonly to: number; readonly registrar: PartyId;
};

const rawKeySchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const registrarSchema = z.strictObject({
  version: z.literal(1), registrar: partyIdSchema, key: rawKeySchema, issuedAt: timeSchema, notBefore: timeSchema, notAfter: timeSchema,
});
export type RegistrarStatement = z.output<typeof registrarSchema>;
const subjectKeySchema = z.strictObject({
  version: z.literal(1), registrar: partyIdSchema, subject: usccSchema, key: rawKeySchema, realName: realNameSchema,
  issuedAt: timeSchema, notBefore: timeSchema, notAfter: timeSchema,
});
export type SubjectKeyStatement = z.output<typeof subjectKeySchema>;

/** A root's word for a registrar's key. Throws CONSENT_SCHEMA, CONSENT_ALGORITHM. */
export function signRegistrar(statement: Omit<RegistrarStatement, "version" | "key">, registrarKey: KeyObject, root: KeyObject): string {
  return signJws(fit({ version: 1, key: rawKey(registrarKey), ...statement }, registrarSchema), registrarType, root);
}

/** A registrar's word for a company's key, after real-name registration and proof that the company holds the private half. */
export function signSubjectKey(statement: Omit<SubjectKeyStatement, "version" | "key">, subjectKey: KeyObject, registrar: KeyObject): string {
  return signJws(fit({ version: 1, key: rawKey(subjectKey), ...statement }, subjectKeySchema), subjectKeyType, registrar);
}

/** A registrar that a pinned root key vouches for. Throws CONSENT_CHAIN. */
export function registrarFromStatement(jws: string, root: KeyObject): Registrar {
  return chained(() => {
    const sealed = openJws(jws, registrarType, maxStatementBytes);
    if (sealed.kid !== keyId(root) || !isSignedBy(sealed, root)) throw new AppError("CONSENT_SIGNATURE");
    const statement = readPayload(sealed, registrarSchema);
    const key = publicKeyFrom(statement.key);
    return { name: statement.registrar, kid: keyId(key), key, ...termOf(statement) };
  });
}

/**
 * A registrar that the platform's CA vouches for: an Ed25519 certificate with the registrar's purpose and the name as CN.
 * `pinned` (fingerprint of the key) makes the operator's word count, not the CA's alone. Throws CONSENT_CHAIN.
 */
export function registrarFromCertificate(pem: string, options: { ca: string; pinned?: string | undefined }): Registrar {
  return chained(() => {
    const certificate = new X509Certificate(pem);
    const ca = new X509Certificate(options.ca);
    const issued = ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
    if (!issued || certificate.ca || !certificate.keyUsage?.includes(registrarOid)) throw new AppError("CONSENT_CHAIN");
    const common = certificate.subject.split("\n").filter((line) => line.startsWith("CN="));
    const name = partyIdSchema.parse(common.length === 1 ? common[0]?.slice(3) : undefined);
    const key = publicKeyFrom(rawKey(createPublicKey(certificate.publicKey.export({ format: "pem", type: "spki" }))));
    if (options.pinned !== undefined && options.pinned !== keyId(key)) throw new AppError("CONSENT_CHAIN");
    return { name, kid: keyId(key), key, from: certificate.validFromDate.getTime(), to: certificate.validToDate.getTime() };
  });
}

/** The registrars that one verifier trusts, and the company keys that they vouched for (the last 10,000 statements are kept). */
export class Trust {
  readonly #registrars: ReadonlyMap<string, Registrar>;
  readonly #statements = new Map<string, SubjectKey>();

  /** Several keys of one registrar (rotation) bear the same name. */
  constructor(registrars: readonly Registrar[]) {
    this.#registrars = new Map(registrars.map((registrar) => [registrar.kid, { ...registrar, key: publicHalf(registrar.key) }]));
  }

  registrar(kid: string): Registrar | undefined {
    return this.#registrars.get(kid);
  }

  /** The company's key in a registrar's statement. Throws CONSENT_CHAIN when it is none of a trusted registrar. */
  subjectKey(jws: string): SubjectKey {
    const known = this.#statements.get(jws);
    if (known !== undefined) return known;
    const found = chained(() => this.#readSubjectKey(jws));
    const oldest = this.#statements.size >= cachedStatements ? this.#statements.keys().next().value : undefined;
    if (oldest !== undefined) this.#statements.delete(oldest);
    this.#statements.set(jws, found);
    return found;
  }

  #readSubjectKey(jws: string): SubjectKey {
    const sealed = openJws(jws, subjectKeyType, maxStatementBytes);
    const registrar = this.#registrars.get(sealed.kid);
    if (registrar === undefined || !isSignedBy(sealed, registrar.key)) throw new AppError("CONSENT_CHAIN");
    const statement = readPayload(sealed, subjectKeySchema);
    const issued = Date.parse(statement.issuedAt);
    const inTerm = issued >= registrar.from && issued < registrar.to;
    if (statement.registrar !== registrar.name || !inTerm || Date.parse(statement.realName.at) > issued) throw new AppError("CONSENT_CHAIN");
    const key = publicKeyFrom(statement.key);
    return { subject: statement.subject, kid: rawKeyId(statement.key), key, registrar: registrar.name, ...termOf(statement) };
  }
}

function termOf(statement: { issuedAt: string; notBefore: string; notAfter: string }): { from: number; to: number } {
  const from = Date.parse(statement.notBefore);
  const to = Date.parse(statement.notAfter);
  if (from >= to || Date.parse(statement.issuedAt) > from) throw new AppError("CONSENT_CHAIN");
  return { from, to };
}

/** Whatever is wrong with a link is CONSENT_CHAIN; the cause tells more. */
function chained<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new AppError("CONSENT_CHAIN", {}, { cause });
  }
}
