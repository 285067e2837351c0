// The made-up companies: code, legal form, size, sector, region, age. Facts that do not move with time.
import { usccCheckCharacter } from "../core/uscc.ts";
import type { Calendar } from "./calendar.ts";
import type { Draws } from "./draws.ts";
import type { Region, Sector } from "./sectors.ts";
import { regions, sectors } from "./sectors.ts";

export type Size = "individual" | "cooperative" | "micro" | "small" | "medium";

type SizeFacts = {
  readonly size: Size;
  readonly share: number;
  /** Log of yearly revenue in yuan: mean and standard deviation. */
  readonly revenue: readonly [mean: number, sd: number];
  /** Which entry of `Sector.share` counts. */
  readonly form: 0 | 1 | 2;
  /** First two characters of the code: registration department and kind of organisation (GB 32100-2015, table 1). */
  readonly prefix: string;
  readonly suffix: string;
  /** Probability of being in the bank's loan book. */
  readonly borrows: number;
};

/** Legal forms and sizes; shares sum to 1. */
export const sizes: readonly [SizeFacts, ...SizeFacts[]] = [
  { size: "micro", share: 0.38, revenue: [14.4, 0.8], form: 2, prefix: "91", suffix: "有限公司", borrows: 0.62 },
  { size: "individual", share: 0.3, revenue: [12.7, 0.7], form: 0, prefix: "92", suffix: "店", borrows: 0.5 },
  { size: "small", share: 0.22, revenue: [16.3, 0.7], form: 2, prefix: "91", suffix: "有限公司", borrows: 0.7 },
  { size: "medium", share: 0.05, revenue: [18.3, 0.6], form: 2, prefix: "91", suffix: "股份有限公司", borrows: 0.75 },
  { size: "cooperative", share: 0.05, revenue: [13.7, 0.8], form: 1, prefix: "93", suffix: "专业合作社", borrows: 0.5 },
];

export type Company = {
  readonly index: number;
  readonly uscc: string;
  readonly name: string;
  readonly size: Size;
  readonly sizeFacts: SizeFacts;
  readonly sector: Sector;
  readonly region: Region;
  /** Day number of registration. */
  readonly established: number;
  /** First month of history in which it trades (0 if it is older than the history). */
  readonly start: number;
  /** Age at the snapshot, months. */
  readonly ageMonths: number;
  /** Log of yearly revenue in yuan around the middle of the history, at neutral health. */
  readonly logRevenue: number;
  /** Employees at neutral health, not rounded. */
  readonly employees: number;
  /** Registered capital, 10,000 yuan. */
  readonly capital: number;
  /** A general VAT taxpayer files monthly, a small-scale one quarterly. */
  readonly generalTaxpayer: boolean;
};

const organisationAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const organisationWeights = [3, 7, 9, 10, 5, 8, 4, 2] as const;
const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/** Organisation codes issued with the unified code (from October 2015) begin with MA. */
const unifiedFrom = Date.UTC(2015, 9, 1) / 86_400_000;

/** Check character of the organisation code inside the USCC (GB 11714-1997, mod 11). */
export function organisationCheckCharacter(first8: string): string {
  const sum = organisationWeights.reduce((total, weight, i) => total + weight * organisationAlphabet.indexOf(first8.charAt(i)), 0);
  const check = (11 - (sum % 11)) % 11;
  return check === 10 ? "X" : `${check}`;
}

function base31(value: number, length: number): string {
  let text = "";
  for (let rest = value, i = 0; i < length; i += 1) {
    text = usccAlphabet.charAt(rest % 31) + text;
    rest = Math.floor(rest / 31);
  }
  return text;
}

/** Steps coprime to 10^8 and to 31^6: index -> offset + step * index is a permutation, so codes never repeat. */
const oldStep = 61_803_399;
const newStep = 548_506_439;
const oldCodes = 100_000_000;
const newCodes = 887_503_681;

/** Offsets of the two permutations, drawn once per run. */
export type CodeBook = { readonly old: number; readonly unified: number };

export function codeBook(draws: Draws): CodeBook {
  return { old: draws.integer(oldCodes), unified: draws.integer(newCodes) };
}

/** A USCC with right check characters, unique per `index` (below 5,000,000). */
export function usccOf(index: number, prefix: string, regionCode: string, established: number, book: CodeBook): string {
  const body = established < unifiedFrom
    ? `${(book.old + ((index * oldStep) % oldCodes)) % oldCodes}`.padStart(8, "0")
    : `MA${base31((book.unified + ((index * newStep) % newCodes)) % newCodes, 6)}`;
  const first17 = `${prefix}${regionCode}${body}${organisationCheckCharacter(body)}`;
  return `${first17}${usccCheckCharacter(first17) ?? ""}`;
}

/** Draws company number `index`. */
export function drawCompany(index: number, book: CodeBook, calendar: Calendar, draws: Draws): Company {
  const sizeFacts = draws.pick(sizes, (s) => s.share);
  const sector = draws.pick(sectors, (s) => s.share[sizeFacts.form]);
  const region = draws.pick(regions, (r) => r.share);
  const ageMonths = Math.round(Math.min(420, Math.max(8, draws.lognormal(Math.log(sizeFacts.form === 2 ? 80 : 60), 0.75))));
  const established = calendar.firstDay(calendar.months - ageMonths) + draws.integer(28);
  const logRevenue = sizeFacts.revenue[0] + sizeFacts.revenue[1] * draws.normal();
  const employees = Math.max(1, (Math.exp(logRevenue) / sector.revenuePerHead) * draws.lognormal(0, 0.35));
  const capital = Math.max(1, Math.round(draws.lognormal(logRevenue - Math.log(10_000) - 0.7, 0.9)));
  return {
    index,
    uscc: usccOf(index, sizeFacts.prefix, region.code, established, book),
    name: `${region.name}演示${`${index + 1}`.padStart(6, "0")}号${sector.word}${sizeFacts.suffix}`,
    size: sizeFacts.size,
    sizeFacts,
    sector,
    region,
    established,
    ageMonths,
    start: Math.max(0, calendar.months - ageMonths),
    logRevenue,
    employees,
    capital,
    generalTaxpayer: sizeFacts.form === 2 && (logRevenue > Math.log(5_000_000) || draws.bernoulli(0.25)),
  };
}
