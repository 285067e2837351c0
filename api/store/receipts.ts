// Rows of the transparency log's index and of its witnesses. Explicit selections: a column added later does not leave by itself.
import type { PartyId } from "../../core/brand.ts";
import { batchDigits, partyIdSchema } from "../../core/names.ts";
import { servingKinds } from "../../federation/plan-schema.ts";
import type { Database, Tx } from "./database.ts";

/** A receipt of the log. digest: SHA-256 of its text; issuer: SHA-256 of the identity key; certificate: of the one it was taken under. */
export type LogRow = {
  readonly entry: number; readonly digest: string; readonly jobId: string; readonly partyId: string; readonly kind: string; readonly purpose: string;
  readonly at: Date; readonly issuer: string; readonly sequence: number; readonly certificate: string;
};
const columns = { entry: true, digest: true, jobId: true, partyId: true, kind: true, purpose: true, at: true, issuer: true, sequence: true, certificate: true } as const;
export type IssuerRow = { readonly certificate: string; readonly partyId: string; readonly issuer: string; readonly pem: string };
const issuerColumns = { certificate: true, partyId: true, issuer: true, pem: true } as const;

export async function addReceipts(tx: Tx, rows: readonly LogRow[]): Promise<void> {
  await tx.logReceipt.createMany({ data: [...rows] });
}

export async function findReceipt(tx: Tx, digest: string): Promise<LogRow | undefined> {
  return (await tx.logReceipt.findUnique({ where: { digest }, select: columns })) ?? undefined;
}

/** Entries that the index has: as many as the log, once it has caught up. */
export async function indexedEntries(tx: Tx): Promise<number> {
  const last = await tx.logReceipt.findFirst({ orderBy: { entry: "desc" }, select: { entry: true } });
  return last === null ? 0 : last.entry + 1;
}

/** The receipt of an issuer with this number; its last one without. */
export async function findInChain(tx: Tx, issuer: string, sequence?: number): Promise<LogRow | undefined> {
  const where = { issuer, ...(sequence === undefined ? {} : { sequence }) };
  return (await tx.logReceipt.findFirst({ where, orderBy: { sequence: "desc" }, select: columns })) ?? undefined;
}

/** Receipts of the institution's jobs and of the batches of its services, newest first, those before the entry `before`. job: of one job, of all
 *  batches of one service, or of one batch. */
export async function listReceiptsOf(db: Pick<Database, "read" | "sql">, institution: string, page: { limit: number; before?: number | undefined; job?: string | undefined }): Promise<LogRow[]> {
  const before = page.before ?? 2 ** 31 - 1;
  const service = `substr(r."jobId", 1, length(r."jobId") - ${batchDigits})`;
  const [job, batches, name] = page.job === undefined ? ["", "", []] : [` AND j."id" = ?`, ` AND (j."id" = ? OR r."jobId" = ?)`, [page.job]];
  const of = async (join: string, filter: string, ...names: string[]) => db.sql.rows(
    `SELECT r."entry" FROM "LogReceipt" r JOIN "Job" j ON j."id" = ${join} WHERE j."institutionId" = ? AND r."entry" < ?${filter} ORDER BY r."entry" DESC LIMIT ${page.limit}`,
    institution, before, ...names,
  );
  const own = await of(`r."jobId"`, job, ...name);
  // An institution without services need not have the whole log looked through for them.
  const hasServices = (await db.read.job.findFirst({ where: { institutionId: institution, kind: { in: [...servingKinds] } }, select: { id: true } })) !== null;
  const found = hasServices ? [...own, ...await of(service, batches, ...name, ...name)] : own;
  const entries = found.map(([entry]) => Number(entry)).sort((a, b) => b - a).slice(0, page.limit);
  return db.read.logReceipt.findMany({ where: { entry: { in: entries } }, orderBy: { entry: "desc" }, select: columns });
}

export async function keepIssuer(tx: Tx, row: IssuerRow): Promise<void> {
  await tx.logIssuer.upsert({ where: { certificate: row.certificate }, create: row, update: {}, select: { certificate: true } });
}

export async function findIssuer(tx: Tx, certificate: string): Promise<IssuerRow | undefined> {
  return (await tx.logIssuer.findUnique({ where: { certificate }, select: issuerColumns })) ?? undefined;
}

export async function issuersOf(tx: Tx, party: string): Promise<IssuerRow[]> {
  return tx.logIssuer.findMany({ where: { partyId: party }, select: issuerColumns });
}

export type WitnessRow = {
  readonly party: PartyId; readonly statement: string; readonly cosigned: { readonly size: number; readonly at: Date } | undefined;
  readonly refused: { readonly code: string; readonly size: number; readonly offered: number; readonly at: Date } | undefined;
};

export async function putWitness(tx: Tx, party: PartyId, statement: string, now: Date): Promise<void> {
  await tx.witness.upsert({
    where: { partyId: party }, create: { partyId: party, statement, publishedAt: now }, update: { statement, publishedAt: now }, select: { partyId: true },
  });
}

export async function listWitnesses(tx: Tx): Promise<WitnessRow[]> {
  const rows = await tx.witness.findMany({
    orderBy: { partyId: "asc" },
    select: { partyId: true, statement: true, size: true, cosignedAt: true, refusedCode: true, refusedSize: true, refusedHead: true, refusedAt: true },
  });
  return rows.map((row) => ({
    party: partyIdSchema.parse(row.partyId), statement: row.statement,
    cosigned: row.size === null || row.cosignedAt === null ? undefined : { size: row.size, at: row.cosignedAt },
    refused: row.refusedCode === null || row.refusedAt === null ? undefined : { code: row.refusedCode, size: row.refusedSize ?? 0, offered: row.refusedHead ?? 0, at: row.refusedAt },
  }));
}

export async function noteCosigned(tx: Tx, party: PartyId, size: number, now: Date): Promise<void> {
  await tx.witness.updateMany({ where: { partyId: party }, data: { size, cosignedAt: now } });
}

export async function noteRefused(tx: Tx, party: PartyId, refused: { code: string; size: number; offered: number }, now: Date): Promise<void> {
  await tx.witness.updateMany({ where: { partyId: party }, data: { refusedCode: refused.code, refusedSize: refused.size, refusedHead: refused.offered, refusedAt: now } });
}
