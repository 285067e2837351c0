// What is shown of a member: state, dates, decisions and its record; no key, no name of a person beyond the holders given.
import { AppError } from "../../../core/errors.ts";
import type { MemberDetail, MemberView } from "../../contract/institutions.ts";
import type { Tx } from "../../store/database.ts";
import { listCredentials } from "../../store/credentials.ts";
import { findMember, listDecisions, listMemberEvents, type MemberRow } from "../../store/members.ts";
import { holderKey } from "../credentials.ts";

/** Throws MEMBER_NOT_FOUND. */
export async function viewMember(tx: Tx, id: string, now: Date): Promise<MemberView> {
  return summariseMember(tx, await found(tx, id), now);
}

/** Holders whose approval of the open assessment counts: a supervisor who holds no valid key any more (revoked, expired) has said nothing. */
export async function countedApprovals(tx: Tx, member: Pick<MemberRow, "id" | "round">, now: Date): Promise<string[]> {
  const supervisors = new Set((await listCredentials(tx, { institutionId: null, partyId: null }))
    .filter((row) => row.role === "supervisor" && row.state === "active" && row.expiresAt > now).map((row) => holderKey(row.holder)));
  const approved = (await listDecisions(tx, member.id, member.round)).filter(({ decision }) => decision === "approve").map(({ holder }) => holderKey(holder));
  return [...new Set(approved)].filter((holder) => supervisors.has(holder));
}

export async function summariseMember(tx: Tx, member: MemberRow, now: Date): Promise<MemberView> {
  const { id, kind, name, party, state, admission, institution, twoPerson, isOpen, assessmentDigest, reviewDueAt, reason, createdAt, admittedAt } = member;
  const approvals = isOpen ? (await countedApprovals(tx, member, now)).length : 0;
  return {
    id, kind, name, party, state, admission, institution, twoPerson, open: isOpen, approvals, assessmentDigest,
    reviewDueAt: reviewDueAt?.toISOString() ?? null, overdue: state === "admitted" && reviewDueAt !== null && reviewDueAt <= now, reason,
    createdAt: createdAt.toISOString(), admittedAt: admittedAt?.toISOString() ?? null,
  };
}

/** Throws MEMBER_NOT_FOUND. */
export async function detailMember(tx: Tx, id: string, now: Date): Promise<MemberDetail> {
  const member = await found(tx, id);
  const decisions = await listDecisions(tx, id, member.round);
  const history = await listMemberEvents(tx, id);
  return {
    ...(await summariseMember(tx, member, now)), assessment: member.assessment ?? null,
    decisions: decisions.map(({ holder, decision, at }) => ({ holder, decision, at: at.toISOString() })),
    history: history.map((event) => ({ ...event, at: event.at.toISOString() })),
  };
}

async function found(tx: Tx, id: string): Promise<MemberRow> {
  const member = await findMember(tx, id);
  if (member === undefined) throw new AppError("MEMBER_NOT_FOUND");
  return member;
}
