// The enclave's own keys and certificates: an Ed25519 identity that signs messages, approvals and receipts, and a separate
// key for mutual TLS. Both are made here and never leave; the platform's CA only sees signing requests (PKCS #10).
// First: the container inside @peculiar/x509 needs it.
import "reflect-metadata";
import { createHash, createPrivateKey, createPublicKey, KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Pkcs10CertificateRequestGenerator, cryptoProvider } from "@peculiar/x509";
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { identityOid } from "../../core/names.ts";
import { readBytes, writeDurably } from "../../core/files.ts";

export type Identity = {
  readonly party: PartyId;
  readonly signKey: KeyObject;
  readonly identityCertificate: string;
  readonly tlsKey: string;
  readonly tlsCertificate: string;
  readonly ca: string;
};

const files = { identityKey: "identity.key", tlsKey: "tls.key", identityCertificate: "identity.pem", tlsCertificate: "tls.pem", ca: "ca.pem", pending: "renewal.json" } as const;

async function keyPair(algorithm: "Ed25519" | "P-256"): Promise<webcrypto.CryptoKeyPair> {
  const spec = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
  return (await webcrypto.subtle.generateKey(spec, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

async function pkcs8(key: CryptoKey): Promise<string> {
  return KeyObject.from(key).export({ format: "pem", type: "pkcs8" });
}

async function request(party: PartyId, keys: webcrypto.CryptoKeyPair, algorithm: "Ed25519" | "P-256"): Promise<string> {
  cryptoProvider.set(webcrypto);
  const signingAlgorithm = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
  const csr = await Pkcs10CertificateRequestGenerator.create({ name: `CN=${party}`, keys, signingAlgorithm });
  return csr.toString("pem");
}

/** Makes both key pairs in `folder` and returns the two signing requests. Throws ENCLAVE_KEYS when keys are already there. */
export async function createKeys(folder: string, party: PartyId): Promise<{ csrTls: string; csrIdentity: string }> {
  if (existsSync(join(folder, files.identityKey))) throw new AppError("ENCLAVE_KEYS", { existing: true });
  const identity = await keyPair("Ed25519");
  const tls = await keyPair("P-256");
  writeDurably(join(folder, files.identityKey), await pkcs8(identity.privateKey));
  writeDurably(join(folder, files.tlsKey), await pkcs8(tls.privateKey));
  return { csrTls: await request(party, tls, "P-256"), csrIdentity: await request(party, identity, "Ed25519") };
}

export function storeCertificates(folder: string, given: { tlsCertificate: string; identityCertificate: string; caCertificate: string }): void {
  writeDurably(join(folder, files.tlsCertificate), given.tlsCertificate);
  writeDurably(join(folder, files.identityCertificate), given.identityCertificate);
  writeDurably(join(folder, files.ca), given.caCertificate);
}

const pendingSchema = z.strictObject({ tlsKey: z.string(), csrTls: z.string(), csrIdentity: z.string() });

/**
 * Requests for new certificates: a new key for TLS, the identity key that is there, since other parties pin it and receipts are signed with
 * it. What was asked for is kept until the answer is stored, and is the same when asked again.
 */
export async function renewalRequests(folder: string, party: PartyId): Promise<{ csrTls: string; csrIdentity: string }> {
  const { signKey } = loadIdentity(folder, party);
  const path = join(folder, files.pending);
  const known = existsSync(path) ? readPending(path) : undefined;
  if (known !== undefined) return { csrTls: known.csrTls, csrIdentity: known.csrIdentity };
  const tls = await keyPair("P-256");
  const csrs = { csrTls: await request(party, tls, "P-256"), csrIdentity: await request(party, await identityPair(signKey), "Ed25519") };
  writeDurably(path, JSON.stringify({ tlsKey: await pkcs8(tls.privateKey), ...csrs }));
  return csrs;
}

/** Takes the new certificates into use, if they are for these keys. Can be done again after a crash in its middle. Throws ENCLAVE_KEYS. */
export function storeRenewed(folder: string, given: { tlsCertificate: string; identityCertificate: string }): void {
  const path = join(folder, files.pending);
  const pending = readPending(path);
  const signKey = createPrivateKey(Buffer.from(readBytes(join(folder, files.identityKey))).toString("utf8"));
  const fits = pending !== undefined && new X509Certificate(given.tlsCertificate).checkPrivateKey(createPrivateKey(pending.tlsKey))
    && new X509Certificate(given.identityCertificate).checkPrivateKey(signKey);
  if (!fits) throw new AppError("ENCLAVE_KEYS");
  writeDurably(join(folder, files.tlsKey), pending.tlsKey);
  writeDurably(join(folder, files.tlsCertificate), given.tlsCertificate);
  writeDurably(join(folder, files.identityCertificate), given.identityCertificate);
  rmSync(path);
}

/** undefined for a file that cannot be read: the requests are then made anew. */
function readPending(path: string): z.output<typeof pendingSchema> | undefined {
  try {
    return pendingSchema.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8")));
  } catch {
    return undefined;
  }
}

async function identityPair(signKey: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const der = (key: KeyObject, type: "pkcs8" | "spki"): Uint8Array<ArrayBuffer> => new Uint8Array(key.export({ format: "der", type }) as Buffer);
  return {
    privateKey: await webcrypto.subtle.importKey("pkcs8", der(signKey, "pkcs8"), { name: "Ed25519" }, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", der(createPublicKey(signKey), "spki"), { name: "Ed25519" }, true, ["verify"]),
  };
}

/** When the first of the two certificates ends, ms. */
export function certificatesEnd({ tlsCertificate, identityCertificate }: Identity): number {
  return Math.min(...[tlsCertificate, identityCertificate].map((pem) => new X509Certificate(pem).validToDate.getTime()));
}

/** Loads keys and certificates; checks that they belong together. Throws ENCLAVE_NOT_ENROLLED or ENCLAVE_KEYS. */
export function loadIdentity(folder: string, party: PartyId): Identity {
  if (!existsSync(join(folder, files.identityCertificate))) throw new AppError("ENCLAVE_NOT_ENROLLED");
  const text = (name: string): string => Buffer.from(readBytes(join(folder, name))).toString("utf8");
  let signKey: KeyObject;
  try {
    signKey = createPrivateKey(text(files.identityKey));
  } catch (cause) {
    throw new AppError("ENCLAVE_KEYS", {}, { cause });
  }
  const identityCertificate = text(files.identityCertificate);
  if (!new X509Certificate(identityCertificate).checkPrivateKey(signKey)) throw new AppError("ENCLAVE_KEYS");
  return { party, signKey, identityCertificate, tlsKey: text(files.tlsKey), tlsCertificate: text(files.tlsCertificate), ca: text(files.ca) };
}

/** SHA-256 of the public key (SPKI): what an operator pins in a policy. */
export function fingerprint(key: KeyObject): string {
  return createHash("sha256").update(key.export({ format: "der", type: "spki" })).digest("hex");
}

/** The identity key of a peer from its certificate: right issuer, name and dates, and equal to the pinned one if there is any. */
export function peerKey(certificatePem: string, options: { party: PartyId; ca: string; now: number; pinned?: string | undefined }): KeyObject {
  const { party, now } = options;
  try {
    const certificate = new X509Certificate(certificatePem);
    const ca = new X509Certificate(options.ca);
    const inTime = now >= certificate.validFromDate.getTime() && now <= certificate.validToDate.getTime();
    const named = certificate.subject.split("\n").includes(`CN=${party}`);
    const forSigning = certificate.keyUsage?.includes(identityOid);
    if (!inTime || !named || !forSigning || certificate.ca || !certificate.checkIssued(ca) || !certificate.verify(ca.publicKey)) throw new AppError("APPROVAL_INVALID", { party });
    const key = createPublicKey(certificate.publicKey.export({ format: "pem", type: "spki" }));
    if (key.asymmetricKeyType !== "ed25519") throw new AppError("APPROVAL_INVALID", { party });
    if (options.pinned !== undefined && options.pinned !== fingerprint(key)) throw new AppError("POLICY_UNPINNED_PEER", { party });
    return key;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("APPROVAL_INVALID", { party }, { cause });
  }
}
