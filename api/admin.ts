// What the platform's operator does on its machine, also while the platform runs (a second process on the same database).
// Secrets are returned once and stored as digests only.
import type { PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { auditedAdmin } from "./audit/admin.ts";
import { auditPaths } from "./audit/open.ts";
import { leave, spoolOf } from "../audit/spool.ts";
import { holderSchema, type CredentialView } from "./contract/institutions.ts";
import { databaseUrl, initialiseDataDir, openAuthority } from "./data-dir.ts";
import { holderKey, issueCredential, publicCredential, type IssuedCredential } from "./services/credentials.ts";
import { createEnrolToken } from "./services/enrol.ts";
import { addWithoutAssessment, adoptInstitutions, type QuickInstitution } from "./services/institutions/onboarding.ts";
import { suspendOnly } from "./services/institutions/supervision.ts";
import { readSettings } from "./settings.ts";
import { findCredential, listCredentials, revokeCredential } from "./store/credentials.ts";
import { nextChange, openDatabase, type Tx } from "./store/database.ts";
import { findMemberOfInstitution, findMemberOfParty } from "./store/members.ts";
import { listParties, setPartyState, type PartyListing } from "./store/parties.ts";

const tokenLifeMs = 24 * 3_600_000;

export type AdminOptions = { readonly data: string; readonly env: Env; readonly database?: string | undefined };
export type Admin = {
  /** Text of a one-time token. lifeMs: 24 hours by default. isProvider: the operator's word that the party provides data and is neither an
   *  institution nor a node, which come in as members where the settings want an assessment (else ASSESSMENT_REQUIRED). Throws MEMBER_STATE. */
  createEnrolToken(party: PartyId, options?: { readonly lifeMs?: number; readonly isProvider?: boolean }): Promise<string>;
  /** Admits an institution without assessment: for demos. The API key is shown here and never again. Throws PARTY_EXISTS if the guest
   *  belongs to another institution, ASSESSMENT_REQUIRED where the settings want an assessment. */
  addInstitution(institution: QuickInstitution): Promise<{ institution: string; apiKey: string; certificate: string | undefined }>;
  listParties(): Promise<PartyListing[]>;
  /** Refused at its next request. Throws PARTY_NOT_FOUND. */
  suspendParty(party: PartyId): Promise<void>;
  resumeParty(party: PartyId): Promise<void>;
  suspendInstitution(institution: string): Promise<void>;
  /** A supervisor or operator of the platform; the key is shown here and never again. One active key a person and role. Throws CREDENTIAL_HOLDER. */
  addPerson(person: { role: "supervisor" | "platform-operator"; holder: string }): Promise<IssuedCredential>;
  listPeople(): Promise<CredentialView[]>;
  /** Throws CREDENTIAL_UNKNOWN. */
  revokePerson(person: { credential: string }): Promise<void>;
  close(): Promise<void>;
};

/** Makes data directory, authority and database if they are not there. Returns the CA's fingerprint (SHA-256, base64url). */
export async function initialisePlatform(options: AdminOptions): Promise<{ caFingerprint: string }> {
  const authority = await initialiseDataDir(options.data, options.env);
  const db = await openDatabase(databaseUrl(options.data, options.database));
  try {
    await adoptInstitutions({ db, env: options.env });
  } finally {
    await db.close();
  }
  if (db.migrated > 0) leave(spoolOf(auditPaths(options.data).folder), { actor: { role: "operator" }, action: "database.migrated", facts: { migrations: db.migrated } }, options.env);
  return { caFingerprint: authority.fingerprint };
}

/** Throws PLATFORM_NOT_INITIALISED. Close it when done. */
export async function openAdmin(options: AdminOptions): Promise<Admin> {
  const { env, data } = options;
  const authority = await openAuthority(data, env);
  const db = await openDatabase(databaseUrl(data, options.database));
  const found = async (change: Promise<boolean>): Promise<void> => {
    if (!(await change)) throw new AppError("PARTY_NOT_FOUND");
  };
  const admin: Admin = {
    createEnrolToken: async (party, { lifeMs = tokenLifeMs, isProvider = false } = {}) => {
      await refuseUnadmitted(db.read, party);
      const needsMember = readSettings(data).requireAssessment && !isProvider;
      if (needsMember && (await findMemberOfParty(db.read, party)) === undefined) throw new AppError("ASSESSMENT_REQUIRED");
      return createEnrolToken({ db, env, authority }, party, lifeMs);
    },
    addInstitution: async (given) => {
      if (readSettings(data).requireAssessment) throw new AppError("ASSESSMENT_REQUIRED");
      return addWithoutAssessment({ db, env, authority }, given);
    },
    addPerson: ({ role, holder }) => db.write(async (tx) => {
      await nextChange(tx);
      const same = (await listCredentials(tx, { institutionId: null, partyId: null })).filter((row) => row.role === role && row.state === "active" && row.expiresAt.getTime() > env.now());
      if (same.some((row) => holderKey(row.holder) === holderKey(holder))) throw new AppError("CREDENTIAL_HOLDER");
      return issueCredential({ env }, tx, { role, holder: holderSchema.parse(holder) });
    }),
    listPeople: async () => (await listCredentials(db.read, { institutionId: null, partyId: null })).map((row) => publicCredential(row, env.now())),
    revokePerson: async ({ credential: id }) => {
      const row = await findCredential(db.read, id);
      const isOurs = row !== undefined && row.institutionId === null && row.partyId === null;
      if (!isOurs || !(await db.write((tx) => revokeCredential(tx, id)))) throw new AppError("CREDENTIAL_UNKNOWN");
    },
    listParties: () => listParties(db.read),
    suspendParty: (party) => found(db.write((tx) => setPartyState(tx, party, ["invited", "active", "suspended"], "suspended"))),
    resumeParty: async (party) => {
      await refuseUnadmitted(db.read, party);
      await found(db.write((tx) => setPartyState(tx, party, ["suspended"], "active")));
    },
    suspendInstitution: async (institution) => {
      const member = await findMemberOfInstitution(db.read, institution);
      if (member === undefined) throw new AppError("MEMBER_NOT_FOUND");
      await suspendOnly({ db, env }, member.id, "operator-order");
    },
    close: () => db.close(),
  };
  return auditedAdmin(admin, data, env);
}

/** What belongs to an applicant, or to a suspended or removed member, is not let in from the machine either. Throws MEMBER_STATE. */
async function refuseUnadmitted(read: Tx, party: PartyId): Promise<void> {
  const member = await findMemberOfParty(read, party);
  if (member !== undefined && member.state !== "admitted") throw new AppError("MEMBER_STATE", { party });
}
