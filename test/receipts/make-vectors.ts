// Makes the test vectors of receipt bundles, right ones and ones that must fail. All keys and times are fixed, so that it
// makes the same bytes on every run; write-vectors.ts writes them to vectors/.
// First: the container inside @peculiar/x509 needs it.
import "reflect-metadata";
import { createHmac, createPublicKey, webcrypto } from "node:crypto";
import { BasicConstraintsExtension, cryptoProvider, ExtendedKeyUsageExtension, X509CertificateGenerator } from "@peculiar/x509";
import { consentDigest } from "../../consent/revocation.ts";
import { parseConsent, signConsent, type Consent } from "../../consent/statement.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { Code } from "../../core/errors.ts";
import { identityOid, partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { makeBundle, type Bundle } from "../../receipts/bundle.ts";
import { signCheckpoint, witnessPolicy } from "../../receipts/checkpoint.ts";
import type { CheckName } from "../../receipts/explain.ts";
import { signJws } from "../../receipts/jws.ts";
import { createLog, ReceiptLog } from "../../receipts/log.ts";
import { leafHash } from "../../receipts/merkle.ts";
import { cosign, parseNote, withSignatures } from "../../receipts/note.ts";
import { following, noPrevious, receiptDigest, receiptType, signReceipt, type ReceiptStatement } from "../../receipts/receipt.ts";
import { formatTrust } from "../../receipts/trust.ts";
import { UseCommitments, type Use } from "../../receipts/uses.ts";
import { formatAddCheckpoint } from "../../receipts/witness.ts";
import { granted, headerOf, keys, listOf, now as used, registrarStatement, usccOf } from "../consent/support.ts";
import { publicOf, testKey, testSigner, witnessKey } from "./keys.ts";
import { MemoryDisk } from "./memory-disk.ts";

export const companies = ["91330100MA0000001F", "91330100MA0000002J"] as const;
const bank = { party: partyId("bank-a"), uscc: usccOf(9001) };
export const vectorLog = testSigner("yunei.example/receipts");
export const witnessNames = ["witness.example/bank", "witness.example/tax", "witness.example/court"] as const;

export type Vector = {
  readonly name: string; readonly subject?: string; readonly result: string; readonly failed: readonly (readonly [CheckName, Code | ""])[];
  readonly bundle: unknown;
};
export type WitnessVector = { readonly request: string; readonly answer: Code | "ok" };
export type Vectors = { readonly trust: string; readonly bundles: readonly Vector[]; readonly witness: readonly WitnessVector[] };

/** The job ended when the list of withdrawals that counted at the use was over: what matters is the time of the use. */
const made = "2026-06-01T12:20:00.000Z";
const seconds = Date.parse(made) / 1000 + 30;
const digest = (text: string): string => sha256Hex(text);

async function importKey(label: string): Promise<webcrypto.CryptoKeyPair> {
  const key = testKey(label);
  const privateKey = await webcrypto.subtle.importKey("pkcs8", new Uint8Array(key.export({ format: "der", type: "pkcs8" })), { name: "Ed25519" }, true, ["sign"]);
  const publicKey = await webcrypto.subtle.importKey("spki", new Uint8Array(publicOf(key).export({ format: "der", type: "spki" })), { name: "Ed25519" }, true, ["verify"]);
  return { privateKey, publicKey };
}

async function certificate(label: string, options: { name?: string; ca?: string; years?: readonly [number, number] } = {}): Promise<string> {
  cryptoProvider.set(webcrypto);
  const { name = label, ca = "authority", years = [2026, 2030] } = options;
  const isCa = name === "authority";
  const [own, issuer] = [await importKey(label), await importKey(ca)];
  const issued = await X509CertificateGenerator.create({
    serialNumber: "41", subject: `CN=${name}`, issuer: "CN=authority", publicKey: own.publicKey, signingKey: issuer.privateKey, signingAlgorithm: { name: "Ed25519" },
    notBefore: new Date(Date.UTC(years[0], 0)), notAfter: new Date(Date.UTC(years[1], 0)),
    extensions: [new BasicConstraintsExtension(isCa, undefined, true), ...(isCa ? [] : [new ExtendedKeyUsageExtension([identityOid], true)])],
  });
  return `${issued.toString("pem").trim()}\n`;
}

const cosigned = (checkpoint: string, names: readonly string[], at = seconds): string =>
  withSignatures(checkpoint, names.map((name) => cosign(parseNote(checkpoint).text, testSigner(name), at)));

export async function makeVectors(): Promise<Vectors> {
  const memory = new MemoryDisk();
  await createLog({ disk: memory.disk, signer: vectorLog });
  const log = await ReceiptLog.open({ disk: memory.disk, signer: vectorLog });
  const idOf = (i: number): string => `consent_00000000000000000000000${i}`;
  const consentOf = (i: number, changes: Partial<Consent> = {}): string => granted({ id: idOf(i), subject: companies[i] ?? "", grantee: bank, items: ["tax.payment"], ...changes });
  const consents = companies.map((_, i) => consentOf(i));
  const list = (sequence: number, withdrawn: readonly number[] = []): string =>
    listOf(sequence, { entries: withdrawn.map((i) => [consentDigest(idOf(i)), used / 1000 - 60, Date.parse("2026-12-01T00:00:00Z") / 1000] as const) });
  const lists = [list(1), list(2, [0])];
  const useOf = (i: number, { consent = consents[i] ?? "", revocations = lists[0] ?? "", ...changes }: { consent?: string; revocations?: string } & Partial<Omit<Use, "consent" | "revocations">> = {}): Use => ({
    subject: companies[i] ?? "", grantee: "bank-a", items: ["tax.payment"], consent: { id: idOf(i), digest: digest(consent) }, revocations: digest(revocations), output: digest("output"),
    at: new Date(used).toISOString(), ...changes,
  });
  // Uses that an enclave should never have made: it has signed them all the same.
  const wrong = wrongUses(consentOf);
  const key = testKey("tax");
  const rng = seededRng(new Uint8Array(32).fill(4), "vectors");
  const sets = [[useOf(0), useOf(1)], [useOf(0, { revocations: lists[1] ?? "" })], [], wrong.map(({ parts }) => useOf(0, parts))].map((uses) => new UseCommitments(uses, UseCommitments.draw(uses.length, rng)));
  const receipts: string[] = [];
  const statements: ReceiptStatement[] = [];
  for (const [i, set] of sets.entries()) {
    const before = receipts[i - 1];
    const chain = before === undefined ? following(undefined) : following({ sequence: i - 1, digest: receiptDigest(before) });
    const statement: ReceiptStatement = {
      version: 2, id: `job_00000000000000a${i}`, kind: i === 2 ? "scorecard" : "score", party: partyId("tax"), purpose: "loan-approval",
      planDigest: digest("plan"), modelDigest: digest("model"), snapshotDigest: digest("snapshot"), outputDigest: digest("output"), ledgerDigest: digest("ledger"), seedsDigest: null, uses: set.digest, at: made, ...chain,
    };
    statements.push(statement);
    receipts.push(signReceipt(statement, key));
  }
  const late = signReceipt({ ...(statements[0] as ReceiptStatement), at: "2026-06-01T13:20:00.000Z" }, key);
  const later = signJws({ ...(statements[0] as ReceiptStatement), version: 3, novelty: true }, receiptType, key);
  const payload = (receipts[0] ?? "").split(".")[1] ?? "";
  const unsigned = `${Buffer.from(canonicalJson({ alg: "none", typ: receiptType })).toString("base64url")}.${payload}.`;
  const hmacInput = `${Buffer.from(canonicalJson({ alg: "HS256", typ: receiptType })).toString("base64url")}.${payload}`;
  const hmac = `${hmacInput}.${createHmac("sha256", publicOf(key).export({ format: "pem", type: "spki" })).update(hmacInput).digest("base64url")}`;
  // Entries 0 to 3 are the receipts; then what the failing vectors need; then strangers.
  for (const entry of [...receipts, late, later, unsigned, hmac, ...Array.from({ length: 300 }, (_, i) => `stranger ${i}`)]) await log.append(Buffer.from(entry));
  await log.close();

  const checkpoint = cosigned(log.checkpoint, witnessNames.slice(0, 2));
  const issuer = await certificate("tax");
  const opened = { certificate: issuer, checkpoint, reveal: sets[0]?.reveal(0), consent: consents[0], revocations: lists[0] } as { certificate: string; checkpoint: string };
  const good = await makeBundle(log, { index: 0, ...opened });
  const committed = await makeBundle(log, { index: 3, certificate: issuer, checkpoint });
  const job = await makeBundle(log, { index: 2, certificate: issuer, checkpoint, previous: receipts[1] ?? "" });
  const plain = async (index: number, with_ = checkpoint): Promise<Bundle> => makeBundle(log, { index, certificate: issuer, checkpoint: with_ });
  const withLog = (bundle: Bundle, part: Partial<Bundle["log"]>): Bundle => ({ ...bundle, log: { ...bundle.log, ...part } });
  const otherRoot = cosigned(signCheckpoint({ size: log.size, root: leafHash(Buffer.from("another tree")) }, vectorLog), witnessNames);
  const thief = { name: vectorLog.name, key: testKey("thief") };
  const forged = cosigned(signCheckpoint({ size: log.size, root: await log.rootAt(log.size) }, thief), witnessNames);
  const rewound = signCheckpoint({ size: 7, root: await log.rootAt(7) }, vectorLog);
  const lines = checkpoint.split("\n");
  const badLine = lines.map((line) => (line.startsWith(`— ${witnessNames[0]} `) ? cosign("another text\n", testSigner(witnessNames[0]), seconds).trim() : line)).join("\n");
  const reveal = good.reveal as NonNullable<Bundle["reveal"]>;
  const subject = companies[0];
  const bundles: Vector[] = [
    { name: "good-use", subject, result: "ok", failed: [], bundle: good },
    { name: "good-job-with-previous", result: "ok", failed: [], bundle: job },
    { name: "good-early-checkpoint", result: "ok", failed: [], bundle: await plain(2, cosigned(rewound, witnessNames)) },
    { name: "incomplete-no-use", subject, result: "incomplete", failed: [], bundle: await plain(0) },
    { name: "incomplete-no-consent", subject, result: "incomplete", failed: [],
      bundle: Object.fromEntries(Object.entries(good).filter(([name]) => name !== "consent")) },
    { name: "incomplete-no-revocations", subject, result: "incomplete", failed: [],
      bundle: Object.fromEntries(Object.entries(good).filter(([name]) => name !== "revocations")) },
    { name: "wrong-root", subject, result: "failed", failed: [["inclusion", "RECEIPT_INCLUSION"]], bundle: withLog(good, { checkpoint: otherRoot }) },
    { name: "wrong-leaf", result: "failed", failed: [["inclusion", "RECEIPT_INCLUSION"]],
      bundle: { ...job, receipt: receipts[1], previous: receipts[0] } },
    { name: "swapped-proof", subject, result: "failed", failed: [["inclusion", "RECEIPT_INCLUSION"]], bundle: withLog(good, { path: job.log.path }) },
    { name: "wrong-index", subject, result: "failed", failed: [["inclusion", "RECEIPT_INCLUSION"]], bundle: withLog(good, { index: 1 }) },
    { name: "forged-checkpoint", subject, result: "failed", failed: [["checkpoint", "CHECKPOINT_SIGNATURE"], ["inclusion", "CHECKPOINT_SIGNATURE"]],
      bundle: withLog(good, { checkpoint: forged }) },
    { name: "rewound-log", result: "failed", failed: [["witnesses", "CHECKPOINT_WITNESSES"]],
      bundle: await plain(2, cosigned(rewound, [witnessNames[2]])) },
    { name: "one-witness-twice", result: "failed", failed: [["witnesses", "CHECKPOINT_WITNESSES"]],
      bundle: await plain(2, cosigned(cosigned(rewound, [witnessNames[2]]), [witnessNames[2]], seconds + 1)) },
    { name: "forged-witness", subject, result: "failed", failed: [["witnesses", "CHECKPOINT_SIGNATURE"]],
      bundle: withLog(good, { checkpoint: badLine }) },
    { name: "receipt-of-a-later-version", result: "failed", failed: [["receipt", "RECEIPT_VERSION"]], bundle: await plain(5) },
    { name: "receipt-alg-none", result: "failed", failed: [["receipt", "RECEIPT_FORMAT"]], bundle: await plain(6) },
    { name: "receipt-alg-hs256-with-public-key", result: "failed", failed: [["receipt", "RECEIPT_FORMAT"]], bundle: await plain(7) },
    { name: "receipt-later-than-witnesses", result: "failed", failed: [["time", ""]], bundle: await plain(4) },
    { name: "issuer-of-another-authority", subject, result: "failed", failed: [["issuer", "RECEIPT_ISSUER"], ["receipt", "RECEIPT_ISSUER"]],
      bundle: { ...good, issuer: { certificate: await certificate("tax", { ca: "rogue" }) } } },
    { name: "issuer-of-another-party", subject, result: "failed", failed: [["issuer", "RECEIPT_ISSUER"], ["receipt", "RECEIPT_ISSUER"]],
      bundle: { ...good, issuer: { certificate: await certificate("tax", { name: "customs" }) } } },
    { name: "issuer-expired", subject, result: "failed", failed: [["issuer", "RECEIPT_ISSUER"], ["receipt", "RECEIPT_ISSUER"]],
      bundle: { ...good, issuer: { certificate: await certificate("tax", { years: [2020, 2026] }) } } },
    { name: "issuer-with-another-key", subject, result: "failed", failed: [["receipt", "RECEIPT_SIGNATURE"]],
      bundle: { ...good, issuer: { certificate: await certificate("thief", { name: "tax" }) } } },
    { name: "wrong-company", subject: companies[1], result: "failed", failed: [["use", "RECEIPT_REVEAL"]], bundle: good },
    { name: "use-rewritten-to-another-company", subject: companies[1], result: "failed", failed: [["use", "RECEIPT_REVEAL"]],
      bundle: { ...good, reveal: { ...reveal, use: { ...reveal.use, subject: companies[1] } } } },
    { name: "use-of-another-receipt", subject, result: "failed", failed: [["use", "RECEIPT_REVEAL"]],
      bundle: { ...good, reveal: sets[1]?.reveal(0) } },
    { name: "another-consent", subject, result: "failed", failed: [["consent", "RECEIPT_REVEAL"]], bundle: { ...good, consent: consentOf(0, { use: { kind: "repeated" } }) } },
    { name: "consent-of-another-company", subject, result: "failed", failed: [["consent", "CONSENT_SUBJECT"]], bundle: { ...good, consent: consents[1] } },
    ...wrong.map(({ name, failed, parts: { consent = consents[0] ?? "", revocations = lists[0] ?? "" } }, i) => ({
      name, subject, result: "failed", failed, bundle: { ...committed, reveal: sets[3]?.reveal(i), consent, revocations },
    })),
    { name: "another-revocation-list", subject, result: "failed", failed: [["revocation", "RECEIPT_REVEAL"]],
      bundle: { ...good, revocations: lists[1] } },
    { name: "withdrawn-consent", subject, result: "failed", failed: [["revocation", "CONSENT_WITHDRAWN"]],
      bundle: await makeBundle(log, { ...opened, index: 1, reveal: sets[1]!.reveal(0), revocations: lists[1] ?? "" }) },
    { name: "broken-chain", result: "failed", failed: [["chain", "RECEIPT_CHAIN"]], bundle: { ...job, previous: receipts[0] } },
    { name: "unknown-bundle-version", subject, result: "failed", failed: [["format", "BUNDLE_FORMAT"]], bundle: { ...good, version: 2 } },
    { name: "unknown-field", subject, result: "failed", failed: [["format", "BUNDLE_FORMAT"]], bundle: { ...good, note: "trust me" } },
  ];
  const trust = formatTrust({
    log: log.key, witnesses: witnessPolicy(2, witnessNames.map(witnessKey)), authorities: [await certificate("authority")], consent: { registrars: [{ statement: registrarStatement, root: createPublicKey(keys.root).export({ format: "pem", type: "spki" }) }] },
  });
  return { trust: `${trust}\n`, bundles, witness: await witnessVectors(log) };
}

type WrongUse = { readonly name: string; readonly failed: Vector["failed"]; readonly parts: { consent?: string; revocations?: string } & Partial<Omit<Use, "consent" | "revocations">> };

function wrongUses(consentOf: (i: number, changes?: Partial<Consent>) => string): readonly WrongUse[] {
  const [header = "", payload = "", signature = ""] = consentOf(0).split(".");
  const headed = (changes: Readonly<Record<string, string>>, mac: (input: string) => string): string => {
    const input = `${Buffer.from(canonicalJson({ ...headerOf(keys.registrar), ...changes })).toString("base64url")}.${payload}`;
    return `${input}.${mac(input)}`;
  };
  const secret = createPublicKey(keys.registrar).export({ format: "pem", type: "spki" });
  const both = (code: Code): Vector["failed"] => [["consent", code], ["revocation", code]];
  const one = (code: Code): Vector["failed"] => [["consent", code]];
  const list = (code: Code): Vector["failed"] => [["revocation", code]];
  const after = Date.parse("2026-12-01T00:00:00Z");
  return [
    { name: "consent-alg-none", failed: both("CONSENT_ALGORITHM"), parts: { consent: headed({ alg: "none" }, () => "") } },
    { name: "consent-alg-hs256-with-public-key", failed: both("CONSENT_ALGORITHM"),
      parts: { consent: headed({ alg: "HS256" }, (input) => createHmac("sha256", secret).update(input).digest("base64url")) } },
    { name: "consent-forged", failed: both("CONSENT_ISSUER"), parts: { consent: signConsent(parseConsent(consentOf(0)).consent, keys.stranger) } },
    { name: "consent-with-signature-of-another", failed: both("CONSENT_SIGNATURE"), parts: { consent: `${header}.${payload}.${consentOf(1).split(".")[2] ?? signature}` } },
    { name: "consent-for-another-bank", failed: one("CONSENT_GRANTEE"), parts: { consent: consentOf(0, { grantee: { party: partyId("bank-b"), uscc: usccOf(9002) } }) } },
    { name: "consent-for-another-purpose", failed: one("CONSENT_PURPOSE"), parts: { consent: consentOf(0, { purpose: "customer-screening" }) } },
    { name: "consent-for-another-kind-of-job", failed: one("CONSENT_KIND"), parts: { consent: consentOf(0, { kinds: ["train"] }) } },
    { name: "consent-for-other-items", failed: one("CONSENT_ITEM"), parts: { consent: consentOf(0, { items: ["housing-fund.deposits"] }) } },
    { name: "consent-not-begun", failed: one("CONSENT_NOT_YET"), parts: { consent: consentOf(0, { issuedAt: "2026-06-02T00:00:00Z", notBefore: "2026-06-02T00:00:00Z" }) } },
    { name: "consent-expired-before-the-use", failed: both("CONSENT_EXPIRED"), parts: { consent: consentOf(0, { notAfter: "2026-06-01T11:59:00Z" }) } },
    { name: "use-after-the-receipt", failed: [["use", "RECEIPT_USE_TIME"]], parts: { at: new Date(after - 1000).toISOString(), revocations: listOf(1, { issuedAt: after - 2000 }) } },
    { name: "revocation-list-over-at-the-use", failed: list("CONSENT_LIST_STALE"), parts: { revocations: listOf(1, { issuedAt: used - 900_000 }) } },
    { name: "revocation-list-of-later", failed: list("CONSENT_CLOCK"), parts: { revocations: listOf(1, { issuedAt: used + 600_000 }) } },
    { name: "revocation-list-forged", failed: list("CONSENT_LIST_FORGED"), parts: { revocations: listOf(1, { key: keys.stranger }) } },
  ];
}

/** Requests to one witness, in this order: a log that grows, forks and goes back. */
async function witnessVectors(log: ReceiptLog): Promise<WitnessVector[]> {
  const at = async (size: number): Promise<string> => signCheckpoint({ size, root: await log.rootAt(size) }, vectorLog);
  const ask = async (old: number, size: number, checkpoint?: string): Promise<string> =>
    formatAddCheckpoint({ old, proof: await log.consistency(old, size), checkpoint: checkpoint ?? await at(size) });
  const fork = (size: number): string => signCheckpoint({ size, root: leafHash(Buffer.from(noPrevious)) }, vectorLog);
  return [
    { request: await ask(0, 10), answer: "ok" },
    { request: await ask(10, 200), answer: "ok" },
    { request: await ask(10, 250), answer: "WITNESS_OLD_SIZE" },
    { request: await ask(200, 200, fork(200)), answer: "WITNESS_FORKED" },
    { request: await ask(200, 250, fork(250)), answer: "WITNESS_INCONSISTENT" },
    { request: await ask(10, 150), answer: "WITNESS_REWOUND" },
    { request: await ask(200, 250, (await at(250)).replace("yunei.example/", "other.example/")), answer: "WITNESS_UNKNOWN_LOG" },
    { request: await ask(200, log.size), answer: "ok" },
  ];
}
