// A small world of authorisation with keys from fixed seeds: a root, a registrar, a company with a key of its own, a bank.
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";
import type { ItemId, JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { isoSeconds } from "../../consent/book.ts";
import { currentNotice } from "../../consent/notice.ts";
import { Revocations, signRevocationList, type RevokedEntry } from "../../consent/revocation.ts";
import { signConsent, type Consent } from "../../consent/statement.ts";
import { keyId } from "../../consent/keys.ts";
import { registrarFromStatement, signRegistrar, signSubjectKey, Trust } from "../../consent/trust.ts";
import { MemoryUseBook, type UseBook } from "../../consent/uses.ts";
import type { Asked, Basis } from "../../consent/verify.ts";

/** An Ed25519 key whose secret is the digest of a name (RFC 8410 form around the 32 bytes). */
export function seededKey(name: string): KeyObject {
  const seed = createHash("sha256").update(`yunei test key ${name}`).digest();
  return createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });
}

export function usccOf(number: number): string {
  const first = `91110108MA${String(number).padStart(7, "0")}`;
  return first + (usccCheckCharacter(first) ?? "");
}

export const keys = {
  root: seededKey("root"), registrar: seededKey("registrar"), nextRegistrar: seededKey("next registrar"), stranger: seededKey("stranger"), company: seededKey("company"),
};
export const registrar = "registrar" as PartyId;
export const bank = { party: "bank" as PartyId, uscc: usccOf(9001) };
export const company = usccOf(1);
export const items = ["housing-fund.deposits", "tax.payment", "utilities.electricity"] as ItemId[];
export const isItem = (id: string): boolean => items.includes(id as ItemId);
export const job = "job_0123456789abcdef" as JobId;
export const plan = "a".repeat(64);
const second = (text: string): number => Date.parse(text);
export const now = second("2026-06-01T12:00:00Z");
const year = { issuedAt: "2026-01-01T00:00:00Z", notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z" };
const realName = { provider: "identity-service" as PartyId, at: "2026-01-02T08:00:00Z", assurance: "high" as const };

export const registrarStatement = signRegistrar({ registrar, ...year }, keys.registrar, keys.root);
export const keyStatement = signSubjectKey(
  { registrar, subject: company, realName, issuedAt: "2026-01-02T09:00:00Z", notBefore: "2026-01-02T09:00:00Z", notAfter: "2027-01-01T00:00:00Z" }, keys.company, keys.registrar);

export function consentOf(changes: Partial<Consent> = {}): Consent {
  const { notice, digest } = currentNotice();
  return {
    version: 1, id: "consent_000000000000000000000001", subject: company, grantee: bank, items: ["housing-fund.deposits", "tax.payment"], purpose: "loan-approval",
    kinds: ["score", "verify"], issuedAt: "2026-05-01T00:00:00Z", notBefore: "2026-05-01T00:00:00Z", notAfter: "2026-12-01T00:00:00Z", use: { kind: "single" },
    notice: { version: notice.version, digest }, evidence: { kind: "online", realName }, issuer: { kind: "registrar", registrar }, ...changes,
  };
}

export const byCompany: Partial<Consent> = { issuer: { kind: "subject", statement: keyStatement } };

/** A consent that the registrar signed. */
export const granted = (changes: Partial<Consent> = {}): string => signConsent(consentOf(changes), keys.registrar);

export function listOf(sequence: number, changes: { issuedAt?: number; lifetime?: number; entries?: readonly RevokedEntry[]; name?: PartyId; key?: KeyObject } = {}): string {
  const issuedAt = Math.floor((changes.issuedAt ?? now) / 1000);
  return signRevocationList({
    registrar: changes.name ?? registrar, sequence, issuedAt: isoSeconds(issuedAt), nextUpdate: isoSeconds(issuedAt + (changes.lifetime ?? 900)), entries: changes.entries ?? [],
  }, changes.key ?? keys.registrar);
}

export function trustOf(): Trust {
  return new Trust([registrarFromStatement(registrarStatement, createPublicKey(keys.root))]);
}

export function basisOf(options: { lists?: readonly string[]; skew?: number } = {}): Basis {
  const trust = trustOf();
  const revocations = new Revocations(trust);
  for (const list of options.lists ?? [listOf(1)]) revocations.accept(list);
  return { trust, revocations, isItem, skew: options.skew };
}

export const asked: Asked = { grantee: bank, items: ["tax.payment" as ItemId], purpose: "loan-approval", kind: "score" };
export const claimantOf = (uses: UseBook = new MemoryUseBook()): { uses: UseBook; job: JobId; plan: string } => ({ uses, job, plan });

/** Signs whatever header and payload are given: what an attacker who holds a key, or a careless signer, may make. */
export function rawJws(header: string | Json, payload: string | Json, key: KeyObject): string {
  const part = (value: string | Json): string => Buffer.from(typeof value === "string" ? value : canonicalJson(value)).toString("base64url");
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString("base64url")}`;
}

export const headerOf = (key: KeyObject, typ = "yunei-consent+jws"): { alg: string; kid: string; typ: string } => ({ alg: "EdDSA", kid: keyId(key), typ });

/** "accepted", or the code of the refusal. Anything but an AppError goes through. */
export function verdict(act: () => unknown): string {
  try {
    act();
    return "accepted";
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

export async function verdictOf(act: () => Promise<unknown>): Promise<string> {
  try {
    await act();
    return "accepted";
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}
