// What an enclave publishes about its data set: sizes, how it can be aligned, which items of the catalogue it is of, and whether consents count.
import { z } from "zod";
import type { DatasetSummary } from "../federation/plan-schema.ts";
import type { EnclaveConfig } from "./config.ts";
import type { LoadedDataset } from "./data/load.ts";
import type { Policy } from "./policy.ts";

/** `policy`: as it is when the enclave starts. */
export function summaryOf(config: EnclaveConfig, dataset: LoadedDataset, policy: Policy | undefined): DatasetSummary {
  const { catalogue } = dataset;
  return {
    name: publicName(config.dataset.name), rows: dataset.rows, features: dataset.features.length,
    labelled: dataset.label !== undefined, snapshotDigest: dataset.snapshotDigest,
    ...(config.reusableTags === true ? { reusable: true } : {}),
    ...(catalogue === undefined || catalogue.items.length === 0 ? {} : { catalogue: { version: catalogue.version, items: [...catalogue.items], authorised: [...catalogue.authorised] } }),
    ...(checksConsents(config, dataset, policy) ? { consents: true } : {}),
    ...(config.ownData === true ? { ownData: true } : {}),
    ...verificationOf(config, dataset, policy),
  };
}

function verificationOf(config: EnclaveConfig, dataset: LoadedDataset, policy: Policy | undefined): Pick<DatasetSummary, "verification"> {
  const { verifiable } = dataset;
  if (verifiable === undefined) return {};
  const { version, fields } = verifiable;
  const isClaimed = fields.some(({ items }) => items.length > 0);
  return { verification: {
    ...(version === undefined || !isClaimed ? {} : { catalogue: version }), fields: fields.map((field) => ({ ...field, items: [...field.items], authorised: [...field.authorised] })),
    ...(checksClaims(config, dataset, policy) ? { consents: true as const } : {}),
  } };
}

/** What is checked by the present policy; nothing where the data need none. */
export function consentsNow(config: EnclaveConfig, dataset: LoadedDataset, policy: Policy | undefined): { readonly checksConsents?: boolean; readonly checksClaims?: boolean } {
  const always = { dataset: config.dataset };
  return {
    ...(checksConsents(always, dataset, undefined) ? { checksConsents: checksConsents(config, dataset, policy) } : {}),
    ...(checksClaims(always, dataset, undefined) ? { checksClaims: checksClaims(config, dataset, policy) } : {}),
  };
}

/** Whether a score about one of its companies needs that company's consent: where it can be named by its credit code and the data need it. Only
 *  experiments, all of whose parties are one person's files, may leave it out. */
export function checksConsents(config: Pick<EnclaveConfig, "dataset" | "experiments">, { catalogue }: Pick<LoadedDataset, "catalogue">, policy: Policy | undefined): boolean {
  return areChecked(config, catalogue?.authorised ?? [], policy);
}

/** The same for claims about its verifiable fields. */
function checksClaims(config: Pick<EnclaveConfig, "dataset" | "experiments">, { verifiable }: Pick<LoadedDataset, "verifiable">, policy: Policy | undefined): boolean {
  return areChecked(config, verifiable?.fields.flatMap(({ authorised }) => authorised) ?? [], policy);
}

function areChecked(config: Pick<EnclaveConfig, "dataset" | "experiments">, authorised: readonly string[], policy: Policy | undefined): boolean {
  if (config.dataset.idKind !== "uscc" || authorised.length === 0) return false;
  return !(config.experiments === true && policy?.consents === "off");
}

/** Data set names are free text at the provider; the plan wants a short public one. */
function publicName(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9_-]/g, "-").slice(0, 64);
  return z.string().regex(/^[a-z]/).safeParse(plain).success ? plain : `data-${plain}`.slice(0, 64);
}
