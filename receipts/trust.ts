// What a verifier trusts, and nothing else: the log's key, witnesses and how many of them, authorities that certify issuers,
// and pinned identity keys. It comes from the verifier's side, never from the bundle.
import { createHash, createPublicKey, X509Certificate, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { PartyId } from "../core/brand.ts";
import type { Json } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { identityOid, partyIdSchema } from "../core/names.ts";
import { witnessPolicy, type WitnessPolicy } from "./checkpoint.ts";
import { parseVerifierKey, verifierKey, type NoteKey } from "./note.ts";

const trustSchema = z.strictObject({
  version: z.literal(1),
  /** vkey of the log, type 1; its name is the origin. */
  log: z.string().max(512),
  witnesses: z.strictObject({ threshold: z.int().min(0).max(64), keys: z.array(z.string().max(512)).max(64) }),
  /** CA certificates, PEM. */
  authorities: z.array(z.string().max(16_384)).max(16),
  /** party: SHA-256 of its identity key (SPKI), hex. */
  pinned: z.record(partyIdSchema, z.string().regex(/^[0-9a-f]{64}$/)).optional(),
  /** Whatever the consent verifier needs. */
  consent: z.json().optional(),
});

export type Trust = {
  readonly log: NoteKey; readonly witnesses: WitnessPolicy; readonly authorities: readonly X509Certificate[];
  readonly pinned: ReadonlyMap<PartyId, string>; readonly consent: Json | undefined;
};

/** Reads a trust file (JSON). Throws BUNDLE_TRUST. */
export function parseTrust(text: string): Trust {
  try {
    const file = trustSchema.parse(JSON.parse(text));
    const log = parseVerifierKey(file.log);
    if (log.type !== 1) throw new AppError("BUNDLE_TRUST");
    return {
      log, witnesses: witnessPolicy(file.witnesses.threshold, file.witnesses.keys.map(parseVerifierKey)),
      authorities: file.authorities.map((pem) => new X509Certificate(pem)),
      pinned: new Map(Object.entries(file.pinned ?? {}) as [PartyId, string][]), consent: file.consent,
    };
  } catch (cause) {
    throw new AppError("BUNDLE_TRUST", {}, { cause });
  }
}

/** The text of a trust file. authorities: PEM. */
export function formatTrust(trust: { log: NoteKey; witnesses: WitnessPolicy; authorities: readonly string[]; pinned?: Readonly<Record<string, string>>; consent?: Json }): string {
  const { threshold, witnesses } = trust.witnesses;
  return JSON.stringify({
    version: 1, log: verifierKey(trust.log), witnesses: { threshold, keys: witnesses.map(verifierKey) }, authorities: trust.authorities,
    ...(trust.pinned === undefined ? {} : { pinned: trust.pinned }), ...(trust.consent === undefined ? {} : { consent: trust.consent }),
  }, null, 2);
}

/** The identity key of a receipt's issuer from its certificate: of a trusted authority, for signing, in the party's name,
 *  valid when the receipt was made (`at`, ms), and equal to the pinned key if there is one. Throws RECEIPT_ISSUER. */
export function issuerKey(certificatePem: string, trust: Pick<Trust, "authorities" | "pinned">, issuer: { party: PartyId; at: number }): KeyObject {
  const { party, at } = issuer;
  try {
    const certificate = new X509Certificate(certificatePem);
    if (certificate.toString().trim() !== certificatePem.trim()) throw new AppError("RECEIPT_ISSUER", { party });
    const inTime = (c: X509Certificate): boolean => at >= c.validFromDate.getTime() && at <= c.validToDate.getTime();
    const isIssued = trust.authorities.some((ca) => ca.ca && inTime(ca) && certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
    const isNamed = certificate.subject.split("\n").includes(`CN=${party}`);
    const key = createPublicKey(certificate.publicKey.export({ format: "pem", type: "spki" }));
    const isRight = isIssued && isNamed && inTime(certificate) && !certificate.ca &&  certificate.keyUsage?.includes(identityOid) && key.asymmetricKeyType === "ed25519";
    const pinned = trust.pinned.get(party);
    const print = createHash("sha256").update(key.export({ format: "der", type: "spki" })).digest("hex");
    if (!isRight || (pinned !== undefined && pinned !== print)) throw new AppError("RECEIPT_ISSUER", { party });
    return key;
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("RECEIPT_ISSUER", { party }, { cause });
  }
}
