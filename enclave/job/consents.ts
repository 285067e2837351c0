// Authorisation in a job: which of the two parts this enclave has in it, by the plan that everybody approved.
import type { EntityId, ItemId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { GuestConsents } from "../../federation/consents/guest.ts";
import { holdingParty, type HostConsents } from "../../federation/consents/host.ts";
import { consentHosts } from "../../federation/consents/needed.ts";
import type { Party } from "../../federation/party.ts";
import { BankConsents } from "../consents/guest.ts";
import { ProviderConsents } from "../consents/host.ts";
import type { DatasetCatalogue } from "../data/declared.ts";
import type { HostTools, JobContext } from "./context.ts";

/** The bank's consents for the companies of a job; undefined when no provider checks any. Throws POLICY_CONSENTS when it has no place for them. */
export async function bankConsents({ tools, input: { plan, signal } }: JobContext, ids: readonly EntityId[]): Promise<GuestConsents | undefined> {
  if (consentHosts(plan).length === 0) return undefined;
  const { consents: desk, records, now } = tools;
  if (desk === undefined) throw new AppError("POLICY_CONSENTS");
  await desk.collect(signal);
  return new BankConsents({ store: desk.store, records, plan, ids, now });
}

export type ProviderPart = { readonly party: Party; readonly host: HostTools & { readonly consents?: HostConsents } };

/** A provider's role with its part in authorisation. `features`: those that the job uses. In a scoring or an evaluation, what is used of each company is written
 *  down for the receipt also where nobody's consent is needed. Throws POLICY_CONSENTS rather than leave a check out. */
export function withConsents(context: JobContext, host: HostTools, features: readonly string[]): ProviderPart {
  const { tools, input: { plan, planDigest, rule, signal, isOver }, party, uses } = context;
  const isNeeded = consentHosts(plan).includes(party.self);
  const { consents: desk, dataset: { catalogue } } = tools;
  const isAboutCompanies = plan.kind === "score" || plan.kind === "evaluate";
  if (!isNeeded && (!isAboutCompanies || desk === undefined || catalogue === undefined)) return { party, host };
  if (desk === undefined || catalogue === undefined) throw new AppError("POLICY_CONSENTS");
  const { authorised, all } = itemsOf(catalogue, features);
  const consents = new ProviderConsents({
    desk, records: tools.records, uses, plan, planDigest, ids: host.ids, guestUscc: rule.guestUscc, now: tools.now, signal, isOver, onChecked: (counts) => tools.audit.checkedConsents(plan.job, counts),
    items: isNeeded ? { authorised, open: all.filter((item) => !authorised.includes(item)) } : { authorised: [], open: all },
  });
  const holding = holdingParty(party, consents);
  if (isNeeded) return { party: holding, host: { ...host, consents } };
  const { guard } = host;
  const admitRows: typeof guard.admitRows = async (rowOf, ...rest) => {
    await guard.admitRows(rowOf, ...rest);
    consents.admit(rowOf.filter((record) => record >= 0));
  };
  return { party: holding, host: { ...host, guard: { ...guard, admitRows } } };
}

/** Items behind these features, and those of them that need authorisation. */
export function itemsOf(catalogue: DatasetCatalogue, features: readonly string[]): { readonly authorised: readonly ItemId[]; readonly all: readonly ItemId[] } {
  const declared = features.map((name) => catalogue.features.get(name));
  // A feature that nobody declared could be made of anything.
  if (declared.includes(undefined)) return { authorised: catalogue.authorised, all: catalogue.items };
  const all = new Set(declared.flatMap((f) => f?.items ?? []));
  const authorised = new Set(declared.flatMap((f) => f?.authorised ?? []));
  return { all: catalogue.items.filter((item) => all.has(item)), authorised: catalogue.authorised.filter((item) => authorised.has(item)) };
}
