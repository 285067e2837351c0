// What an enclave answers to a company that asks for its uses: JSON, sealed to the company's key, padded so that its length does not tell
// whether there was a use.
import { z } from "zod";

export const usesAnswerType = "yunei-uses-answer";
/** Plain texts are filled up to a multiple of this many bytes. */
const blockBytes = 65_536;

const useSchema = z.strictObject({
  job: z.string().max(64),
  /** What the receipt's reveal says: grantee, items. */
  grantee: z.string().max(64), items: z.array(z.string().max(97)).max(300),
  /** The bundle that `yunei verify` checks; null while the receipt is on its way to the log. */
  bundle: z.unknown(),
});
export const usesAnswerSchema = z.strictObject({
  type: z.literal(usesAnswerType), version: z.literal(1), request: z.string().max(64), party: z.string().max(32), uses: z.array(useSchema),
  /** Uses that found no room, the oldest ones. */
  omitted: z.number().int().min(0), padding: z.string(),
});
export type UsesAnswer = z.output<typeof usesAnswerSchema>;

/** The text to seal. */
export function paddedAnswer(answer: Omit<UsesAnswer, "padding" | "type" | "version">): string {
  const text = (padding: string): string => JSON.stringify({ type: usesAnswerType, version: 1, ...answer, padding });
  const bytes = Buffer.byteLength(text(""));
  return text(" ".repeat((blockBytes - (bytes % blockBytes)) % blockBytes));
}
