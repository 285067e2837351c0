// The platform's small certificate authority (ECDSA P-256, X.509 v3). It issues its own server certificate and, at
// enrolment, two certificates per party: one for mutual TLS (clientAuth) and one Ed25519 identity with a purpose of its own,
// so that neither can stand in for the other. Revocation is the party's state in the database, checked at every request.
// First: the container inside @peculiar/x509 needs it.
import "reflect-metadata";
import { createHash, createPrivateKey, createPublicKey, webcrypto, X509Certificate as NodeCertificate, type KeyObject } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type Extension,
  type JsonGeneralNames,
  type PublicKey,
} from "@peculiar/x509";
import { registrarOid } from "../../consent/trust.ts";
import type { Clock, Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { identityOid } from "../../core/names.ts";

export const clientAuthOid = "1.3.6.1.5.5.7.3.2";
const serverAuthOid = "1.3.6.1.5.5.7.3.1";
/** Subject O of a client certificate: what its CN names. */
export const organisations = { party: "yunei party", institution: "yunei institution" } as const;
export type SubjectKind = keyof typeof organisations;

const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const dayMs = 86_400_000;
// Clocks of different domains differ by minutes.
const backdateMs = 600_000;
const provider: Crypto = webcrypto;

export type KeyAndCertificate = { readonly keyPem: string; readonly certificatePem: string };
export type CertificateRequest = { readonly spki: Uint8Array; readonly publicKey: PublicKey; readonly key: KeyObject };

export class Authority {
  readonly certificatePem: string;
  /** SHA-256 of the DER form, base64url: what an enrolment token pins. */
  readonly fingerprint: string;
  readonly #certificate: X509Certificate;
  readonly #key: CryptoKey;
  readonly #rng: Rng;
  readonly #now: Clock;

  private constructor(certificate: X509Certificate, key: CryptoKey, env: { rng: Rng; now: Clock }) {
    this.#certificate = certificate;
    this.#key = key;
    this.#rng = env.rng;
    this.#now = env.now;
    this.certificatePem = pemText(certificate);
    this.fingerprint = createHash("sha256").update(new Uint8Array(certificate.rawData)).digest("base64url");
  }

  /** A new authority with its own key; keep both texts, the key 0600. */
  static async create(name: string, env: { rng: Rng; now: Clock }, days = 3650): Promise<KeyAndCertificate> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned(
      {
        serialNumber: serial(env.rng),
        name: [{ O: ["yunei"] }, { CN: [name] }],
        keys,
        signingAlgorithm,
        notBefore: new Date(env.now() - backdateMs),
        notAfter: new Date(env.now() + days * dayMs),
        extensions: [
          new BasicConstraintsExtension(true, 0, true),
          new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
          await SubjectKeyIdentifierExtension.create(keys.publicKey, false, provider),
        ],
      },
      provider,
    );
    return { keyPem: await keyPem(keys.privateKey), certificatePem: pemText(certificate) };
  }

  static async open(stored: KeyAndCertificate, env: { rng: Rng; now: Clock }): Promise<Authority> {
    const der = createPrivateKey(stored.keyPem).export({ format: "der", type: "pkcs8" });
    const key = await webcrypto.subtle.importKey("pkcs8", new Uint8Array(der), { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
    return new Authority(new X509Certificate(stored.certificatePem), key, env);
  }

  /** A server certificate and its key. hosts: DNS names and IP addresses. */
  async issueServer(hosts: readonly string[], days: number): Promise<KeyAndCertificate> {
    const keys = await newKeys();
    const names: JsonGeneralNames = hosts.map((host) =>
      /^[0-9.]+$|:/.test(host) ? { type: "ip", value: host } : { type: "dns", value: host },
    );
    const certificate = await this.#issue(keys.publicKey, [{ O: ["yunei"] }, { CN: ["platform"] }], days, [
      new ExtendedKeyUsageExtension([serverAuthOid]),
      new SubjectAlternativeNameExtension(names),
    ]);
    return { keyPem: await keyPem(keys.privateKey), certificatePem: pemText(certificate) };
  }

  /** A client certificate for mutual TLS. `name` becomes the CN. */
  async issueClient(kind: SubjectKind, name: string, request: CertificateRequest, days: number): Promise<string> {
    const extensions = [new ExtendedKeyUsageExtension([clientAuthOid])];
    return pemText(await this.#issue(request.publicKey, [{ O: [organisations[kind]] }, { CN: [name] }], days, extensions));
  }

  /** The certificate of a party's Ed25519 identity key. */
  async issueIdentity(party: string, request: CertificateRequest, days: number): Promise<string> {
    const extensions = [new ExtendedKeyUsageExtension([identityOid], true)];
    return pemText(await this.#issue(request.publicKey, [{ O: [organisations.party] }, { CN: [party] }], days, extensions));
  }

  /** The certificate of a registrar's Ed25519 key (consent/trust.ts), with the registrar's purpose and nothing else. */
  async issueRegistrar(name: string, key: KeyObject, days: number): Promise<string> {
    const spki = createPublicKey(key).export({ format: "der", type: "spki" });
    const publicKey = await webcrypto.subtle.importKey("spki", new Uint8Array(spki), { name: "Ed25519" }, true, ["verify"]);
    const extensions = [new ExtendedKeyUsageExtension([registrarOid], true)];
    return pemText(await this.#issue(publicKey, [{ O: ["yunei registrar"] }, { CN: [name] }], days, extensions));
  }

  async #issue(
    publicKey: PublicKey | CryptoKey,
    subject: { [type: string]: string[] }[],
    days: number,
    extensions: Extension[],
  ): Promise<X509Certificate> {
    return X509CertificateGenerator.create(
      {
        serialNumber: serial(this.#rng),
        subject,
        issuer: this.#certificate.subjectName,
        publicKey,
        signingKey: this.#key,
        signingAlgorithm,
        notBefore: new Date(this.#now() - backdateMs),
        notAfter: new Date(this.#now() + days * dayMs),
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          ...extensions,
          await SubjectKeyIdentifierExtension.create(publicKey, false, provider),
          await AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey, false, provider),
        ],
      },
      provider,
    );
  }
}

/**
 * Reads a PKCS #10 request: signed by its own key, of an allowed type, its only CN equal to `name`.
 * Throws ENROL_CSR or ENROL_NAME.
 */
export async function readRequest(pem: string, name: string, allowed: "tls" | "identity"): Promise<CertificateRequest> {
  let request: Pkcs10CertificateRequest;
  let key: KeyObject;
  try {
    request = new Pkcs10CertificateRequest(pem);
    key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: "der", type: "spki" });
    if (!isAllowed(key, allowed) || !(await request.verify(provider))) throw new AppError("ENROL_CSR");
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("ENROL_CSR", {}, { cause });
  }
  const names = request.subjectName.getField("CN");
  if (names.length !== 1 || names[0] !== name) throw new AppError("ENROL_NAME");
  return { spki: new Uint8Array(request.publicKey.rawData), publicKey: request.publicKey, key };
}

function isAllowed(key: KeyObject, use: "tls" | "identity"): boolean {
  if (key.asymmetricKeyType === "ed25519") return true;
  return (
    use === "tls" && key.asymmetricKeyType === "ec" && ["prime256v1", "secp384r1"].includes(key.asymmetricKeyDetails?.namedCurve ?? "")
  );
}

/** SHA-256 of a certificate's DER form, lower-case hex. */
export function fingerprintOf(certificatePem: string): string {
  return createHash("sha256").update(new NodeCertificate(certificatePem).raw).digest("hex");
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
}

async function keyPem(key: CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" }).export({ format: "pem", type: "pkcs8" });
}

function pemText(certificate: X509Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

/** 126 random bits, positive and not zero in its first byte (RFC 5280, 4.1.2.2), hex. */
function serial(rng: Rng): string {
  const bytes = rng(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}
