// Consents of companies on the wire: the guest shows the signed texts, each host checks them itself and answers.
import { z } from "zod";
import type { Code } from "../../core/errors.ts";
import { count, packed, type Messages } from "../../core/message.ts";

/** Longest consent that is shown, in characters; a company's own, with the statement of its key, has about 3,000. */
export const mostConsentText = 8192;
export const consentsPerChunk = 512;
/** Companies of one exchange, at most. */
const maxChunks = 20_000;

/** Why a consent is not accepted, by the code on the wire less one; 0 is accepted. Nothing else can be answered. */
export const refusalCodes = [
  "CONSENT_MISSING", "CONSENT_ENCODING", "CONSENT_ALGORITHM", "CONSENT_HEADER", "CONSENT_TYPE", "CONSENT_VERSION", "CONSENT_SCHEMA", "CONSENT_TERMS",
  "CONSENT_ISSUER", "CONSENT_CHAIN", "CONSENT_SIGNATURE", "CONSENT_NOTICE", "CONSENT_ITEM_UNKNOWN", "CONSENT_SUBJECT", "CONSENT_GRANTEE",
  "CONSENT_PURPOSE", "CONSENT_KIND", "CONSENT_ITEM", "CONSENT_NOT_YET", "CONSENT_EXPIRED", "CONSENT_CLOCK", "CONSENT_LIST_STALE",
  "CONSENT_LIST_FORKED", "CONSENT_KEY_WITHDRAWN", "CONSENT_WITHDRAWN", "CONSENT_USED", "CONSENT_USE_CONFLICT",
] as const satisfies readonly Code[];
export type RefusalCode = (typeof refusalCodes)[number];

export const consentsMessages = {
  "consents/texts": {
    from: "guest", to: "host", maxBytes: consentsPerChunk * (mostConsentText + 16) + 4096,
    reveals: {
      en: "which of the host's companies the guest has in the job before any is left out, and of each the consent that it gave to the guest: items (of other providers, too), purpose, term, how it was given",
      zh: "剔除之前任务涉及数据方的哪些企业，以及每家企业给予发起方的授权：信息项（含其他数据方的）、用途、期限与授权方式",
    },
    // Places in the host's shuffled list, 32-bit little-endian, ascending over all chunks; a consent for each, empty where there is none.
    body: z.strictObject({
      index: count(maxChunks), last: z.boolean(), places: packed(4, consentsPerChunk), texts: z.array(z.string().max(mostConsentText)).max(consentsPerChunk),
    }),
  },
  "consents/answer": {
    from: "host", to: "guest", maxBytes: consentsPerChunk + 1024,
    reveals: {
      en: "for each consent that was shown whether the host accepts it, or the code of its refusal (how often it was used at this host, and how current its list of withdrawals is, among them)",
      zh: "对出示的每份授权，数据方是否接受，或拒绝代码（包括在该方的使用次数及其撤回清单是否最新）",
    },
    body: z.strictObject({ index: count(maxChunks), codes: packed(1, consentsPerChunk) }),
  },
} as const satisfies Messages;
