// What follows an admission: reviews by date, violations, suspension, removal. A suspension or removal stops every key and certificate of
// the member and ends its open jobs in the transaction, and cuts its connections right after it.
import { AppError } from "../../../core/errors.ts";
import type { MemberView, SuspensionReason } from "../../contract/institutions.ts";
import { each } from "../../each.ts";
import { sha256 } from "../../http/auth.ts";
import type { Platform } from "../../platform.ts";
import { revokeCredentialsOf } from "../../store/credentials.ts";
import type { Tx } from "../../store/database.ts";
import type { Person } from "../../store/jobs.ts";
import { addMemberEvent, findDueMembers, setDemoReviews, updateMember, type MemberRow } from "../../store/members.ts";
import { setPartyAccess, updateInstitution } from "../../store/parties.ts";
import { announce, endJobsOf } from "../jobs.ts";
import { memberIn, restore, step } from "./onboarding.ts";

const dayMs = 86_400_000;
/** Suspensions that a passed review lifts; any other takes a new assessment and two decisions. */
const reviewReasons: ReadonlySet<string | null> = new Set(["review-overdue", "review-failed"] satisfies SuspensionReason[]);

type Parts = Pick<Platform, "db" | "env">;
type Ended = Awaited<ReturnType<typeof endJobsOf>>;

/** Records a review. Throws MEMBER_NOT_FOUND, MEMBER_STATE. */
export async function reviewMember(platform: Platform, id: string, given: { readonly outcome: "passed" | "failed"; readonly evidence: string }, by: Person): Promise<MemberView> {
  let ended: Ended = [];
  const view = await step(platform, id, async (tx, now, change) => {
    const member = await memberIn(tx, id, ["admitted", "suspended"]);
    if (member.state === "suspended" && !reviewReasons.has(member.reason)) throw new AppError("MEMBER_STATE", { party: member.party });
    await addMemberEvent(tx, id, { at: now, type: "review", by, what: given.outcome, evidence: given.evidence });
    if (given.outcome === "failed") {
      if (member.state === "admitted") ended = await suspend(tx, member, "review-failed", { now, change, by });
      return;
    }
    const reviewDueAt = new Date(now.getTime() + platform.settings.reviewEveryDays * dayMs);
    await updateMember(tx, id, { state: "admitted", reason: null, reviewDueAt, warnedAt: null });
    if (member.state === "suspended") await restore(tx, member, now);
  });
  await cut(platform, ended);
  return view;
}

/** Throws MEMBER_NOT_FOUND, MEMBER_STATE (an applicant that never came in). */
export function recordViolation(platform: Parts, id: string, given: { readonly violation: string; readonly evidence: string }, by: Person): Promise<MemberView> {
  return step(platform, id, async (tx, now) => {
    await memberIn(tx, id, ["approved", "admitted", "suspended", "removed"]);
    await addMemberEvent(tx, id, { at: now, type: "violation", by, what: given.violation, evidence: given.evidence });
  });
}

/** by: none when the platform's clock does it. Throws MEMBER_NOT_FOUND, MEMBER_STATE. */
export async function suspendMember(platform: Platform, id: string, reason: SuspensionReason, by?: Person): Promise<MemberView> {
  const { view, ended } = await suspendOnly(platform, id, reason, by);
  await cut(platform, ended);
  return view;
}

/** For the operator on the machine, beside a running platform, which cuts the connections and tells of the jobs by its clock. */
export async function suspendOnly(platform: Parts, id: string, reason: SuspensionReason, by?: Person): Promise<{ view: MemberView; ended: Ended }> {
  let ended: Ended = [];
  const view = await step(platform, id, async (tx, now, change) => {
    ended = await suspend(tx, await memberIn(tx, id, ["admitted"]), reason, { now, change, by });
  });
  platform.env.log.warn("member.suspended", { member: id, reason, jobs: ended.length });
  return { view, ended };
}

/** Keys and certificates become void for good, open jobs end with JOB_MEMBER_REMOVED. Throws MEMBER_NOT_FOUND, MEMBER_STATE. */
export async function removeMember(platform: Platform, id: string, reason: SuspensionReason, by: Person): Promise<MemberView> {
  let ended: Ended = [];
  const view = await step(platform, id, async (tx, now, change) => {
    const member = await memberIn(tx, id, ["draft", "applied", "rejected", "approved", "admitted", "suspended"]);
    const { institution, party } = member;
    await updateMember(tx, id, { state: "removed", reason, isOpen: false, warnedAt: null });
    if (institution !== null) {
      // A digest that no key has: the column is unique and never empty.
      const keyDigest = sha256(Buffer.from(platform.env.rng(32)));
      await updateInstitution(tx, institution, { state: "removed", keyDigest, tlsFingerprint: null, previousKeyDigest: null, previousKeyUntil: null });
    }
    if (member.admittedAt !== null) {
      await setPartyAccess(tx, party, "void", now);
      await revokeCredentialsOf(tx, { institutionId: institution, partyId: party });
      ended = await endJobsOf(tx, change, { institution, party }, "JOB_MEMBER_REMOVED", now);
    }
    await addMemberEvent(tx, id, { at: now, type: "removed", by, what: reason });
  });
  platform.env.log.warn("member.removed", { member: id, reason, jobs: ended.length });
  await cut(platform, ended);
  return view;
}

/** Warns of reviews that are due, and suspends who has not been reviewed after the grace. Driven by the clock. */
export async function sweepMembers(platform: Platform): Promise<void> {
  const { db, env, settings } = platform;
  const now = new Date(env.now());
  const graceEnds = new Date(now.getTime() - settings.reviewGraceDays * dayMs);
  if (settings.requireAssessment) await setDemoReviews(db.read, now);
  await each(await findDueMembers(db.read, now, graceEnds), async ({ id, warnedAt }) => {
    try {
      if (warnedAt !== null) await suspendMember(platform, id, "review-overdue");
      else await warn(platform, id);
    } catch (error) {
      // A supervisor has just dealt with it.
      if (!(error instanceof AppError && error.code === "MEMBER_STATE")) throw error;
    }
  }, env.log);
}

async function warn(platform: Platform, id: string): Promise<void> {
  await step(platform, id, async (tx, now) => {
    const member = await memberIn(tx, id, ["admitted"]);
    if (member.warnedAt !== null || member.reviewDueAt === null || member.reviewDueAt > now) return;
    await updateMember(tx, id, { warnedAt: now });
    await addMemberEvent(tx, id, { at: now, type: "review-overdue" });
  });
  platform.env.log.warn("member.review-overdue", { member: id });
}

type Step = { readonly now: Date; readonly change: number; readonly by: Person | undefined };

async function suspend(tx: Tx, member: MemberRow, reason: SuspensionReason, { now, change, by }: Step): Promise<Ended> {
  const { id, institution, party } = member;
  // An assessment that waits for decisions cannot lift a suspension that came after it.
  await updateMember(tx, id, { state: "suspended", reason, isOpen: false });
  if (institution !== null) await updateInstitution(tx, institution, { state: "suspended" });
  await setPartyAccess(tx, party, "suspended", now);
  await addMemberEvent(tx, id, { at: now, type: "suspended", by, what: reason });
  return endJobsOf(tx, change, { institution, party }, "JOB_MEMBER_SUSPENDED", now);
}

/** Cuts the connections of everybody who is no longer let in, in this process (others find it by their clock), and then tells of the jobs
 *  that ended: the member's own long polls are not to be woken by that. */
async function cut(platform: Platform, ended: Ended): Promise<void> {
  try {
    await platform.sessions.sweep();
  } finally {
    for (const { id, applied } of ended) announce(platform, id, applied);
  }
}
