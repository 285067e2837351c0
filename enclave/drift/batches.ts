// Scores of batches, from the bank's own folder of results.
import { join } from "node:path";
import { jobPlanSchema } from "../../federation/plan-schema.ts";
import { scoresOf } from "../outcomes/scores.ts";
import type { StateDatabase } from "../store/database.ts";

/** Probabilities of the largest batch of a month that this model scored; empty when there is none, or its file is gone. */
export async function largestBatch({ db, results }: { readonly db: StateDatabase; readonly results: string }, model: string, month: string): Promise<Float64Array> {
  let largest: number[] = [];
  for (const row of db.all("select plan from jobs where state = 'done'")) {
    const plan = jobPlanSchema.safeParse(JSON.parse(String(row["plan"])));
    if (!plan.success || plan.data.kind !== "score" || plan.data.model !== model || !plan.data.createdAt.startsWith(month)) continue;
    const found: number[] = [];
    for await (const { probability } of scoresOf(join(results, plan.data.job, "scores.csv"))) found.push(probability);
    if (found.length > largest.length) largest = found;
  }
  return Float64Array.from(largest);
}
