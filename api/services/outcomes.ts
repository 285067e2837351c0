// What banks' enclaves tell of their models in service, as the platform takes and shows it.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { CountTable, OutcomeCounts } from "../../models/outcomes/release.ts";
import type { OutcomesReply, ServedModels, ServedModelsReply } from "../contract/outcomes.ts";
import type { RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { listOutcomes, listServedModels, storeOutcomes, storeServedModels, type Told } from "../store/outcomes.ts";
import { listInstitutions } from "../store/parties.ts";

/** Throws OUTCOME_STALE for counts of an earlier month than those told. */
export async function tellOutcomes({ db, env }: Platform, party: PartyId, counts: OutcomeCounts): Promise<void> {
  if (!(await db.write((tx) => storeOutcomes(tx, party, counts, new Date(env.now()))))) throw new AppError("OUTCOME_STALE", { party });
}

/** Throws SERVING_CONFLICT for an earlier revision than the one told. */
export async function tellServedModels({ db, env }: Platform, party: PartyId, served: ServedModels): Promise<void> {
  if (!(await db.write((tx) => storeServedModels(tx, party, served, new Date(env.now()))))) throw new AppError("SERVING_CONFLICT", { party });
}

export async function outcomesOf(platform: Platform, caller: RoleCaller, asked: PartyId | undefined): Promise<OutcomesReply> {
  const reports = (await visible(platform, caller, asked, listOutcomes)).map(({ body, ...told }) => ({ ...told, ...body }));
  return { reports, totals: totalsOf(reports) };
}

export async function servedModelsOf(platform: Platform, caller: RoleCaller, asked: PartyId | undefined): Promise<ServedModelsReply> {
  return { deployments: (await visible(platform, caller, asked, listServedModels)).map(({ body, ...told }) => ({ ...told, ...body })) };
}

/** An institution's roles see their own party, whatever they ask for. */
async function visible<T>({ db }: Platform, caller: RoleCaller, asked: PartyId | undefined, list: (tx: Platform["db"]["read"], party: PartyId | undefined) => Promise<Told<T>[]>) {
  const isOwn = caller.institution !== undefined;
  if (isOwn && (caller.party === undefined || (asked !== undefined && asked !== caller.party))) return [];
  const names = new Map((await listInstitutions(db.read)).map((i) => [i.party, i.name]));
  return (await list(db.read, isOwn ? caller.party : asked)).map(({ party, reportedAt, body }) => ({ party, institution: names.get(party) ?? null, reportedAt: reportedAt.toISOString(), body }));
}

/** By cohort over all versions, of cohorts in the form in which each was told; what was folded into a rest is in none. */
function totalsOf(reports: readonly { readonly cohorts: CountTable }[]): OutcomesReply["totals"] {
  const totals = new Map<string, { cohort: string; goods: number; bads: number; models: number }>();
  for (const { cohorts } of reports) for (const { key, goods, bads } of cohorts.cells) {
    const total = totals.get(key) ?? { cohort: key, goods: 0, bads: 0, models: 0 };
    totals.set(key, { cohort: key, goods: total.goods + goods, bads: total.bads + bads, models: total.models + 1 });
  }
  return [...totals.values()].sort((a, b) => (a.cohort < b.cohort ? -1 : 1));
}
