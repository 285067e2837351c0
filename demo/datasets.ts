// The definitions that go with the files: `dataset.json` of each party (schema: enclave/data/definition.ts).
import { datasetIndicators, standardDeclaration } from "../indicators/dataset.ts";
import type { DatasetIndicator, Tables } from "../indicators/dataset.ts";
import { bankColumns, labelColumn } from "./bank.ts";
import { snapshotDate } from "./calendar.ts";
import type { Columns, Provider } from "./provider.ts";
import { standardName } from "./provider.ts";

const uscc = { idColumn: "uscc", idKind: "uscc" } as const;

type Declared = Readonly<Record<string, { readonly type: string; readonly ignore?: boolean }>>;

function declared(columns: Columns): Declared {
  return Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, { type }]));
}

const bankDeclared: Declared = {
  ...declared(bankColumns),
  // When a company applied is no trait of the company: kept in the file, left out of models.
  application_month: { type: "date", ignore: true },
};

/** The bank's labelled loans. */
export const loansDefinition = { name: "bank_loans", ...uscc, labelColumn, features: "loans.csv", columns: bankDeclared } as const;
/** The bank's new applications: the same columns, no outcome. */
export const applicationsDefinition = { name: "bank_applications", ...uscc, features: "applications.csv", columns: bankDeclared } as const;

/** What a provider's tables hold, in the words of the sharing catalogue. */
export function providerDeclaration(provider: Provider): ReturnType<typeof standardDeclaration> {
  return standardDeclaration(Object.keys(provider.tables).map((table) => standardName(provider, table)));
}

/** The published indicators that a provider's tables allow in joint models. */
export function providerIndicators(provider: Provider): readonly DatasetIndicator[] {
  const named = Object.entries(provider.tables).map(([table, columns]) => [standardName(provider, table), [uscc.idColumn, ...Object.keys(columns)]]);
  const tables = Object.fromEntries(named) as Tables;
  return datasetIndicators(providerDeclaration(provider), tables, { asOf: snapshotDate, use: "joint-modelling" }).indicators;
}

/** A provider's raw tables, what they hold and its indicators over them; undefined where nothing may be computed from them. */
export function providerDefinition(provider: Provider): unknown {
  const { folder: name, population } = provider;
  const tables = Object.entries(provider.tables).map(([table, columns]) => [standardName(provider, table), { file: `${table}.csv`, columns: declared(columns) }]);
  const indicators = providerIndicators(provider);
  if (indicators.length === 0) return undefined;
  const catalogue = providerDeclaration(provider);
  return { name, ...uscc, ...(population !== undefined && { population: standardName(provider, population) }), tables: Object.fromEntries(tables), catalogue, indicators };
}
