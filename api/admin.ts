// What the platform's operator does on its machine, also while the platform runs (a second process on the same database).
// Secrets are returned once and stored as digests only.
import type { PartyId } from "../core/brand.ts";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import type { JobPlan } from "../federation/plan-schema.ts";
import { sealToSchema } from "./contract.ts";
import { databaseUrl, initialiseDataDir, openAuthority } from "./data-dir.ts";
import { sha256 } from "./http/auth.ts";
import { fingerprintOf, readRequest } from "./pki/authority.ts";
import { createEnrolToken } from "./services/enrol.ts";
import { openDatabase } from "./store/database.ts";
import { createInstitution, isGuestTaken, listParties, setInstitutionState, setPartyState, type PartyListing } from "./store/parties.ts";

const tokenLifeMs = 24 * 3_600_000;
const certificateDays = 365;

export type AdminOptions = { readonly data: string; readonly env: Env; readonly database?: string | undefined };
export type NewInstitution = {
  readonly name: string;
  /** The party of its own enclave. */
  readonly guest: PartyId;
  /** Public JWK (OKP, X25519) to which results are sealed; its private half stays with the institution. */
  readonly sealTo: JobPlan["sealTo"];
  /** PKCS #10 request with CN = name, if it wants to use a client certificate as well. */
  readonly certificateRequest?: string | undefined;
};
export type Admin = {
  /** Text of a one-time token. lifeMs: 24 hours by default. */
  createEnrolToken(party: PartyId, lifeMs?: number): Promise<string>;
  /** The API key is shown here and never again. Throws PARTY_EXISTS if the guest belongs to another institution. */
  addInstitution(institution: NewInstitution): Promise<{ institution: string; apiKey: string; certificate: string | undefined }>;
  listParties(): Promise<PartyListing[]>;
  /** Refused at its next request. Throws PARTY_NOT_FOUND. */
  suspendParty(party: PartyId): Promise<void>;
  resumeParty(party: PartyId): Promise<void>;
  suspendInstitution(institution: string): Promise<void>;
  close(): Promise<void>;
};

/** Makes data directory, authority and database if they are not there. Returns the CA's fingerprint (SHA-256, base64url). */
export async function initialisePlatform(options: AdminOptions): Promise<{ caFingerprint: string }> {
  const authority = await initialiseDataDir(options.data, options.env);
  await (await openDatabase(databaseUrl(options.data, options.database))).close();
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
  return {
    createEnrolToken: (party, lifeMs = tokenLifeMs) => createEnrolToken({ db, env, authority }, party, lifeMs),
    addInstitution: async (given) => {
      const sealTo = sealToSchema.parse(given.sealTo);
      const institution = `inst_${Buffer.from(env.rng(12)).toString("hex")}`;
      const apiKey = `yk1.${institution}.${Buffer.from(env.rng(32)).toString("base64url")}`;
      const request = given.certificateRequest === undefined ? undefined : await readRequest(given.certificateRequest, given.name, "tls");
      const certificate = request && (await authority.issueClient("institution", institution, request, certificateDays));
      const tlsFingerprint = certificate === undefined ? null : fingerprintOf(certificate);
      await db.write(async (tx) => {
        if (await isGuestTaken(tx, given.guest)) throw new AppError("PARTY_EXISTS", { party: given.guest });
        const row = { id: institution, name: given.name, party: given.guest, keyDigest: sha256(apiKey), tlsFingerprint, sealTo };
        await createInstitution(tx, row, new Date(env.now()));
      });
      return { institution, apiKey, certificate };
    },
    listParties: () => listParties(db.read),
    suspendParty: (party) => found(db.write((tx) => setPartyState(tx, party, ["invited", "active", "suspended"], "suspended"))),
    resumeParty: (party) => found(db.write((tx) => setPartyState(tx, party, ["suspended"], "active"))),
    suspendInstitution: (institution) => found(db.write((tx) => setInstitutionState(tx, institution, "suspended"))),
    close: () => db.close(),
  };
}
