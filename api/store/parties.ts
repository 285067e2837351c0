// Rows of parties, enrolment tokens and institutions. Explicit selections: a column added later does not leave by itself.
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { datasetSummarySchema, type DatasetSummary, type JobPlan } from "../../federation/plan-schema.ts";
import { sealToSchema } from "../contract.ts";
import type { Tx } from "./database.ts";
import type { Sql } from "./sql.ts";

export type PartyState = "invited" | "active" | "suspended";
export type PartyRow = { id: string; state: string; tlsFingerprint: string | null };
export type InstitutionRow = {
  id: string;
  name: string;
  party: PartyId;
  keyDigest: string;
  tlsFingerprint: string | null;
  state: string;
  sealTo: JobPlan["sealTo"];
  /** Jobs wait for a bank-approver. */
  twoPerson: boolean;
  /** The key before the last rotation, for as long as both are accepted. */
  previousKeyDigest: string | null;
  previousKeyUntil: Date | null;
};
export type NewInstitutionRow = Omit<InstitutionRow, "state" | "previousKeyDigest" | "previousKeyUntil">;
export type Dataset = { party: PartyId; publishedAt: string; dataset: DatasetSummary };

export async function findParty(sql: Pick<Sql, "rows">, id: string): Promise<PartyRow | undefined> {
  const [row] = await sql.rows(`SELECT "id", "state", "tlsFingerprint" FROM "Party" WHERE "id" = ?`, id);
  return row === undefined ? undefined : { id: String(row[0]), state: String(row[1]), tlsFingerprint: typeof row[2] === "string" ? row[2] : null };
}

export async function findPartyState(tx: Tx, id: string): Promise<string | undefined> {
  return (await tx.party.findUnique({ where: { id }, select: { state: true } }))?.state;
}

export async function invite(tx: Tx, party: PartyId, token: { digest: string; expiresAt: Date }, now: Date): Promise<void> {
  await tx.party.upsert({
    where: { id: party },
    create: { id: party, state: "invited", createdAt: now },
    update: {},
    select: { id: true },
  });
  await tx.enrolToken.create({ data: { digest: token.digest, partyId: party, createdAt: now, expiresAt: token.expiresAt } });
}

export type TokenRow = { partyId: string; expiresAt: Date; usedAt: Date | null; requestDigest: string | null };

export async function findToken(tx: Tx, digest: string): Promise<TokenRow | undefined> {
  const select = { partyId: true, expiresAt: true, usedAt: true, requestDigest: true } as const;
  return (await tx.enrolToken.findUnique({ where: { digest }, select })) ?? undefined;
}

/** Marks a token as used by this request; false if another request was faster. */
export async function useToken(tx: Tx, digest: string, requestDigest: string, now: Date): Promise<boolean> {
  const { count } = await tx.enrolToken.updateMany({ where: { digest, usedAt: null }, data: { usedAt: now, requestDigest } });
  return count === 1;
}

export type Certificates = { tlsCertificate: string; identityCertificate: string };

/** Throws AUTH_SUSPENDED: a token does not lift a suspension. */
export async function storeCertificates(
  tx: Tx,
  party: PartyId,
  given: Certificates & { tlsFingerprint: string },
  now: Date,
): Promise<void> {
  const { count } = await tx.party.updateMany({
    where: { id: party, state: { not: "suspended" } },
    data: { ...given, state: "active", enrolledAt: now },
  });
  if (count !== 1) throw new AppError("AUTH_SUSPENDED");
}

export async function findCertificates(tx: Tx, party: string): Promise<Certificates | undefined> {
  const row = await tx.party.findUnique({ where: { id: party }, select: { tlsCertificate: true, identityCertificate: true } });
  if (row?.tlsCertificate == null || row.identityCertificate == null) return undefined;
  return { tlsCertificate: row.tlsCertificate, identityCertificate: row.identityCertificate };
}

export type IdentityRow = { party: PartyId; state: "active" | "suspended"; identityCertificate: string };

export async function listIdentities(tx: Tx): Promise<IdentityRow[]> {
  const rows = await tx.party.findMany({
    where: { identityCertificate: { not: null } },
    orderBy: { id: "asc" },
    select: { id: true, state: true, identityCertificate: true },
  });
  return rows.map((row) => ({
    party: partyIdSchema.parse(row.id),
    state: row.state === "active" ? "active" : "suspended",
    identityCertificate: row.identityCertificate ?? "",
  }));
}

export type PartyListing = { party: string; state: string; enrolledAt: string | null; dataset: DatasetSummary | null };

export async function listParties(tx: Tx): Promise<PartyListing[]> {
  const rows = await tx.party.findMany({ orderBy: { id: "asc" }, select: { id: true, state: true, enrolledAt: true, dataset: true } });
  return rows.map((row) => ({
    party: row.id,
    state: row.state,
    enrolledAt: row.enrolledAt?.toISOString() ?? null,
    dataset: row.dataset === null ? null : readDataset(row.dataset),
  }));
}

/** false if there is no such party in one of the states `from`. */
export async function setPartyState(tx: Tx, party: string, from: readonly PartyState[], to: PartyState): Promise<boolean> {
  return (await tx.party.updateMany({ where: { id: party, state: { in: [...from] } }, data: { state: to } })).count === 1;
}

export async function storeDataset(tx: Tx, party: PartyId, dataset: DatasetSummary, now: Date): Promise<void> {
  await tx.party.update({ where: { id: party }, data: { dataset: canonicalJson(dataset), datasetAt: now }, select: { id: true } });
}

/** Datasets of active parties. */
export async function listDatasets(tx: Tx): Promise<Dataset[]> {
  const rows = await tx.party.findMany({
    where: { state: "active", dataset: { not: null } },
    orderBy: { id: "asc" },
    select: { id: true, dataset: true, datasetAt: true },
  });
  return rows.map((row) => ({
    party: partyIdSchema.parse(row.id),
    publishedAt: (row.datasetAt ?? new Date(0)).toISOString(),
    dataset: readDataset(row.dataset ?? ""),
  }));
}

function readDataset(text: string): DatasetSummary {
  return datasetSummarySchema.parse(JSON.parse(text));
}

export async function createInstitution(tx: Tx, row: NewInstitutionRow, now: Date): Promise<void> {
  const { party, sealTo, ...rest } = row;
  await tx.institution.create({
    data: { ...rest, partyId: party, sealTo: canonicalJson(sealTo), state: "active", createdAt: now },
    select: { id: true },
  });
}

export async function findInstitution(tx: Tx, id: string): Promise<InstitutionRow | undefined> {
  const row = await tx.institution.findUnique({ where: { id } });
  if (row === null) return undefined;
  const { partyId, sealTo, id: own, name, keyDigest, tlsFingerprint, state, twoPerson, previousKeyDigest, previousKeyUntil } = row;
  return {
    id: own,
    name,
    keyDigest,
    tlsFingerprint,
    state,
    twoPerson,
    previousKeyDigest,
    previousKeyUntil,
    party: partyIdSchema.parse(partyId),
    sealTo: sealToSchema.parse(JSON.parse(sealTo)),
  };
}

/** What says of an institution's program whether it is let in, without its key before a rotation: read at every request. */
export async function findInstitutionKeys(sql: Pick<Sql, "rows">, id: string): Promise<Pick<InstitutionRow, "id" | "party" | "state" | "keyDigest" | "tlsFingerprint"> | undefined> {
  const [row] = await sql.rows(`SELECT "id", "partyId", "state", "keyDigest", "tlsFingerprint" FROM "Institution" WHERE "id" = ?`, id);
  if (row === undefined) return undefined;
  return { id: String(row[0]), party: partyIdSchema.parse(row[1]), state: String(row[2]), keyDigest: String(row[3]), tlsFingerprint: typeof row[4] === "string" ? row[4] : null };
}

/** Whether a guest party already belongs to an institution. */
export async function isGuestTaken(tx: Tx, party: PartyId): Promise<boolean> {
  return (await tx.institution.count({ where: { partyId: party } })) > 0;
}

/** What changes of an institution's access: the key now and before, the certificate, the setting of two persons. */
export async function updateInstitution(
  tx: Tx,
  id: string,
  data: Partial<Pick<InstitutionRow, "state" | "keyDigest" | "tlsFingerprint" | "twoPerson" | "previousKeyDigest" | "previousKeyUntil">>,
): Promise<void> {
  await tx.institution.update({ where: { id }, data, select: { id: true } });
}

/** All institutions: id, name, party and key to which results are sealed. */
export async function listInstitutions(tx: Tx): Promise<{ id: string; name: string; party: string; sealTo: string; state: string; twoPerson: boolean; createdAt: Date }[]> {
  const rows = await tx.institution.findMany({ select: { id: true, name: true, partyId: true, sealTo: true, state: true, twoPerson: true, createdAt: true } });
  return rows.map(({ partyId, ...rest }) => ({ ...rest, party: partyId }));
}

/** Stops or starts a party again; a removed member's certificates and unused tokens are void for good. */
export async function setPartyAccess(tx: Tx, party: string, access: "suspended" | "void" | "restored", now: Date): Promise<void> {
  const row = await tx.party.findUnique({ where: { id: party }, select: { tlsFingerprint: true } });
  if (row === null) return;
  const isEnrolled = row.tlsFingerprint !== null;
  const state: PartyState = access === "restored" ? (isEnrolled ? "active" : "invited") : "suspended";
  await tx.party.update({ where: { id: party }, data: { state, ...(access === "void" ? { tlsFingerprint: null } : {}) }, select: { id: true } });
  if (access === "void") await tx.enrolToken.updateMany({ where: { partyId: party, usedAt: null }, data: { expiresAt: new Date(now.getTime() - 1) } });
}

/** false if there is no such institution. */
export async function setInstitutionState(tx: Tx, id: string, state: "active" | "suspended" | "removed"): Promise<boolean> {
  return (await tx.institution.updateMany({ where: { id }, data: { state } })).count === 1;
}
