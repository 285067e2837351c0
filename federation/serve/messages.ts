// Live messages of a service. They are not durable: what is lost counts as a time-out.
import { z } from "zod";
import { count, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";
import { mostConsentText, refusalCodes } from "../consents/messages.ts";

/** Longest name of a company, bytes of UTF-16. */
export const mostCompanyText = 128;
const company = z.string().min(1).max(mostCompanyText);
const n = count();

/** Why a provider does not answer a question. */
export const serveRefusals = [...refusalCodes, "POLICY_SINGLE_HOST", "SERVICE_ASK", "SERVICE_BUDGET", "SERVICE_COMPANY_BUDGET", "SERVICE_SETS", "SERVICE_BUSY", "BUDGET_TOTALS"] as const;
export type ServeRefusal = (typeof serveRefusals)[number];

export const serveMessages = {
  "serve/ask": {
    from: "guest", to: "host", maxBytes: 48 * 1024,
    reveals: { en: "which company the bank asks about now, which providers take part, and the company's consent", zh: "机构当前询问的企业、参与的数据方及该企业的授权" },
    // n rises with every question to this host; present: in order, this host among them; consent: compact JWS, empty where none is needed.
    body: z.strictObject({ n, present: z.array(partyIdSchema).min(1).max(16), company, consent: z.string().max(mostConsentText) }),
  },
  "serve/part": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: {
      en: "with those of all providers of the question: one total of 8 bits over them (with a single one, that provider's own total); whether the provider holds the company",
      zh: "与本次全部数据方合并后：一个 8 位总分（仅一方时即该方总分）；以及数据方是否有该企业",
    },
    body: z.strictObject({ n, part: count(255), held: z.boolean() }),
  },
  "serve/refused": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: { en: "why the provider does not answer this question", zh: "数据方不应答本次询问的原因" },
    body: z.strictObject({ n, code: z.enum(serveRefusals) }),
  },
} as const satisfies Messages;
