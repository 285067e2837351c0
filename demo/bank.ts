// The bank: its loan book with outcomes (one row a company, the guest's labelled table), and new applications without
// outcomes to score. What the bank sees of a company is noisy and partial: that is why the providers help.
import type { Rows } from "./csv.ts";
import type { Draws, Shares } from "./draws.ts";
import type { Collateral } from "./model.ts";
import { coefficients, drawDefault } from "./model.ts";
import type { Subject } from "./provider.ts";
import { yuan } from "./provider.ts";

export const labelColumn = "defaulted_12m";

/** The bank's own columns with their types. */
export const bankColumns = {
  application_month: "date",
  loan_amount: "numeric",
  term_months: "numeric",
  annual_rate_percent: "numeric",
  collateral: "categorical",
  purpose: "categorical",
  customer_months: "numeric",
  average_balance_6m: "numeric",
  account_turnover_12m: "numeric",
  amount_to_turnover: "numeric",
  past_overdue_24m: "numeric",
  credit_inquiries_6m: "numeric",
} as const;

const columnNames = Object.keys(bankColumns);
/** Columns after `uscc`. */
export const loanColumns: readonly string[] = [...columnNames, labelColumn];
export const applicationColumns: readonly string[] = columnNames;

/** Share of the companies outside the loan book that have a new application. */
const applicationShare = 0.1;
const collaterals: Shares<Collateral> = [["none", 0.42], ["guarantee", 0.3], ["property", 0.18], ["equipment", 0.1]];
const purposes: Shares<string> = [["working_capital", 0.58], ["expansion", 0.16], ["equipment", 0.14], ["refinancing", 0.12]];
const terms: Shares<number> = [[12, 0.55], [24, 0.15], [6, 0.15], [36, 0.15]];

/** What became of one company at the bank. */
export type BankResult = "none" | "applied" | "good" | "defaulted";

/** Draws the bank's relation to one company and writes its row, if it has one. */
export function writeBank({ company, path, calendar }: Subject, draws: Draws, out: { loans: Rows; applications: Rows }): BankResult {
  const inBook = draws.bernoulli(company.sizeFacts.borrows);
  if (!inBook && !draws.bernoulli(applicationShare)) return "none";
  const { healthNow: health, discipline, leverage } = path;
  const application = path.months + draws.integer(coefficients.applicationMonths);
  const collateral = draws.pick(collaterals, ([, share]) => share)[0];
  const distress = Math.max(0, leverage - 0.3 * health);
  const purpose = draws.pick(purposes, ([name, share]) => share * (name === "refinancing" ? 1 + 0.5 * distress : 1))[0];
  const term = draws.pick(terms, ([, share]) => share)[0];
  const secured = collateral === "none" ? 0 : collateral === "property" ? 0.5 : 0.2;
  const amount = Math.exp(company.logRevenue - 1.9 + 0.3 * leverage + secured + 0.55 * draws.normal());
  // The bank prices by its own, blurred view of the company.
  const view = 0.12 * leverage - 0.072 * health - 0.072 * discipline + 0.55 * draws.normal();
  const rate = 5.2 - 0.12 * (company.logRevenue - 14.5) - 0.6 * secured + view;
  const isNew = draws.bernoulli(0.12);
  const customerMonths = isNew ? draws.integer(4) : Math.min(company.ageMonths, 4 + Math.floor(draws.exponential(40)));
  const wallet = draws.lognormal(-0.9, 0.6);
  const turnover = Math.exp(company.logRevenue) * Math.min(1.2, wallet) * Math.exp(0.15 * health + 0.2 * draws.normal());
  const balance = (turnover / 12) * draws.lognormal(-0.7 + 0.2 * health + 0.15 * discipline - 0.15 * leverage, 0.75);
  const overdue = draws.poisson(Math.exp(-1.2 - 0.45 * discipline - 0.35 * health));
  const inquiries = draws.poisson(Math.exp(0.3 + 0.25 * leverage - 0.15 * health));
  // A new customer has no history on its account: these cells are empty.
  const account = isNew ? ",," : `${yuan(balance)},${yuan(turnover)},${Math.round((amount / turnover) * 1000) / 1000}`;
  const rounded = Math.max(1, Math.round(amount / 10_000)) * 10_000;
  const ratePercent = Math.max(3, Math.round(rate * 20) / 20);
  const row = `${company.uscc},${calendar.monthText(application)},${rounded},${term},${ratePercent},${collateral},${purpose}`
    + `,${customerMonths},${account},${isNew ? "" : overdue},${inquiries}`;
  if (!inBook) {
    out.applications.row(row);
    return "applied";
  }
  const defaulted = drawDefault(company, path, collateral, application, draws);
  out.loans.row(`${row},${defaulted ? 1 : 0}`);
  return defaulted ? "defaulted" : "good";
}
