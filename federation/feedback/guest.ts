// Feedback, guest: classes of information value and the gain in AUC, charged to the budget of label statistics.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { GuestGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import { bandOf } from "./bands.ts";

export type FeedbackInput = {
  readonly hosts: readonly PartyId[];
  readonly guard: Pick<GuestGuard, "chargeLabelRank">;
  /** AUC of the joint model on the test part, less that of the guest's own. */
  readonly gain: number;
  /** Selected features by host: place in the host's offer, and information value. None where the kind of job measures none. */
  readonly features: ReadonlyMap<PartyId, readonly { readonly feature: number; readonly iv: number }[]>;
};

/** Tells every host; one whose budget is used up hears that there is no feedback. A charge that was made stays made and one that was refused
 *  stays refused (budgets only grow), so a replay sends the same bytes. */
export async function sendFeedback(party: Party, { hosts, guard, gain, features }: FeedbackInput): Promise<void> {
  const uplift = Math.max(-100, Math.min(100, Math.round(100 * gain)));
  await Promise.all(hosts.map((host) => {
    const own = features.get(host) ?? [];
    const told = isAllowed(guard, host, own.length + 1)
      ? { uplift: uplift === 0 ? 0 : uplift, features: own.map(({ feature, iv }) => ({ feature, band: bandOf(iv) })) }
      : { uplift: "withheld" as const, features: [] };
    return party.send(host, "feedback/usage", told);
  }));
}

/** Each figure counts as a label statistic of the host, like a merged bin. */
function isAllowed(guard: FeedbackInput["guard"], host: PartyId, figures: number): boolean {
  try {
    guard.chargeLabelRank(host, "feedback", figures);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === "BUDGET_LABEL_RANK") return false;
    throw error;
  }
}
