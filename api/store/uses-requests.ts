// Rows of companies' requests to see their uses, and of the sealed answers to them.
import type { PartyId } from "../../core/brand.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { Tx } from "./database.ts";

export type UsesRequestRow = { readonly id: string; readonly n: number; readonly subject: string; readonly jws: string; readonly createdAt: Date; readonly expiresAt: Date };
export type UsesAnswerRow = { readonly party: PartyId; readonly at: Date; readonly bytes: number; readonly digest: string };

export async function addUsesRequest(tx: Tx, row: UsesRequestRow): Promise<void> {
  await tx.usesRequest.create({ data: row, select: { id: true } });
}

export async function findUsesRequest(tx: Tx, id: string): Promise<UsesRequestRow | undefined> {
  return (await tx.usesRequest.findUnique({ where: { id } })) ?? undefined;
}

export async function listUsesRequests(tx: Tx, subject: string): Promise<UsesRequestRow[]> {
  return tx.usesRequest.findMany({ where: { subject }, orderBy: { n: "asc" } });
}

/** Open requests that a party has not answered, after number `after`. */
export async function usesRequestsFor(tx: Tx, party: PartyId, after: number, now: Date, limit: number): Promise<UsesRequestRow[]> {
  for (let from = after; ; ) {
    const rows = await tx.usesRequest.findMany({ where: { n: { gt: from }, expiresAt: { gt: now } }, orderBy: { n: "asc" }, take: limit });
    const answered = await tx.usesAnswer.findMany({ where: { partyId: party, requestId: { in: rows.map((row) => row.id) } }, select: { requestId: true } });
    const done = new Set(answered.map((row) => row.requestId));
    const open = rows.filter((row) => !done.has(row.id));
    const last = rows.at(-1);
    // A page of answered ones hides none that come after it.
    if (open.length > 0 || rows.length < limit || last === undefined) return open;
    from = last.n;
  }
}

/** Parties that are let in. */
export async function countEnclaves(tx: Tx): Promise<number> {
  return tx.party.count({ where: { state: "active" } });
}

export async function addUsesAnswer(tx: Tx, requestId: string, answer: UsesAnswerRow): Promise<void> {
  const { party, ...rest } = answer;
  await tx.usesAnswer.create({ data: { ...rest, requestId, partyId: party }, select: { digest: true } });
}

export async function listUsesAnswers(tx: Tx, requestId: string): Promise<UsesAnswerRow[]> {
  const rows = await tx.usesAnswer.findMany({ where: { requestId }, orderBy: { partyId: "asc" } });
  return rows.map(({ partyId, at, bytes, digest }) => ({ party: partyIdSchema.parse(partyId), at, bytes, digest }));
}

export async function findEndedRequests(tx: Tx, now: Date, limit: number): Promise<string[]> {
  return (await tx.usesRequest.findMany({ where: { expiresAt: { lte: now } }, take: limit, select: { id: true } })).map((row) => row.id);
}

export async function forgetUsesRequest(tx: Tx, id: string): Promise<void> {
  await tx.usesAnswer.deleteMany({ where: { requestId: id } });
  await tx.usesRequest.deleteMany({ where: { id } });
}
