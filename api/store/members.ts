// Rows of members (institutions and local-platform nodes), the supervisors' decisions on them, and what happened to them.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { sealToSchema } from "../contract.ts";
import { memberStateSchema, suspensionReasonSchema, type MemberEventType, type MemberState, type SuspensionReason } from "../contract/institutions.ts";
import { assessmentSchema, memberKindSchema, type Assessment, type MemberKind } from "../contract/questionnaire.ts";
import type { Tx } from "./database.ts";
import type { Person } from "./jobs.ts";

export type MemberRow = {
  readonly id: string; readonly kind: MemberKind; readonly name: string; readonly party: PartyId; readonly sealTo: JobPlan["sealTo"] | undefined;
  readonly state: MemberState; readonly admission: "assessed" | "demo"; readonly institution: string | null; readonly twoPerson: boolean;
  readonly round: number; readonly isOpen: boolean; readonly assessment: Assessment | undefined; readonly assessmentDigest: string | null;
  readonly submitter: Person | undefined; readonly reviewDueAt: Date | null; readonly warnedAt: Date | null; readonly reason: SuspensionReason | null;
  readonly createdAt: Date; readonly admittedAt: Date | null;
};
export type Decision = { readonly credential: string; readonly holder: string; readonly decision: "approve" | "reject"; readonly at: Date };
export type MemberEventRow = { readonly n: number; readonly at: Date; readonly type: MemberEventType; readonly holder: string | null; readonly what: string | null; readonly evidence: string | null };

type Raw = Awaited<ReturnType<Tx["member"]["findUniqueOrThrow"]>>;

function read(raw: Raw): MemberRow {
  const { partyId, sealTo, institutionId, assessment, submitterId, submitter, ...rest } = raw;
  return {
    ...rest, kind: memberKindSchema.parse(raw.kind), state: memberStateSchema.parse(raw.state), admission: raw.admission === "demo" ? "demo" : "assessed",
    reason: raw.reason === null ? null : suspensionReasonSchema.parse(raw.reason), party: partyIdSchema.parse(partyId), institution: institutionId,
    sealTo: sealTo === null ? undefined : sealToSchema.parse(JSON.parse(sealTo)),
    assessment: assessment === null ? undefined : assessmentSchema.parse(JSON.parse(assessment)),
    submitter: submitterId === null || submitter === null ? undefined : { credential: submitterId, holder: submitter },
  };
}

type NewMember = Pick<MemberRow, "id" | "kind" | "name" | "party" | "sealTo" | "state" | "admission" | "institution" | "twoPerson" | "createdAt" | "admittedAt">;

export async function createMember(tx: Tx, member: NewMember): Promise<void> {
  const { party, sealTo, institution, ...rest } = member;
  await tx.member.create({
    data: { ...rest, partyId: party, sealTo: sealTo === undefined ? null : canonicalJson(sealTo), institutionId: institution, round: 0, isOpen: false },
    select: { id: true },
  });
}

export async function findMember(tx: Tx, id: string): Promise<MemberRow | undefined> {
  const row = await tx.member.findUnique({ where: { id } });
  return row === null ? undefined : read(row);
}

export async function findMemberOfParty(tx: Tx, party: string): Promise<MemberRow | undefined> {
  const row = await tx.member.findUnique({ where: { partyId: party } });
  return row === null ? undefined : read(row);
}

export async function findMemberOfInstitution(tx: Tx, institution: string): Promise<MemberRow | undefined> {
  const row = await tx.member.findUnique({ where: { institutionId: institution } });
  return row === null ? undefined : read(row);
}

/** A page, newest first, after the member `cursor`. */
export async function listMembers(tx: Tx, limit: number, cursor: string | undefined): Promise<MemberRow[]> {
  const rows = await tx.member.findMany({
    orderBy: [{ createdAt: "desc" }, { id: "desc" }], take: limit, ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  });
  return rows.map(read);
}

export type MemberChange = Partial<Pick<MemberRow, "state" | "institution" | "twoPerson" | "reviewDueAt" | "warnedAt" | "reason" | "admittedAt" | "isOpen" | "admission">>;

export async function updateMember(tx: Tx, id: string, change: MemberChange): Promise<void> {
  const { institution, ...rest } = change;
  await tx.member.update({ where: { id }, data: { ...rest, ...(institution === undefined ? {} : { institutionId: institution }) }, select: { id: true } });
}

/** A new assessment: the next round, open for decisions. */
export async function storeAssessment(tx: Tx, id: string, given: { readonly round: number; readonly assessment: Assessment; readonly digest: string; readonly by: Person }): Promise<void> {
  await tx.member.update({
    where: { id },
    data: {
      round: given.round, isOpen: true, assessment: canonicalJson(given.assessment as unknown as Json), assessmentDigest: given.digest,
      submitterId: given.by.credential, submitter: given.by.holder,
    },
    select: { id: true },
  });
}

export async function listDecisions(tx: Tx, id: string, round: number): Promise<Decision[]> {
  const rows = await tx.memberDecision.findMany({ where: { memberId: id, round }, orderBy: [{ at: "asc" }, { credentialId: "asc" }] });
  return rows.map((row) => ({ credential: row.credentialId, holder: row.holder, decision: row.decision === "approve" ? "approve" : "reject", at: row.at }));
}

/** holder: in the form in which holders are compared. */
export async function createDecision(tx: Tx, id: string, round: number, decision: Decision): Promise<void> {
  const { credential, ...rest } = decision;
  await tx.memberDecision.create({ data: { memberId: id, round, credentialId: credential, ...rest }, select: { memberId: true } });
}

/** Appends to a member's record. Under the lock of `nextChange`. */
export async function addMemberEvent(tx: Tx, id: string, event: { readonly at: Date; readonly type: MemberEventType; readonly by?: Person | undefined; readonly what?: string | undefined; readonly evidence?: string | undefined }): Promise<void> {
  const last = await tx.memberEvent.findFirst({ where: { memberId: id }, orderBy: { n: "desc" }, select: { n: true } });
  await tx.memberEvent.create({
    data: {
      memberId: id, n: (last?.n ?? 0) + 1, at: event.at, type: event.type, credentialId: event.by?.credential ?? null, holder: event.by?.holder ?? null,
      what: event.what ?? null, evidence: event.evidence ?? null,
    },
    select: { n: true },
  });
}

/** The whole record, oldest first. */
export async function listMemberEvents(tx: Tx, id: string): Promise<MemberEventRow[]> {
  const rows = await tx.memberEvent.findMany({ where: { memberId: id }, orderBy: { n: "asc" } });
  return rows.map(({ n, at, type, holder, what, evidence }) => ({ n, at, type: type as MemberEventType, holder, what, evidence }));
}

/** Admitted members whose review is due and who were not warned yet, or were warned at `warnedBefore` or earlier. */
export async function findDueMembers(tx: Tx, now: Date, warnedBefore: Date): Promise<MemberRow[]> {
  const where = { state: "admitted", reviewDueAt: { lte: now }, OR: [{ warnedAt: null }, { warnedAt: { lte: warnedBefore } }] };
  return (await tx.member.findMany({ where, take: 100, orderBy: { reviewDueAt: "asc" } })).map(read);
}

/** Gives members that were admitted without assessment a date for their review. */
export async function setDemoReviews(tx: Tx, dueAt: Date): Promise<number> {
  return (await tx.member.updateMany({ where: { state: "admitted", admission: "demo", reviewDueAt: null }, data: { reviewDueAt: dueAt } })).count;
}
