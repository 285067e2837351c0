// A company's authorisation (企业授权, P21 (六) and 附件注3) as a signed statement: what it says, how it is signed and read.
// Reading proves the form only; whether it holds for a use is verify.ts.
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { financingPurposes } from "../core/purposes.ts";
import { isUscc } from "../core/uscc.ts";
import { fit, openJws, readPayload, signJws, type Sealed } from "./jws.ts";

export const consentType = "yunei-consent+jws";
export const maxConsentBytes = 32_768;
const dayMs = 86_400_000;
/** The longest term of a consent. The texts set none; a loan's usual term, and then the company is asked again. */
export const maxTermMs = 1096 * dayMs;

/** What may be computed: alerts about the company (动态监测), a score of it, training of a model with others, a comparison (数据核验). */
export const consentKinds = ["monitor", "score", "train", "verify"] as const;
export type ConsentKind = (typeof consentKinds)[number];

export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);
export const usccSchema = z.string().refine(isUscc);
/** UTC, whole seconds: one spelling of each time. */
export const timeSchema = z.iso.datetime({ precision: 0 });
/** 24 or more characters of base 36: more than 120 bits by chance, so that the digest in a public list does not tell the id. */
export const consentIdSchema = z.string().regex(/^consent_[0-9a-z]{24,32}$/);
export const itemSchema = z.string().max(97).regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z][a-z0-9]*(-[a-z0-9]+)*$/);

const ascending = (list: readonly string[]): boolean => list.every((entry, i) => i === 0 || (list[i - 1] as string) < entry);

/** 实名认证 as the provider of identities reported it. */
export const realNameSchema = z.strictObject({
  provider: partyIdSchema,
  at: timeSchema,
  assurance: z.enum(["low", "substantial", "high"]),
});

/** The fields that the company decides on, as one object. */
export const termsSchema = z.strictObject({
  subject: usccSchema,
  /** `party` is the institution's name in jobs, `uscc` the legal person. */
  grantee: z.strictObject({ party: partyIdSchema, uscc: usccSchema }),
  items: z.array(itemSchema).min(1).max(200).refine(ascending),
  purpose: z.enum(financingPurposes),
  kinds: z.array(z.enum(consentKinds)).min(1).max(consentKinds.length).refine(ascending),
  notBefore: timeSchema,
  /** The first second in which it does not hold any more. */
  notAfter: timeSchema,
  use: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("single") }),
    z.strictObject({ kind: z.literal("repeated"), atMost: z.number().int().min(2).max(100_000).optional() }),
  ]),
  notice: z.strictObject({ version: z.string().regex(/^[0-9]{4}-[0-9]{1,4}$/), digest: digestSchema }),
  evidence: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("online"), realName: realNameSchema }),
    /** SHA-256 of the scanned written form. */
    z.strictObject({ kind: z.literal("written"), digest: digestSchema }),
  ]),
});
export type ConsentTerms = z.output<typeof termsSchema>;

const consentSchema = termsSchema.extend({
  version: z.literal(1),
  id: consentIdSchema,
  issuedAt: timeSchema,
  issuer: z.discriminatedUnion("kind", [
    /** The registrar signs for a company that is registered with it by real name. */
    z.strictObject({ kind: z.literal("registrar"), registrar: partyIdSchema }),
    /** The company signs with its own key; a registrar's statement (JWS) says that the key is the company's. */
    z.strictObject({ kind: z.literal("subject"), statement: z.string().max(4096) }),
  ]),
});
export type Consent = z.output<typeof consentSchema>;

/** Signs a consent. Throws CONSENT_SCHEMA or CONSENT_TERMS for one that nobody would accept, CONSENT_ALGORITHM for another kind of key. */
export function signConsent(consent: Consent, key: KeyObject): string {
  checkTerms(fit(consent, consentSchema));
  return signJws(consent, consentType, key);
}

/** Reads a consent: form, version, schema, terms. Nothing about who signed it. Throws as `openJws` and `readPayload` do, CONSENT_TERMS. */
export function parseConsent(jws: string): { readonly consent: Consent; readonly sealed: Sealed } {
  const sealed = openJws(jws, consentType, maxConsentBytes);
  const consent = readPayload(sealed, consentSchema);
  checkTerms(consent);
  return { consent, sealed };
}

function checkTerms(consent: Consent): void {
  const issued = Date.parse(consent.issuedAt);
  const begin = Date.parse(consent.notBefore);
  const end = Date.parse(consent.notAfter);
  const online = consent.evidence.kind === "online";
  const registered = consent.evidence.kind === "online" ? Date.parse(consent.evidence.realName.at) : issued;
  // A begin before the issue would authorise what was done without it.
  const right = registered <= issued && issued <= begin && begin < end && end - begin <= maxTermMs && (online || consent.issuer.kind === "registrar");
  if (!right) throw new AppError("CONSENT_TERMS");
}

/** The catalogue has every item. Throws CONSENT_ITEM_UNKNOWN with the position of the first that it has not. */
export function checkItems(items: readonly string[], isItem: (id: string) => boolean): void {
  const position = items.findIndex((item) => !isItem(item));
  if (position >= 0) throw new AppError("CONSENT_ITEM_UNKNOWN", { position: position + 1 });
}
