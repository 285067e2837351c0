// Rows of providers' quality reports: the latest of each party.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { partyIdSchema } from "../../core/names.ts";
import { publicationSchema, type Publication } from "../../quality/publication.ts";
import type { Tx } from "./database.ts";

/** false when the party has published a later run already. */
export async function storeQuality(tx: Tx, party: PartyId, publication: Publication, now: Date): Promise<boolean> {
  const data = { ranAt: new Date(publication.ranAt), reportedAt: now, body: canonicalJson(publication) };
  const before = await tx.providerQuality.findUnique({ where: { partyId: party }, select: { ranAt: true } });
  if (before !== null && before.ranAt > data.ranAt) return false;
  await tx.providerQuality.upsert({ where: { partyId: party }, create: { partyId: party, ...data }, update: data, select: { partyId: true } });
  return true;
}

/** Of one party, or of all, in the order of their names. */
export async function listQuality(tx: Tx, party: PartyId | undefined): Promise<{ party: PartyId; publication: Publication }[]> {
  const rows = await tx.providerQuality.findMany({ ...(party === undefined ? {} : { where: { partyId: party } }), orderBy: { partyId: "asc" }, select: { partyId: true, body: true } });
  return rows.map(({ partyId, body }) => ({ party: partyIdSchema.parse(partyId), publication: publicationSchema.parse(JSON.parse(body)) }));
}
