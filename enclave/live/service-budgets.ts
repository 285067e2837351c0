// What a service may be asked: by its plan, questions a day, companies a month, questions about one company a day, sets of providers about one company ever;
// by the rule, models about one company ever; at a provider also the quotas of its policy, and signs of probing. Counted over all services of the same bank and
// model. Decisions are made in memory and written with the group of their answers.
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import type { Service } from "../../budgets/quota/policy.ts";
import { serveRefusals, type ServeRefusal } from "../../federation/serve/messages.ts";
import type { Budgets } from "../budgets.ts";
import type { Claim, Refused, Varied } from "../charges/desk.ts";
import type { StateDatabase } from "../store/database.ts";
import type { ServiceCounts } from "./service-counts.ts";

/** setsPerCompany, maxModelsPerCompany: absent where nothing is scored. */
type Limits = {
  /** Of one company, for ever, where every question may read something else of it. */
  readonly questionsPerCompany?: number;
  readonly requestsPerDay: number; readonly companiesPerMonth: number; readonly perCompanyPerDay: number; readonly setsPerCompany?: number; readonly maxModelsPerCompany?: number;
};
export type ServiceBudgetsOptions = {
  readonly db: StateDatabase; readonly budgets: Budgets; readonly now: Clock; readonly guest: PartyId; readonly dataset: string; readonly model: string; readonly limits: Limits;
  /** At a provider: what its policy's quotas count questions as, and the items of the sharing catalogue that answers rest on. Absent at the bank's own enclave. */
  readonly charges?: { readonly service: string; readonly kind: Service; readonly items: readonly string[] };
};
/** What is left of the plan's own budgets. resetAt: ISO times at which the day and the month end. */
export type Remaining = { readonly requests: number; readonly companies: number; readonly dayEnds: string; readonly monthEnds: string };

export class ServiceBudgets {
  readonly #o: ServiceBudgetsOptions;
  readonly #counts: ServiceCounts;

  constructor(options: ServiceBudgetsOptions) {
    this.#o = options;
    this.#counts = options.budgets.serviceCounts(options.guest, options.dataset, options.model);
  }

  /** Charges one question, or says why not and changes nothing. set: names the providers of the question. n: its number in the service. */
  ask(company: string, set: string, n: number, more: { readonly claims?: readonly Claim[]; readonly varied?: Varied | undefined } = {}): Refused | undefined {
    const { limits, charges, budgets, guest, model } = this.#o;
    const counts = this.#counts;
    const { periods } = counts;
    const known = counts.companyOf(company);
    const refuse = (code: Refused["code"], until?: string): Refused => ({ code, ...(until === undefined ? {} : { retryAfter: this.#secondsTo(until) }) });
    if (counts.requests >= limits.requestsPerDay) return refuse("SERVICE_BUDGET", dayEnd(periods.day));
    if (known.month < periods.month && counts.companies >= limits.companiesPerMonth) return refuse("SERVICE_BUDGET", monthEnd(periods.month));
    if (known.day === periods.day && known.asked >= limits.perCompanyPerDay) return refuse("SERVICE_COMPANY_BUDGET", dayEnd(periods.day));
    // Where questions are counted each stands behind its set, by its number.
    const questions = charges && limits.questionsPerCompany;
    const opening = questions === undefined ? set : `${set}|${charges?.service}.${n}`;
    if (limits.setsPerCompany !== undefined && !known.sets.includes(opening)) {
      const opened = counts.openedSets(known);
      const sets = questions === undefined ? opened : new Set([...opened].map((o) => o.slice(0, o.lastIndexOf("|"))));
      if (!sets.has(set) && sets.size >= limits.setsPerCompany) return refuse("SERVICE_SETS");
      if (questions !== undefined && opened.size >= questions) return refuse("SERVICE_QUESTIONS");
    }
    // Each model is one more equation about a company; batches of the same model count as the same one.
    if (limits.maxModelsPerCompany !== undefined && known.sets.length === 0 && counts.otherModels(known) >= limits.maxModelsPerCompany) return refuse("BUDGET_TOTALS");
    const refused = charges && budgets.desk.charge({ institution: guest, company, kind: charges.kind, id: `${charges.service}.${n}`, items: charges.items, model, ...more, hash: known.record });
    if (refused !== undefined) return refused;
    counts.count(known, opening, periods);
    return undefined;
  }

  /** As `ask`, where nobody hears when to come again. */
  charge(company: string, set: string): ServeRefusal | undefined {
    const code = this.ask(company, set, 0)?.code;
    return code === undefined ? undefined : (serveRefusals.find((known) => known === code) ?? "SERVICE_BUDGET");
  }

  get remaining(): Remaining {
    const { requestsPerDay, companiesPerMonth } = this.#o.limits;
    const { requests, companies, periods: { day, month } } = this.#counts;
    return { requests: Math.max(0, requestsPerDay - requests), companies: Math.max(0, companiesPerMonth - companies), dayEnds: dayEnd(day), monthEnds: monthEnd(month) };
  }

  /** Within the transaction of a group. */
  write(): void {
    this.#counts.write();
    this.#o.budgets.desk.write();
  }

  #secondsTo(iso: string): number {
    return Math.max(1, Math.ceil((Date.parse(iso) - this.#o.now()) / 1000));
  }
}

function dayEnd(day: string): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString();
}

function monthEnd(month: string): string {
  const [year = 0, m = 0] = month.split("-").map(Number);
  return new Date(Date.UTC(year, m, 1)).toISOString();
}
