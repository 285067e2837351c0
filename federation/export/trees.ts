// A whole model of boosted trees from the guest's half and the opened halves of the hosts: only features with a cut, real names.
import type { PartyId } from "../../core/brand.ts";
import type { OwnedFeature } from "../../models/files/unroll.ts";
import { cutKey, type Cut, type TreeModel } from "../../models/trees/model.ts";
import type { GbdtGuestHalf } from "../gbdt/half.ts";
import { areDistinct, areEqual, fitsShape, requireFit } from "./check.ts";
import type { OpenHalf } from "./half.ts";

/** `features`: one per feature of the model, in its order. */
export type WholeTrees = { readonly id: string; readonly model: TreeModel; readonly features: readonly OwnedFeature[] };

/** Throws PROTOCOL_CONTRADICTION naming the host whose half does not fit the guest's. */
export function wholeTrees(half: GbdtGuestHalf, self: PartyId, halves: ReadonlyMap<PartyId, OpenHalf>): WholeTrees {
  const { trees: model } = half;
  const cuts = model.trees.flatMap((t) => t.cuts);
  const owned = new Map<number, OwnedFeature>(half.own.map(({ name, definition }, i) => [i, { party: self, name, definition }]));
  for (const [host, open] of halves) {
    const asked = half.hosts.find((h) => h.party === host)?.cuts ?? [];
    for (const [feature, own] of hostFeatures(model, asked, cuts, host, open)) owned.set(feature, own);
  }
  const used = [...new Set(cuts.map((c) => c.feature))].sort((a, b) => a - b);
  const features = used.flatMap((f) => owned.get(f) ?? []);
  const names = features.map(({ party, name }, i) => ({ ...model.features[used[i] ?? -1] as TreeModel["features"][number], party, name }));
  const place = new Map(used.map((f, i) => [f, i]));
  return {
    id: half.model, features,
    model: {
      ...model, features: names,
      trees: model.trees.map((t) => ({ ...t, cuts: t.cuts.map((c) => ({ ...c, feature: place.get(c.feature) ?? 0 })) })),
    },
  };
}

/** The host's features by their place in the guest's model, after all that both halves say of them was compared. */
function hostFeatures(model: TreeModel, asked: readonly Cut[], cuts: readonly Cut[], host: PartyId, open: OpenHalf): Map<number, OwnedFeature> {
  requireFit(open.kind === "gbdt", host);
  const inModel = new Set(cuts.map(cutKey));
  const expected = asked.flatMap((cut, number) => (inModel.has(cutKey(cut)) ? [{ cut, number }] : []));
  requireFit(open.cuts.length === expected.length, host, { cuts: open.cuts.length, expected: expected.length });
  const placeOf = new Map<number, number>();
  for (const [i, { cut, number }] of expected.entries()) {
    const told = open.cuts[i];
    const fits = told?.number === number && areEqual(told.left, cut.left) && told.feature < open.features.length
      && (placeOf.get(told.feature) ?? cut.feature) === cut.feature;
    requireFit(fits, host, { cut: number });
    placeOf.set(told.feature, cut.feature);
  }
  // Every feature told has a cut, no two of them are the same one of the model, and no two have one name.
  const fits = placeOf.size === open.features.length && areDistinct([...placeOf.values()]) && areDistinct(open.features.map((f) => f.name));
  requireFit(fits, host, { features: open.features.length, expected: placeOf.size });
  return new Map([...placeOf].map(([at, feature]) => {
    const { name, definition } = open.features[at] as (typeof open.features)[number];
    const shape = model.features[feature];
    requireFit(shape !== undefined && fitsShape(definition, shape), host, { feature });
    return [feature, { party: host, name, definition }];
  }));
}
