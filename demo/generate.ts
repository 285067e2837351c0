// Writes a whole demo world: a bank's loans and raw tables of a provider of every kind in the sharing catalogue, from one seed. Parties'
// folders hold raw data and definitions only; the latent values behind them are never written anywhere.
import { AppError } from "../core/errors.ts";
import { applicationColumns, loanColumns, writeBank } from "./bank.ts";
import { calendarOf, snapshotDate } from "./calendar.ts";
import { codeBook, drawCompany } from "./company.ts";
import type { CsvTable } from "./csv.ts";
import { applicationsDefinition, loansDefinition, providerDeclaration, providerDefinition, providerIndicators } from "./datasets.ts";
import { streamsOf } from "./draws.ts";
import { drawWorld, emptyPath, simulate } from "./model.ts";
import { Output } from "./output.ts";
import type { Provider } from "./provider.ts";
import { administrative } from "./providers/administrative.ts";
import { agriculture } from "./providers/agriculture.ts";
import { civilAffairs } from "./providers/civil-affairs.ts";
import { customs } from "./providers/customs.ts";
import { environment } from "./providers/environment.ts";
import { housingFund } from "./providers/housing-fund.ts";
import { intellectualProperty } from "./providers/intellectual-property.ts";
import { medicalInsurance } from "./providers/medical-insurance.ts";
import { publicResources } from "./providers/public-resources.ts";
import { qualification } from "./providers/qualification.ts";
import { realEstate } from "./providers/real-estate.ts";
import { registryCourts } from "./providers/registry-courts.ts";
import { registryDetails } from "./providers/registry-details.ts";
import { research } from "./providers/research.ts";
import { socialInsurance } from "./providers/social-insurance.ts";
import { tax } from "./providers/tax.ts";
import { utilities } from "./providers/utilities.ts";
import { drawTraits } from "./traits.ts";

/** The providers of the main job: they know nearly every company. */
export const mainProviders: readonly Provider[] = [tax, socialInsurance, housingFund, utilities, registryCourts];
/** All providers, in the order of the summary. */
export const providers: readonly Provider[] = [
  ...mainProviders, registryDetails, customs, environment, intellectualProperty, qualification, research, agriculture, administrative,
  publicResources, medicalInsurance, realEstate, civilAffairs,
];

export type DemoOptions = {
  /** 500 to 5,000,000: fewer would leave tables of rare events empty. */
  readonly companies: number;
  /** Integer >= 0: the same seed gives the same bytes. */
  readonly seed: number;
  readonly directory: string;
  /** Months of history, 12 to 60. Default 24. */
  readonly months?: number;
  /** Overwrite the files of an earlier run. Default false: a directory that is not empty is refused. */
  readonly force?: boolean;
  readonly onProgress?: (progress: DemoProgress) => void;
};

export type DemoProgress = { readonly done: number; readonly total: number };

export type DemoParty = {
  readonly folder: string;
  /** Companies that the party knows, and their share of all. */
  readonly companies: number;
  readonly coverage: number;
  /** Rows of each table. */
  readonly tables: Readonly<Record<string, number>>;
  readonly indicators: number;
};

export type DemoSummary = {
  readonly companies: number;
  readonly months: number;
  readonly snapshotDate: string;
  readonly loans: number;
  readonly defaults: number;
  readonly defaultRate: number;
  readonly applications: number;
  readonly bank: DemoParty;
  readonly providers: readonly DemoParty[];
};

/** Companies between two writes: bounds the memory of what waits, and is the reach of the shuffle. */
const batch = 256;

function checked(options: DemoOptions): { companies: number; months: number; seed: number } {
  const { companies, seed, months = 24 } = options;
  const isWithin = (n: number, min: number, max: number): boolean => Number.isInteger(n) && n >= min && n <= max;
  if (!isWithin(companies, 500, 5_000_000) || !isWithin(months, 12, 60) || !isWithin(seed, 0, Number.MAX_SAFE_INTEGER)) {
    throw new AppError("DEMO_BAD_OPTIONS", { companies, months, seed });
  }
  return { companies, months, seed };
}

type Counted = { known: number; readonly tables: Readonly<Record<string, CsvTable>> };

function party(folder: string, counted: Counted, total: number, indicators: number): DemoParty {
  const tables = Object.fromEntries(Object.entries(counted.tables).map(([name, table]) => [name, table.rows]));
  return { folder, companies: counted.known, coverage: counted.known / total, tables, indicators };
}

/**
 * Writes the demo world under `directory` and returns what a command line may print about it.
 * Errors: DEMO_BAD_OPTIONS, DEMO_DIRECTORY_NOT_EMPTY, DEMO_DISK_FULL, DEMO_WRITE_FAILED.
 */
export async function generateDemo(options: DemoOptions): Promise<DemoSummary> {
  const { companies, months, seed } = checked(options);
  const output = await Output.open(options.directory, options.force ?? false);
  return output.guard(async () => {
    const stream = streamsOf(seed);
    const calendar = calendarOf(months);
    const world = drawWorld(calendar, stream("world"));
    const book = codeBook(stream("codes"));
    const path = emptyPath(world);
    const facts = stream("companies");
    const latent = stream("latent");
    const traitDraws = stream("traits");
    const bankDraws = stream("bank");
    const open = (folder: string, name: string, columns: readonly string[]): Promise<CsvTable> =>
      output.table(folder, name, ["uscc", ...columns], stream(`order/${folder}/${name}`));
    const loanTable = await open("bank", "loans", loanColumns);
    const bank = { known: 0, tables: { loans: loanTable, applications: await open("bank", "applications", applicationColumns) } };
    await output.json("bank", "dataset.json", loansDefinition);
    await output.json("bank", "applications.json", applicationsDefinition);
    const hosts: (Counted & { provider: Provider; draws: ReturnType<typeof stream> })[] = [];
    for (const provider of providers) {
      const tables: Record<string, CsvTable> = {};
      for (const [name, columns] of Object.entries(provider.tables)) tables[name] = await open(provider.folder, name, Object.keys(columns));
      const definition = providerDefinition(provider);
      // A provider of data for verification alone has nothing that an enclave could compute: it has its declaration.
      if (definition === undefined) await output.json(provider.folder, "catalogue.json", providerDeclaration(provider));
      else await output.json(provider.folder, "dataset.json", definition);
      hosts.push({ provider, draws: stream(provider.folder), known: 0, tables });
    }
    let defaults = 0;
    let applications = 0;
    for (let index = 0; index < companies; index += 1) {
      const company = drawCompany(index, book, calendar, facts);
      simulate(company, world, latent, path);
      const traits = drawTraits(company, traitDraws);
      const subject = { company, path, traits, calendar };
      const result = writeBank(subject, bankDraws, bank.tables);
      if (result === "applied") applications += 1;
      if (result === "defaulted") defaults += 1;
      if (result !== "none") bank.known += 1;
      for (const host of hosts) {
        if (!host.draws.bernoulli(host.provider.coverage(company, traits))) continue;
        host.known += 1;
        host.provider.write(subject, host.draws, host.tables);
      }
      output.endCompany();
      if ((index + 1) % batch === 0) {
        await output.flush();
        options.onProgress?.({ done: index + 1, total: companies });
      }
    }
    await output.finish();
    options.onProgress?.({ done: companies, total: companies });
    const loans = bank.tables.loans.rows;
    return {
      companies, months, snapshotDate, loans, defaults, defaultRate: loans === 0 ? 0 : defaults / loans, applications,
      bank: party("bank", bank, companies, 0),
      providers: hosts.map((host) => party(host.provider.folder, host, companies, providerIndicators(host.provider).length)),
    };
  });
}
