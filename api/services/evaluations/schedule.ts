// Evaluations by the clock: a round is due every so many months or hours. One round at a time; what was missed, because the platform was down or a round
// took longer, is made up for once.
import { AppError } from "../../../core/errors.ts";
import type { ScheduleTerms, ScheduleView } from "../../contract/evaluations.ts";
import { each } from "../../each.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { nextChange } from "../../store/database.ts";
import { addRun, changeSchedule, dueSchedules, findSchedule, openRuns, putSchedule, type ScheduleRow } from "../../store/evaluations.ts";
import { findInstitution } from "../../store/parties.ts";
import { chinaDay, nextDue } from "./interval.ts";
import { newRunId } from "./runs.ts";
import { scorecardOf } from "./scorecards.ts";

const viewOf = ({ terms, state, nextDueAt, lastDueAt }: ScheduleRow): ScheduleView => ({ ...terms, state, nextDueAt: nextDueAt.toISOString(), lastDueAt: lastDueAt?.toISOString() ?? null });

/** Throws EVALUATION_SCHEDULE when there is none. */
export async function scheduleOf({ db }: Platform, { institution }: InstitutionCaller): Promise<ScheduleView> {
  const row = await findSchedule(db.read, institution);
  if (row === undefined) throw new AppError("EVALUATION_SCHEDULE");
  return viewOf(row);
}

/** Sets or replaces it. Throws JOB_PARTIES, and as `scorecardOf`. */
export async function setSchedule(platform: Platform, caller: InstitutionCaller, terms: ScheduleTerms): Promise<ScheduleView> {
  const { db, env } = platform;
  if (terms.terms.hosts.includes(caller.party)) throw new AppError("JOB_PARTIES");
  for (const basis of terms.bases) await scorecardOf(db.read, terms.terms, basis);
  const now = env.now();
  await db.write((tx) => putSchedule(tx, caller.institution, terms, new Date(nextDue(terms.interval, now, now)), new Date(now)));
  return scheduleOf(platform, caller);
}

/** After a pause the next turn counts, not those that passed meanwhile. Throws EVALUATION_SCHEDULE. */
export async function pauseSchedule(platform: Platform, caller: InstitutionCaller, paused: boolean): Promise<ScheduleView> {
  const { db, env } = platform;
  const now = env.now();
  await db.write(async (tx) => {
    const row = await findSchedule(tx, caller.institution);
    if (row === undefined) throw new AppError("EVALUATION_SCHEDULE");
    const isPassed = row.nextDueAt.getTime() <= now;
    const next = !paused && row.state === "paused" && isPassed ? { nextDueAt: new Date(nextDue(row.terms.interval, row.nextDueAt.getTime(), now)) } : {};
    await changeSchedule(tx, caller.institution, { state: paused ? "paused" : "active", ...next }, new Date(now));
  });
  return scheduleOf(platform, caller);
}

/** Plans the rounds that are due: called by the clock. The runs and the next turn are one commit. */
export async function planDueRounds(platform: Platform): Promise<void> {
  const { db, env } = platform;
  const now = env.now();
  await each(await dueSchedules(db.read, new Date(now)), async ({ institution }) => {
    await db.write(async (tx) => {
      await nextChange(tx);
      const row = await findSchedule(tx, institution);
      const owner = await findInstitution(tx, institution);
      const isDue = row !== undefined && row.state === "active" && row.nextDueAt.getTime() <= now;
      // Whoever is suspended begins nothing; its turn comes when it is back.
      if (!isDue || owner?.state !== "active" || (await openRuns(tx, institution)).length > 0) return;
      const { bases, terms, interval } = row.terms;
      const base = { institution, guest: owner.party, cause: "schedule" as const, asOf: chinaDay(now), terms, idempotencyKey: null };
      // Who authorised it first: whom that run tells of is not told again.
      const full = bases.includes("full") ? newRunId(platform) : null;
      if (full !== null) await addRun(tx, { ...base, id: full, basis: "full", full: null, createdAt: new Date(now) });
      if (bases.includes("open")) await addRun(tx, { ...base, id: newRunId(platform), basis: "open", full, createdAt: new Date(now + 1) });
      await changeSchedule(tx, institution, { nextDueAt: new Date(nextDue(interval, row.nextDueAt.getTime(), now)), lastDueAt: new Date(now) }, new Date(now));
    });
  }, env.log);
}
