// What is used and left of the budgets of an enclave, for its operator: read beside the running enclave. Companies are not in it.
import type { Env } from "../../core/env.ts";
import { partyIdSchema } from "../../core/names.ts";
import { Quotas } from "../../budgets/quota/quotas.ts";
import type { StateDatabase } from "../store/database.ts";
import { InstitutionRules, type BudgetsPolicy } from "./policy.ts";
import { PrivateReports, type PrivacyAccount } from "./private-reports.ts";
import { ChargedSets } from "./sets.ts";
import { sightingLines, type SightingLine } from "./sightings.ts";
import { DirectStore } from "./store.ts";

export type QuotaUse = { readonly name: string; readonly counts: string; readonly used: number; readonly limit: number; readonly per: readonly string[]; /** ISO time; null: nothing is counted. */ readonly freeAt: string | null };
export type BudgetsView = {
  readonly probing: BudgetsPolicy["probing"]["action"];
  readonly institutions: readonly {
    readonly institution: string;
    /** Counts of the institution as a whole; of limits that count each company or item for itself only the amount. */
    readonly quotas: readonly QuotaUse[]; readonly each: readonly { readonly name: string; readonly counts: string; readonly limit: number; readonly per: readonly string[] }[];
  }[];
  /** Of services, by bank and model: questions of their latest day, companies of their latest month. */
  readonly services: readonly { readonly scope: string; readonly period: string; readonly counts: "requests" | "companies"; readonly used: number }[];
  /** Of jobs, by scope (kind of budget, bank, month or set): what was charged. */
  readonly jobs: readonly { readonly budget: string; readonly party: string; readonly period: string | null; readonly used: number }[];
  readonly privacy: PrivacyAccount | null;
  readonly signs: readonly SightingLine[];
};

const shownSigns = 20;

/** parties: banks that the policy names. Throws BUDGET_STATE. */
export function budgetsView(db: StateDatabase, parts: { readonly env: Pick<Env, "now" | "rng">; readonly policy: BudgetsPolicy; readonly parties: readonly string[] }): BudgetsView {
  const { env, policy } = parts;
  const rules = new InstitutionRules(() => policy);
  const store = new DirectStore(db);
  const quotas = new Quotas({ store, now: env.now, sets: new ChargedSets(db), limitsFor: (institution) => rules.limits(institution) });
  const known = db.all("select distinct substr(scope, instr(scope, '|') + 1) as scope from service_counts").map((row) => String(row["scope"]).split("|")[0] ?? "");
  const institutions = [...new Set([...parts.parties, ...Object.keys(policy.quotas.institutions), ...known])].sort().flatMap((name) => partyIdSchema.safeParse(name).data ?? []);
  return {
    probing: policy.probing.action,
    institutions: institutions.map((institution) => {
      const limits = rules.limits(institution);
      const uses = quotas.usage({ institution });
      return {
        institution,
        quotas: uses.map(({ name, counts, used, limit, freeAt }) => ({
          name, counts, used, limit, per: limits.find((l) => l.name === name)?.per ?? [], freeAt: used === 0 || freeAt === undefined ? null : new Date(freeAt).toISOString(),
        })),
        each: limits.filter((l) => !uses.some((u) => u.name === l.name)).map(({ name, counts, limit, per }) => ({ name, counts, limit, per })),
      };
    }),
    services: db.all("select scope, max(period) as period, amount from service_counts group by scope order by scope").map((row) => {
      const [counts = "", ...scope] = String(row["scope"]).split("|");
      return { scope: scope.join(" "), period: String(row["period"]), counts: counts === "companies" ? "companies" as const : "requests" as const, used: Number(row["amount"]) };
    }),
    jobs: jobBudgets(db),
    privacy: new PrivateReports({ db, env, policy: () => policy }).account() ?? null,
    signs: sightingLines(db, { limit: shownSigns }),
  };
}

/** Kinds of budgets whose scope is no secret of its own: sets are named by digests and left out. */
const monthly: ReadonlySet<string> = new Set(["new-ids", "evaluations"]);

function jobBudgets(db: StateDatabase): BudgetsView["jobs"] {
  const sums = new Map<string, { budget: string; party: string; period: string | null; used: number }>();
  for (const { scope, used } of db.all("select scope, sum(amount) as used from budget group by scope order by scope")) {
    const [budget = "", party = "", ...rest] = String(scope).split("|");
    if (budget === "set") continue;
    const period = monthly.has(budget) ? (rest.at(-1) ?? null) : null;
    const key = `${budget}|${party}|${period ?? ""}`;
    const line = sums.get(key) ?? { budget, party, period, used: 0 };
    // Of scopes that are sets, the one that is used most.
    line.used = monthly.has(budget) || budget === "bits" ? line.used + Number(used) : Math.max(line.used, Number(used));
    sums.set(key, line);
  }
  return [...sums.values()];
}
