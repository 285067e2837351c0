// The public part on the bank's listener: credit reports and subscriptions of institutions, and what a company sees of it.
import type { Express, Response } from "express";
import { AppError } from "../../core/errors.ts";
import { batchMedia } from "../../public-credit/batch.ts";
import { pagePolicy, renderReportPage } from "../../public-credit/report/html.ts";
import { PdfPool } from "../../public-credit/report/pdf-pool.ts";
import { publicCreditEndpoints as e } from "../contract/public-credit.ts";
import { openGuard } from "../http/auth.ts";
import type { ByRole, ForInstitution } from "../http/role-guard.ts";
import { route, type RoleCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { createReport, isIssued, listReports, openReport, type IssuedReport } from "../services/credit-reports.ts";
import { ownRecord } from "../services/public-items.ts";
import { listRecordsOf } from "../store/public-items.ts";
import { listOwnDeliveries } from "../services/public-deliveries.ts";
import { deliver, subscribe, subscriptionsOf, unsubscribe } from "../services/public-subscriptions.ts";

const ownPage = 100;

export function addPublicCredit(app: Express, platform: Platform, forInstitution: ForInstitution, byRole: ByRole): void {
  const pdfs = new PdfPool();
  route(app, e.attestationKey, openGuard, async () => platform.attester.publicJwk);
  route(app, e.checkCreditReport, openGuard, async ({ params, query }) => ({ valid: await isIssued(platform, params.number, query.digest) }));
  route(app, e.createCreditReport, forInstitution(e.createCreditReport), ({ caller, body }) => createReport(platform, body.uscc, body.purpose, { institution: caller.institution }));
  route(app, e.listCreditReports, forInstitution(e.listCreditReports), ({ caller, query }) => listReports(platform, { institution: caller.institution }, query));
  route(app, e.getCreditReport, forInstitution(e.getCreditReport), ({ caller, params }) => openReport(platform, params.number, { institution: caller.institution }));
  route(app, e.getCreditReportPage, forInstitution(e.getCreditReportPage), async ({ caller, params, response }) =>
    sendPage(await openReport(platform, params.number, { institution: caller.institution }), response));
  route(app, e.getCreditReportPdf, forInstitution(e.getCreditReportPdf), async ({ caller, params, response }) =>
    sendPdf(pdfs, await openReport(platform, params.number, { institution: caller.institution }), response));
  addForSubject(app, platform, byRole, pdfs);
  addSubscriptions(app, platform, forInstitution);
}

function addForSubject(app: Express, platform: Platform, byRole: ByRole, pdfs: PdfPool): void {
  route(app, e.createOwnReport, byRole(e.createOwnReport), ({ caller }) => {
    const subject = subjectOf(caller);
    return createReport(platform, subject, "own-information", { subject });
  });
  route(app, e.listOwnItems, byRole(e.listOwnItems), async ({ caller, query }) => {
    const rows = await listRecordsOf(platform.db.read, subjectOf(caller), query.after, ownPage);
    return { items: rows.map(ownRecord), next: rows.length < ownPage ? null : (rows.at(-1)?.change ?? null) };
  });
  route(app, e.listOwnDeliveries, byRole(e.listOwnDeliveries), ({ caller, query }) => listOwnDeliveries(platform, subjectOf(caller), query));
  route(app, e.listReportsOnSelf, byRole(e.listReportsOnSelf), ({ caller, query }) => listReports(platform, { subject: subjectOf(caller) }, query));
  route(app, e.getReportOnSelf, byRole(e.getReportOnSelf), ({ caller, params }) => openReport(platform, params.number, { subject: subjectOf(caller) }));
  route(app, e.getReportOnSelfPage, byRole(e.getReportOnSelfPage), async ({ caller, params, response }) =>
    sendPage(await openReport(platform, params.number, { subject: subjectOf(caller) }), response));
  route(app, e.getReportOnSelfPdf, byRole(e.getReportOnSelfPdf), async ({ caller, params, response }) =>
    sendPdf(pdfs, await openReport(platform, params.number, { subject: subjectOf(caller) }), response));
}

function addSubscriptions(app: Express, platform: Platform, forInstitution: ForInstitution): void {
  route(app, e.createSubscription, forInstitution(e.createSubscription), ({ caller, body }) => subscribe(platform, caller.institution, body));
  route(app, e.listSubscriptions, forInstitution(e.listSubscriptions), async ({ caller }) => ({ items: await subscriptionsOf(platform, caller.institution) }));
  route(app, e.endSubscription, forInstitution(e.endSubscription), ({ caller, params }) => unsubscribe(platform, caller.institution, params.id));
  route(app, e.pullSubscription, forInstitution(e.pullSubscription), async ({ caller, params, query, response }) => {
    const delivery = await deliver(platform, caller.institution, params.id, query.cursor);
    response.status(200).setHeader("Content-Type", batchMedia).setHeader("Content-Length", delivery.body.length).setHeader("X-Content-Digest", delivery.digest)
      .setHeader("X-Next-Cursor", String(delivery.next)).setHeader("X-More", String(delivery.more)).setHeader("X-Statement", delivery.statement).end(delivery.body);
  });
}

/** A session of a company always has its code. */
function subjectOf({ subject }: RoleCaller): string {
  if (subject === undefined) throw new AppError("AUTH_ROLE");
  return subject;
}

function sendPage({ report, digest }: IssuedReport, response: Response): void {
  response.status(200).setHeader("Content-Type", "text/html; charset=utf-8").setHeader("Content-Security-Policy", `${pagePolicy}; frame-ancestors 'none'`)
    .end(renderReportPage(report, digest));
}

async function sendPdf(pdfs: PdfPool, { report, digest }: IssuedReport, response: Response): Promise<void> {
  const bytes = await pdfs.render(report, digest);
  response.status(200).setHeader("Content-Type", "application/pdf").setHeader("Content-Disposition", `attachment; filename="${report.number}.pdf"`).end(bytes);
}
