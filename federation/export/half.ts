// A host's half of a model as it leaves for an export: what the model uses of it, under real names, and nothing more.
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import { fineDefinitionSchema } from "../../models/binning/fine.ts";
import { partyPlanSchema } from "../../models/scorecard/quantise.ts";
import { cutSchema } from "../../models/trees/model.ts";
import type { GbdtHostHalf } from "../gbdt/half.ts";
import type { HostHalf } from "../scorecard/half.ts";

const index = z.int().min(0);
const name = z.string().min(1).max(256);
const model = { model: z.string().max(64), digest: z.string().max(64) };

export const openHalfSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("gbdt"), ...model,
    /** Own features with a cut in the model. */
    features: z.array(z.strictObject({ name, definition: fineDefinitionSchema })).max(65_536),
    /** The cuts that stand in the model. `number`: as both halves count them; `feature`: place in `features`. */
    cuts: z.array(z.strictObject({ number: index, feature: index, left: cutSchema.shape.left })).max(65_536),
  }),
  z.strictObject({
    kind: z.literal("scorecard"), ...model,
    /** Own columns with a weight, in the order of the half. `number`: as both halves count this host's columns. */
    columns: z.array(z.strictObject({
      number: index, name, definition: fineDefinitionSchema, mergedOf: z.array(index).max(254), codes: z.array(z.int().min(-127).max(127)).max(254),
    })).max(65_536),
    plan: partyPlanSchema.omit({ party: true }),
  }),
]);
export type OpenHalf = z.output<typeof openHalfSchema>;
export type OpenTrees = Extract<OpenHalf, { kind: "gbdt" }>;
export type OpenCard = Extract<OpenHalf, { kind: "scorecard" }>;

export type OwnerHalf = { readonly kind: "gbdt"; readonly half: GbdtHostHalf } | { readonly kind: "scorecard"; readonly half: HostHalf };

/** What leaves of a half: each field by name, so that what a half holds beside them stays. */
export function openHalf(owner: OwnerHalf): OpenHalf {
  return owner.kind === "gbdt" ? openTrees(owner.half) : openCard(owner.half);
}

function openTrees(half: GbdtHostHalf): OpenTrees {
  const used = [...new Set(half.uses.map((u) => u.cut))].sort((a, b) => a - b);
  const cuts = used.flatMap((number) => {
    const cut = half.cuts[number];
    return cut === undefined ? [] : [{ number, cut }];
  });
  const features = [...new Set(cuts.map(({ cut }) => cut.feature))].sort((a, b) => a - b);
  return {
    kind: "gbdt", model: half.model, digest: half.digest,
    features: features.flatMap((f) => {
      const own = half.features[f];
      return own === undefined ? [] : [{ name: own.name, definition: own.definition }];
    }),
    cuts: cuts.map(({ number, cut }) => ({ number, feature: features.indexOf(cut.feature), left: cut.left })),
  };
}

/** A column whose whole weight is 0 adds nothing to any score: its definition stays. */
function openCard(half: HostHalf): OpenCard {
  const { clip, fractionBits, offset, weights } = half.plan;
  const columns = half.columns.flatMap(({ feature, definition, mergedOf, codes }, number) => (
    (weights[number] ?? 0) === 0 ? [] : [{ number, name: feature, definition, mergedOf, codes }]));
  return { kind: "scorecard", model: half.model, digest: half.digest, columns, plan: { clip, fractionBits, offset, weights } };
}

export function encodeHalf(half: OpenHalf): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(half));
}

/** Undefined for what is no half. */
export function decodeHalf(bytes: Uint8Array): OpenHalf | undefined {
  try {
    return openHalfSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return undefined;
  }
}
