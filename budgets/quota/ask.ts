// A request as budgets see it: who asks what about whom, in keyed hashes and public names.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { keyedHashSchema } from "../hashes.ts";
import { services } from "./policy.ts";

/** Most questions of one ask; longer batches are charged in parts with ids of their own. */
export const maxQuestions = 4096;

/** Bits that one answer can tell at most (federation/verify/README.md), also to a bank that deviates: match or no match is one. That a company is known at
 *  all is not counted: it is the same answer for every claim. */
export const answerBits = { clear: 1, "blind-equality": 1, "blind-range": 1 } as const;

export const askIdSchema = z.string().regex(/^[A-Za-z0-9_.#-]{1,96}$/);
/** An item of the catalogue or a model: a public name. */
export const itemNameSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/);

export const questionSchema = z.strictObject({
  company: keyedHashSchema,
  /** The same company in counts that all institutions share, where `company` is a hash for this institution alone. */
  shared: keyedHashSchema.optional(),
  item: itemNameSchema.optional(),
  /** Of a claim: items of the catalogue that `item`, the value claimed of, belongs to. Requests and companies count under these, claims under the value. */
  items: z.array(itemNameSchema).min(1).max(32).optional(),
  /** A claim about the item's value. A blind one has no digest: nobody here sees it, so each counts as new. */
  claim: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("clear"), digest: keyedHashSchema }),
    z.strictObject({ kind: z.literal("blind-equality") }),
    z.strictObject({ kind: z.literal("blind-range") }),
  ]).optional(),
}).refine((q) => q.claim === undefined || q.item !== undefined);
export type Question = z.output<typeof questionSchema>;

export const askSchema = z.strictObject({
  /** Unique per institution; the same one again is the same request. */
  id: askIdSchema,
  /** When it was made, milliseconds since 1970. */
  madeAt: z.int().min(0),
  institution: partyIdSchema,
  service: z.enum(services),
  questions: z.array(questionSchema).min(1).max(maxQuestions),
  /** Requests that it counts as. */
  cost: z.int().min(1).max(1e6).optional(),
});
export type Ask = z.output<typeof askSchema>;

/** What a claim counts as: the same digest is the same claim, a blind one is this question of this request. */
export function claimMember(ask: Ask, at: number, question: Question): string | undefined {
  if (question.claim === undefined) return undefined;
  return question.claim.kind === "clear" ? question.claim.digest : `${ask.institution}#${ask.id}#${at}`;
}
