// Live messages of a verification service. What the provider learns of a claim differs between those in the clear and the blind ones, so they have
// types of their own: a plan without claims in the clear has no line for them, and none can leave.
import { z } from "zod";
import type { Code } from "../../core/errors.ts";
import { bytes, count, packed, type Messages } from "../../core/message.ts";
import { mostConsentText, refusalCodes } from "../consents/messages.ts";
import { pointBytes, tagBytes } from "../psi/messages.ts";
import { mostCompanyText } from "../serve/messages.ts";
import { fieldNameSchema } from "./fields.ts";
import { claimsPerQuestion, questionText } from "./params.ts";
import { predicateSchema, textOf } from "./predicates.ts";
import { rangeAskShape, rangeReplyShape } from "./range.ts";

const n = count();
const company = z.string().min(1).max(mostCompanyText);
const consent = z.string().max(mostConsentText);
/** Names a question of blind equality; both sides derive the domain of its points from it. */
const nonce = z.string().regex(/^[0-9a-f]{16}$/);
const claims = z.array(z.strictObject({ field: fieldNameSchema, predicate: predicateSchema })).min(1).max(claimsPerQuestion)
  .refine((list) => list.reduce((sum, { predicate }) => sum + textOf(predicate), 0) <= questionText);

/** Why a provider does not answer a question. */
export const verifyRefusals = [
  ...refusalCodes, "VERIFY_FIELD", "VERIFY_PREDICATE", "VERIFY_VALUE", "VERIFY_QUESTION", "VERIFY_TRANSFERS", "VERIFY_LOCKED", "SERVICE_ASK", "SERVICE_BUDGET", "SERVICE_COMPANY_BUDGET", "SERVICE_BUSY",
  "BUDGET_REQUESTS", "BUDGET_COMPANIES", "BUDGET_CLAIMS", "BUDGET_ANSWER_BITS", "BUDGET_SLOWED", "BUDGET_PROBING",
] as const satisfies readonly Code[];
export type VerifyRefusal = (typeof verifyRefusals)[number];

const answerReveals = {
  en: "of each claim: match, no match, or not available. Neither a value nor how far off a claim is",
  zh: "每项核验的结果：一致、不一致或无记录；不含数值，也不含偏差大小",
};
const blindReveals = {
  en: "which company and field the bank asks about, that it is one value (or an interval), and the company's consent; nothing of what is claimed",
  zh: "机构所问的企业与数据项、为单值或区间核验及该企业的授权；不含申报值",
};

export const verifyMessages = {
  "verify/ask": {
    from: "guest", to: "host", maxBytes: 48 * 1024,
    reveals: { en: "which company the bank asks about now, what it claims about which fields, and the company's consent", zh: "机构当前询问的企业、就各数据项申报的内容及该企业的授权" },
    // n rises with every question to this host; consent: compact JWS, empty where none is needed.
    body: z.strictObject({ n, company, consent, claims }),
  },
  "verify/ask-equal": {
    from: "guest", to: "host", maxBytes: 16 * 1024, reveals: blindReveals,
    body: z.strictObject({ n, company, consent, field: fieldNameSchema, nonce, blinded: bytes(pointBytes) }),
  },
  "verify/ask-within": {
    from: "guest", to: "host", maxBytes: 16 * 1024, reveals: blindReveals,
    body: z.strictObject({ n, company, consent, field: fieldNameSchema, ...rangeAskShape }),
  },
  "verify/answer": {
    from: "host", to: "guest", maxBytes: 512, reveals: answerReveals,
    // In the order of the claims: 0 no match, 1 match, 2 not available, 3 no longer answered after those before it; a byte each, whatever the answer.
    // retryAfter: seconds until the latter are answered.
    body: z.strictObject({ n, answers: packed(1, claimsPerQuestion), retryAfter: count(40_000_000).optional() }),
  },
  // held: whether there is a value to compare with; the rest is there, and as large, either way.
  "verify/equal": { from: "host", to: "guest", maxBytes: 512, reveals: answerReveals, body: z.strictObject({ n, held: z.boolean(), point: bytes(pointBytes), tag: bytes(tagBytes) }) },
  "verify/within": {
    from: "host", to: "guest", maxBytes: 8 * 1024, reveals: answerReveals, body: z.strictObject({ n, held: z.boolean(), ...rangeReplyShape }),
  },
  "verify/refused": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: { en: "why the provider does not answer this question", zh: "数据方不应答本次询问的原因" },
    // retryAfter: seconds until it is answered if nothing else is asked.
    body: z.strictObject({ n, code: z.enum(verifyRefusals), retryAfter: count(40_000_000).optional() }),
  },
} as const satisfies Messages;
