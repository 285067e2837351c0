// Rows of what banks' enclaves tell of their models in service: the latest of each version and deployment.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { partyIdSchema } from "../../core/names.ts";
import { outcomeCountsSchema, type OutcomeCounts } from "../../models/outcomes/release.ts";
import { servedModelsSchema, type ServedModels } from "../contract/outcomes.ts";
import type { Tx } from "./database.ts";

export type Told<T> = { readonly party: PartyId; readonly reportedAt: Date; readonly body: T };

/** false when a later month was told already. */
export async function storeOutcomes(tx: Tx, party: PartyId, counts: OutcomeCounts, now: Date): Promise<boolean> {
  const key = { partyId_model: { partyId: party, model: counts.model } };
  const before = await tx.loanOutcomes.findUnique({ where: key, select: { body: true } });
  const last = before === null ? undefined : outcomeCountsSchema.parse(JSON.parse(before.body));
  if (last !== undefined && (last.cohorts.asOf > counts.cohorts.asOf || last.bands.asOf > counts.bands.asOf)) return false;
  const data = { reportedAt: now, body: canonicalJson(counts) };
  await tx.loanOutcomes.upsert({ where: key, create: { partyId: party, model: counts.model, ...data }, update: data, select: { model: true } });
  return true;
}

/** Of one party, or of all, in the order of their names and versions. */
export async function listOutcomes(tx: Tx, party: PartyId | undefined): Promise<Told<OutcomeCounts>[]> {
  const rows = await tx.loanOutcomes.findMany({ ...(party === undefined ? {} : { where: { partyId: party } }), orderBy: [{ partyId: "asc" }, { model: "asc" }] });
  return rows.map((r) => ({ party: partyIdSchema.parse(r.partyId), reportedAt: r.reportedAt, body: outcomeCountsSchema.parse(JSON.parse(r.body)) }));
}

/** false when a later revision was told already. */
export async function storeServedModels(tx: Tx, party: PartyId, served: ServedModels, now: Date): Promise<boolean> {
  const key = { partyId_deployment: { partyId: party, deployment: served.deployment } };
  const before = await tx.servedModels.findUnique({ where: key, select: { revision: true } });
  if (before !== null && before.revision > served.revision) return false;
  const data = { revision: served.revision, reportedAt: now, body: canonicalJson(served) };
  await tx.servedModels.upsert({ where: key, create: { partyId: party, deployment: served.deployment, ...data }, update: data, select: { revision: true } });
  return true;
}

export async function listServedModels(tx: Tx, party: PartyId | undefined): Promise<Told<ServedModels>[]> {
  const rows = await tx.servedModels.findMany({ ...(party === undefined ? {} : { where: { partyId: party } }), orderBy: [{ partyId: "asc" }, { deployment: "asc" }] });
  return rows.map((r) => ({ party: partyIdSchema.parse(r.partyId), reportedAt: r.reportedAt, body: servedModelsSchema.parse(JSON.parse(r.body)) }));
}
