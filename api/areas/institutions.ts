// Members and role keys over the API. Who may call what is in the contract; what of it belongs to the caller is decided here.
import type { Express } from "express";
import { AppError } from "../../core/errors.ts";
import { institutionEndpoints as e } from "../contract/institutions.ts";
import { questionnaireVersion, questions } from "../contract/questionnaire.ts";
import { openGuard } from "../http/auth.ts";
import type { ByRole } from "../http/role-guard.ts";
import { route, type RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { issueCredential, publicCredential, rotateCredential } from "../services/credentials.ts";
import { applyMember, decideMember, inviteMember, issueMember, rotateMemberKey, setTwoPerson, submitAssessment } from "../services/institutions/onboarding.ts";
import { recordViolation, removeMember, reviewMember, suspendMember } from "../services/institutions/supervision.ts";
import { detailMember, summariseMember } from "../services/institutions/view.ts";
import { findCredential, listCredentials, revokeCredential, type CredentialRow } from "../store/credentials.ts";
import { nextChange } from "../store/database.ts";
import { findMember, listMembers } from "../store/members.ts";
import { findInstitution, findPartyState } from "../store/parties.ts";

const dayMs = 86_400_000;

export function addInstitutions(app: Express, platform: Platform, byRole: ByRole): void {
  const { read } = platform.db;
  const now = (): Date => new Date(platform.env.now());

  route(app, e.getQuestions, openGuard, async () => ({ version: questionnaireVersion, questions: questions() }));
  route(app, e.applyMember, byRole(e.applyMember), ({ caller, body }) => applyMember(platform, body, caller));
  route(app, e.listMembers, byRole(e.listMembers), async ({ query }) => {
    if (query.cursor !== undefined && (await findMember(read, query.cursor)) === undefined) throw new AppError("REQUEST_INVALID");
    const rows = await listMembers(read, query.limit, query.cursor);
    const items = await Promise.all(rows.map((row) => summariseMember(read, row, now())));
    return { items, next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
  });
  route(app, e.getMember, byRole(e.getMember), async ({ caller, params }) => {
    const member = await findMember(read, params.member);
    // Another member does not exist for a member's people.
    if (!isOfPlatform(caller) && member?.party !== caller.party) throw new AppError("MEMBER_NOT_FOUND");
    return detailMember(read, params.member, now());
  });
  route(app, e.assessMember, byRole(e.assessMember), ({ caller, params, body }) => submitAssessment(platform, params.member, body, caller, false));
  route(app, e.readmitMember, byRole(e.readmitMember), ({ caller, params, body }) => submitAssessment(platform, params.member, body, caller, true));
  route(app, e.decideMember, byRole(e.decideMember), ({ caller, params, body }) => decideMember(platform, params.member, body, caller));
  route(app, e.issueMember, byRole(e.issueMember), ({ caller, params, body }) => issueMember(platform, params.member, body, caller));
  route(app, e.rotateMemberKey, byRole(e.rotateMemberKey), ({ caller, params, body }) => rotateMemberKey(platform, params.member, body, caller));
  route(app, e.inviteMember, byRole(e.inviteMember), ({ caller, params }) => inviteMember(platform, params.member, caller));
  route(app, e.setMember, byRole(e.setMember), ({ caller, params, body }) => setTwoPerson(platform, params.member, body.twoPerson, caller));
  route(app, e.reviewMember, byRole(e.reviewMember), ({ caller, params, body }) => reviewMember(platform, params.member, body, caller));
  route(app, e.recordViolation, byRole(e.recordViolation), ({ caller, params, body }) => recordViolation(platform, params.member, body, caller));
  route(app, e.suspendMember, byRole(e.suspendMember), ({ caller, params, body }) => suspendMember(platform, params.member, body.reason, caller));
  route(app, e.removeMember, byRole(e.removeMember), ({ caller, params, body }) => removeMember(platform, params.member, body.reason, caller));
  addKeys(app, platform, byRole);
}

function addKeys(app: Express, platform: Platform, byRole: ByRole): void {
  const { db, env } = platform;
  route(app, e.issueKey, byRole(e.issueKey), async ({ body }) => {
    const { role, holder, institution, party, days } = body;
    return db.write(async (tx) => {
      await nextChange(tx); // no key for who is removed at the same time
      if (institution !== undefined && (await findInstitution(tx, institution))?.state !== "active") throw new AppError("MEMBER_NOT_FOUND");
      if (party !== undefined && (await findPartyState(tx, party)) !== "active") throw new AppError("PARTY_NOT_FOUND", { party });
      return issueCredential(platform, tx, { role, holder, institution, party, lifeMs: days * dayMs });
    });
  });
  route(app, e.listKeys, byRole(e.listKeys), async ({ caller }) => {
    const rows = await listCredentials(db.read, isOfPlatform(caller) ? {} : ownerOf(caller));
    return { items: rows.filter((row) => row.role !== "subject").map((row) => publicCredential(row, env.now())) };
  });
  route(app, e.rotateKey, byRole(e.rotateKey), async ({ caller, params, body, request, response }) => {
    platform.sessions.answerFirst(request);
    const may = (row: CredentialRow): boolean => row.id === caller.credential || (caller.role === "platform-operator" && isIssuable(row));
    const issued = await rotateCredential(platform, params.key, { overlapMs: body.overlapSeconds * 1000, may });
    // After this answer, which goes to who used the old key a last time.
    response.once("close", () => void platform.sessions.sweep().catch(() => env.log.warn("sessions.sweep-failed")));
    return issued;
  });
  route(app, e.revokeKey, byRole(e.revokeKey), async ({ params }) => {
    const row = await findCredential(db.read, params.key);
    // Keys of operators and supervisors are revoked on the machine, so that none of them can shut out the others.
    if (row === undefined || !isIssuable(row) || !(await db.write((tx) => revokeCredential(tx, row.id)))) throw new AppError("CREDENTIAL_UNKNOWN");
    await platform.sessions.sweep();
    return { id: row.id };
  });
}

function isOfPlatform({ role }: RoleCaller): boolean {
  return role === "platform-operator" || role === "supervisor";
}

/** What the operator issues: keys of institutions and parties. */
function isIssuable(row: CredentialRow): boolean {
  return row.institutionId !== null || row.partyId !== null;
}

/** The own keys of a member's people. Nobody without an owner comes here. */
function ownerOf({ institution, party }: RoleCaller): { institutionId: string } | { partyId: string } {
  if (institution !== undefined) return { institutionId: institution };
  if (party !== undefined) return { partyId: party };
  throw new AppError("AUTH_ROLE");
}
