// Live messages of a monitoring service. They are not durable: each is sent again until the other side has answered it, and says the same thing
// however often it comes.
import { z } from "zod";
import { count, type Messages } from "../../core/message.ts";
import { severities, triggerKinds } from "../../monitoring/triggers/schema.ts";
import { mostConsentText, refusalCodes } from "../consents/messages.ts";
import { mostCompanyText } from "../serve/messages.ts";

/** Companies of one registration; its bytes are bounded as well (`frameBytes`). */
export const mostCompanies = 64;
/** Bytes of companies and consents in one frame: a live frame holds 96 KiB. */
export const frameBytes = 64 * 1024;
export const mostNews = 64;

const company = z.string().min(1).max(mostCompanyText);
const n = count();
const hex64 = z.string().regex(/^[0-9a-f]{64}$/);
/** Opaque: what news name in place of a company. */
export const watchIdSchema = z.string().regex(/^watch_[0-9a-f]{32}$/);
export const newsIdSchema = z.string().regex(/^(alert|end)_[0-9a-f]{32}$/);

/** Why a company is not watched. */
export const watchRefusals = [...refusalCodes, "WATCH_REQUEST", "WATCH_FULL", "BUDGET_REQUESTS", "BUDGET_COMPANIES", "BUDGET_SLOWED", "BUDGET_PROBING", "BUDGET_POLICY", "BUDGET_STATE"] as const;
export type WatchRefusal = (typeof watchRefusals)[number];
const [minuteMs, hourMs] = [60_000, 3_600_000];
/** Refusals that pass by themselves, and after how many ms at least. A registrar that nobody believes may be believed later: its certificate comes, or it comes back. */
export const passingRefusals: Readonly<Record<string, number>> = {
  CONSENT_CLOCK: minuteMs, CONSENT_LIST_STALE: minuteMs, CONSENT_ISSUER: hourMs, CONSENT_NOT_YET: 6 * hourMs, CONSENT_LIST_FORKED: hourMs, BUDGET_SLOWED: hourMs,
  WATCH_FULL: 6 * hourMs, BUDGET_REQUESTS: 6 * hourMs, BUDGET_COMPANIES: 6 * hourMs,
};
/** Companies that may be registered again every minute. */
const everyMinute = 16;
/** After how many ms what was refused is registered again without anybody's doing; undefined where that would change nothing. Frames of a service are counted: a long
 *  list that is brought every minute would use up in hours what the plan has for its term. companies: on the list. */
export function againAfter(code: string, companies: number): number | undefined {
  const least = Object.hasOwn(passingRefusals, code) ? passingRefusals[code] : undefined;
  return least && Math.max(least, Math.min(6 * hourMs, minuteMs * Math.ceil(companies / everyMinute)));
}
export const endCodes = ["CONSENT_WITHDRAWN", "CONSENT_EXPIRED"] as const;

export const verdictSchema = z.union([
  z.strictObject({ watch: watchIdSchema }),
  z.strictObject({ code: z.enum(watchRefusals) }),
]);
export type WatchVerdict = z.output<typeof verdictSchema>;

/** What happened to one watched company: a trigger, or the end of its consent. Neither a name nor a value. */
export const newsSchema = z.union([
  z.strictObject({
    id: newsIdSchema, watch: watchIdSchema, trigger: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/).max(48),
    kind: z.enum(triggerKinds), severity: z.enum(severities), asOf: z.iso.date(),
  }),
  z.strictObject({ id: newsIdSchema, watch: watchIdSchema, ended: z.enum(endCodes) }),
]);
export type News = z.output<typeof newsSchema>;

const asks = z.discriminatedUnion("what", [
  z.strictObject({ what: z.literal("list") }),
  // consent: compact JWS, empty where the bank has none.
  z.strictObject({ what: z.literal("register"), companies: z.array(z.strictObject({ company, consent: z.string().max(mostConsentText) })).min(1).max(mostCompanies) }),
  z.strictObject({ what: z.literal("remove"), companies: z.array(company).min(1).max(mostCompanies) }),
]);
export type WatchAsk = z.output<typeof asks>;
const answers = z.discriminatedUnion("what", [
  /** Also the answer to a removal. */
  z.strictObject({ what: z.literal("list"), watched: count(100_000), digest: hex64 }),
  z.strictObject({ what: z.literal("registered"), verdicts: z.array(verdictSchema).min(1).max(mostCompanies) }),
]);
export type WatchAnswer = z.output<typeof answers>;

export const watchMessages = {
  "watch/ask": {
    from: "guest", to: "host", maxBytes: frameBytes + 8 * 1024,
    reveals: { en: "which companies the bank has watched or does not watch any longer, and the consents that they gave to it", zh: "机构监测或不再监测哪些企业，以及这些企业给予的授权" },
    body: z.strictObject({ n, ask: asks }),
  },
  "watch/answer": {
    from: "host", to: "guest", maxBytes: 8 * 1024,
    reveals: {
      en: "for each company whether it is watched now, under a random name, or why not; how many are watched, and whether both have the same list",
      zh: "每家企业是否已纳入监测（以随机编号表示）或未纳入的原因；在监测企业数，以及双方名单是否一致",
    },
    body: z.strictObject({ n, answer: answers }),
  },
  "watch/refused": {
    from: "host", to: "guest", maxBytes: 512,
    reveals: { en: "that the provider cannot answer now", zh: "数据方当前无法应答" },
    body: z.strictObject({ n, code: z.enum(["SERVICE_BUSY"]) }),
  },
  "watch/news": {
    from: "host", to: "guest", maxBytes: 32 * 1024,
    reveals: {
      en: "of single companies: that a trigger of the plan fired at the provider, with the day of its data (one bit about a value each; never the value), or that the consent ended",
      zh: "就单家企业：计划中的某触发规则在数据方触发及数据日期（每条相当于数值的一个比特，不含数值），或其授权已终止",
    },
    body: z.strictObject({ news: z.array(newsSchema).min(1).max(mostNews) }),
  },
  "watch/acknowledge": {
    from: "guest", to: "host", maxBytes: 8 * 1024,
    reveals: { en: "which of these messages the bank's enclave has stored", zh: "机构节点已存下哪些消息" },
    body: z.strictObject({ ids: z.array(newsIdSchema).min(1).max(mostNews) }),
  },
} as const satisfies Messages;
