// Builds the vectors in vectors/*.json: consents and lists with keys from fixed seeds, and what a verifier must say to each. Ed25519 is
// deterministic, so that the files are the same on every machine. `node test/consent/vectors.ts` writes them.
import { createHmac, createPublicKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { keyId, rawKey } from "../../consent/keys.ts";
import { consentDigest, keyDigest } from "../../consent/revocation.ts";
import { signConsent } from "../../consent/statement.ts";
import { signSubjectKey } from "../../consent/trust.ts";
import {
  asked, bank, byCompany, company, consentOf, granted, headerOf, items, keys, keyStatement, listOf, now, plan, rawJws, registrar, registrarStatement, usccOf,
} from "./support.ts";

export type ConsentVector = {
  readonly name: string; readonly expected: string; readonly jws: string; readonly subject: string; readonly at: string;
  readonly asked: { readonly party: string; readonly uscc: string; readonly items: readonly string[]; readonly purpose: string; readonly kind: string };
  /** Accepted one after the other before the consent is looked at. */
  readonly lists: readonly string[];
};
export type ListVector = { readonly name: string; readonly expected: string; readonly seen: readonly string[]; readonly jws: string };

const at = (ms: number): string => new Date(ms).toISOString();
const until = Date.parse("2026-12-01T00:00:00Z") / 1000;
const withdrawal = (digest: string): readonly [string, number, number] => [digest, now / 1000 - 60, until];
const payload = (changes: Readonly<Record<string, Json>> = {}): Readonly<Record<string, Json>> => ({ ...(consentOf() as unknown as Record<string, Json>), ...changes });
const signed = (changes: Readonly<Record<string, Json>>): string => rawJws(headerOf(keys.registrar), payload(changes), keys.registrar);

/** A MAC under the registrar's public key, in the forms in which careless libraries take it as a secret. */
function hs256(secret: string | Buffer): string {
  const part = (value: Json): string => Buffer.from(canonicalJson(value)).toString("base64url");
  const text = `${part({ ...headerOf(keys.registrar), alg: "HS256" })}.${part(payload())}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

export function consentVectors(): readonly ConsentVector[] {
  const made: ConsentVector[] = [];
  const usual = { subject: company, at: at(now), asked: { party: bank.party, uscc: bank.uscc, items: asked.items, purpose: asked.purpose, kind: asked.kind }, lists: [listOf(1)] };
  const add = (name: string, expected: string, jws: string, changes: Partial<ConsentVector> = {}): void => void made.push({ ...usual, ...changes, name, expected, jws });
  const other = (change: Partial<ConsentVector["asked"]>): Partial<ConsentVector> => ({ asked: { ...usual.asked, ...change } });
  const good = granted();
  const [header = "", body = "", mac = ""] = good.split(".");
  const spki = createPublicKey(keys.registrar);

  add("signed by the registrar", "accepted", good);
  add("signed by the company", "accepted", signConsent(consentOf(byCompany), keys.company));
  add("on a written form", "accepted", granted({ evidence: { kind: "written", digest: "c".repeat(64) } }));

  add("payload changed, signature kept", "CONSENT_SIGNATURE", `${header}.${Buffer.from(canonicalJson(payload({ purpose: "credit-line-review" }))).toString("base64url")}.${mac}`);
  add("signature of another consent", "CONSENT_SIGNATURE", `${header}.${body}.${granted({ use: { kind: "repeated" } }).split(".")[2]}`);
  add("signed by a stranger who names the registrar's key", "CONSENT_SIGNATURE", rawJws(headerOf(keys.registrar), payload(), keys.stranger));
  add("signed by a stranger under his own name", "CONSENT_ISSUER", signConsent(consentOf(), keys.stranger));
  add("signed by the root itself", "CONSENT_ISSUER", signConsent(consentOf(), keys.root));
  add("names another registrar than the key's", "CONSENT_ISSUER", signed({ issuer: { kind: "registrar", registrar: "other" } }));
  add("signature empty", "CONSENT_ENCODING", `${header}.${body}.`);
  add("signature with S + L, a second spelling of the same", "CONSENT_SIGNATURE", `${header}.${body}.${plusOrder(mac)}`);

  add("alg none without signature", "CONSENT_ALGORITHM", `${Buffer.from(canonicalJson({ ...headerOf(keys.registrar), alg: "none" })).toString("base64url")}.${body}.`);
  add("alg none with the old signature", "CONSENT_ALGORITHM", `${Buffer.from(canonicalJson({ ...headerOf(keys.registrar), alg: "none" })).toString("base64url")}.${body}.${mac}`);
  add("HS256 keyed with the public key in PEM", "CONSENT_ALGORITHM", hs256(spki.export({ format: "pem", type: "spki" })));
  add("HS256 keyed with the public key in DER", "CONSENT_ALGORITHM", hs256(spki.export({ format: "der", type: "spki" })));
  add("HS256 keyed with the 32 bytes", "CONSENT_ALGORITHM", hs256(Buffer.from(rawKey(spki), "base64url")));
  for (const alg of ["Ed25519", "eddsa", "ES256", "RS256", ""]) add(`alg ${alg === "" ? "empty" : alg}`, "CONSENT_ALGORITHM", rawJws({ ...headerOf(keys.registrar), alg }, payload(), keys.registrar));
  add("no alg", "CONSENT_ALGORITHM", rawJws({ kid: keyId(keys.registrar), typ: "yunei-consent+jws" }, payload(), keys.registrar));
  add("an approval's typ", "CONSENT_TYPE", rawJws(headerOf(keys.registrar, "yunei-approval+jws"), payload(), keys.registrar));
  add("no typ", "CONSENT_HEADER", rawJws({ alg: "EdDSA", kid: keyId(keys.registrar) }, payload(), keys.registrar));
  add("unknown critical header", "CONSENT_HEADER", rawJws({ ...headerOf(keys.registrar), crit: ["exp"], exp: 1 }, payload(), keys.registrar));
  add("unencoded payload (b64)", "CONSENT_HEADER", rawJws({ ...headerOf(keys.registrar), b64: false, crit: ["b64"] }, payload(), keys.registrar));
  add("brings its own key (jwk)", "CONSENT_HEADER", rawJws({ ...headerOf(keys.stranger), jwk: { kty: "OKP", crv: "Ed25519", x: rawKey(keys.stranger) } }, payload(), keys.stranger));
  add("points to a key (jku)", "CONSENT_HEADER", rawJws({ ...headerOf(keys.stranger), jku: "https://example.invalid/keys" }, payload(), keys.stranger));
  add("kid that is no fingerprint", "CONSENT_HEADER", rawJws({ ...headerOf(keys.registrar), kid: "../registrar" }, payload(), keys.registrar));
  add("doubled key in the header", "CONSENT_ENCODING", rawJws(canonicalJson(headerOf(keys.registrar)).replace("{", '{"alg":"none",'), payload(), keys.registrar));
  add("doubled key in the payload", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), canonicalJson(payload()).replace("{", `{"subject":"${usccOf(2)}",`), keys.registrar));
  add("doubled key deep in the payload", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), canonicalJson(payload()).replace('"grantee":{', '"grantee":{"party":"x",'), keys.registrar));
  add("__proto__ in the payload", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), canonicalJson(payload()).replace("{", '{"__proto__":{},'), keys.registrar));
  add("white space in the payload", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), JSON.stringify(JSON.parse(canonicalJson(payload())), null, 1), keys.registrar));
  add("byte order mark", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), `\ufeff${canonicalJson(payload())}`, keys.registrar));
  add("payload is not JSON", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), "consent", keys.registrar));
  add("payload nested ten thousand deep", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), "[".repeat(10_000), keys.registrar));
  add("padded base64url", "CONSENT_ENCODING", `${good}=`);
  add("four parts", "CONSENT_ENCODING", `${good}.${mac}`);
  add("JSON serialisation instead of compact", "CONSENT_ENCODING", JSON.stringify({ protected: header, payload: body, signature: mac }));
  add("larger than any consent", "CONSENT_ENCODING", rawJws(headerOf(keys.registrar), payload({ id: "x".repeat(40_000) }), keys.registrar));

  for (const version of [0, 2, "1", 1.5]) add(`version ${JSON.stringify(version)}`, "CONSENT_VERSION", signed({ version }));
  add("no version", "CONSENT_VERSION", rawJws(headerOf(keys.registrar), Object.fromEntries(Object.entries(payload()).filter(([key]) => key !== "version")), keys.registrar));
  add("payload is a list", "CONSENT_SCHEMA", rawJws(headerOf(keys.registrar), [payload()], keys.registrar));
  add("unknown field", "CONSENT_SCHEMA", signed({ note: "x" }));
  add("wrong check character of the subject", "CONSENT_SCHEMA", signed({ subject: `${company.slice(0, 17)}${company.endsWith("0") ? "1" : "0"}` }), { subject: `${company.slice(0, 17)}${company.endsWith("0") ? "1" : "0"}` });
  add("purpose outside of financing", "CONSENT_SCHEMA", signed({ purpose: "marketing" }), other({ purpose: "marketing" }));
  add("an unknown kind of job", "CONSENT_SCHEMA", signed({ kinds: ["export"] }));
  add("one item twice", "CONSENT_SCHEMA", signed({ items: ["tax.payment", "tax.payment"] }));
  add("no item", "CONSENT_SCHEMA", signed({ items: [] }));
  add("a time with offset", "CONSENT_SCHEMA", signed({ notAfter: "2026-12-01T00:00:00+08:00" }));
  add("a day that is none", "CONSENT_SCHEMA", signed({ notAfter: "2026-11-31T00:00:00Z" }));
  add("a repeated use of once", "CONSENT_SCHEMA", signed({ use: { kind: "repeated", atMost: 1 } }));
  add("ends before it begins", "CONSENT_TERMS", signed({ notAfter: "2026-04-01T00:00:00Z" }));
  add("begins before it was issued", "CONSENT_TERMS", signed({ notBefore: "2026-04-30T23:59:59Z" }));
  add("for more than three years", "CONSENT_TERMS", signed({ notAfter: "2029-06-01T00:00:00Z" }));
  add("real name registered after the issue", "CONSENT_TERMS", signed({ evidence: { kind: "online", realName: { provider: "identity-service", at: "2026-05-02T00:00:00Z", assurance: "high" } } }));
  add("a company's own signature on a written form", "CONSENT_TERMS", signed({ ...(byCompany as Record<string, Json>), evidence: { kind: "written", digest: "c".repeat(64) } }));
  add("unknown risk notice", "CONSENT_NOTICE", signed({ notice: { version: "2026-1", digest: "d".repeat(64) } }));
  add("an item that the catalogue has not", "CONSENT_ITEM_UNKNOWN", signed({ items: ["tax.invented", "tax.payment"] }));

  const stolen = (change: Parameters<typeof signSubjectKey>[0], by = keys.registrar): string =>
    signConsent(consentOf({ issuer: { kind: "subject", statement: signSubjectKey(change, keys.company, by) } }), keys.company);
  const realName = { provider: "identity-service" as PartyId, at: "2026-01-02T08:00:00Z", assurance: "high" as const };
  const statement = { registrar, subject: company, realName, issuedAt: "2026-01-02T09:00:00Z", notBefore: "2026-01-02T09:00:00Z", notAfter: "2027-01-01T00:00:00Z" };
  add("the company's key is another company's", "CONSENT_CHAIN", stolen({ ...statement, subject: usccOf(2) }));
  add("the company's key was stated by a stranger", "CONSENT_CHAIN", stolen(statement, keys.stranger));
  add("the company's key was stated by itself", "CONSENT_CHAIN", stolen(statement, keys.company));
  add("the company's key had ended", "CONSENT_CHAIN", stolen({ ...statement, notAfter: "2026-04-01T00:00:00Z" }));
  add("the company's key had not begun", "CONSENT_CHAIN", stolen({ ...statement, notBefore: "2026-05-01T00:00:01Z" }));
  add("the company's key was stated in another registrar's name", "CONSENT_CHAIN", stolen({ ...statement, registrar: "other" as PartyId }));
  add("the company's key was stated before the registrar's began", "CONSENT_CHAIN", stolen({
    ...statement, issuedAt: "2025-12-31T23:59:59Z", realName: { ...realName, at: "2025-12-31T00:00:00Z" },
  }));
  add("the company's key was stated when the registrar's had ended", "CONSENT_CHAIN", stolen({ ...statement, issuedAt: "2027-01-01T00:00:00Z", notBefore: "2026-02-01T00:00:00Z" }));
  add("the company's key was stated before its real name was registered", "CONSENT_CHAIN", stolen({ ...statement, realName: { ...realName, at: "2026-01-02T09:00:01Z" } }));
  add("the company's key holds from before it was stated", "CONSENT_CHAIN", stolen({ ...statement, notBefore: "2026-01-02T08:59:59Z" }));
  add("a registrar's statement instead of a key's", "CONSENT_CHAIN", signConsent(consentOf({ issuer: { kind: "subject", statement: registrarStatement } }), keys.company));
  add("another key than the stated one", "CONSENT_ISSUER", signConsent(consentOf(byCompany), keys.stranger));
  add("a stranger under the stated key's name", "CONSENT_SIGNATURE", rawJws(headerOf(keys.company), consentOf(byCompany), keys.stranger));
  add("a key of small order, under which a constant signature fits", "CONSENT_CHAIN", smallOrder());
  add("issued before the registrar's key began", "CONSENT_CHAIN", granted({
    issuedAt: "2025-12-31T00:00:00Z", notBefore: "2026-01-01T00:00:00Z", evidence: { kind: "written", digest: "c".repeat(64) },
  }));

  add("another company", "CONSENT_SUBJECT", good, { subject: usccOf(2) });
  add("another institution", "CONSENT_GRANTEE", good, other({ party: "other-bank" }));
  add("the institution's name now belongs to another legal person", "CONSENT_GRANTEE", good, other({ uscc: usccOf(9002) }));
  add("another purpose", "CONSENT_PURPOSE", good, other({ purpose: "post-loan-monitoring" }));
  add("another kind of job", "CONSENT_KIND", good, other({ kind: "train" }));
  add("an item outside of it", "CONSENT_ITEM", good, other({ items: ["tax.payment", items[2] as string] }));
  add("no item asked", "CONSENT_ITEM", good, other({ items: [] }));

  const near = (text: string): Partial<ConsentVector> => ({ at: text, lists: [listOf(1, { issuedAt: Math.min(Date.parse(text), Date.parse("2026-12-01T00:00:00Z")) - 1000 })] });
  add("the last millisecond", "accepted", good, near("2026-11-30T23:59:59.999Z"));
  add("its end", "CONSENT_EXPIRED", good, near("2026-12-01T00:00:00.000Z"));
  add("within the skew after its end", "CONSENT_EXPIRED", good, near("2026-12-01T00:00:30.000Z"));
  add("within the skew before its begin", "accepted", good, near("2026-04-30T23:58:00.000Z"));
  add("beyond the skew before its begin", "CONSENT_NOT_YET", good, near("2026-04-30T23:57:59.999Z"));
  add("a clock that was set back", "CONSENT_CLOCK", good, { at: at(now - 120_001) });
  add("a clock slow within the skew", "accepted", good, { at: at(now - 120_000) });

  add("withdrawn", "CONSENT_WITHDRAWN", good, { lists: [listOf(1), listOf(2, { entries: [withdrawal(consentDigest(consentOf().id))] })] });
  add("another one withdrawn", "accepted", good, { lists: [listOf(1, { entries: [withdrawal(consentDigest("consent_000000000000000000000002"))] })] });
  add("the company's key withdrawn", "CONSENT_KEY_WITHDRAWN", signConsent(consentOf(byCompany), keys.company), { lists: [listOf(1, { entries: [withdrawal(keyDigest(keyId(keys.company)))] })] });
  add("no list", "CONSENT_LIST_STALE", good, { lists: [] });
  add("the list ended a moment ago", "CONSENT_LIST_STALE", good, { at: at(now + 900_000) });
  add("the list's last millisecond", "accepted", good, { at: at(now + 899_999) });
  return made;
}

/** S + L fits the same equation; RFC 8032 5.1.7 demands S < L. */
function plusOrder(mac: string): string {
  const bytes = Buffer.from(mac, "base64url");
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = BigInt(`0x${Buffer.from(bytes.subarray(32).toReversed()).toString("hex")}`) + order;
  for (let i = 32; i < 64; i++) {
    bytes[i] = Number(s & 255n);
    s >>= 8n;
  }
  return bytes.toString("base64url");
}

/** Key = the neutral element: R = s B fits every message (OpenSSL 3.0 takes it), so that this signature was made without any secret. */
function smallOrder(): string {
  const key = Buffer.from(`01${"00".repeat(31)}`, "hex");
  const raw = key.toString("base64url");
  const statement = rawJws(headerOf(keys.registrar, "yunei-subject-key+jws"), {
    version: 1, registrar, subject: company, key: raw, realName: { provider: "identity-service", at: "2026-01-02T08:00:00Z", assurance: "high" },
    issuedAt: "2026-01-02T09:00:00Z", notBefore: "2026-01-02T09:00:00Z", notAfter: "2027-01-01T00:00:00Z",
  }, keys.registrar);
  const kid = keyId(createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw }, format: "jwk" }));
  const text = rawJws({ alg: "EdDSA", kid, typ: "yunei-consent+jws" }, { ...payload(), issuer: { kind: "subject", statement } }, keys.stranger);
  // s = 0, R = neutral element.
  return `${text.split(".").slice(0, 2).join(".")}.${Buffer.concat([key, Buffer.alloc(32)]).toString("base64url")}`;
}

export function listVectors(): readonly ListVector[] {
  const entry = withdrawal(consentDigest(consentOf().id));
  const brief = ["e".repeat(64), now / 1000 - 60, now / 1000 + 30] as const;
  const first = listOf(7, { entries: [entry, brief] });
  const later = now + 60_000;
  const raw = (changes: Readonly<Record<string, Json>>): string => rawJws(headerOf(keys.registrar, "yunei-revocation+jws"), {
    version: 1, registrar, sequence: 8, issuedAt: "2026-06-01T12:01:00Z", nextUpdate: "2026-06-01T12:16:00Z", entries: [], ...changes,
  }, keys.registrar);
  const [header = "", , mac = ""] = first.split(".");
  const [, emptied = ""] = listOf(7).split(".");
  return [
    { name: "the first list seen", expected: "accepted", seen: [], jws: first },
    { name: "the same list again", expected: "accepted", seen: [first], jws: first },
    { name: "the next list, an ended entry gone", expected: "accepted", seen: [first], jws: listOf(8, { issuedAt: later, entries: [entry] }) },
    { name: "a number left out", expected: "accepted", seen: [first], jws: listOf(12, { issuedAt: later, entries: [entry] }) },
    { name: "a lower number", expected: "CONSENT_LIST_REWOUND", seen: [first], jws: listOf(6, { issuedAt: later, entries: [entry] }) },
    { name: "a higher number with an earlier time", expected: "CONSENT_LIST_REWOUND", seen: [first], jws: listOf(8, { issuedAt: now - 1000, entries: [] }) },
    { name: "another list of the same number", expected: "CONSENT_LIST_FORKED", seen: [first], jws: listOf(7, { entries: [entry] }) },
    { name: "an entry gone that has not ended", expected: "CONSENT_LIST_DROPPED", seen: [first], jws: listOf(8, { issuedAt: later, entries: [] }) },
    { name: "an entry that ends earlier now", expected: "CONSENT_LIST_DROPPED", seen: [first], jws: listOf(8, { issuedAt: later, entries: [[entry[0], entry[1], entry[2] - 1]] }) },
    { name: "an entry that was withdrawn later now", expected: "CONSENT_LIST_DROPPED", seen: [first], jws: listOf(8, { issuedAt: later, entries: [[entry[0], entry[1] + 1, entry[2]]] }) },
    { name: "signed by a stranger", expected: "CONSENT_LIST_FORGED", seen: [], jws: listOf(1, { key: keys.stranger }) },
    { name: "signed by a company's key", expected: "CONSENT_LIST_FORGED", seen: [], jws: listOf(1, { key: keys.company }) },
    { name: "in another registrar's name", expected: "CONSENT_LIST_FORGED", seen: [], jws: listOf(1, { name: "other" as PartyId }) },
    { name: "entries taken out under the old signature", expected: "CONSENT_LIST_FORGED", seen: [], jws: `${header}.${emptied}.${mac}` },
    { name: "a consent as a list", expected: "CONSENT_LIST_FORGED", seen: [], jws: granted() },
    { name: "a key statement as a list", expected: "CONSENT_LIST_FORGED", seen: [], jws: keyStatement },
    { name: "longer than a day", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ nextUpdate: "2026-06-02T12:01:01Z" }) },
    { name: "over before it begins", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ nextUpdate: "2026-06-01T12:01:00Z" }) },
    { name: "issued when the registrar's key had ended", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ issuedAt: "2027-01-01T00:00:00Z", nextUpdate: "2027-01-01T00:15:00Z" }) },
    { name: "issued before the registrar's key began", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ issuedAt: "2025-12-31T23:59:59Z", nextUpdate: "2026-01-01T00:10:00Z" }) },
    { name: "an entry twice", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ entries: [entry, entry] }) },
    { name: "a withdrawal in the future", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ entries: [["e".repeat(64), now / 1000 + 61, until]] }) },
    { name: "number zero", expected: "CONSENT_LIST_FORGED", seen: [], jws: raw({ sequence: 0 }) },
    { name: "a later version", expected: "CONSENT_VERSION", seen: [], jws: raw({ version: 2 }) },
    { name: "a later version by a stranger", expected: "CONSENT_LIST_FORGED", seen: [], jws: rawJws(headerOf(keys.stranger, "yunei-revocation+jws"), { version: 2 }, keys.stranger) },
  ];
}

/** What a reader of the files needs besides: whom to trust, and what was asked. */
export function vectorFile(vectors: readonly (ConsentVector | ListVector)[]): string {
  const head = { root: rawKey(keys.root), registrarStatement, items, plan };
  return `${JSON.stringify({ ...head, vectors }, null, 1)}\n`;
}

export const vectorFiles = { "consents.json": () => vectorFile(consentVectors()), "lists.json": () => vectorFile(listVectors()) } as const;

if (import.meta.main) {
  for (const [name, text] of Object.entries(vectorFiles)) writeFileSync(join(import.meta.dirname, "vectors", name), text());
}
