// Rows of credentials: keys of people and systems in a role.
import { roleSchema, type Role } from "../contract/roles.ts";
import type { Tx } from "./database.ts";

export type CredentialRow = {
  readonly id: string; readonly role: Role; readonly holder: string; readonly institutionId: string | null; readonly partyId: string | null;
  readonly keyDigest: string; readonly state: "active" | "revoked"; readonly createdAt: Date; readonly expiresAt: Date; readonly replaces: string | null;
};

type StoredRow = Omit<CredentialRow, "role" | "state"> & { readonly role: string; readonly state: string };
const read = (row: StoredRow): CredentialRow => ({ ...row, role: roleSchema.parse(row.role), state: row.state === "active" ? "active" : "revoked" });

export async function createCredential(tx: Tx, row: CredentialRow): Promise<void> {
  await tx.credential.create({ data: row, select: { id: true } });
}

export async function findCredential(tx: Tx, id: string): Promise<CredentialRow | undefined> {
  const row = await tx.credential.findUnique({ where: { id } });
  return row === null ? undefined : read(row);
}

/** By owner, oldest first. */
export async function listCredentials(tx: Tx, owner: { readonly institutionId?: string | null; readonly partyId?: string | null }): Promise<CredentialRow[]> {
  return (await tx.credential.findMany({ where: owner, orderBy: [{ createdAt: "asc" }, { id: "asc" }] })).map(read);
}

/** false if there is no such credential, or it is revoked already. */
export async function revokeCredential(tx: Tx, id: string): Promise<boolean> {
  return (await tx.credential.updateMany({ where: { id, state: "active" }, data: { state: "revoked" } })).count === 1;
}

/** Ends a credential earlier; false if there is no such active one. */
export async function shortenCredential(tx: Tx, id: string, expiresAt: Date): Promise<boolean> {
  return (await tx.credential.updateMany({ where: { id, state: "active" }, data: { expiresAt } })).count === 1;
}

/** Whether another credential was made in place of this one. */
export async function isReplaced(tx: Tx, id: string): Promise<boolean> {
  return (await tx.credential.count({ where: { replaces: id } })) > 0;
}

/** All credentials of an institution and of a party, for good. */
export async function revokeCredentialsOf(tx: Tx, owner: { readonly institutionId: string | null; readonly partyId: string }): Promise<void> {
  const or = [{ partyId: owner.partyId }, ...(owner.institutionId === null ? [] : [{ institutionId: owner.institutionId }])];
  await tx.credential.updateMany({ where: { OR: or, state: "active" }, data: { state: "revoked" } });
}
