// The platform's own audit log: in `audit/` of the data folder, signed by a key of its own that the authority certifies.
// First: the container inside @peculiar/x509 needs it.
import "reflect-metadata";
import { createPrivateKey, KeyObject, webcrypto } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cryptoProvider, Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import type { AuditDisk } from "../../audit/disk.ts";
import { platformDomain, signerName, type AuditSigner } from "../../audit/head.ts";
import { Noticed } from "../../audit/noticed.ts";
import { readAuditSettings } from "../../audit/settings.ts";
import { AuditTrail } from "../../audit/trail.ts";
import type { Env } from "../../core/env.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { readRequest, type Authority } from "../pki/authority.ts";

const certificateDays = 3650;

export function auditPaths(data: string) {
  return { folder: join(data, "audit"), settings: join(data, "audit.json"), key: join(data, "audit.key"), certificate: join(data, "audit.pem") } as const;
}

/** The key that signs heads; made once. The certificate is written last: with it there, the key is there. */
export async function auditSigner(data: string, authority: Authority): Promise<AuditSigner> {
  const paths = auditPaths(data);
  const text = (path: string): string => Buffer.from(readBytes(path)).toString("utf8");
  if (!existsSync(paths.certificate)) {
    cryptoProvider.set(webcrypto);
    const keys = (await webcrypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"])) as unknown as webcrypto.CryptoKeyPair;
    const name = signerName(platformDomain);
    const request = await Pkcs10CertificateRequestGenerator.create({ name: `CN=${name}`, keys, signingAlgorithm: { name: "Ed25519" } });
    const certificate = await authority.issueIdentity(name, await readRequest(request.toString("pem"), name, "identity"), certificateDays);
    writeDurably(paths.key, KeyObject.from(keys.privateKey).export({ format: "pem", type: "pkcs8" }));
    writeDurably(paths.certificate, certificate);
  }
  return { key: createPrivateKey(text(paths.key)), certificate: text(paths.certificate) };
}

/** Throws AUDIT_SETTINGS, DISK_FAILED. */
export async function openPlatformAudit(data: string, authority: Authority, env: Env, disk?: AuditDisk): Promise<AuditTrail> {
  const paths = auditPaths(data);
  const settings = readAuditSettings(paths.settings);
  const signer = await auditSigner(data, authority);
  const secret = new Uint8Array(signer.key.export({ format: "der", type: "pkcs8" }));
  return AuditTrail.open({ folder: paths.folder, domain: platformDomain, signer, env, settings, secret, ...(disk === undefined ? {} : { disk }) });
}

/** What the operator may set in the data folder, as digests in the log: also changes that were made while the platform was stopped. */
export function noticeSettings(audit: AuditTrail, data: string): Promise<void> {
  const files = { settings: "settings.json", deadlines: "deadlines.json", identity: "identity-provider.json", audit: "audit.json" };
  const paths = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(data, file)]));
  return new Noticed(audit, join(auditPaths(data).folder, "noticed.json"), paths).look();
}
