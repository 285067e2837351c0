// Parameters of batch scoring, as they stand in the plan.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { encryptedModelShape, wholeModelShape } from "../serve/own-model.ts";
import { mostReasons } from "./messages.ts";

/** What of a model the statement of a scoring follows from: its kind and size. Every enclave compares it with its own half. */
export const modelShapeSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("scorecard") }),
  z.strictObject({ kind: z.literal("gbdt"), trees: z.number().int().min(0).max(10_000), depth: z.number().int().min(1).max(6) }),
  /** Models that the bank brings, for this batch alone: federation/serve/README.md says of each protection who learns what. */
  z.strictObject({ kind: z.literal("encrypted-model"), ...encryptedModelShape }),
  z.strictObject({ kind: z.literal("whole-model"), ...wholeModelShape }),
  /** Bins of each column that a host picks from, at most; all of its features may be columns. */
  z.strictObject({ kind: z.literal("crossboost"), bins: z.number().int().min(2).max(254), totals: z.number().int().min(0).max(2) }),
]);
export type ModelShape = z.output<typeof modelShapeSchema>;
export type OwnShape = Extract<ModelShape, { kind: "encrypted-model" | "whole-model" }>;

export function isOwnShape(shape: ModelShape): shape is OwnShape {
  return shape.kind === "encrypted-model" || shape.kind === "whole-model";
}

/** Every score told by its parts. 0 reasons: no explanation at all. */
export const explainSchema = z.strictObject({
  /** Most reason codes of a company; and of each host named below about a company. */
  reasons: z.number().int().min(0).max(mostReasons).default(0),
  /** Hosts that tell more of their part than the total over all hosts: each needs its own policy's word for it. Scorecards only:
   *  hosts of the other models know no weight. */
  hosts: z.array(partyIdSchema).max(16).refine((h) => new Set(h).size === h.length).default([]),
}).refine((e) => e.hosts.length === 0 || e.reasons > 0, "hosts explain only when there are reasons");
export type ScoreExplain = z.output<typeof explainSchema>;

/** A batch of companies to score: a file that the bank has put into its own enclave, named by its digest. */
export const scoreJobSchema = z.strictObject({
  batch: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.number().int().min(1).max(5_000_000),
  shape: modelShapeSchema.default({ kind: "scorecard" }),
  explain: explainSchema.prefault({}),
}).refine((p) => p.explain.hosts.length === 0 || p.shape.kind === "scorecard", "only hosts of a scorecard know their weights")
  .refine((p) => p.explain.reasons === 0 || !isOwnShape(p.shape), "what the bank brings is not explained here");
export type ScoreJobParams = z.output<typeof scoreJobSchema>;
