// Credit reports: made from the public items at the time of the question, recorded with purpose and requester, kept as text for a while.
import { AppError } from "../../core/errors.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { composeReport, digestOfReport, maxItemBytes, maxRecordsPerItem, type ReportRecord } from "../../public-credit/report/compose.ts";
import { creditReportSchema, type CreditReport, type Mark, type reportPurposes } from "../../public-credit/report/schema.ts";
import { dayAt } from "../../public-credit/places.ts";
import { partyIdSchema } from "../../core/names.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import type { Platform } from "../platform.ts";
import {
  addCreditReport, countReportsSince, dropExpiredReports, findCreditReport, institutionNames, listCreditReports, listMarks, type CreditReportLine, type CreditReportRow,
} from "../store/credit-reports.ts";
import { ensurePublicCounter, findRecordsOf, listRecordsOf, listSources, lockPublic, publicHead, sectionOf, valuesOf } from "../store/public-items.ts";

const keptMs = 30 * 86_400_000;
const dayMs = 86_400_000;
/** Reports that an institution may ask for in 24 hours. */
const perDay = 5000;
const statementType = "yunei-credit-report+jws";

export type Requester = { readonly institution: string } | { readonly subject: string };
export type IssuedReport = { readonly number: string; readonly digest: string; readonly createdAt: string; readonly expiresAt: string; readonly statement: string; readonly report: CreditReport };

/** Makes and records a report. Throws CREDIT_REPORT_LIMIT. */
export async function createReport(platform: Platform, uscc: string, purpose: (typeof reportPurposes)[number], requester: Requester): Promise<IssuedReport> {
  const { db, env } = platform;
  const at = env.now();
  const institutionId = "institution" in requester ? requester.institution : null;
  if (institutionId !== null && (await countReportsSince(db.read, institutionId, new Date(at - dayMs))) >= perDay) throw new AppError("CREDIT_REPORT_LIMIT", { limit: perDay });
  await ensurePublicCounter(db);
  for (;;) {
    const made = await composeNow(platform, uscc, purpose, institutionId, at);
    // A record that was withdrawn in the meantime is in no text that is kept.
    const isKept = await db.write(async (tx) => {
      await lockPublic(tx);
      if ((await listRecordsOf(tx, uscc, made.head, 1)).length > 0) return false;
      await addCreditReport(tx, made.row);
      return true;
    });
    if (isKept) return issued(platform, made.row, made.report);
  }
}

type Made = { readonly row: CreditReportRow; readonly report: CreditReport; readonly head: number };

/** A report of the public records of now, and the number of the last change that it can know of. */
async function composeNow({ db, env }: Platform, uscc: string, purpose: (typeof reportPurposes)[number], institutionId: string | null, at: number): Promise<Made> {
  const head = await publicHead(db.read);
  const number = `CR${dayAt(at).replaceAll("-", "")}-${Buffer.from(env.rng(12)).toString("hex")}`;
  const name = institutionId === null ? null : ((await institutionNames(db.read, [institutionId])).get(institutionId) ?? null);
  const { rows, more } = await findRecordsOf(db.read, uscc, dayAt(at), { rows: maxRecordsPerItem, bytes: maxItemBytes });
  const report = composeReport({
    uscc, number, at, purpose, requester: name,
    records: rows.map((row): ReportRecord => ({
      item: row.item, party: partyIdSchema.parse(row.partyId), key: row.recordKey, values: valuesOf(row), asOf: row.asOf, until: row.until, version: row.version,
      publishedAt: row.publishedAt.getTime(), changedAt: row.changedAt.getTime(), region: row.region, sector: sectionOf(row.sector),
    })),
    more,
    sourced: new Set((await listSources(db.read)).map((source) => source.item)),
    marks: (await listMarks(db.read, uscc)).map((row): Mark => ({
      kind: row.kind === "repair" ? "repair" : "objection", party: partyIdSchema.parse(row.partyId), item: row.item === null ? null : itemIdSchema.parse(row.item),
      state: row.state === "unconfirmed" ? "unconfirmed" : "examining", since: dayAt(row.lodgedAt.getTime()),
    })),
  });
  const digest = digestOfReport(report);
  const row: CreditReportRow = {
    number, subject: uscc, institutionId, purpose, digest, body: canonicalJson(report), createdAt: new Date(at), expiresAt: new Date(at + keptMs),
  };
  return { row, report, head };
}

async function issued(platform: Platform, row: CreditReportRow, report: CreditReport): Promise<IssuedReport> {
  const { number, digest } = row;
  const statement = await platform.attester.sign(statementType, { number, digest });
  return { number, digest, createdAt: row.createdAt.toISOString(), expiresAt: row.expiresAt.toISOString(), statement, report };
}

/** A report as it was made: the institution's own, or one on the company. Throws CREDIT_REPORT_NOT_FOUND, CREDIT_REPORT_EXPIRED. */
export async function openReport(platform: Platform, number: string, requester: Requester): Promise<IssuedReport> {
  const row = await findCreditReport(platform.db.read, number);
  const isOwn = "institution" in requester ? row?.institutionId === requester.institution : row?.subject === requester.subject;
  if (row === undefined || !isOwn) throw new AppError("CREDIT_REPORT_NOT_FOUND");
  if (row.body === null || row.expiresAt.getTime() <= platform.env.now()) throw new AppError("CREDIT_REPORT_EXPIRED");
  return issued(platform, row, creditReportSchema.parse(JSON.parse(row.body)));
}

/** Whether there is a report of this number and digest. */
export async function isIssued(platform: Platform, number: string, digest: string): Promise<boolean> {
  return (await findCreditReport(platform.db.read, number))?.digest === digest;
}

export type ReportLine = { number: string; digest: string; purpose: (typeof reportPurposes)[number]; requester: string | null; createdAt: string; expiresAt: string };

/** Newest first. Throws REQUEST_INVALID for a cursor of somebody else. */
export async function listReports(platform: Platform, requester: Requester, page: { limit: number; cursor?: string | undefined }): Promise<{ items: ReportLine[]; next: string | null }> {
  const { read } = platform.db;
  if (page.cursor !== undefined) {
    const row = await findCreditReport(read, page.cursor);
    const isOwn = "institution" in requester ? row?.institutionId === requester.institution : row?.subject === requester.subject;
    if (!isOwn) throw new AppError("REQUEST_INVALID");
  }
  const rows = await listCreditReports(read, "institution" in requester ? { institutionId: requester.institution } : requester, page.limit, page.cursor);
  const names = await institutionNames(read, rows.flatMap((row) => row.institutionId ?? []));
  return { items: rows.map((row) => lineOf(row, names)), next: rows.length < page.limit ? null : (rows.at(-1)?.number ?? null) };
}

function lineOf(row: CreditReportLine, names: ReadonlyMap<string, string>): ReportLine {
  const { number, digest, purpose } = row;
  return {
    number, digest, purpose: purpose as ReportLine["purpose"], requester: row.institutionId === null ? null : (names.get(row.institutionId) ?? row.institutionId),
    createdAt: row.createdAt.toISOString(), expiresAt: row.expiresAt.toISOString(),
  };
}

/** Forgets the texts of reports whose time is over. */
export async function sweepReports(platform: Platform): Promise<void> {
  await platform.db.write((tx) => dropExpiredReports(tx, new Date(platform.env.now())));
}
