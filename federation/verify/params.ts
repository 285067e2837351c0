// Parameters of a standing service for verifications, as they stand in its plan: which fields may be asked about and how, and how much.
import { z } from "zod";
import { liveParams, type LiveParams } from "../live/params.ts";
import type { ItemId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { askedFieldSchema, type PublishedVerification } from "./fields.ts";

/** A question is about one company: up to `claimsPerQuestion` claims in the clear together, or one blind claim. Budgets count questions; how much
 *  the answers about one value may tell is in the provider's own policy (budgets). */
export const verifyJobSchema = z.strictObject({
  ...liveParams,
  timeoutMs: z.number().int().min(20).max(60_000).default(2000),
  fields: z.array(askedFieldSchema).min(1).max(256),
  /** After so many claims in a row about one value that were answered "no match" the next has to wait: an hour, then twice as long each time. */
  wrongInARow: z.number().int().min(1).max(20).default(5),
});
export type VerifyJobParams = z.output<typeof verifyJobSchema>;

type Verified = { readonly params: Readonly<Record<string, unknown>>; readonly datasets: Readonly<Record<string, { readonly verification?: PublishedVerification | undefined }>> };

/** The items of the sharing catalogue that a plan's claims are about at one party; undefined for none. Throws JOB_PARAMS. */
export function verifiedItems({ params, datasets }: Verified, party: string): { readonly version: string; readonly items: readonly ItemId[]; readonly authorised: readonly ItemId[] } | undefined {
  const { catalogue: version, fields: published = [] } = datasets[party]?.verification ?? {};
  const parsed = verifyJobSchema.safeParse(params);
  if (!parsed.success) throw new AppError("JOB_PARAMS");
  const asked = new Set(parsed.data.fields.filter((f) => f.party === party).map(({ field }) => field));
  const own = published.filter(({ name }) => asked.has(name));
  if (version === undefined || own.every(({ items }) => items.length === 0)) return undefined;
  return { version, items: [...new Set(own.flatMap(({ items }) => items))], authorised: [...new Set(own.flatMap(({ authorised }) => authorised))] };
}

/** Claims of one sealed request. */
export const maxClaims = 256;
/** Claims in the clear of one question, which is about one company. */
export const claimsPerQuestion = 16;
/** Characters of the claimed values in one question. */
export const questionText = 8192;

/** A claim is asked of its one provider, or not at all. */
export function questionParams({ timeoutMs, breaker }: VerifyJobParams): LiveParams {
  return { timeoutMs, breaker, fallback: "refuse", setsPerCompany: 1 };
}
