// How providers' items are used, from what the platform knows anyway (plans of finished jobs), and from what providers report of them.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { ivBands, type IvBand } from "../../federation/feedback/bands.ts";
import { hasCompanySet, jobPlanSchema, modelUses, trainingKinds, type JobPlan } from "../../federation/plan-schema.ts";
import { verifiedItems } from "../../federation/verify/params.ts";
import { jobRows } from "../../federation/statement.ts";
import type { UsageReply, UsageReport } from "../contract/usage.ts";
import type { RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { findJob, findJobParties } from "../store/jobs.ts";
import { listInstitutions } from "../store/parties.ts";
import { listDone, listReports, storeReport } from "../store/usage.ts";

const standardSpanMs = 90 * 86_400_000;
const mostJobs = 2000;
const pageSize = 200;

/** Throws JOB_NOT_FOUND unless the party was a host of the job, JOB_NOT_RUNNING before it has ended well. */
export async function reportUsage({ db, env }: Platform, party: PartyId, report: UsageReport): Promise<void> {
  const job = await findJob(db.read, report.job);
  const isHost = job !== undefined && (await findJobParties(db.read, job.id)).some((p) => p.party === party && p.role === "host");
  if (job === undefined || !isHost) throw new AppError("JOB_NOT_FOUND");
  if (job.state !== "done") throw new AppError("JOB_NOT_RUNNING");
  await db.write((tx) => storeReport(tx, party, report, new Date(env.now())));
}

type Used = UsageReply["jobs"][number]["items"];
type Total = { jobs: Set<string>; trainings: Set<string>; scorings: Set<string>; institutions: Set<string>; providers: Set<string>; companies: Map<string, number>; purposes: Map<JobPlan["purpose"], Set<string>>; bands: Record<IvBand, number> };

/** A provider's own jobs and totals; for everybody else totals by item over all providers. */
export async function usageOf({ db, env }: Platform, caller: RoleCaller, given: string | undefined): Promise<UsageReply> {
  const isProvider = caller.role === "provider-operator" || caller.role === "provider-owner";
  if (isProvider && caller.party === undefined) throw new AppError("AUTH_ROLE");
  const party = isProvider ? caller.party : undefined;
  const since = given === undefined ? new Date(env.now() - standardSpanMs) : new Date(given);
  const names = new Map((await listInstitutions(db.read)).map((i) => [i.id, i.name]));
  const jobs: UsageReply["jobs"] = [];
  const totals = new Map<Used[number]["item"], Total>();
  let seen = 0;
  let isMore = true;
  while (isMore && seen < mostJobs) {
    const { jobs: page, isLast } = await listDone(db.read, { party, since, limit: pageSize, skip: seen });
    const reports = await listReports(db.read, page.map((j) => j.id));
    for (const done of page) {
      const plan = jobPlanSchema.parse(JSON.parse(done.plan));
      const companies = hasCompanySet(plan.kind) ? jobRows(plan) : 0;
      for (const host of party === undefined ? plan.hosts : [party]) {
        const report = reports.find((r) => r.party === host && r.report.job === done.id)?.report;
        const items = usedItems(plan, host, report);
        for (const used of items) addTo(totals, used, { plan, host, institution: done.institution, companies });
        if (party === undefined) continue;
        jobs.push({
          job: done.id, endedAt: done.endedAt.toISOString(), kind: plan.kind, purpose: plan.purpose, institution: names.get(done.institution) ?? "", guest: done.guest,
          model: plan.model ?? null, companies, items, uplift: report?.uplift ?? null,
        });
      }
    }
    seen += pageSize;
    isMore = !isLast;
  }
  return { since: since.toISOString(), truncated: isMore, jobs, totals: [...totals].map(([item, total]) => totalOf(item, total)).sort((a, b) => b.jobs - a.jobs || ((a.item ?? "") < (b.item ?? "") ? -1 : 1)) };
}

/** What the provider reported, or else the items of its data set as the plan names them. */
function usedItems(plan: JobPlan, host: PartyId, report: UsageReport | undefined): Used {
  if (report !== undefined) return report.items.map(({ item, indicators, bands }) => ({ item, indicators, bands }));
  const items = (plan.kind === "verify" ? verifiedItems(plan, host)?.items : plan.datasets[host]?.catalogue?.items) ?? [null];
  return items.map((item) => ({ item, indicators: null, bands: null }));
}

function addTo(totals: Map<Used[number]["item"], Total>, { item, bands }: Used[number], use: { readonly plan: JobPlan; readonly host: PartyId; readonly institution: string; readonly companies: number }): void {
  const total = totals.get(item) ?? {
    jobs: new Set(), trainings: new Set(), scorings: new Set(), institutions: new Set(), providers: new Set(), companies: new Map(), purposes: new Map(), bands: noBands(),
  };
  totals.set(item, total);
  const { job, kind, purpose } = use.plan;
  total.jobs.add(job);
  if (trainingKinds.some((k) => k === kind)) total.trainings.add(job);
  if (kind === modelUses[0]) total.scorings.add(job);
  total.institutions.add(use.institution);
  total.providers.add(use.host);
  total.companies.set(job, use.companies);
  total.purposes.set(purpose, (total.purposes.get(purpose) ?? new Set()).add(job));
  for (const band of ivBands) total.bands[band] += bands?.[band] ?? 0;
}

function totalOf(item: Used[number]["item"], t: Total): UsageReply["totals"][number] {
  return {
    item, jobs: t.jobs.size, trainings: t.trainings.size, scorings: t.scorings.size, institutions: t.institutions.size, providers: t.providers.size,
    companies: [...t.companies.values()].reduce((a, b) => a + b, 0), purposes: Object.fromEntries([...t.purposes].map(([p, jobs]) => [p, jobs.size])), bands: t.bands,
  };
}

const noBands = (): Record<IvBand, number> => ({ unpredictive: 0, weak: 0, medium: 0, strong: 0 });
