// Whom an enclave believes: registrars by certificate or by a root's statement, companies' keys by their registrar's.
// First: the container inside @peculiar/x509 needs it.
import "reflect-metadata";
import { createPublicKey, createSecretKey, generateKeyPairSync, sign, webcrypto, type KeyObject } from "node:crypto";
import { BasicConstraintsExtension, ExtendedKeyUsageExtension, X509CertificateGenerator, type X509Certificate } from "@peculiar/x509";
import { assert } from "chai";
import { describe, it } from "mocha";
import { identityOid } from "../../core/names.ts";
import { signJws } from "../../consent/jws.ts";
import { keyId, publicKeyFrom, rawKey } from "../../consent/keys.ts";
import { signConsent } from "../../consent/statement.ts";
import { registrarFromCertificate, registrarFromStatement, registrarOid, signRegistrar, Trust } from "../../consent/trust.ts";
import { byCompany, consentOf, headerOf, keys, keyStatement, rawJws, registrar, registrarStatement, trustOf, verdict } from "./support.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const notBefore = new Date("2026-01-01T00:00:00Z");
const notAfter = new Date("2027-01-01T00:00:00Z");

type Authority = { readonly certificate: X509Certificate; readonly keys: webcrypto.CryptoKeyPair };
async function authority(isCa = true): Promise<Authority> {
  const pair = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { serialNumber: "01", name: "CN=test authority", keys: pair, signingAlgorithm, notBefore, notAfter, extensions: [new BasicConstraintsExtension(isCa, isCa ? 0 : undefined, true)] }, webcrypto);
  return { certificate, keys: pair };
}

async function certificateOf(ca: Authority, options: { key?: KeyObject; oid?: string; subject?: string; isCa?: boolean } = {}): Promise<string> {
  const key = options.key ?? createPublicKey(keys.registrar);
  const name = key.asymmetricKeyType === "ed25519" ? { name: "Ed25519" } : algorithm;
  const publicKey = await webcrypto.subtle.importKey("spki", key.export({ format: "der", type: "spki" }), name, true, ["verify"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: "02", subject: options.subject ?? "CN=registrar", issuer: ca.certificate.subject, publicKey, signingKey: ca.keys.privateKey, signingAlgorithm, notBefore, notAfter,
    extensions: [new ExtendedKeyUsageExtension([options.oid ?? registrarOid], true), ...(options.isCa === true ? [new BasicConstraintsExtension(true, 0, true)] : [])],
  }, webcrypto);
  return certificate.toString("pem");
}

describe("a registrar by certificate", () => {
  it("is taken with its name, key and term", async () => {
    const ca = await authority();
    const found = registrarFromCertificate(await certificateOf(ca), { ca: ca.certificate.toString("pem"), pinned: keyId(keys.registrar) });
    assert.deepEqual({ ...found, key: rawKey(found.key) }, { name: registrar, kid: keyId(keys.registrar), key: rawKey(keys.registrar), from: notBefore.getTime(), to: notAfter.getTime() });
  });

  it("is refused by another authority, for another purpose, key, name or pin, and as an authority itself", async () => {
    const ca = await authority();
    const other = await authority();
    const pem = ca.certificate.toString("pem");
    const ask = (certificate: string, options: { ca: string; pinned?: string } = { ca: pem }): string => verdict(() => registrarFromCertificate(certificate, options));
    assert.equal(ask(await certificateOf(ca)), "accepted");
    assert.equal(ask(await certificateOf(other)), "CONSENT_CHAIN");
    assert.equal(ask(await certificateOf(ca, { oid: identityOid })), "CONSENT_CHAIN");
    assert.equal(ask(await certificateOf(ca, { isCa: true })), "CONSENT_CHAIN");
    assert.equal(ask(await certificateOf(ca, { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey })), "CONSENT_CHAIN");
    assert.equal(ask(await certificateOf(ca, { subject: "CN=Not A Name" })), "CONSENT_CHAIN");
    assert.equal(ask(await certificateOf(ca, { subject: "CN=registrar, CN=other" })), "CONSENT_CHAIN");
    assert.equal(ask(await certificateOf(ca), { ca: pem, pinned: keyId(keys.stranger) }), "CONSENT_CHAIN");
    assert.equal(ask("not a certificate"), "CONSENT_CHAIN");
    const none = await authority(false);
    assert.equal(ask(await certificateOf(none), { ca: none.certificate.toString("pem") }), "CONSENT_CHAIN");
  });
});

describe("a registrar by a root's statement", () => {
  const root = createPublicKey(keys.root);
  it("is taken from the pinned root alone", () => {
    assert.equal(registrarFromStatement(registrarStatement, root).kid, keyId(keys.registrar));
    assert.equal(verdict(() => registrarFromStatement(registrarStatement, createPublicKey(keys.stranger))), "CONSENT_CHAIN");
    assert.equal(verdict(() => registrarFromStatement(keyStatement, root)), "CONSENT_CHAIN");
    assert.equal(verdict(() => registrarFromStatement(keyStatement, createPublicKey(keys.registrar))), "CONSENT_CHAIN");
  });

  it("is refused with a term that ends before it begins, or of a later version", () => {
    const times = { issuedAt: "2026-01-01T00:00:00Z", notBefore: "2026-01-02T00:00:00Z", notAfter: "2026-01-02T00:00:00Z" };
    assert.equal(verdict(() => registrarFromStatement(signRegistrar({ registrar, ...times }, keys.registrar, keys.root), root)), "CONSENT_CHAIN");
    const later = { version: 2, registrar, key: rawKey(keys.registrar), ...times, notAfter: "2027-01-01T00:00:00Z" };
    assert.equal(verdict(() => registrarFromStatement(rawJws(headerOf(keys.root, "yunei-registrar+jws"), later, keys.root), root)), "CONSENT_CHAIN");
  });
});

describe("a company's key", () => {
  it("is no longer believed in a verifier that was built without its registrar", () => {
    assert.equal(trustOf().subjectKey(keyStatement).kid, keyId(keys.company));
    const alone = new Trust([]);
    assert.equal(verdict(() => alone.subjectKey(keyStatement)), "CONSENT_CHAIN");
    assert.equal(verdict(() => alone.subjectKey(keyStatement)), "CONSENT_CHAIN", "a refusal is not remembered as an acceptance");
  });

  it("of small order or in a second spelling is refused, since signatures under it prove nothing", () => {
    const spellings = [
      "00".repeat(32), `01${"00".repeat(31)}`, `01${"00".repeat(30)}80`, `ec${"ff".repeat(30)}7f`, `ec${"ff".repeat(30)}ff`, `ed${"ff".repeat(30)}7f`, `ee${"ff".repeat(30)}ff`,
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", `f5${"ff".repeat(30)}7f`,
    ];
    for (const hex of spellings) assert.equal(verdict(() => publicKeyFrom(Buffer.from(hex, "hex").toString("base64url"))), "CONSENT_CHAIN", hex);
    assert.equal(rawKey(publicKeyFrom(rawKey(keys.company))), rawKey(keys.company));
  });

  it("has the fingerprint that its SPKI form has", () => {
    assert.equal(keyId(keys.company), keyId(createPublicKey(keys.company)));
    assert.notEqual(keyId(keys.company), keyId(keys.registrar));
  });
});

describe("signing", () => {
  it("refuses keys of other kinds, and consents that nobody would accept", () => {
    assert.equal(verdict(() => signConsent(consentOf(), generateKeyPairSync("ed448").privateKey)), "CONSENT_ALGORITHM");
    assert.equal(verdict(() => signConsent(consentOf(), createSecretKey(Buffer.alloc(32)))), "CONSENT_ALGORITHM");
    assert.equal(verdict(() => signConsent({ ...consentOf(), subject: "x" }, keys.registrar)), "CONSENT_SCHEMA");
    assert.equal(verdict(() => signConsent(consentOf({ ...byCompany, evidence: { kind: "written", digest: "a".repeat(64) } }), keys.company)), "CONSENT_TERMS");
  });

  it("covers header and payload", () => {
    const jws = signJws({ version: 1 }, "x", keys.company);
    const [header, payload, mac] = jws.split(".");
    assert.equal(mac, sign(null, Buffer.from(`${header}.${payload}`), keys.company).toString("base64url"));
  });
});
