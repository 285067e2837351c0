// Parameters of an export, as they stand in the plan.
import { z } from "zod";
import { modelShapeSchema } from "../score/params.ts";

export const exportJobSchema = z.strictObject({
  /** What the statement follows from: every enclave compares it with its own half. */
  shape: modelShapeSchema.default({ kind: "scorecard" }),
});
export type ExportJobParams = z.output<typeof exportJobSchema>;
