// What a bank's program asks a monitoring service through the sealed requests of `services.ts`: its list of borrowers, and how it stands at each
// provider. The platform passes bytes.
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { time } from "./endpoint.ts";

/** Companies of one request. */
export const mostListed = 300;
export const listPage = 25;
const company = z.string().min(1).max(128);
const companies = z.array(company).min(1).max(mostListed);

/** wanted: not answered yet. refused: `code` says why; asked again when a consent comes that may do. ended: the consent was withdrawn or is over.
 *  removing: the provider has not confirmed it yet. */
export const watchStates = ["wanted", "watched", "refused", "ended", "removing"] as const;
export type WatchState = (typeof watchStates)[number];

export const watchRequestSchema = z.strictObject({
  version: z.literal(1), id: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/), service: jobIdSchema, at: time, answerKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  ask: z.discriminatedUnion("do", [
    z.strictObject({ do: z.literal("add"), companies }),
    z.strictObject({ do: z.literal("remove"), companies }),
    /** after: `next` of the page before. */
    z.strictObject({ do: z.literal("list"), after: z.string().regex(/^[0-9a-f]{32}$/).optional() }),
  ]),
});
export type WatchRequest = z.input<typeof watchRequestSchema>;

const entrySchema = z.strictObject({
  company,
  providers: z.array(z.strictObject({ party: partyIdSchema, state: z.enum(watchStates), code: z.string().max(64).nullable() })).max(16),
  /** Where the plan watches whole scores: the time of the last one, and why the last look had none. */
  score: z.strictObject({ at: time.nullable(), code: z.string().max(64).nullable() }).optional(),
});
export type WatchEntry = z.output<typeof entrySchema>;
const base = { version: z.literal(1), id: z.string(), service: jobIdSchema, at: time };
export const watchAnswerSchema = z.discriminatedUnion("status", [
  /** How many were not on the list before, or were. */
  z.strictObject({ ...base, status: z.literal("changed"), companies: z.int().min(0) }),
  z.strictObject({ ...base, status: z.literal("list"), entries: z.array(entrySchema).max(listPage), next: z.string().nullable(), companies: z.int().min(0) }),
  z.strictObject({ ...base, status: z.literal("refused"), code: z.string().max(64) }),
]);
export type WatchServiceAnswer = z.output<typeof watchAnswerSchema>;

const toldAlert = {
  version: z.literal(1), service: jobIdSchema, party: partyIdSchema, company, trigger: z.string().max(48), kind: z.string().max(32), severity: z.enum(["info", "minor", "major", "critical"]),
  /** The day of the provider's data, or of the score. */
  asOf: z.iso.date(), text: z.strictObject({ zh: z.string().max(200), en: z.string().max(200) }),
};
/** What is in a sealed alert (JWE to the institution): JSON, padded with spaces. No value of a provider's. */
export const openedAlertSchema = z.union([
  z.strictObject(toldAlert),
  /** Of the bank's own enclave: the whole score fell by so many points; which service scored. */
  z.strictObject({ ...toldAlert, kind: z.literal("score-drop"), drop: z.number().min(0), scoredBy: jobIdSchema }),
  /** The company's consent is withdrawn or over: it is not watched there any longer. */
  z.strictObject({ version: z.literal(1), service: jobIdSchema, party: partyIdSchema, company, ended: z.enum(["CONSENT_WITHDRAWN", "CONSENT_EXPIRED"]) }),
]);
export type OpenedAlert = z.output<typeof openedAlertSchema>;
