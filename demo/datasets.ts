// The definitions that go with the files: `dataset.json` of each party (schema: enclave/data/definition.ts).
import { bankColumns, labelColumn } from "./bank.ts";
import type { Columns, Provider } from "./provider.ts";

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

/** A provider's raw tables and its indicators over them. */
export function providerDefinition(provider: Provider): unknown {
  const tables = Object.entries(provider.tables).map(([name, columns]) => [name, { file: `${name}.csv`, columns: declared(columns) }]);
  const { folder: name, population, indicators } = provider;
  return { name, ...uscc, population, tables: Object.fromEntries(tables), indicators };
}
