// Feedback, host: what it is told about its own features, held against what it knows of them, under their own names.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { ivBands } from "./bands.ts";

/** Kept in the host's half of the model. */
export const keptFeedbackSchema = z.strictObject({
  /** Hundredths of AUC; null when it was withheld. */
  uplift: z.int().min(-100).max(100).nullable(),
  features: z.array(z.strictObject({ feature: z.string(), band: z.enum(ivBands) })),
});
export type KeptFeedback = z.output<typeof keptFeedbackSchema>;

/** selected: names by place in the offer, of the features that the guest may speak of. Throws PROTOCOL_WRONG_SHAPE naming the guest for any other
 *  feature, or one twice. */
export async function receiveFeedback(party: Party, guest: PartyId, selected: ReadonlyMap<number, string>): Promise<KeptFeedback> {
  const { uplift, features } = await party.receive(guest, "feedback/usage");
  const isWhole = new Set(features.map((f) => f.feature)).size === features.length && features.every((f) => selected.has(f.feature));
  if (!isWhole || (uplift === "withheld" && features.length > 0)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, features: features.length });
  return { uplift: uplift === "withheld" ? null : uplift, features: features.map(({ feature, band }) => ({ feature: selected.get(feature) ?? "", band })) };
}
