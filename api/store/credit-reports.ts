// Rows of credit reports, and the marks of objections that stand in them.
import type { Tx } from "./database.ts";
import { pagesOf } from "./public-items.ts";

export type CreditReportRow = {
  readonly number: string; readonly subject: string; readonly institutionId: string | null; readonly purpose: string; readonly digest: string;
  readonly body: string | null; readonly createdAt: Date; readonly expiresAt: Date;
};
const line = { number: true, purpose: true, digest: true, createdAt: true, expiresAt: true, institutionId: true } as const;
export type CreditReportLine = Omit<CreditReportRow, "body" | "subject">;

export async function addCreditReport(tx: Tx, row: CreditReportRow): Promise<void> {
  await tx.creditReport.create({ data: row, select: { number: true } });
}

export async function findCreditReport(tx: Tx, number: string): Promise<CreditReportRow | undefined> {
  return (await tx.creditReport.findUnique({ where: { number } })) ?? undefined;
}

export function countReportsSince(tx: Tx, institutionId: string, since: Date): Promise<number> {
  return tx.creditReport.count({ where: { institutionId, createdAt: { gte: since } } });
}

/** Newest first, after the report `cursor`: an institution's, or those on one company. */
export function listCreditReports(tx: Tx, of: { readonly institutionId: string } | { readonly subject: string }, limit: number, cursor: string | undefined): Promise<CreditReportLine[]> {
  return tx.creditReport.findMany({
    where: of, orderBy: [{ createdAt: "desc" }, { number: "desc" }], take: limit, select: line, ...(cursor === undefined ? {} : { cursor: { number: cursor }, skip: 1 }),
  });
}

/** Forgets the texts of reports whose time is over; the rows stay as the record of who asked. */
export async function dropExpiredReports(tx: Tx, now: Date): Promise<number> {
  return (await tx.creditReport.updateMany({ where: { expiresAt: { lt: now }, body: { not: null } }, data: { body: null } })).count;
}

/** Forgets the texts of reports on these companies that were made since: a record that they may hold was withdrawn. */
export async function dropReportsOn(tx: Tx, subjects: readonly string[], since: Date): Promise<void> {
  for (const page of pagesOf([...new Set(subjects)])) {
    await tx.creditReport.updateMany({ where: { subject: { in: page }, createdAt: { gte: since }, body: { not: null } }, data: { body: null } });
  }
}

export async function institutionNames(tx: Tx, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.institution.findMany({ where: { id: { in: [...new Set(ids)] } }, select: { id: true, name: true } });
  return new Map(rows.map((row) => [row.id, row.name]));
}

export type MarkRow = { readonly kind: string; readonly partyId: string; readonly item: string | null; readonly state: string; readonly lodgedAt: Date };

/** Objections to items of a company, and applications for repair, that a report mentions: those under examination, and those that stay unconfirmed. */
export function listMarks(tx: Tx, subject: string): Promise<MarkRow[]> {
  return tx.objection.findMany({
    where: { subject, target: "item", state: { in: ["accepted", "examining", "unconfirmed"] } }, orderBy: [{ lodgedAt: "asc" }, { id: "asc" }],
    select: { kind: true, partyId: true, item: true, state: true, lodgedAt: true },
  });
}
