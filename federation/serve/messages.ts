// Live messages of a service. They are not durable: what is lost counts as a time-out.
import { z } from "zod";
import { count, maxFrameBytes, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";
import { linearAnswerBytes as answerBytes, tableKeyBytes, tableTextBytes } from "../../kernels/linear/params.ts";
import { mostConsentText, refusalCodes } from "../consents/messages.ts";
import { maxChoices, maxGroups } from "../lookup/messages.ts";
import { labelFrameBytes, labelText, mostReasons } from "../score/messages.ts";
import { mostColumns } from "./params.ts";

/** Longest name of a company, bytes of UTF-16. */
export const mostCompanyText = 128;
const company = z.string().min(1).max(mostCompanyText);
const n = count();
/** n rises with every question to a provider; present: in order, the receiver among them; consent: compact JWS, empty where none is needed. */
const ask = { n, present: z.array(partyIdSchema).min(1).max(16), company, consent: z.string().max(mostConsentText) };
const upTo = (most: number): z.ZodType<Uint8Array> => z.instanceof(Uint8Array).refine((b) => b.length >= 1 && b.length <= most);
/** Bytes of one piece of a model. */
export const modelPieceBytes = 6 * 2 ** 20;
const piece = z.strictObject({ index: count(63), of: count(64), bytes: upTo(modelPieceBytes) });
/** A frame with a score under the bank's key. */
export const mostEncryptedPartBytes = answerBytes + 512;

/** A frame with tables, at most; most places that one provider tells in a question. */
export const mostTablesFrameBytes = tableTextBytes + 512;
export const mostPlaces = 2000;
const places: z.ZodType<Uint8Array> = z.instanceof(Uint8Array).refine((b) => b.length <= mostPlaces);

/** Why a provider does not answer a question. */
export const serveRefusals = [...refusalCodes, "POLICY_SINGLE_HOST", "SERVICE_ASK", "SERVICE_BUDGET", "SERVICE_COMPANY_BUDGET", "SERVICE_SETS", "SERVICE_QUESTIONS", "SERVICE_BUSY", "BUDGET_TOTALS", "BUDGET_REQUESTS", "BUDGET_COMPANIES", "BUDGET_SLOWED", "BUDGET_PROBING", "BUDGET_POLICY", "BUDGET_STATE", "MODEL_ONNX", "MODEL_ONNX_INPUTS", "MODEL_ONNX_OUTPUT", "MODEL_ONNX_TIME"] as const;
export type ServeRefusal = (typeof serveRefusals)[number];

export const serveMessages = {
  "serve/ask": {
    from: "guest", to: "host", maxBytes: 48 * 1024,
    reveals: { en: "which company the bank asks about now, which providers take part, and the company's consent", zh: "机构当前询问的企业、参与的数据方及该企业的授权" },
    body: z.strictObject(ask),
  },
  "serve/part": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: {
      en: "with those of all providers of the question: one total of 8 bits over them (with a single one, that provider's own total); whether the provider holds the company",
      zh: "与本次全部数据方合并后：一个 8 位总分（仅一方时即该方总分）；以及数据方是否有该企业",
    },
    body: z.strictObject({ n, part: count(255), held: z.boolean() }),
  },
  "serve/part-explained": {
    from: "host", to: "guest", maxBytes: 512 + mostReasons * labelFrameBytes,
    reveals: {
      en: "as serve/part, and what of its own part speaks most against the company, as its policy lets it name it, each with a whole number: more than the total; the guest knows the weights and can tell from a part in which bin the company is",
      zh: "同 serve/part，另含该方最不利于该企业的若干特征或类别（以其策略允许命名的为限）及其整数贡献：超出合计总分；发起方知道权重，可由此推断企业所在分箱",
    },
    // The strongest first, each label once; a size is in units of the total. Neither feature nor group: all that it does not name.
    body: z.strictObject({ n, part: count(255), held: z.boolean(), reasons: z.array(z.strictObject({ feature: labelText.optional(), group: labelText.optional(), size: z.int().min(1).max(255) })).max(mostReasons) }),
  },
  "serve/ask-columns": {
    from: "guest", to: "host", maxBytes: 80 * 1024,
    reveals: {
      en: "which company the bank asks about now, the company's consent, and the bank's own columns about it that the plan names",
      zh: "机构当前询问的企业、该企业的授权，以及计划列明的机构自有字段",
    },
    // columns: in the plan's order; null is missing.
    body: z.strictObject({ ...ask, columns: z.array(z.union([z.number(), z.string().max(256), z.null()])).min(1).max(mostColumns) }),
  },
  "serve/encrypted-part": {
    from: "host", to: "guest", maxBytes: mostEncryptedPartBytes,
    reveals: {
      en: "with those of all providers of the question: one sum of 28 bits of their codes under the bank's weights (with a single one, that provider's own sum); whether the provider holds the company",
      zh: "与本次全部数据方合并后：一个 28 位的加权和（机构的权重作用于数据方编码；仅一方时即该方之和）；以及数据方是否有该企业",
    },
    body: z.strictObject({ n, text: upTo(answerBytes), held: z.boolean() }),
  },
  "serve/odds": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: { en: "8 bits of this provider's own result of the bank's model about the company; whether it holds the company", zh: "该数据方以机构模型计算的该企业结果（8 位）；以及是否有该企业" },
    body: z.strictObject({ n, odds: z.number().int().min(-128).max(127), held: z.boolean() }),
  },
  "serve/encrypted-model": {
    from: "guest", to: "host", maxBytes: maxFrameBytes,
    reveals: { en: "nothing of the weights: a key and texts under it; their number stands in the plan", zh: "不泄露权重：公钥与密文，其数量已列于计划" },
    body: piece,
  },
  "serve/whole-model": {
    from: "guest", to: "host", maxBytes: maxFrameBytes,
    reveals: { en: "the bank's whole model", zh: "机构的完整模型" },
    // Sealed once more, under a key of the channel: what lies in this enclave's inbox is no model in the clear.
    body: piece,
  },
  "serve/trees": {
    from: "guest", to: "host", maxBytes: 3 * 1024 * 1024,
    reveals: {
      en: "in which trees its own splits stand together with splits of which other hosts, and how many; a key under which tables are sealed",
      zh: "自身切分在哪些树中与哪些其他数据方的切分同现及数量；密封查找表所用的公钥",
    },
    body: z.strictObject({
      key: upTo(tableKeyBytes),
      groups: z.array(z.strictObject({
        group: count(maxGroups), hosts: z.array(z.strictObject({ host: partyIdSchema, choices: z.int().min(2).max(maxChoices) })).min(1).max(16), tables: z.array(count(1_000_000)).min(1).max(10_000),
      })).max(10_000),
    }),
  },
  "serve/places": {
    from: "host", to: "guest", maxBytes: mostPlaces + 512,
    reveals: {
      en: "whether the provider holds the company; beside it uniform bytes: its choices in tables that it shares, each moved by a secret of two providers",
      zh: "数据方是否有该企业；其余为均匀字节：共享表中的选择，已按两数据方之间的密值移位",
    },
    body: z.strictObject({ n, places, held: z.boolean() }),
  },
  "serve/tables": {
    from: "guest", to: "host", maxBytes: mostTablesFrameBytes,
    reveals: { en: "nothing: tables under the bank's key; which of its answers they belong to", zh: "无：机构密钥下的查找表；以及所属的先前应答" },
    // asked: the number under which the provider gave its places.
    body: z.strictObject({ n, asked: n, text: upTo(tableTextBytes) }),
  },
  "serve/tree-part": {
    from: "host", to: "guest", maxBytes: mostEncryptedPartBytes,
    reveals: {
      en: "with those of all providers of the question: one total of 12 bits over them (with a single one, that provider's own total); with dishonest tables at most 17 bits of what the providers picked from them",
      zh: "与本次全部数据方合并后：一个 12 位总分（仅一方时即该方总分）；若查找表不诚实，至多为各方所选内容的 17 位",
    },
    body: z.strictObject({ n, text: upTo(answerBytes) }),
  },
  "serve/refused": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: { en: "why the provider does not answer this question, and when it would", zh: "数据方不应答本次询问的原因及恢复时间" },
    // retryAfter: seconds until a budget is free again if nothing else is asked.
    body: z.strictObject({ n, code: z.enum(serveRefusals), retryAfter: count(40_000_000).optional() }),
  },
} as const satisfies Messages;
