// How a member comes in: an operator registers it and submits its assessment, two supervisors approve, the operator issues what it
// connects with. Every step is one transaction under the lock of `nextChange`, so steps that come at once follow each other, and a
// process that is killed between approval and issue leaves an approved member to which the same issue can be done again.
import { createPublicKey } from "node:crypto";
import type { PartyId } from "../../../core/brand.ts";
import { digestOf, sha256Hex } from "../../../core/canonical.ts";
import type { Env } from "../../../core/env.ts";
import { AppError } from "../../../core/errors.ts";
import { partyIdSchema } from "../../../core/names.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import type { MemberState, MemberView } from "../../contract/institutions.ts";
import type { Assessment, MemberKind } from "../../contract/questionnaire.ts";
import { sealToSchema } from "../../contract.ts";
import { sha256 } from "../../http/auth.ts";
import { fingerprintOf, readRequest } from "../../pki/authority.ts";
import type { Platform } from "../../platform.ts";
import { nextChange, type Database, type Tx } from "../../store/database.ts";
import type { Person } from "../../store/jobs.ts";
import {
  addMemberEvent, createDecision, createMember, findMember, findMemberOfInstitution, findMemberOfParty, listDecisions, storeAssessment, updateMember,
  type MemberRow,
} from "../../store/members.ts";
import { createInstitution, findPartyState, invite, isGuestTaken, listInstitutions, setPartyAccess, updateInstitution } from "../../store/parties.ts";
import { holderKey, isSamePerson } from "../credentials.ts";
import { checkAssessment } from "./assessment.ts";
import { countedApprovals, viewMember } from "./view.ts";

const approvalsNeeded = 2;
const dayMs = 86_400_000;
const tokenLifeMs = dayMs;
const certificateDays = 365;

export type Issuer = Pick<Platform, "db" | "env" | "authority">;

/** A member in one of these states. Throws MEMBER_NOT_FOUND, MEMBER_STATE. */
export async function memberIn(tx: Tx, id: string, states: readonly MemberState[]): Promise<MemberRow> {
  const member = await findMember(tx, id);
  if (member === undefined) throw new AppError("MEMBER_NOT_FOUND");
  if (!states.includes(member.state)) throw new AppError("MEMBER_STATE", { party: member.party });
  return member;
}

/** One step of a member's life: `work` under the lock, then the member as it is. */
export async function step(platform: Pick<Platform, "db" | "env">, id: string, work: (tx: Tx, now: Date, change: number) => Promise<void>): Promise<MemberView> {
  const now = new Date(platform.env.now());
  return platform.db.write(async (tx) => {
    await work(tx, now, await nextChange(tx));
    return viewMember(tx, id, now);
  });
}

export type Application = { readonly kind: MemberKind; readonly name: string; readonly party: PartyId; readonly sealTo?: JobPlan["sealTo"] | undefined; readonly twoPerson: boolean };

/** Registers an applicant. Throws PARTY_EXISTS, and REQUEST_INVALID for an institution without, or a node with, a key for results. */
export async function applyMember(platform: Pick<Platform, "db" | "env">, given: Application, by: Person): Promise<MemberView> {
  const isNode = given.kind === "node";
  if (given.sealTo !== undefined && !isSealKey(given.sealTo)) throw new AppError("REQUEST_INVALID", { problems: 1 });
  if (isNode === (given.sealTo !== undefined) || (isNode && given.twoPerson)) throw new AppError("REQUEST_INVALID", { problems: 1 });
  const id = memberId(platform.env);
  return step(platform, id, async (tx, now) => {
    const isTaken = (await findMemberOfParty(tx, given.party)) !== undefined || (await isGuestTaken(tx, given.party));
    // A node starts from nothing; an institution's enclave may have enrolled before.
    if (isTaken || (isNode && (await findPartyState(tx, given.party)) !== undefined)) throw new AppError("PARTY_EXISTS", { party: given.party });
    await createMember(tx, { id, ...given, sealTo: given.sealTo, state: "draft", admission: "assessed", institution: null, createdAt: now, admittedAt: null });
    await addMemberEvent(tx, id, { at: now, type: "created", by });
  });
}

/**
 * Takes a self-assessment. `again`: for re-admission after rejection, suspension or removal; else for a new applicant, or an
 * admitted member before its review. Throws MEMBER_NOT_FOUND, MEMBER_STATE, ASSESSMENT_*.
 */
export async function submitAssessment(platform: Pick<Platform, "db" | "env">, id: string, assessment: Assessment, by: Person, again: boolean): Promise<MemberView> {
  return step(platform, id, async (tx, now) => {
    const member = await memberIn(tx, id, again ? ["rejected", "suspended", "removed"] : ["draft", "applied", "admitted"]);
    checkAssessment(assessment, member.kind);
    await storeAssessment(tx, id, { round: member.round + 1, assessment, digest: digestOf(assessment), by });
    if (member.state === "draft" || member.state === "rejected") await updateMember(tx, id, { state: "applied" });
    await addMemberEvent(tx, id, { at: now, type: "assessed", by });
  });
}

/**
 * A supervisor's word on the open assessment. One rejection ends it; the second approval, of another person, admits, while the first
 * one's key is valid as well.
 * Throws MEMBER_NOT_FOUND, MEMBER_STATE, MEMBER_OWN, MEMBER_DECIDED, MEMBER_ASSESSMENT_CHANGED.
 */
export async function decideMember(platform: Platform, id: string, given: { readonly decision: "approve" | "reject"; readonly assessment: string }, by: Person): Promise<MemberView> {
  const view = await step(platform, id, async (tx, now) => {
    const member = await memberIn(tx, id, ["applied", "admitted", "suspended", "removed"]);
    if (!member.isOpen) throw new AppError("MEMBER_STATE", { party: member.party });
    if (member.assessmentDigest !== given.assessment) throw new AppError("MEMBER_ASSESSMENT_CHANGED");
    if (member.submitter === undefined || isSamePerson(member.submitter, by)) throw new AppError("MEMBER_OWN");
    const before = await listDecisions(tx, id, member.round);
    if (before.some((decision) => isSamePerson(decision, by))) throw new AppError("MEMBER_DECIDED");
    await createDecision(tx, id, member.round, { credential: by.credential, holder: holderKey(by.holder), decision: given.decision, at: now });
    await addMemberEvent(tx, id, { at: now, type: given.decision === "approve" ? "approved" : "rejected", by });
    if (given.decision === "reject") await updateMember(tx, id, { isOpen: false, ...(member.state === "applied" ? { state: "rejected" } : {}) });
    else if ((await countedApprovals(tx, member, now)).length >= approvalsNeeded) await admit(tx, platform, member, now);
  });
  platform.env.log.info("member.decided", { member: id, decision: given.decision, state: view.state });
  return view;
}

/** What the second approval does: a newcomer and a removed member wait for what they connect with, a suspended one is let in again. */
async function admit(tx: Tx, platform: Platform, member: MemberRow, now: Date): Promise<void> {
  const reviewDueAt = new Date(now.getTime() + platform.settings.reviewEveryDays * dayMs);
  if (member.state === "applied" || member.state === "removed") {
    await updateMember(tx, member.id, { isOpen: false, state: "approved", reason: null });
    return;
  }
  await updateMember(tx, member.id, { isOpen: false, state: "admitted", admission: "assessed", reason: null, reviewDueAt, warnedAt: null });
  if (member.state === "suspended") await restore(tx, member, now);
}

/** Lets a suspended member in again, with the keys that it has. */
export async function restore(tx: Tx, member: MemberRow, now: Date): Promise<void> {
  if (member.institution !== null) await updateInstitution(tx, member.institution, { state: "active" });
  await setPartyAccess(tx, member.party, "restored", now);
  await addMemberEvent(tx, member.id, { at: now, type: "readmitted" });
}

export type Issued = { member: string; institution: string | null; apiKey: string | null; certificate: string | null; token: string | null };

/**
 * Issues what an approved member connects with. The secrets are in the answer and nowhere else; when it is lost, an institution's
 * key is rotated, and its enclave or the node gets another token. Throws MEMBER_NOT_FOUND, MEMBER_STATE, PARTY_EXISTS, ENROL_CSR, ENROL_NAME.
 */
export async function issueMember(platform: Issuer & Pick<Platform, "settings">, id: string, given: { readonly certificateRequest?: string | undefined }, by: Person): Promise<Issued> {
  const { env, db, authority, settings } = platform;
  const known = await memberIn(db.read, id, ["approved"]);
  const isNode = known.kind === "node";
  if (isNode && given.certificateRequest !== undefined) throw new AppError("REQUEST_INVALID", { problems: 1 });
  const institution = isNode ? null : (known.institution ?? institutionId(env));
  const apiKey = institution === null ? null : newApiKey(env, institution);
  const certificate = institution === null ? null : await institutionCertificate(authority, institution, known.name, given.certificateRequest);
  const token = newToken(platform, known.party);
  let isTokenUsed = false;
  await step(platform, id, async (tx, now) => {
    const member = await memberIn(tx, id, ["approved"]);
    const access = { keyDigest: sha256(apiKey ?? ""), tlsFingerprint: certificate === null ? null : fingerprintOf(certificate), twoPerson: member.twoPerson };
    if (institution !== null && member.institution !== null) await updateInstitution(tx, institution, { ...access, state: "active", previousKeyDigest: null, previousKeyUntil: null });
    else if (institution !== null) {
      if (member.sealTo === undefined || (await isGuestTaken(tx, member.party))) throw new AppError("PARTY_EXISTS", { party: member.party });
      await createInstitution(tx, { ...access, id: institution, name: member.name, party: member.party, sealTo: member.sealTo }, now);
    }
    await setPartyAccess(tx, member.party, "restored", now);
    isTokenUsed = (await findPartyState(tx, member.party)) !== "active";
    if (isTokenUsed) await invite(tx, member.party, { digest: sha256Hex(token), expiresAt: new Date(now.getTime() + tokenLifeMs) }, now);
    const reviewDueAt = new Date(now.getTime() + settings.reviewEveryDays * dayMs);
    await updateMember(tx, id, { state: "admitted", institution, admittedAt: now, reviewDueAt, warnedAt: null });
    await addMemberEvent(tx, id, { at: now, type: "issued", by });
  });
  env.log.info("member.admitted", { member: id, party: known.party });
  return { member: id, institution, apiKey, certificate, token: isTokenUsed ? token : null };
}

/** A new key for an admitted institution. Throws MEMBER_NOT_FOUND, MEMBER_STATE, ENROL_CSR, ENROL_NAME. */
export async function rotateMemberKey(
  platform: Issuer, id: string, given: { readonly overlapSeconds: number; readonly certificateRequest?: string | undefined }, by: Person,
): Promise<{ apiKey: string; certificate: string | null; previousUntil: string }> {
  const { env, db, authority } = platform;
  const { institution, name, party } = await memberIn(db.read, id, ["admitted"]);
  if (institution === null) throw new AppError("MEMBER_STATE", { party });
  const apiKey = newApiKey(env, institution);
  const certificate = await institutionCertificate(authority, institution, name, given.certificateRequest);
  const until = new Date(env.now() + given.overlapSeconds * 1000);
  await step(platform, id, async (tx, now) => {
    await memberIn(tx, id, ["admitted"]);
    const old = await tx.institution.findUniqueOrThrow({ where: { id: institution }, select: { keyDigest: true } });
    const previous = given.overlapSeconds === 0 ? { previousKeyDigest: null, previousKeyUntil: null } : { previousKeyDigest: old.keyDigest, previousKeyUntil: until };
    await updateInstitution(tx, institution, { keyDigest: sha256(apiKey), ...previous, ...(certificate === null ? {} : { tlsFingerprint: fingerprintOf(certificate) }) });
    await addMemberEvent(tx, id, { at: now, type: "key-rotated", by });
  });
  return { apiKey, certificate, previousUntil: until.toISOString() };
}

/**
 * Another enrolment token for an admitted member's enclave or node, which gets new certificates with it; the old ones are void from then on.
 * Throws MEMBER_NOT_FOUND, MEMBER_STATE.
 */
export async function inviteMember(platform: Issuer, id: string, by: Person): Promise<{ member: string; party: PartyId; token: string; expiresAt: string }> {
  const { party } = await memberIn(platform.db.read, id, ["admitted"]);
  const token = newToken(platform, party);
  const expiresAt = new Date(platform.env.now() + tokenLifeMs);
  await step(platform, id, async (tx, now) => {
    await memberIn(tx, id, ["admitted"]);
    await invite(tx, party, { digest: sha256Hex(token), expiresAt }, now);
    await addMemberEvent(tx, id, { at: now, type: "token-issued", by });
  });
  return { member: id, party, token, expiresAt: expiresAt.toISOString() };
}

/** Whether jobs of this institution need a second person. Throws MEMBER_NOT_FOUND, MEMBER_STATE. */
export async function setTwoPerson(platform: Pick<Platform, "db" | "env">, id: string, twoPerson: boolean, by: Person): Promise<MemberView> {
  return step(platform, id, async (tx, now) => {
    const member = await memberIn(tx, id, ["draft", "applied", "approved", "admitted"]);
    if (member.kind === "node") throw new AppError("MEMBER_STATE", { party: member.party });
    await updateMember(tx, id, { twoPerson });
    if (member.institution !== null) await updateInstitution(tx, member.institution, { twoPerson });
    await addMemberEvent(tx, id, { at: now, type: "settings", by, what: twoPerson ? "two-person" : "one-person" });
  });
}

export type QuickInstitution = { readonly name: string; readonly guest: PartyId; readonly sealTo: JobPlan["sealTo"]; readonly certificateRequest?: string | undefined; readonly twoPerson?: boolean | undefined };

/** The quick path of demos and sandboxes, for the operator on the machine: no assessment, no supervisor, and the record says so. */
export async function addWithoutAssessment(platform: Issuer, given: QuickInstitution): Promise<{ institution: string; apiKey: string; certificate: string | undefined }> {
  const { env, db, authority } = platform;
  const sealTo = sealToSchema.parse(given.sealTo);
  const institution = institutionId(env);
  const apiKey = newApiKey(env, institution);
  const certificate = await institutionCertificate(authority, institution, given.name, given.certificateRequest);
  const twoPerson = given.twoPerson === true;
  await db.write(async (tx) => {
    await nextChange(tx);
    if ((await isGuestTaken(tx, given.guest)) || (await findMemberOfParty(tx, given.guest)) !== undefined) throw new AppError("PARTY_EXISTS", { party: given.guest });
    const now = new Date(env.now());
    const tlsFingerprint = certificate === null ? null : fingerprintOf(certificate);
    await createInstitution(tx, { id: institution, name: given.name, party: given.guest, keyDigest: sha256(apiKey), tlsFingerprint, sealTo, twoPerson }, now);
    await recordDemo(tx, env, { institution, name: given.name, party: given.guest, sealTo, twoPerson }, now);
  });
  return { institution, apiKey, certificate: certificate ?? undefined };
}

/** Institutions of a database that an earlier version made get their record: admitted without assessment. */
export async function adoptInstitutions({ db, env }: { readonly db: Database; readonly env: Env }): Promise<void> {
  for (const { id, name, party, sealTo, state, twoPerson, createdAt } of await listInstitutions(db.read)) {
    if ((await findMemberOfInstitution(db.read, id)) !== undefined) continue;
    await db.write(async (tx) => {
      await nextChange(tx);
      if ((await findMemberOfInstitution(tx, id)) !== undefined) return;
      await recordDemo(tx, env, { institution: id, name, party: partyIdSchema.parse(party), sealTo: sealToSchema.parse(JSON.parse(sealTo)), twoPerson }, createdAt);
      if (state !== "active") await updateMember(tx, (await findMemberOfInstitution(tx, id))?.id ?? "", { state: "suspended", reason: "operator-order" });
    });
  }
}

type Demo = { readonly institution: string; readonly name: string; readonly party: PartyId; readonly sealTo: JobPlan["sealTo"]; readonly twoPerson: boolean };

async function recordDemo(tx: Tx, env: Env, demo: Demo, at: Date): Promise<void> {
  const id = memberId(env);
  await createMember(tx, { id, kind: "bank", ...demo, state: "admitted", admission: "demo", createdAt: at, admittedAt: at });
  await addMemberEvent(tx, id, { at, type: "issued", what: "demo" });
}

/** Whether results can be sealed to it: found now, and not at the end of the first job. */
function isSealKey(jwk: JobPlan["sealTo"]): boolean {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" }).asymmetricKeyType === "x25519";
  } catch {
    return false;
  }
}

function memberId(env: Env): string {
  return `mem_${Buffer.from(env.rng(12)).toString("hex")}`;
}

function institutionId(env: Env): string {
  return `inst_${Buffer.from(env.rng(12)).toString("hex")}`;
}

function newToken({ env, authority }: Issuer, party: PartyId): string {
  return `yunei1.${party}.${Buffer.from(env.rng(32)).toString("base64url")}.${authority.fingerprint}`;
}

function newApiKey(env: Env, institution: string): string {
  return `yk1.${institution}.${Buffer.from(env.rng(32)).toString("base64url")}`;
}

async function institutionCertificate(authority: Platform["authority"], institution: string, name: string, request: string | undefined): Promise<string | null> {
  if (request === undefined) return null;
  return authority.issueClient("institution", institution, await readRequest(request, name, "tls"), certificateDays);
}
