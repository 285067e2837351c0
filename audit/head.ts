// A signed head: "these are all entries below this number, and this is the digest of the last one". Whoever keeps a head can tell later
// whether a log still begins with what it had then. Ed25519 (RFC 8032), with a certificate of the platform's authority.
import { createPublicKey, sign, verify, X509Certificate, type KeyObject } from "node:crypto";
import { z } from "zod";

export type AuditSigner = { readonly key: KeyObject; readonly certificate: string };

export const headSchema = z.strictObject({
  domain: z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/),
  /** Number of entries that it covers, from the log's very first. */
  size: z.number().int().min(0),
  /** Digest of the last of them. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime({ precision: 3 }),
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
  certificate: z.string().max(8192),
});
export type SignedHead = z.output<typeof headSchema>;
type Unsigned = Pick<SignedHead, "domain" | "size" | "digest" | "at">;

export function headText({ domain, size, digest, at }: Unsigned): Buffer {
  return Buffer.from(`yunei-audit-head/v1\n${domain}\n${size}\n${digest}\n${at}\n`);
}

export function signHead(head: Unsigned, signer: AuditSigner): SignedHead {
  return { ...head, signature: sign(null, headText(head), signer.key).toString("base64"), certificate: signer.certificate };
}

export function isSignedBy(head: Unsigned & { readonly signature: string }, key: KeyObject): boolean {
  return verify(null, headText(head), key, Buffer.from(head.signature, "base64"));
}

/** Whether a head is this domain's, signed by a key that the authority (PEM) certified for its log. */
export function isHeadOf(head: SignedHead, domain: string, ca: string): boolean {
  const key = keyOfDomain(head.certificate, domain, { ca, at: head.at });
  return key !== undefined && head.domain === domain && isSignedBy(head, key);
}

/** Common name in the certificate of a domain's log: the party itself; the platform's has a slash, which no party's name can have. */
export function signerName(domain: string): string {
  return domain === platformDomain ? "platform/audit" : domain;
}
export const platformDomain = "platform";

/** The key of a certificate that is this domain's; with `ca`, issued by it and valid at that time. undefined when it is not. */
export function keyOfDomain(certificate: string, domain: string, check: { readonly ca?: string | undefined; readonly at: string }): KeyObject | undefined {
  try {
    const x509 = new X509Certificate(certificate);
    if (!x509.subject.split("\n").includes(`CN=${signerName(domain)}`) || x509.ca) return undefined;
    if (check.ca !== undefined) {
      const ca = new X509Certificate(check.ca);
      const time = Date.parse(check.at);
      if (!x509.checkIssued(ca) || !x509.verify(ca.publicKey) || time < x509.validFromDate.getTime() || time > x509.validToDate.getTime()) return undefined;
    }
    const key = createPublicKey(x509.publicKey.export({ format: "pem", type: "spki" }));
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}
