// How many companies' consents one core verifies: form, chain, signatures, scope, time, withdrawal and number of uses, as an enclave asks them
// before a job. Beside one bare signature each, and one each by a general JOSE library without any of the other questions.
import { createPublicKey, verify } from "node:crypto";
import { compactVerify } from "jose";
import type { JobId } from "../core/brand.ts";
import { consentDigest, type RevokedEntry } from "../consent/revocation.ts";
import { signConsent } from "../consent/statement.ts";
import { signSubjectKey } from "../consent/trust.ts";
import { MemoryUseBook } from "../consent/uses.ts";
import { verifyConsents, type Presented } from "../consent/verify.ts";
import { asked, basisOf, consentOf, granted, keys, listOf, now, plan, registrar, seededKey, usccOf } from "../test/consent/support.ts";
import type { Figure } from "./figures.ts";
import { timed, type Spent } from "./measure.ts";

const companies = 8_000;
const warm = 2_000;
const withdrawn = 20_000;

const idOf = (n: number): string => `consent_${String(n).padStart(24, "0")}`;
const realName = { provider: registrar, at: "2026-01-02T08:00:00Z", assurance: "high" as const };

/** Signed by the registrar with which the company is registered. */
function byRegistrar(n: number): Presented {
  const subject = usccOf(n);
  return { subject, jws: granted({ id: idOf(n), subject }) };
}

/** Signed by the company's own key, which nobody has seen before: the registrar's statement about it is another signature. */
function byCompany(n: number): Presented {
  const subject = usccOf(n);
  const key = seededKey(`company ${n}`);
  const term = { issuedAt: "2026-01-02T09:00:00Z", notBefore: "2026-01-02T09:00:00Z", notAfter: "2027-01-01T00:00:00Z" };
  const statement = signSubjectKey({ registrar, subject, realName, ...term }, key, keys.registrar);
  return { subject, jws: signConsent(consentOf({ id: idOf(n), subject, issuer: { kind: "subject", statement } }), key) };
}

/** A second of CPU: the work has one thread. */
const rate = ({ cpuSeconds }: Spent): number => companies / cpuSeconds;

export async function consentsBench(): Promise<Figure[]> {
  // None of them is anybody's here; a list is asked for each consent all the same.
  const entries = Array.from({ length: withdrawn }, (_, i): RevokedEntry => [consentDigest(`consent_${String(i).padStart(24, "z")}`), now / 1000 - 60, now / 1000 + 86_400]);
  const lists = [listOf(1, { entries })];
  const verified = async (presented: readonly Presented[], job: string): Promise<Spent> => {
    const claimant = { uses: new MemoryUseBook(), job: job as JobId, plan };
    const basis = basisOf({ lists });
    await verifyConsents(presented.slice(0, warm), asked, basis, claimant, () => now);
    const { result, spent } = await timed(() => verifyConsents(presented.slice(warm), asked, basis, claimant, () => now));
    if (result.length !== companies || result.some(({ ok }) => !ok)) throw new Error("a good consent was refused");
    return spent;
  };
  const [registered, own] = [byRegistrar, byCompany].map((make) => Array.from({ length: warm + companies }, (_, i) => make(i)));
  const texts = (registered ?? []).map(({ jws }) => jws);
  const key = createPublicKey(keys.registrar);
  const bare = await rateOf(texts, (jws) => {
    const border = jws.lastIndexOf(".");
    return verify(null, Buffer.from(jws.slice(0, border)), key, Buffer.from(jws.slice(border + 1), "base64url"));
  });
  const general = await rateOf(texts, async (jws) => (await compactVerify(jws, key)).payload.length > 0);
  const spentRegistered = await verified(registered ?? [], "job_000000000000000a");
  const spentOwn = await verified(own ?? [], "job_000000000000000b");
  const name = "Consents verified on one core, signed by";
  return [
    { name: `${name} the registrar`, value: rate(spentRegistered), unit: "/s", ...spentRegistered, bar: { atLeast: 5_000 }, baseline: { name: "the signature alone, node:crypto", value: bare, source: "measured" } },
    { name: `${name} the registrar, beside jose`, value: rate(spentRegistered), unit: "/s", baseline: { name: "the signature alone, jose", value: general, source: "measured" } },
    { name: `${name} companies with keys not seen before (two signatures each)`, value: rate(spentOwn), unit: "/s", ...spentOwn, bar: { atLeast: 5_000 }, baseline: { name: "two signatures alone, node:crypto", value: bare / 2, source: "measured" } },
  ];
}

async function rateOf(texts: readonly string[], holds: (jws: string) => boolean | Promise<boolean>): Promise<number> {
  const all = async (part: readonly string[]): Promise<void> => {
    for (const text of part) if (!(await holds(text))) throw new Error("a good signature was refused");
  };
  await all(texts.slice(0, warm));
  return rate((await timed(() => all(texts.slice(warm)))).spent);
}
