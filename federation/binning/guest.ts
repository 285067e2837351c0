// Federated WOE binning, guest: one encrypted query with the labels gives the bads of every fine bin of every host.
import { createHash } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { BinDecision, FeatureCounts } from "../../models/scorecard/decide.ts";
import type { Party } from "../party.ts";
import { Querier } from "../sums/querier.ts";

/** Opaque public name of a host's feature: its position in the host's offer. */
export function opaqueName(index: number): string {
  return `f${String(index + 1).padStart(3, "0")}`;
}

/** Fine counts of all features of all hosts, in the order of `hosts`. label: 0/1 over at least `trainRows` rows. */
export async function binningGuest(party: Party, input: {
  hosts: readonly PartyId[]; jointSeed: Uint8Array; label: Uint8Array; trainRows: number;
}): Promise<FeatureCounts[]> {
  const { hosts, trainRows } = input;
  const offers = await Promise.all(hosts.map(async (host) => ({ host, offer: await party.receive(host, "binning/offer") })));
  const train = input.label.subarray(0, trainRows);
  const bads = train.reduce((sum, y) => sum + y, 0);
  const active = offers.filter((o) => o.offer.features.length > 0);
  await using querier = await Querier.open(party, { use: "binning", jointSeed: input.jointSeed, rows: trainRows });
  const secret = active.length === 0 ? undefined : await querier.send(active.map((o) => o.host), Int32Array.from(train), 1);
  const perHost = await Promise.all(active.map(async ({ host, offer }) => {
    const cells = offer.features.reduce((sum, f) => sum + f.shape.bins, 0);
    const hint = await querier.hint(host, cells);
    if (secret === undefined) return [];
    const sums = await querier.answer(host, 0, hint, secret);
    return splitCounts(host, offer.features, sums, trainRows, bads);
  }));
  return perHost.flat();
}

/** Cuts the sums into features and checks what must hold for honest columns: each row in one bin, bads add up. */
function splitCounts(host: PartyId, features: readonly { shape: { kind: "numeric" | "categorical"; bins: number; orderedBins: number; missingBin: number }; totals: number[] }[], sums: BigInt64Array, rows: number, bads: number): FeatureCounts[] {
  let at = 0;
  return features.map((feature, index) => {
    const { bins } = feature.shape;
    const events = Array.from(sums.subarray(at, at + bins), Number);
    at += bins;
    const whole = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
    const fits = feature.totals.length === bins && whole(feature.totals) === rows && whole(events) === bads
      && events.every((e, b) => e >= 0 && e <= (feature.totals[b] ?? 0));
    if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, feature: index });
    return { ...feature.shape, party: host, name: opaqueName(index), totals: feature.totals, events };
  });
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
