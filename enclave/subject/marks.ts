// Marks on scores that were made before an objection was known: `objections.json` beside the scores of each batch that they concern. Scores that
// are made while an objection stands carry their mark themselves (enclave/job/results.ts).
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { objectionId, objectionStates, type ObjectionNotice } from "../../api/contract/subject.ts";
import { partyIdSchema } from "../../core/names.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { usccSchema } from "../../consent/statement.ts";
import { affectedScores, type ScoredBatches } from "./affected.ts";

export const marksFile = "objections.json";
const marksSchema = z.strictObject({
  version: z.literal(1),
  objections: z.array(z.strictObject({
    objection: objectionId, id: usccSchema, party: partyIdSchema, item: z.string().nullable(),
    /** Where the objection stands: while it is open the score is disputed; corrected: it was made from wrong data and should be made again. */
    state: z.enum(objectionStates),
  })),
});
export type ScoreMark = z.output<typeof marksSchema>["objections"][number];

/** Writes where an objection stands to the scores that rest on what it is about. The same again changes nothing. */
export async function markScores(batches: ScoredBatches, notice: ObjectionNotice): Promise<void> {
  const { id, subject, party, item, state } = notice;
  const mark: ScoreMark = { objection: id, id: subject, party, item, state };
  for (const { job } of await affectedScores(batches, subject, notice.target === "item" ? party : undefined)) {
    const known = marksOf(batches.results, job);
    const before = known.find((m) => m.objection === id);
    // A score that was made after the end of an objection is not one of those that it was about.
    if (before?.state === state || (before === undefined && !concerns.has(state))) continue;
    const objections = [...known.filter((m) => m.objection !== id), mark];
    writeDurably(join(batches.results, job, marksFile), `${JSON.stringify({ version: 1, objections }, undefined, 2)}\n`);
  }
}
/** Also corrected: an institution may first hear of it then. */
const concerns: ReadonlySet<string> = new Set(["accepted", "examining", "unconfirmed", "corrected"]);

/** The marks on one batch; none for a file that is damaged: it is written again with the next notice. */
export function marksOf(results: string, job: string): readonly ScoreMark[] {
  const path = join(results, job, marksFile);
  if (!existsSync(path)) return [];
  try {
    return marksSchema.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8"))).objections;
  } catch {
    return [];
  }
}
