// Parameters of a standing service for scores, as they stand in its plan: everything that one request may do is fixed here.
import { z } from "zod";
import { liveParams, mostSets } from "../live/params.ts";

export const serveJobSchema = z.strictObject({
  ...liveParams,
  /** Each provider gives its part as one masked byte; weights of the model lie at the providers since training. */
  protection: z.literal("masked-points").default("masked-points"),
  /** When a provider is away: score its features as missing and say so, or refuse the request. */
  fallback: z.enum(["missing-bin", "refuse"]).default("refuse"),
  setsPerCompany: z.number().int().min(1).max(mostSets).default(1),
});
export type ServeJobParams = z.output<typeof serveJobSchema>;
