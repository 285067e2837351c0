// Consents at the platform: granted in a company's session, deposited with its own signature, or entered from a written form by two people
// of the institution. The registrar signs; enclaves verify all of it again.
import { verify } from "node:crypto";
import { grant, list, lodge, stateOf, withdraw, withdrawSubjectKey, type GrantTerms, type RegistrarEnv } from "../../consent/book.ts";
import { keyId, publicKeyFrom } from "../../consent/keys.ts";
import { isKnownNotice } from "../../consent/notice.ts";
import { Revocations } from "../../consent/revocation.ts";
import { parseConsent } from "../../consent/statement.ts";
import { registrarFromCertificate, signSubjectKey, Trust } from "../../consent/trust.ts";
import { checkStatement } from "../../consent/verify.ts";
import { canonicalJson, digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import type { ConsentView, GrantRequest, WrittenTerms, WrittenView } from "../contract/consents.ts";
import type { RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { ConsentRows, countRunning, endSubjectKey, findByRequest, findSubjectKey, isGrantee, keepSubjectKey, listSubjectKeys, type Origin, type StoredConsent } from "../store/consents.ts";
import { isTaken } from "../store/database.ts";
import { findSession } from "../store/sessions.ts";
import { addSubjectNotice, addWritten, decideWritten, findWritten, findWrittenByKey, linkWritten, type WrittenRow } from "../store/written.ts";

const items: ReadonlySet<string> = new Set(officialCatalogue.items.map((item) => item.id));
const isItem = (id: string): boolean => items.has(id);
const keyTermMs = 365 * 86_400_000;
const seconds = (ms: number): string => new Date(Math.floor(ms / 1000) * 1000).toISOString().replace(".000Z", "Z");

/** The company of a caller in the role "subject". */
export function subjectOf(caller: RoleCaller): string {
  if (caller.subject === undefined) throw new AppError("AUTH_ROLE");
  return caller.subject;
}

export function viewConsent(record: StoredConsent, now: number): ConsentView {
  const { consent } = parseConsent(record.jws);
  const { id, subject, grantee, items: named, purpose, kinds, notBefore, notAfter, use, issuedAt } = consent;
  return {
    id, state: stateOf(record, now), source: record.source, subject, grantee, items: named, purpose, kinds, notBefore, notAfter, use, issuedAt,
    withdrawnAt: record.withdrawnAt === undefined ? null : seconds(record.withdrawnAt * 1000), jws: record.jws,
  };
}

function registrarEnv({ registrar, env }: Platform): RegistrarEnv {
  return { name: registrar.name, key: registrar.key, rng: env.rng, now: env.now, isItem };
}

/** The real-name registration behind a session, as it stands in statements. */
async function realNameOf(platform: Platform, session: string) {
  const row = await findSession(platform.db.read, session);
  if (row === undefined) throw new AppError("AUTH_INVALID");
  return { provider: row.provider, at: seconds(row.realNameAt.getTime()), assurance: row.assurance };
}

/** Throws CONSENT_NOTICE, CONSENT_GRANTEE_UNKNOWN and as `grant`; JOB_IDEMPOTENCY for another request under the key. */
export async function grantOnline(platform: Platform, caller: RoleCaller, request: GrantRequest, idempotencyKey: string): Promise<ConsentView> {
  const subject = subjectOf(caller);
  const origin = { source: "online", at: platform.env.now(), requester: subject, idempotencyKey, requestDigest: digestOf(request) } as const;
  const evidence = { kind: "online", realName: await realNameOf(platform, caller.credential) } as const;
  return viewConsent(await issueOnce(platform, { ...request, subject, evidence }, origin), platform.env.now());
}

/** One consent per requester and key, also when two ask at once or the answer was lost. */
async function issueOnce(platform: Platform, terms: GrantTerms, origin: Origin & { requester: string; idempotencyKey: string; requestDigest: string }): Promise<StoredConsent> {
  const { db, env } = platform;
  const known = async (): Promise<StoredConsent | undefined> => {
    const found = await findByRequest(db.read, origin.requester, origin.idempotencyKey);
    if (found !== undefined && found.requestDigest !== origin.requestDigest) throw new AppError("JOB_IDEMPOTENCY");
    return found?.record;
  };
  const before = await known();
  if (before !== undefined) return before;
  if (!isKnownNotice(terms.notice.version, terms.notice.digest)) throw new AppError("CONSENT_NOTICE");
  if (!(await isGrantee(db.read, terms.grantee.party))) throw new AppError("CONSENT_GRANTEE_UNKNOWN");
  await refuseTooMany(platform, terms.subject);
  try {
    const record = await grant(new ConsentRows(db, origin), terms, registrarEnv(platform));
    env.log.info("consent.granted", { source: origin.source, grantee: record.grantee, items: terms.items.length });
    return { ...record, source: origin.source };
  } catch (error) {
    const winner = error instanceof AppError && error.code === "CONSENT_EXISTS" ? await known() : undefined;
    if (winner === undefined) throw error;
    return winner;
  }
}

/** One company cannot fill the list of withdrawals, which has an end, for all others. Throws CONSENT_TOO_MANY. */
async function refuseTooMany({ db, env, limits }: Platform, subject: string): Promise<void> {
  const limit = limits.runningConsents;
  if ((await countRunning(db.read, subject, new Date(env.now()))) >= limit) throw new AppError("CONSENT_TOO_MANY", { limit });
}

/** Deposits a consent that the company signed with its own key. Throws as `lodge`, CONSENT_SUBJECT for another company's. */
export async function lodgeOwn(platform: Platform, caller: RoleCaller, jws: string): Promise<ConsentView> {
  const { db, env, registrar, authority } = platform;
  const trust = new Trust(registrar.certificates.map((pem) => registrarFromCertificate(pem, { ca: authority.certificatePem })));
  const revocations = new Revocations(trust);
  revocations.accept((await platform.revocations.current()).jws);
  // Nobody learns from here whether another company's text would hold.
  const { consent } = checkStatement(jws, { trust, isItem });
  if (consent.subject !== subjectOf(caller)) throw new AppError("CONSENT_SUBJECT");
  // What the registrar signed is in the store already; a text that is not was made elsewhere.
  if (consent.issuer.kind !== "subject") throw new AppError("CONSENT_ISSUER");
  if (!(await isGrantee(db.read, consent.grantee.party))) throw new AppError("CONSENT_GRANTEE_UNKNOWN");
  const store = new ConsentRows(db, { source: "own-key", at: env.now() });
  if ((await store.get(consent.id)) === undefined) await refuseTooMany(platform, consent.subject);
  const record = await lodge(store, jws, { trust, revocations, isItem }, env.now());
  const stored = await store.get(record.id);
  if (stored === undefined) throw new AppError("CONSENT_NOT_FOUND");
  return viewConsent(stored, env.now());
}

export async function listOwn(platform: Platform, caller: RoleCaller, after: string | undefined): Promise<{ items: ConsentView[]; next: string | null }> {
  const { db, env } = platform;
  const views = await list(new ConsentRows(db), subjectOf(caller), env.now(), after);
  return { items: views.map(({ record }) => viewConsent(record as StoredConsent, env.now())), next: views.length < 100 ? null : (views.at(-1)?.record.id ?? null) };
}

/** Throws CONSENT_NOT_FOUND, also for another company's. */
export async function getOwn(platform: Platform, caller: RoleCaller, id: string): Promise<ConsentView> {
  const record = await new ConsentRows(platform.db).get(id);
  if (record === undefined || record.subject !== subjectOf(caller)) throw new AppError("CONSENT_NOT_FOUND");
  return viewConsent(record, platform.env.now());
}

/** Withdraws and signs the list again before it returns. Throws CONSENT_NOT_FOUND, CONSENT_LIST_BUSY (withdrawn, the list follows by the clock). */
export async function withdrawOwn(platform: Platform, caller: RoleCaller, id: string): Promise<ConsentView> {
  const { db, env } = platform;
  const { record } = await withdraw(new ConsentRows(db), id, subjectOf(caller), env.now());
  await platform.revocations.issue();
  env.log.info("consent.withdrawn", { grantee: record.grantee });
  return viewConsent(record as StoredConsent, env.now());
}

/** The registrar's word that a key is the company's. Throws CONSENT_CHAIN for a key that is none, SUBJECT_KEY_PROOF. */
export async function registerKey(platform: Platform, caller: RoleCaller, given: { key: string; proof: string }): Promise<{ kid: string; statement: string; notAfter: string }> {
  const { db, env, registrar } = platform;
  const subject = subjectOf(caller);
  const key = publicKeyFrom(given.key);
  const said = Buffer.from(`yunei/subject-key/v1\n${caller.credential}\n${given.key}`);
  if (!verify(null, said, key, Buffer.from(given.proof, "base64url"))) throw new AppError("SUBJECT_KEY_PROOF");
  const known = await listSubjectKeys(db.read, subject);
  const limit = platform.limits.subjectKeys;
  if (known.length >= limit && !known.some((row) => row.kid === keyId(key))) throw new AppError("CONSENT_TOO_MANY", { limit });
  const now = env.now();
  const [from, to] = [seconds(now), seconds(now + keyTermMs)];
  const statement = signSubjectKey(
    { registrar: registrar.name, subject, realName: await realNameOf(platform, caller.credential), issuedAt: from, notBefore: from, notAfter: to }, key, registrar.key,
  );
  const row = await db.write((tx) => keepSubjectKey(tx, {
    kid: keyId(key), subject, registrar: registrar.name, statement, notAfter: new Date(to), createdAt: new Date(now),
  }));
  // One key of two companies would let one consent for the other.
  if (row.subject !== subject || row.withdrawnAt !== null) throw new AppError("CONSENT_CHAIN");
  return { kid: row.kid, statement: row.statement, notAfter: row.notAfter.toISOString() };
}

/** Throws CONSENT_NOT_FOUND for a key that is not the company's. */
export async function withdrawKey(platform: Platform, caller: RoleCaller, kid: string): Promise<{ kid: string; withdrawnAt: string }> {
  const { db, env } = platform;
  const row = await findSubjectKey(db.read, kid);
  if (row === undefined || row.subject !== subjectOf(caller)) throw new AppError("CONSENT_NOT_FOUND");
  const now = env.now();
  await withdrawSubjectKey(new ConsentRows(db), { kid, registrar: row.registrar, keyEnd: row.notAfter.getTime() }, now);
  await db.write((tx) => endSubjectKey(tx, row, new Date(now)));
  await platform.revocations.issue();
  return { kid, withdrawnAt: (row.withdrawnAt ?? new Date(now)).toISOString() };
}

/** P21 附件注3: a company may also authorise in writing. Throws CONSENT_NOTICE, CONSENT_GRANTEE_UNKNOWN, JOB_IDEMPOTENCY. */
export async function enterWritten(platform: Platform, caller: RoleCaller, given: { terms: WrittenTerms; form: string }, idempotencyKey: string): Promise<WrittenView> {
  const { db, env } = platform;
  const { institution } = caller;
  if (institution === undefined) throw new AppError("AUTH_ROLE");
  const requestDigest = digestOf(given);
  const known = async (): Promise<WrittenView | undefined> => {
    const row = await findWrittenByKey(db.read, institution, idempotencyKey);
    if (row !== undefined && row.requestDigest !== requestDigest) throw new AppError("JOB_IDEMPOTENCY");
    return row === undefined ? undefined : viewWritten(row);
  };
  const before = await known();
  if (before !== undefined) return before;
  if (!isKnownNotice(given.terms.notice.version, given.terms.notice.digest)) throw new AppError("CONSENT_NOTICE");
  const row: WrittenRow = {
    id: `written_${Buffer.from(env.rng(12)).toString("hex")}`, institutionId: institution, terms: canonicalJson(given.terms), form: given.form, state: "pending",
    enteredBy: caller.credential, enteredHolder: caller.holder, enteredAt: new Date(env.now()), decidedBy: null, decidedHolder: null, decidedAt: null, consentId: null,
    idempotencyKey, requestDigest,
  };
  try {
    await db.write((tx) => addWritten(tx, row));
  } catch (error) {
    const winner = isTaken(error) ? await known() : undefined;
    if (winner === undefined) throw error;
    return winner;
  }
  return viewWritten(row);
}

export function viewWritten(row: WrittenRow): WrittenView {
  return {
    id: row.id, state: row.state, terms: JSON.parse(row.terms) as WrittenTerms, form: row.form, enteredBy: row.enteredHolder, enteredAt: row.enteredAt.toISOString(),
    decidedBy: row.decidedHolder, decidedAt: row.decidedAt?.toISOString() ?? null, consent: row.consentId,
  };
}

/**
 * The second person's word. On confirmation the registrar signs, with the form's digest as evidence, and the company finds a notice. The same
 * confirmation again completes one that was cut off. Throws WRITTEN_NOT_FOUND, WRITTEN_SAME_PERSON, WRITTEN_FORM, WRITTEN_DECIDED and as `grant`.
 */
export async function decideWrittenConsent(
  platform: Platform, caller: RoleCaller, id: string, decision: { decision: "confirm"; form: string } | { decision: "refuse" },
): Promise<WrittenView> {
  const { db, env } = platform;
  const row = await findWritten(db.read, id);
  if (row === undefined || row.institutionId !== caller.institution || caller.party === undefined) throw new AppError("WRITTEN_NOT_FOUND");
  if (row.enteredBy === caller.credential || row.enteredHolder === caller.holder) throw new AppError("WRITTEN_SAME_PERSON");
  if (decision.decision === "confirm" && decision.form !== row.form) throw new AppError("WRITTEN_FORM");
  const state = decision.decision === "confirm" ? "confirmed" : "refused";
  const { granteeUscc, notBefore, ...terms } = JSON.parse(row.terms) as WrittenTerms;
  // A form that was to hold from a day before its confirmation holds from the confirmation on: nothing is authorised afterwards.
  const begin = notBefore !== undefined && Date.parse(notBefore) > env.now() + 60_000 ? { notBefore } : {};
  const asked = { ...terms, ...begin, grantee: { party: caller.party, uscc: granteeUscc }, evidence: { kind: "written", digest: row.form } } as const;
  // Terms that nobody would sign are found before the decision counts.
  if (state === "confirmed") checkTermsNow(platform, asked);
  const mine = { state, by: caller.credential, holder: caller.holder, at: new Date(env.now()) } as const;
  if (!(await db.write((tx) => decideWritten(tx, id, mine))) && (await findWritten(db.read, id))?.state !== state) throw new AppError("WRITTEN_DECIDED");
  if (state === "confirmed") {
    const origin = { source: "written", at: env.now(), requester: row.institutionId, idempotencyKey: id, requestDigest: row.requestDigest } as const;
    const consent = await issueOnce(platform, asked, origin);
    await db.write(async (tx) => {
      await linkWritten(tx, id, consent.id);
      await addSubjectNotice(tx, { id: `notice_${id}`, subject: terms.subject, type: "written-consent", about: consent.id, at: new Date(env.now()) });
    });
  }
  const decided = await findWritten(db.read, id);
  if (decided === undefined) throw new AppError("WRITTEN_NOT_FOUND");
  return viewWritten(decided);
}

function checkTermsNow(platform: Platform, terms: GrantTerms): void {
  if (Date.parse(terms.notAfter) <= platform.env.now()) throw new AppError("CONSENT_TERMS");
  const unknown = terms.items.findIndex((item) => !isItem(item));
  if (unknown >= 0) throw new AppError("CONSENT_ITEM_UNKNOWN", { position: unknown + 1 });
}
