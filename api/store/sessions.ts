// Rows of companies' logins and sessions. Tokens, secrets and states are stored as SHA-256 only.
import type { PartyId } from "../../core/brand.ts";
import { partyIdSchema } from "../../core/names.ts";
import { assurances } from "../contract/subject.ts";
import type { Tx } from "./database.ts";

export type Assurance = (typeof assurances)[number];
export type LoginRow = {
  readonly digest: string; readonly stateDigest: string; readonly nonce: string; readonly redirectUri: string; readonly createdAt: Date; readonly expiresAt: Date;
  readonly usedAt: Date | null;
};
export type SessionRow = {
  readonly id: string; readonly subject: string; readonly keyDigest: string; readonly provider: PartyId; readonly assurance: Assurance; readonly authority: string;
  readonly person: string; readonly realNameAt: Date; readonly createdAt: Date; readonly expiresAt: Date; readonly revokedAt: Date | null;
};
type Stored = Omit<SessionRow, "provider" | "assurance"> & { provider: string; assurance: string };

function read(row: Stored): SessionRow {
  return { ...row, provider: partyIdSchema.parse(row.provider), assurance: assurances.find((a) => a === row.assurance) ?? "low" };
}

export async function addLogin(tx: Tx, row: LoginRow): Promise<void> {
  await tx.subjectLogin.create({ data: row, select: { digest: true } });
}

export async function findLogin(tx: Tx, digest: string): Promise<LoginRow | undefined> {
  return (await tx.subjectLogin.findUnique({ where: { digest } })) ?? undefined;
}

/** Takes a login for one attempt to finish it; false when it was taken before. */
export async function takeLogin(tx: Tx, digest: string, at: Date): Promise<boolean> {
  return (await tx.subjectLogin.updateMany({ where: { digest, usedAt: null }, data: { usedAt: at } })).count === 1;
}

/** Forgets logins that are over. */
export async function sweepLogins(tx: Tx, now: Date): Promise<void> {
  await tx.subjectLogin.deleteMany({ where: { expiresAt: { lte: now } } });
}

export async function countLogins(tx: Tx): Promise<number> {
  return tx.subjectLogin.count();
}

export async function addSession(tx: Tx, row: SessionRow): Promise<void> {
  await tx.subjectSession.create({ data: row, select: { id: true } });
}

export async function findSession(tx: Tx, id: string): Promise<SessionRow | undefined> {
  const row = await tx.subjectSession.findUnique({ where: { id } });
  return row === null ? undefined : read(row);
}

export async function listSessions(tx: Tx, subject: string): Promise<SessionRow[]> {
  return (await tx.subjectSession.findMany({ where: { subject }, orderBy: [{ createdAt: "asc" }, { id: "asc" }] })).map(read);
}

/** Ends one session, or all of a company's; returns how many were running. */
export async function endSessions(tx: Tx, which: { subject: string; id?: string | undefined }, at: Date): Promise<number> {
  const where = { subject: which.subject, revokedAt: null, expiresAt: { gt: at }, ...(which.id === undefined ? {} : { id: which.id }) };
  return (await tx.subjectSession.updateMany({ where, data: { revokedAt: at } })).count;
}
