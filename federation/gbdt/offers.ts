// What the hosts offer, at the guest: their features under opaque names, and where their sums stand among all cells.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { TreeFeature } from "../../models/trees/model.ts";
import { opaqueName } from "../binning/guest.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";

export type HostFeature = {
  readonly feature: TreeFeature;
  /** Place in the job's list. */
  readonly index: number;
  /** Training rows per bin. */
  readonly totals: readonly number[];
  /** First of its cells among those of all hosts' features. */
  readonly firstCell: number;
};
export type HostColumns = {
  readonly host: PartyId;
  /** In the order of the host's offer. */
  readonly features: readonly HostFeature[];
  /** Sums that the host answers: those of its features of at least two bins. */
  readonly cells: number;
};
type Offered = TypedBody<"trees/offer">["features"][number];

/** Receives all offers. Cells over all hosts count every bin of every feature. Throws PROTOCOL_WRONG_SHAPE or FLOOR_BINS naming host and
 *  feature. */
export async function receiveOffers(party: Party, input: {
  hosts: readonly PartyId[]; trainRows: number; minBinRows: number; ownFeatures: number;
}): Promise<readonly HostColumns[]> {
  const offers = await Promise.all(input.hosts.map((host) => party.receive(host, "trees/offer")));
  let index = input.ownFeatures;
  let firstCell = 0;
  return input.hosts.map((host, h) => {
    const features = (offers[h]?.features ?? []).map((offered, i): HostFeature => {
      checkOffer(host, i, offered, input);
      const made = { feature: { party: host, name: opaqueName(i), ...offered.shape }, index, totals: offered.totals, firstCell };
      index += 1;
      firstCell += offered.shape.bins;
      return made;
    });
    return { host, features, cells: features.reduce((sum, f) => sum + askedCells(f), 0) };
  });
}

/** Sums that the host answers for a feature: a single bin's sum is that of all rows. */
export function askedCells({ feature }: HostFeature): number {
  return feature.bins > 1 ? feature.bins : 0;
}

/** Every row of the training part is in one bin, and no bin is below the floor: before anything is asked about it. */
function checkOffer(host: PartyId, feature: number, { shape, totals }: Offered, least: { trainRows: number; minBinRows: number }): void {
  const fits = totals.length === shape.bins && totals.reduce((a, b) => a + b, 0) === least.trainRows;
  if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, feature });
  // A feature of one bin tells nothing, however few rows there are.
  const isPoor = shape.bins > 1 && totals.some((t) => t < least.minBinRows);
  if (isPoor) throw new AppError("FLOOR_BINS", { party: host, feature, least: least.minBinRows });
}
