// Who computes which indicator: every party tells every other one what it has of the public scorecard, and each works the same assignment out
// for itself. The guest does not choose, so it cannot leave one host alone with the sums. Who is told something else than the rest ends up
// under masks that do not cancel: their label is made of the offers.
import { digestOf } from "../../core/canonical.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Card } from "../../evaluation/load.ts";
import { assign, evaluatePart, type Assignment, type Part } from "../../evaluation/part.ts";
import type { Feature } from "../../models/features.ts";
import type { Party } from "../party.ts";
import { alignFeature } from "../rows/align.ts";

export type Agreed = {
  readonly assignment: Assignment<PartyId>;
  /** Hosts that compute at least one indicator: their parts are in the sums. */
  readonly computing: readonly PartyId[];
  /** Of the masks: names scorecard, parties present and what each offered. */
  readonly label: string;
};

/** `offered`: indicators of the card that this party may and can compute. Throws EVALUATION_INDICATOR, naming the peer, for an offer of something else. */
export async function agreeOnOffers(party: Party, card: Card, parties: { readonly guest: PartyId; readonly hosts: readonly PartyId[] }, offered: readonly string[]): Promise<Agreed> {
  const all = [parties.guest, ...parties.hosts];
  const known = new Set(card.entries.map((e) => e.indicator));
  const peers = all.filter((p) => p !== party.self);
  const [received] = await Promise.all([
    Promise.all(peers.map(async (peer) => {
      const { indicators } = await party.receive(peer, "evaluate/offer");
      if (!indicators.every((id) => known.has(id))) throw new AppError("EVALUATION_INDICATOR", { peer, asked: indicators.length, known: known.size });
      return [peer, indicators] as const;
    })),
    ...peers.map((peer) => party.send(peer, "evaluate/offer", { indicators: [...offered] })),
  ]);
  const offers = new Map<PartyId, readonly string[]>([...received, [party.self, offered] as const]);
  const assignment = assign(card, offers);
  const label = digestOf({ card: card.digest, guest: parties.guest, offers: Object.fromEntries([...offers].map(([p, ids]) => [p, [...ids]])) });
  return { assignment, computing: parties.hosts.filter((h) => assignment.parties.has(h)), label };
}

/** This party's part over the job's rows. */
export function ownPart(self: PartyId, card: Card, { assignment }: Pick<Agreed, "assignment">, features: readonly Feature[], rowOf: Int32Array): Part {
  const indicators = assignment.parties.get(self) ?? [];
  const used = new Set(indicators);
  return evaluatePart(card, indicators, features.filter((f) => used.has(f.name)).map((f) => alignFeature(f, rowOf)), rowOf.length);
}
