// Scorecards that institutions publish: checked against the indicator system, then unchangeable. A run names one by its digest, and its plan holds it whole.
import { AppError, isAppError } from "../../../core/errors.ts";
import type { PartyId } from "../../../core/brand.ts";
import { bases, baselineScorecard, cardFor, parseLocalScorecard, scorecardDigest, type Basis, type Card } from "../../../evaluation/load.ts";
import type { Scorecard } from "../../../evaluation/schema.ts";
import type { ScorecardView } from "../../contract/scorecards.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { nextChange, type Tx } from "../../store/database.ts";
import { listInstitutions } from "../../store/parties.ts";
import { addScorecard, countScorecards, findScorecard, hasVersion, listScorecards, ownerOfScorecard, type ScorecardRow } from "../../store/scorecards.ts";

const listed = 500;
const mostOfInstitution = 50;

function viewOf({ digest, institution, scorecard, createdAt }: ScorecardRow, parties: ReadonlyMap<string, PartyId>): ScorecardView {
  const { id, version, zh, en, entries } = scorecard;
  return { digest, id, version, zh, en, publisher: parties.get(institution) ?? null, indicators: entries.length, bases: bases.filter((basis) => fits(scorecard, basis)), createdAt: createdAt.toISOString() };
}
const partiesOf = async ({ db }: Platform): Promise<Map<string, PartyId>> => new Map((await listInstitutions(db.read)).map((i) => [i.id, i.party as PartyId]));

function fits(scorecard: Scorecard, basis: Basis): boolean {
  try {
    return cardFor(scorecard, basis).basis === basis;
  } catch (error) {
    if (isAppError(error)) return false;
    throw error;
  }
}

/** A name belongs to whom published it first, a version is published once. Throws EVALUATION_SCORECARD, EVALUATION_SCORECARD_TAKEN,
 *  EVALUATION_SCORECARD_LIMIT. */
export async function publishScorecard(platform: Platform, { institution }: InstitutionCaller, given: unknown): Promise<ScorecardView> {
  const { db, env } = platform;
  const scorecard = parseLocalScorecard(given);
  const digest = scorecardDigest(scorecard);
  const row = await db.write(async (tx) => {
    await nextChange(tx);
    const known = await findScorecard(tx, digest);
    if (known !== undefined) return known;
    const owner = await ownerOfScorecard(tx, scorecard.id);
    if ((owner !== undefined && owner !== institution) || (await hasVersion(tx, scorecard.id, scorecard.version))) throw new AppError("EVALUATION_SCORECARD_TAKEN");
    if ((await countScorecards(tx, institution)) >= mostOfInstitution) throw new AppError("EVALUATION_SCORECARD_LIMIT", { limit: mostOfInstitution });
    await addScorecard(tx, institution, scorecard, new Date(env.now()));
    return findScorecard(tx, digest);
  });
  if (row === undefined) throw new AppError("EVALUATION_SCORECARD_UNKNOWN");
  return viewOf(row, await partiesOf(platform));
}

export async function publishedScorecards(platform: Platform): Promise<ScorecardView[]> {
  const parties = await partiesOf(platform);
  return (await listScorecards(platform.db.read, listed)).map((row) => viewOf(row, parties));
}

/** Throws EVALUATION_SCORECARD_UNKNOWN. */
export async function publishedScorecard(platform: Platform, digest: string): Promise<{ view: ScorecardView; scorecard: Scorecard }> {
  const row = await findScorecard(platform.db.read, digest);
  if (row === undefined) throw new AppError("EVALUATION_SCORECARD_UNKNOWN");
  return { view: viewOf(row, await partiesOf(platform)), scorecard: row.scorecard };
}

/** What a run by these terms computes; `local` stands in its plan. Throws EVALUATION_SCORECARD_UNKNOWN, and EVALUATION_SCORECARD for a basis on which nothing is left. */
export async function scorecardOf(tx: Tx, { scorecard: digest }: { readonly scorecard?: string | undefined }, basis: Basis): Promise<{ readonly card: Card; readonly local: Scorecard | undefined }> {
  if (digest === undefined) return { card: cardFor(baselineScorecard, basis), local: undefined };
  const local = (await findScorecard(tx, digest))?.scorecard;
  if (local === undefined) throw new AppError("EVALUATION_SCORECARD_UNKNOWN");
  return { card: cardFor(local, basis), local };
}
