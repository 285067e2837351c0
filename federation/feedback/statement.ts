// What feedback may send, for the leakage statement of a training job.
import type { PartyId } from "../../core/brand.ts";
import type { Add, Sizes } from "../statement.ts";

const bytesPerFeature = 48;

/** A line per host when the plan has feedback. features: those that a message may speak of. */
export function addFeedback(plan: Pick<Sizes, "guest" | "params">, add: Add, host: PartyId, features: number): void {
  if (plan.params["feedback"] === undefined) return;
  add(plan.guest, host, "feedback/usage", 1, features * bytesPerFeature, features + 1);
}
