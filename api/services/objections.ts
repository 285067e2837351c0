// Objections (异议申诉) and credit repair (信用修复): lodged by a company, accepted here, decided by the party whose record or score it is, on time
// by the clock. Every step is a row; the machine is api/objection-state.ts.
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import type { Lodging, ObjectionAnswer, ObjectionNotice, ObjectionView } from "../contract/subject.ts";
import { each } from "../each.ts";
import { endOfTerm } from "../deadlines.ts";
import type { RoleCaller } from "../http/route.ts";
import { changeObjection, hasEnded, newObjection, type ObjectionChange, type ObjectionMachine } from "../objection-state.ts";
import type { Platform } from "../platform.ts";
import { isTaken, nextChange, type Tx } from "../store/database.ts";
import {
  addMarks, addNotices, addObjection, addStep, findDueObjections, findObjection, findObjectionByKey, hasOpenObjection, isDecider, listMarking, listSteps, machineOf,
  noticesFor, storeObjection, takeNotice, touchNotices, type ObjectionRow,
} from "../store/objections.ts";
import { findPartyState } from "../store/parties.ts";
import { addSubjectNotice, type SubjectNoticeType } from "../store/written.ts";
import { subjectOf } from "./consents.ts";

const items: ReadonlySet<string> = new Set(officialCatalogue.items.map((item) => item.id));
const feedPage = 100;
export const objectionWakeKey = (party: PartyId): string => `objections:${party}`;

/** Throws OBJECTION_TARGET, OBJECTION_OPEN, JOB_IDEMPOTENCY. */
export async function lodgeObjection(platform: Platform, caller: RoleCaller, given: Lodging, idempotencyKey: string): Promise<ObjectionView> {
  const { db, env, deadlines } = platform;
  const subject = subjectOf(caller);
  const requestDigest = digestOf(given);
  const known = async (): Promise<ObjectionRow | undefined> => {
    const row = await findObjectionByKey(db.read, subject, idempotencyKey);
    if (row !== undefined && row.requestDigest !== requestDigest) throw new AppError("JOB_IDEMPOTENCY");
    return row;
  };
  const before = await known();
  if (before !== undefined) return viewObjection(db.read, before);
  const item = given.item ?? null;
  const fits = given.target === "item" ? item !== null && items.has(item) : item === null && given.kind === "objection";
  if (!fits || (await findPartyState(db.read, given.party)) === undefined) throw new AppError("OBJECTION_TARGET");
  const now = env.now();
  const term = given.kind === "repair" ? deadlines.repair : deadlines.objection;
  const row: ObjectionRow = {
    id: `objection_${Buffer.from(env.rng(12)).toString("hex")}`, kind: given.kind, subject, party: given.party, target: given.target, item, ground: given.ground,
    evidence: given.evidence ?? null, state: newObjection({ acceptBy: 0, dueAt: 0 }).at, reason: null, reply: null, overdue: false, lodgedAt: new Date(now),
    acceptBy: new Date(endOfTerm(now, deadlines.accept, deadlines)), dueAt: new Date(endOfTerm(now, term, deadlines)), endedAt: null, idempotencyKey, requestDigest,
  };
  try {
    await db.write(async (tx) => {
      await nextChange(tx); // the lock under which two of the same cannot both be the first
      const same = { subject, kind: row.kind, target: row.target, partyId: row.party, item };
      if (await hasOpenObjection(tx, same)) throw new AppError("OBJECTION_OPEN");
      await addObjection(tx, row);
      await addStep(tx, row.id, { type: "lodge", actor: "subject", reason: row.ground }, new Date(now));
    });
  } catch (error) {
    // The same request twice at once: one of them was first.
    const isSecond = isTaken(error) || (error instanceof AppError && error.code === "OBJECTION_OPEN");
    const winner = isSecond ? await known() : undefined;
    if (winner === undefined) throw error;
    return viewObjection(db.read, winner);
  }
  env.log.info("objection.lodged", { kind: row.kind, target: row.target, party: row.party });
  return viewObjection(db.read, row);
}

export function summariseObjection(row: ObjectionRow) {
  const { id, kind, target, party, item, ground, evidence, state, reason, reply, overdue } = row;
  const outcome = state === "corrected" || state === "rejected" || state === "unconfirmed" ? state : null;
  return {
    id, kind, target, party, item, ground, evidence, state, outcome, reason: reason as ObjectionView["reason"], reply, overdue, lodgedAt: row.lodgedAt.toISOString(),
    acceptBy: row.acceptBy.toISOString(), dueAt: row.dueAt.toISOString(), endedAt: row.endedAt?.toISOString() ?? null,
  };
}

export async function viewObjection(tx: Tx, row: ObjectionRow): Promise<ObjectionView> {
  const steps = (await listSteps(tx, row.id)).map((step) => ({ ...step, at: step.at.toISOString() }));
  return { ...summariseObjection(row), steps, notified: await listMarking(tx, row.id) };
}

/** Throws OBJECTION_NOT_FOUND, also for another company's. */
export async function ownObjection(platform: Platform, caller: RoleCaller, id: string): Promise<ObjectionRow> {
  const row = await findObjection(platform.db.read, id);
  if (row === undefined || row.subject !== subjectOf(caller)) throw new AppError("OBJECTION_NOT_FOUND");
  return row;
}

const noticeOf: Readonly<Partial<Record<ObjectionMachine["at"], SubjectNoticeType>>> = {
  accepted: "objection-accepted", refused: "objection-refused", corrected: "objection-decided", rejected: "objection-decided", unconfirmed: "objection-decided",
};

/**
 * One step under the lock, with its row, its notices to enclaves and to the company. Nothing is written when nothing changes.
 * Throws OBJECTION_NOT_FOUND, OBJECTION_STATE.
 */
async function apply(platform: Platform, id: string, change: ObjectionChange, by: { actor: string; reply?: string | undefined; users?: readonly PartyId[] | undefined }): Promise<ObjectionRow> {
  const { db, env } = platform;
  const at = new Date(env.now());
  const done = await db.write(async (tx) => {
    const number = await nextChange(tx);
    const row = await findObjection(tx, id);
    if (row === undefined) throw new AppError("OBJECTION_NOT_FOUND");
    const before = machineOf(row);
    const next = changeObjection(before, change);
    if (next === before) {
      // The same answer with another written reply is another answer.
      if (change.type === "answer" && (by.reply ?? null) !== row.reply) throw new AppError("OBJECTION_STATE");
      return { row, parties: [] };
    }
    await storeObjection(tx, id, next, { endedAt: hasEnded(next.at) ? at : null, reply: by.reply });
    const isLate = next.overdue && !before.overdue;
    const type = isLate ? "overdue" : change.type === "time" ? "accept" : change.type;
    await addStep(tx, id, { type, actor: change.type === "time" ? "clock" : by.actor, reason: next.reason }, at);
    const message = isLate ? "objection-overdue" : noticeOf[next.at];
    if (message !== undefined && (isLate || next.at !== before.at)) {
      await addSubjectNotice(tx, { id: `notice_${id}_${isLate ? "overdue" : next.at}`, subject: row.subject, type: message, about: id, at });
    }
    // Who used what was found right has nothing to do.
    if (row.item !== null && (next.at === "corrected" || next.at === "unconfirmed")) await addMarks(tx, id, by.users ?? [], number, at);
    const parties = next.at === "accepted" ? await addNotices(tx, row, number, at) : await touchNotices(tx, id, number);
    return { row: (await findObjection(tx, id)) ?? row, parties };
  });
  for (const party of new Set(done.parties)) platform.wakeups.wake(objectionWakeKey(party));
  return done.row;
}

export function decideObjection(platform: Platform, caller: RoleCaller, id: string, decision: { decision: "accept" } | { decision: "refuse"; reason: string }): Promise<ObjectionRow> {
  const change: ObjectionChange = decision.decision === "accept" ? { type: "accept" } : { type: "refuse", reason: decision.reason };
  return apply(platform, id, change, { actor: caller.role });
}

export async function withdrawObjection(platform: Platform, caller: RoleCaller, id: string): Promise<ObjectionRow> {
  await ownObjection(platform, caller, id);
  return apply(platform, id, { type: "withdraw" }, { actor: "subject" });
}

/** The responsible party's outcome. Throws OBJECTION_NOT_FOUND for what is not its to decide, OBJECTION_STATE. */
export async function answerObjection(platform: Platform, party: PartyId, id: string, answer: ObjectionAnswer): Promise<ObjectionRow> {
  if (!(await isDecider(platform.db.read, party, id))) throw new AppError("OBJECTION_NOT_FOUND");
  return apply(platform, id, { type: "answer", outcome: answer.outcome, reason: answer.reason }, { actor: party, reply: answer.reply, users: answer.users });
}

/** A party's news; undefined while there are none. What it has to decide counts as examined from here on. */
export async function feedObjections(platform: Platform, party: PartyId, after: number): Promise<{ next: number; notices: ObjectionNotice[] } | undefined> {
  const { db, env } = platform;
  let notices = await noticesFor(db.read, party, after, feedPage);
  // Those of one change stay together: the cursor is the change.
  const last = notices.at(-1)?.change;
  if (notices.length === feedPage && notices[0]?.change !== last) notices = notices.filter((notice) => notice.change !== last);
  if (notices.length === 0) return undefined;
  for (const { id, role, state } of notices) {
    if (role !== "decide" || state !== "accepted") continue;
    const isNew = await db.write((tx) => takeNotice(tx, party, id, new Date(env.now())));
    if (isNew) await apply(platform, id, { type: "take" }, { actor: party });
  }
  return { next: notices.at(-1)?.change ?? after, notices };
}

/** For the clock: silence accepts, and a late answer is recorded as late. */
export async function passTime(platform: Platform): Promise<void> {
  const now = platform.env.now();
  await each(await findDueObjections(platform.db.read, new Date(now), 50), async (id) => {
    const row = await apply(platform, id, { type: "time", now }, { actor: "clock" });
    platform.env.log.warn("objection.due", { party: row.party, overdue: row.overdue });
  }, platform.env.log);
}
