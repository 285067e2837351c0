// Rows of written consents that wait for a second person, and messages to companies.
import type { Tx } from "./database.ts";

export type WrittenState = "pending" | "confirmed" | "refused";
export type WrittenRow = {
  readonly id: string; readonly institutionId: string; readonly terms: string; readonly form: string; readonly state: WrittenState;
  readonly enteredBy: string; readonly enteredHolder: string; readonly enteredAt: Date;
  readonly decidedBy: string | null; readonly decidedHolder: string | null; readonly decidedAt: Date | null; readonly consentId: string | null;
  readonly idempotencyKey: string; readonly requestDigest: string;
};
type Stored = Omit<WrittenRow, "state"> & { state: string };
const read = (row: Stored): WrittenRow => ({ ...row, state: row.state === "confirmed" || row.state === "refused" ? row.state : "pending" });

export async function addWritten(tx: Tx, row: WrittenRow): Promise<void> {
  await tx.writtenConsent.create({ data: row, select: { id: true } });
}

export async function findWritten(tx: Tx, id: string): Promise<WrittenRow | undefined> {
  const row = await tx.writtenConsent.findUnique({ where: { id } });
  return row === null ? undefined : read(row);
}

export async function findWrittenByKey(tx: Tx, institutionId: string, idempotencyKey: string): Promise<WrittenRow | undefined> {
  const row = await tx.writtenConsent.findUnique({ where: { institutionId_idempotencyKey: { institutionId, idempotencyKey } } });
  return row === null ? undefined : read(row);
}

/** Newest first, after the one with the id `cursor`. */
export async function listWritten(tx: Tx, institutionId: string, limit: number, cursor: string | undefined): Promise<WrittenRow[]> {
  const rows = await tx.writtenConsent.findMany({
    where: { institutionId }, orderBy: [{ enteredAt: "desc" }, { id: "desc" }], take: limit, ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  });
  return rows.map(read);
}

/** The forms that name a company, also those that wait or were refused. */
export async function formsOf(tx: Tx, subject: string): Promise<WrittenRow[]> {
  return (await tx.writtenConsent.findMany({ where: { terms: { contains: `"subject":${JSON.stringify(subject)}` } }, orderBy: { enteredAt: "asc" } })).map(read);
}

/** Decides once; false when it was decided already. */
export async function decideWritten(tx: Tx, id: string, decision: { state: "confirmed" | "refused"; by: string; holder: string; at: Date }): Promise<boolean> {
  const data = { state: decision.state, decidedBy: decision.by, decidedHolder: decision.holder, decidedAt: decision.at };
  return (await tx.writtenConsent.updateMany({ where: { id, state: "pending" }, data })).count === 1;
}

export async function linkWritten(tx: Tx, id: string, consentId: string): Promise<void> {
  await tx.writtenConsent.updateMany({ where: { id, consentId: null }, data: { consentId } });
}

export type SubjectNoticeType = "written-consent" | "objection-accepted" | "objection-refused" | "objection-overdue" | "objection-decided";

/** A message to a company. The same id again changes nothing. */
export async function addSubjectNotice(tx: Tx, notice: { id: string; subject: string; type: SubjectNoticeType; about: string; at: Date }): Promise<void> {
  await tx.subjectNotice.upsert({ where: { id: notice.id }, create: notice, update: {}, select: { id: true } });
}

export async function listSubjectNotices(tx: Tx, subject: string): Promise<{ id: string; type: string; about: string; at: Date }[]> {
  return tx.subjectNotice.findMany({ where: { subject }, orderBy: [{ at: "asc" }, { id: "asc" }], select: { id: true, type: true, about: true, at: true } });
}
