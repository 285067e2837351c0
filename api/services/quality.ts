// Data quality as the platform shows it: what providers published, and which of their issues are past their day by the platform's clock.
import type { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Publication } from "../../quality/publication.ts";
import { dueDays, publishedRules } from "../../quality/rules.ts";
import { isOverdue } from "../../quality/states.ts";
import type { qualityEndpoints as e } from "../contract/quality.ts";
import type { RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { listQuality, storeQuality } from "../store/quality.ts";

/** Clocks of enclaves may run ahead by this much, ms. */
const clockSkewMs = 300_000;

/** Throws QUALITY_STALE for a run that is older than the one published, or of the future. */
export async function publishQuality({ db, env }: Platform, party: PartyId, publication: Publication): Promise<void> {
  const now = env.now();
  const isLate = Date.parse(publication.ranAt) > now + clockSkewMs || !(await db.write((tx) => storeQuality(tx, party, publication, new Date(now))));
  if (isLate) throw new AppError("QUALITY_STALE", { party });
}

export function qualityRules(): z.input<typeof e.qualityRules.reply> {
  return { rules: publishedRules.map((rule) => ({ ...rule, dueDays: dueDays[rule.severity] })) };
}

export async function qualityRates({ db }: Platform, caller: RoleCaller, query: z.output<typeof e.listQuality.query>): Promise<z.input<typeof e.listQuality.reply>> {
  const found = await visible(db.read, caller, query.party);
  const rates = found.flatMap(({ party, publication }) => publication.rates.map((rate) => ({ party, ranAt: publication.ranAt, ...rate })));
  const fits = <T>(wanted: T | undefined, value: T | null): boolean => wanted === undefined || wanted === value;
  return { rates: rates.filter((r) => fits(query.item, r.item) && fits(query.dimension, r.dimension)) };
}

export async function qualityIssues({ db, env }: Platform, caller: RoleCaller, query: z.output<typeof e.listQualityIssues.query>): Promise<z.input<typeof e.listQualityIssues.reply>> {
  const found = await visible(db.read, caller, query.party);
  const issues = found.flatMap(({ party, publication }) => publication.issues.map((issue) => (
    { party, ranAt: publication.ranAt, ...issue, overdue: isOverdue(issue.state, Date.parse(issue.dueAt), env.now()) })));
  return { issues: issues.filter((i) => query.state === undefined || (query.state === "overdue" ? i.overdue : i.state === query.state)) };
}

/** A provider's roles see their own party, whatever they ask for. */
async function visible(read: Platform["db"]["read"], caller: RoleCaller, asked: PartyId | undefined): ReturnType<typeof listQuality> {
  if (caller.role !== "provider-operator" && caller.role !== "provider-owner") return listQuality(read, asked);
  if (caller.party === undefined || (asked !== undefined && asked !== caller.party)) return [];
  return listQuality(read, caller.party);
}
