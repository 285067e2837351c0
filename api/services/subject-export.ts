// Everything that the platform holds on one company, for that company (P21 (九): 免费查询其在融资信用服务平台上的所有信息). A table that may name a company
// by its code has its part here: test/api/subject-export.test.ts compares with the data model.
import { parseConsent } from "../../consent/statement.ts";
import type { SubjectExport } from "../contract/subject.ts";
import type { RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { ConsentRows, listSubjectKeys, type StoredConsent } from "../store/consents.ts";
import { listObjections } from "../store/objections.ts";
import { listRecordsOf } from "../store/public-items.ts";
import { listSessions } from "../store/sessions.ts";
import { listUsesRequests } from "../store/uses-requests.ts";
import { formsOf, listSubjectNotices } from "../store/written.ts";
import { subjectOf, viewConsent } from "./consents.ts";
import { listReports } from "./credit-reports.ts";
import { viewSession } from "./login.ts";
import { viewObjection } from "./objections.ts";
import { listOwnDeliveries } from "./public-deliveries.ts";
import { ownRecord } from "./public-items.ts";
import { viewUsesRequest } from "./uses-requests.ts";

const pageSize = 200;

export async function exportSubject(platform: Platform, caller: RoleCaller): Promise<SubjectExport> {
  const { db, env } = platform;
  const subject = subjectOf(caller);
  const consents = await allConsents(platform, subject);
  const forms = await formsOf(db.read, subject);
  const objections = await allPages((cursor) => listObjections(db.read, { subject }, pageSize, cursor));
  return {
    version: 1, subject, at: new Date(env.now()).toISOString(),
    consents: consents.map((record) => viewConsent(record, env.now())),
    sessions: (await listSessions(db.read, subject)).map(viewSession),
    keys: (await listSubjectKeys(db.read, subject)).map(({ kid, registrar, createdAt, notAfter, withdrawnAt }) => ({
      kid, registrar, createdAt: createdAt.toISOString(), notAfter: notAfter.toISOString(), withdrawnAt: withdrawnAt?.toISOString() ?? null,
    })),
    writtenForms: forms.map((row) => ({
      id: row.id, state: row.state, consent: row.consentId, institution: row.institutionId, form: row.form, enteredAt: row.enteredAt.toISOString(),
      decidedAt: row.decidedAt?.toISOString() ?? null,
    })),
    usesRequests: await Promise.all((await listUsesRequests(db.read, subject)).map((row) => viewUsesRequest(platform, row))),
    objections: await Promise.all(objections.map((row) => viewObjection(db.read, row))),
    notices: (await listSubjectNotices(db.read, subject)).map((notice) => ({ ...notice, at: notice.at.toISOString() })),
    publicItems: await allRecords(platform, subject),
    creditReports: await allListed((cursor) => listReports(platform, { subject }, { limit: pageSize, cursor })),
    publicDeliveries: await allListed((cursor) => listOwnDeliveries(platform, subject, { limit: pageSize, cursor })),
  };
}

async function allConsents({ db }: Platform, subject: string): Promise<StoredConsent[]> {
  const store = new ConsentRows(db);
  return (await allPages((after) => store.ofSubject(subject, { after, limit: pageSize }))).filter((record) => parseConsent(record.jws).consent.subject === subject);
}

async function allRecords({ db }: Platform, subject: string): Promise<SubjectExport["publicItems"]> {
  const all: SubjectExport["publicItems"] = [];
  for (let after = 0; ; ) {
    const rows = await listRecordsOf(db.read, subject, after, pageSize);
    all.push(...rows.map(ownRecord));
    const last = rows.at(-1);
    if (rows.length < pageSize || last === undefined) return all;
    after = last.change;
  }
}

async function allListed<T>(page: (cursor: string | undefined) => Promise<{ items: T[]; next: string | null }>): Promise<T[]> {
  const all: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await page(cursor);
    all.push(...items);
    if (next === null) return all;
    cursor = next;
  }
}

async function allPages<T extends { readonly id: string }>(page: (after: string | undefined) => Promise<T[]>): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const rows = await page(all.at(-1)?.id);
    all.push(...rows);
    if (rows.length < pageSize) return all;
  }
}
