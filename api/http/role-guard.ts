// Who calls in a role: a credential's key or a company's session as bearer token (only its SHA-256 is stored). State of credential, institution and party is
// read at every request, so that removal cuts every session at once.
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import type { Platform } from "../platform.ts";
import { findCredential, type CredentialRow } from "../store/credentials.ts";
import type { Tx } from "../store/database.ts";
import { findInstitution, findPartyState } from "../store/parties.ts";
import { findSession } from "../store/sessions.ts";
import { addressOf, isSame, sha256, type FailureLimit } from "./auth.ts";
import type { Guard, InstitutionCaller, RoleCaller } from "./route.ts";

/** The guard of an endpoint by role. */
export type ByRole = (endpoint: Endpoint) => Guard<RoleCaller>;

const keyForm = /^Bearer ((?:yr1\.(cred_[0-9a-f]{24})|ys1\.(ses_[0-9a-f]{24}))\.[A-Za-z0-9_-]{43})$/;

/** The guard of an endpoint for an institution: its program key or certificate, or its people in the roles that the endpoint names. */
export type ForInstitution = (endpoint: Endpoint) => Guard<InstitutionCaller>;

/** Lets in those whose role the endpoint names. AUTH_ROLE for a valid key in another role. */
export function roleGuard(platform: Platform, failures: FailureLimit, endpoint: Endpoint): Guard<RoleCaller> {
  const allowed = new Set(endpoint.roles ?? []);
  const verify = async (id: string, digest: string): Promise<RoleCaller> => {
    const row = await findCredential(platform.db.read, id);
    // A key that does not exist takes the same path as a wrong one.
    if (!isSame(digest, row?.keyDigest ?? "") || row === undefined) throw new AppError("AUTH_INVALID");
    return callerOf(platform.db.read, row, platform.env.now);
  };
  /** A company's session, after its login by real name. */
  const verifySession = async (id: string, digest: string): Promise<RoleCaller> => {
    const row = await findSession(platform.db.read, id);
    if (!isSame(digest, row?.keyDigest ?? "") || row === undefined) throw new AppError("AUTH_INVALID");
    if (row.revokedAt !== null || row.expiresAt.getTime() <= platform.env.now()) throw new AppError("AUTH_INVALID");
    return { role: "subject", credential: id, holder: row.person, institution: undefined, party: undefined, subject: row.subject };
  };
  return (request) =>
    failures.guard(addressOf(request), async () => {
      const { authorization } = request.headers;
      if (authorization === undefined) throw new AppError("AUTH_REQUIRED");
      const [, key, credential, session] = keyForm.exec(authorization) ?? [];
      const id = credential ?? session;
      if (key === undefined || id === undefined) throw new AppError("AUTH_INVALID");
      const digest = sha256(key);
      const check = (): Promise<RoleCaller> => (credential === undefined ? verifySession(id, digest) : verify(id, digest));
      const caller = await check();
      if (!allowed.has(caller.role)) throw new AppError("AUTH_ROLE");
      platform.sessions.watch(request, `${id} ${digest}`, check);
      return caller;
    });
}

/** `programs` lets in the institution's own key or certificate; a role's key goes by the endpoint's roles. */
export function institutionOrRole(programs: Guard<InstitutionCaller>, people: Guard<RoleCaller>): Guard<InstitutionCaller> {
  return async (request) => {
    if (request.headers.authorization?.startsWith("Bearer yr1.") !== true) return programs(request);
    const { institution, party, credential, holder } = await people(request);
    if (institution === undefined || party === undefined) throw new AppError("AUTH_ROLE");
    return { institution, party, person: { credential, holder } };
  };
}

async function callerOf(read: Tx, row: CredentialRow, now: Clock): Promise<RoleCaller> {
  if (row.state !== "active" || row.expiresAt.getTime() <= now()) throw new AppError("AUTH_INVALID");
  const institution = row.institutionId === null ? undefined : await findInstitution(read, row.institutionId);
  const party = institution?.party ?? (row.partyId === null ? undefined : partyIdSchema.parse(row.partyId));
  const isGone = (row.institutionId !== null && institution?.state !== "active") || (row.partyId !== null && (await findPartyState(read, row.partyId)) !== "active");
  if (isGone) throw new AppError("AUTH_SUSPENDED");
  return { role: row.role, credential: row.id, holder: row.holder, institution: institution?.id, party, subject: undefined };
}
