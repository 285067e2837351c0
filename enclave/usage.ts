// How this provider's items were used: from the plans of finished jobs, its own halves of models, and the feedback in these. No company is in it.
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { officialCatalogue } from "../catalogue/load.ts";
import { itemsNamed } from "../catalogue/search.ts";
import type { UsageReport } from "../api/contract/usage.ts";
import type { ItemId, PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { ivBands, type IvBand } from "../federation/feedback/bands.ts";
import { keptFeedbackSchema } from "../federation/feedback/host.ts";
import { hasCompanySet, jobPlanSchema, type JobPlan } from "../federation/plan-schema.ts";
import { jobRows } from "../federation/statement.ts";
import type { EnclaveConfig } from "./config.ts";
import { columnSources, sourceItems } from "./data/declared.ts";
import type { DatasetDefinition } from "./data/definition.ts";
import type { ReportDesk } from "./reports.ts";
import type { StateDatabase } from "./store/database.ts";

export type UsedIndicator = { readonly name: string; readonly band: IvBand | null };
export type UsedItem = { readonly item: ItemId | null; readonly indicators: readonly UsedIndicator[] };
export type JobUsage = {
  readonly job: JobPlan["job"]; readonly endedAt: string; readonly guest: PartyId; readonly kind: JobPlan["kind"]; readonly purpose: JobPlan["purpose"]; readonly model: string | null;
  /** That the bank asked about; 0 for an export. */
  readonly companies: number;
  readonly items: readonly UsedItem[];
  /** Hundredths of AUC over the bank's own model; null where it was not told. */
  readonly uplift: number | null;
};
export type ItemUsage = {
  readonly item: ItemId | null; readonly jobs: number; readonly institutions: readonly PartyId[]; readonly purposes: Readonly<Record<string, number>>;
  readonly companies: number; readonly indicators: readonly string[]; readonly bands: Readonly<Record<IvBand, number>>;
};

/** What the halves of all kinds have in common: names of own features, and what the guest told. */
const halfSchema = z.object({
  columns: z.array(z.object({ feature: z.string().optional(), name: z.string().optional() })).optional(), features: z.array(z.object({ name: z.string() })).optional(),
  feedback: keptFeedbackSchema.optional(),
});

/** Finished jobs in which this party was a host, newest first. An indicator's item is that of the present definition. */
export function usageOf(db: StateDatabase, config: Pick<EnclaveConfig, "party" | "dataset">): JobUsage[] {
  const itemsOf = itemFinder(config.dataset);
  const halves = new Map(db.all("select model, job, half from models where kind like '%-host'").map((r) => [String(r["model"]), { job: String(r["job"]), half: halfSchema.parse(JSON.parse(String(r["half"]))) }]));
  const ofJob = new Map([...halves].map(([model, { job }]) => [job, model]));
  return db.all("select plan, finished_at from jobs where state = 'done' order by finished_at desc, job").flatMap((row): JobUsage[] => {
    const plan = jobPlanSchema.parse(JSON.parse(String(row["plan"])));
    if (!plan.hosts.includes(config.party)) return [];
    const model = plan.model ?? ofJob.get(plan.job) ?? null;
    const half = halves.get(model ?? "")?.half;
    const feedback = plan.model === undefined ? half?.feedback : undefined;
    const bands = new Map(feedback?.features.map((f) => [f.feature, f.band]));
    const names = half === undefined ? [] : [...(half.columns ?? []), ...(half.features ?? [])].flatMap((c) => ("feature" in c ? c.feature : undefined) ?? c.name ?? []);
    const items = new Map<ItemId | null, UsedIndicator[]>();
    for (const name of names) for (const item of itemsOf(name)) items.set(item, [...(items.get(item) ?? []), { name, band: bands.get(name) ?? null }]);
    return [{
      job: plan.job, endedAt: new Date(Number(row["finished_at"])).toISOString(), guest: plan.guest, kind: plan.kind, purpose: plan.purpose, model,
      companies: hasCompanySet(plan.kind) ? jobRows(plan) : 0, items: [...items].map(([item, indicators]) => ({ item, indicators })), uplift: feedback?.uplift ?? null,
    }];
  });
}

/** Totals by item, the most used first. */
export function itemUsage(jobs: readonly JobUsage[]): ItemUsage[] {
  const items = [...new Set(jobs.flatMap((j) => j.items.map((i) => i.item)))];
  return items.map((item): ItemUsage => {
    const users = jobs.filter((j) => j.items.some((i) => i.item === item));
    const indicators = users.flatMap((j) => j.items.filter((i) => i.item === item).flatMap((i) => i.indicators));
    const purposes: Record<string, number> = {};
    for (const { purpose } of users) purposes[purpose] = (purposes[purpose] ?? 0) + 1;
    return {
      item, jobs: users.length, institutions: [...new Set(users.map((j) => j.guest))].sort(), purposes, companies: users.reduce((sum, j) => sum + j.companies, 0),
      indicators: [...new Set(indicators.map((i) => i.name))].sort(), bands: countBands(indicators),
    };
  }).sort((a, b) => b.jobs - a.jobs || ((a.item ?? "") < (b.item ?? "") ? -1 : 1));
}

function countBands(indicators: readonly UsedIndicator[]): Record<IvBand, number> {
  return Object.fromEntries(ivBands.map((band) => [band, indicators.filter((i) => i.band === band).length])) as Record<IvBand, number>;
}

/** What of a job's use leaves when the provider publishes it: counts by item, no name of an indicator. */
export function reportOf({ job, items, uplift }: JobUsage): UsageReport {
  return { job, items: items.map(({ item, indicators }) => ({ item, indicators: indicators.length, bands: countBands(indicators) })), uplift };
}

/** Items of a feature by its name; null for none. */
function itemFinder(definition: DatasetDefinition): (name: string) => readonly (ItemId | null)[] {
  const resolved = (names: readonly string[]): readonly (ItemId | null)[] => {
    const found = [...new Set(names.flatMap((n) => {
      const items = itemsNamed(n.split("#")[0] ?? "", officialCatalogue);
      return items.length === 1 ? items.map((i) => i.id) : [];
    }))];
    return found.length === 0 ? [null] : found;
  };
  if ("features" in definition) return (name) => resolved(columnSources(definition, [name])[0]?.source.items ?? []);
  const byName = new Map(definition.indicators.map((i) => [i.name, resolved(sourceItems(i))]));
  return (name) => byName.get(name) ?? [null];
}

export type UsageParts = { readonly db: StateDatabase; readonly config: Pick<EnclaveConfig, "party" | "dataset" | "publishUsage">; readonly desk: Pick<ReportDesk, "send">; readonly env: Env };

/** Tells the platform of jobs that it has not been told of, where the operator wants that. */
export class UsageService {
  readonly #p: UsageParts;

  constructor(parts: UsageParts) {
    this.#p = parts;
  }

  /** Ticks until the signal aborts. */
  async serve(signal: AbortSignal, everyMs = 60_000): Promise<void> {
    while (this.#p.config.publishUsage === true && !signal.aborted) {
      await this.tick();
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async tick(): Promise<void> {
    const { db, config, desk, env } = this.#p;
    const isTold = new Set(db.all("select job from usage_told").map((r) => String(r["job"])));
    const done = db.all("select job from jobs where state = 'done'").filter((r) => !isTold.has(String(r["job"])));
    if (config.publishUsage !== true || done.length === 0) return;
    const used = new Map(usageOf(db, config).map((u) => [u.job as string, u]));
    for (const row of done) {
      const job = String(row["job"]);
      const usage = used.get(job);
      try {
        if (usage !== undefined) await desk.send("usage", reportOf(usage));
        db.run("insert or ignore into usage_told values (?)", job);
      } catch (error) {
        const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
        // Not ended at the platform yet, or the platform is away: another time.
        if (code !== "JOB_NOT_FOUND") {
          env.log.warn("usage.not-published", { job, code });
          continue;
        }
        db.run("insert or ignore into usage_told values (?)", job);
      }
    }
  }
}
