// Rows of published scorecards: written once, never changed.
import { canonicalJson } from "../../core/canonical.ts";
import { parseLocalScorecard, scorecardDigest } from "../../evaluation/load.ts";
import type { Scorecard } from "../../evaluation/schema.ts";
import type { Tx } from "./database.ts";

export type ScorecardRow = { readonly digest: string; readonly institution: string; readonly scorecard: Scorecard; readonly createdAt: Date };
type Stored = NonNullable<Awaited<ReturnType<Tx["evaluationScorecard"]["findUnique"]>>>;
const toScorecard = ({ digest, institutionId, text, createdAt }: Stored): ScorecardRow => ({ digest, institution: institutionId, scorecard: parseLocalScorecard(JSON.parse(text)), createdAt });

/** Throws what `isTaken` knows for a version that is there. */
export async function addScorecard(tx: Tx, institutionId: string, scorecard: Scorecard, now: Date): Promise<void> {
  const { id: name, version } = scorecard;
  await tx.evaluationScorecard.create({ data: { digest: scorecardDigest(scorecard), institutionId, name, version, text: canonicalJson(scorecard), createdAt: now }, select: { digest: true } });
}

export async function findScorecard(tx: Tx, digest: string): Promise<ScorecardRow | undefined> {
  const row = await tx.evaluationScorecard.findUnique({ where: { digest } });
  return row === null ? undefined : toScorecard(row);
}

export async function hasVersion(tx: Tx, name: string, version: string): Promise<boolean> {
  return (await tx.evaluationScorecard.findUnique({ where: { name_version: { name, version } }, select: { digest: true } })) !== null;
}

/** Who published scorecards of this name. */
export async function ownerOfScorecard(tx: Tx, name: string): Promise<string | undefined> {
  return (await tx.evaluationScorecard.findFirst({ where: { name }, select: { institutionId: true } }))?.institutionId;
}

export async function countScorecards(tx: Tx, institutionId: string): Promise<number> {
  return tx.evaluationScorecard.count({ where: { institutionId } });
}

/** Newest first. */
export async function listScorecards(tx: Tx, limit: number): Promise<ScorecardRow[]> {
  return (await tx.evaluationScorecard.findMany({ orderBy: [{ createdAt: "desc" }, { digest: "asc" }], take: limit })).map(toScorecard);
}
