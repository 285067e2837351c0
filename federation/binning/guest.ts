// Federated WOE binning, guest: one encrypted query with the labels gives the bads of every fine bin of every host.
import { createHash } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { BinDecision, FeatureCounts } from "../../models/scorecard/decide.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";
import { Querier } from "../sums/querier.ts";

/** Opaque public name of a host's feature: its position in the host's offer. */
export function opaqueName(index: number): string {
  return `f${String(index + 1).padStart(3, "0")}`;
}

type Offered = TypedBody<"binning/offer">["features"][number];

/** Fine counts of all features of all hosts, in the order of `hosts`. label: 0/1 over at least `trainRows` rows; minRows: fewest rows
 *  of a fine bin. Throws PROTOCOL_WRONG_SHAPE or FLOOR_BINS naming the host whose offer or sums cannot be. */
export async function binningGuest(party: Party, input: {
  hosts: readonly PartyId[]; jointSeed: Uint8Array; label: Uint8Array; trainRows: number; minRows: number;
}): Promise<FeatureCounts[]> {
  const { hosts, trainRows, minRows } = input;
  const offers = await Promise.all(hosts.map(async (host) => {
    const offer = await party.receive(host, "binning/offer");
    for (const [index, feature] of offer.features.entries()) checkOffer(host, index, feature, { rows: trainRows, minRows });
    return { host, offer };
  }));
  const train = input.label.subarray(0, trainRows);
  const bads = train.reduce((sum, y) => sum + y, 0);
  const active = offers.filter((o) => o.offer.features.length > 0);
  await using querier = await Querier.open(party, { use: "binning", jointSeed: input.jointSeed, rows: trainRows });
  const secrets = active.length === 0 ? [] : await querier.sendBatch(active.map((o) => o.host), [Int32Array.from(train)], 1);
  const perHost = await Promise.all(active.map(async ({ host, offer }) => {
    const cells = offer.features.reduce((sum, f) => sum + f.shape.bins, 0);
    const [sums] = await querier.sums(host, cells, 0, secrets);
    return sums === undefined ? [] : splitCounts(host, offer.features, sums, bads);
  }));
  return perHost.flat();
}

/** Every row of the training part is in one bin, and no bin is below the floor: before the labels are asked about it. */
function checkOffer(host: PartyId, index: number, { shape, totals }: Offered, asked: { rows: number; minRows: number }): void {
  const fits = totals.length === shape.bins && whole(totals) === asked.rows;
  if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, feature: index });
  if (totals.some((t) => t < asked.minRows)) throw new AppError("FLOOR_BINS", { party: host, feature: index, least: asked.minRows });
}

/** Cuts the sums into features and checks what must hold for honest columns: the bads of a feature's bins add up to all bads. */
function splitCounts(host: PartyId, features: readonly Offered[], sums: BigInt64Array, bads: number): FeatureCounts[] {
  let at = 0;
  return features.map(({ shape, totals }, index) => {
    const events = Array.from(sums.subarray(at, at + shape.bins), Number);
    at += shape.bins;
    const fits = whole(events) === bads && events.every((e, b) => e >= 0 && e <= (totals[b] ?? 0));
    if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, feature: index });
    return { ...shape, party: host, name: opaqueName(index), totals, events };
  });
}

function whole(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

/** Tells every host its merged bins. */
export async function sendMerged(party: Party, input: {
  hosts: readonly PartyId[]; decisions: readonly BinDecision[]; ownColumns: number; label: Uint8Array;
}): Promise<Map<PartyId, number>> {
  const { hosts, decisions, label } = input;
  const salt = party.rng("binning/label-commitment")(32);
  const labelCommitment = new Uint8Array(createHash("sha256").update("yunei/labels/v1\0").update(salt).update(label).digest());
  const selectedOf = (host: PartyId): { feature: number; decision: BinDecision }[] =>
    decisions.filter((d) => d.party === host).map((decision, feature) => ({ feature, decision })).filter((d) => d.decision.selected);
  const columnsOf = new Map(hosts.map((host) => [host, selectedOf(host).length]));
  const selected = [{ party: party.self, columns: input.ownColumns }, ...[...columnsOf].map(([host, columns]) => ({ party: host, columns }))];
  await Promise.all(hosts.map((host) => party.send(host, "binning/merged", {
    labelCommitment, queries: input.ownColumns + 1, selected,
    features: selectedOf(host).map(({ feature, decision }) => ({ feature, mergedOf: decision.mergedOf, codes: decision.codes })),
  })));
  return columnsOf;
}
