// What an export may send, for the leakage statement: no rows, so no alignment, and no label statistic.
import { AppError } from "../../core/errors.ts";
import type { KindStatement } from "../leakage.ts";
import type { ModelShape } from "../score/params.ts";
import { chunks, featuresOf, type Add, type Sizes } from "../statement.ts";
import { halfChunkBytes } from "./messages.ts";
import { exportJobSchema } from "./params.ts";

/** Levels of a category, at most: each may be told; edges and special values are fewer. */
const mostLevels = 10_000;
/** Bytes of one feature's definition with its name, on average over a host's features; an unusual one (10,000 long levels) may have 8 MB. */
const featureBytes = 1024 * 1024;
const cutBytes = 2048;

/** Adds the messages of an export. Throws JOB_EXPORT_KIND for a model that has no whole in any file format. */
export function exportStatement(plan: Sizes, add: Add): KindStatement {
  const { shape } = exportJobSchema.parse(plan.params);
  const { guest, hosts } = plan;
  for (const host of hosts) {
    const { features, cuts } = mostOf(shape, featuresOf(plan, host));
    const bytes = 4096 + features * featureBytes + cuts * cutBytes;
    add(guest, host, "export/open", 1, 1024, 1);
    add(host, guest, "export/half", chunks(bytes, halfChunkBytes), bytes, features * mostLevels + cuts);
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
  }
  return { answered: [], attacks: [] };
}

function mostOf(shape: ModelShape, features: number): { features: number; cuts: number } {
  if (shape.kind === "scorecard") return { features, cuts: 0 };
  if (shape.kind !== "gbdt") throw new AppError("JOB_EXPORT_KIND");
  const cuts = shape.trees * shape.depth;
  return { features: Math.min(features, cuts), cuts };
}
