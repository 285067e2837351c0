// The app of the bank-facing listener. No listening here: tests and the process wrap it in a server.
import { pipeline } from "node:stream/promises";
import type { Express, Request, Response } from "express";
import { AppError } from "../core/errors.ts";
import { addAudit } from "./areas/audit.ts";
import { bankEndpoints as e } from "./contract.ts";
import { newApp } from "./http/app.ts";
import { addressOf, FailureLimit, institutionGuard, openGuard } from "./http/auth.ts";
import { addCatalogue } from "./areas/catalogue.ts";
import { addEvaluations } from "./areas/evaluations.ts";
import { addConsents } from "./areas/consents.ts";
import { addInstitutions } from "./areas/institutions.ts";
import { addPublicCredit } from "./areas/public-credit.ts";
import { addOutcomes } from "./areas/outcomes.ts";
import { addQuality } from "./areas/quality.ts";
import { addWebhooks } from "./areas/webhooks.ts";
import { addUsage } from "./areas/usage.ts";
import { addServices } from "./areas/services.ts";
import { addMonitoring } from "./areas/monitoring.ts";
import { addSubject } from "./areas/subject.ts";
import { docsPage, docsPolicy } from "./http/docs-page.ts";
import { sendEvents } from "./http/event-stream.ts";
import { idempotencyKey } from "./http/idempotency.ts";
import { openApiDocument } from "./http/openapi.ts";
import { institutionOrRole, roleGuard, type ByRole, type ForInstitution } from "./http/role-guard.ts";
import { route, type InstitutionCaller } from "./http/route.ts";
import { receiptBankEndpoints } from "./contract/receipts.ts";
import { addLogRoutes } from "./log/routes.ts";
import { ServiceRequests } from "./live/requests.ts";
import type { Platform } from "./platform.ts";
import { enrol } from "./services/enrol.ts";
import { cancelJob, ownJob, releaseJob, summarise, viewJob } from "./services/jobs.ts";
import { openResult } from "./services/results.ts";
import { submitJob } from "./services/submit.ts";
import type { JobId } from "../core/brand.ts";
import { jobPlanSchema } from "../federation/plan-schema.ts";
import { findJob, listJobs } from "./store/jobs.ts";
import { listDatasets } from "./store/parties.ts";
import { findModel, listModels, type ModelRow } from "./store/relay.ts";

export function buildBankApp(platform: Platform, version: string): Express {
  const { app, finish } = newApp(platform.env, "bank", platform.audit);
  const failures = new FailureLimit(platform.env.now, platform.limits.authFailures, platform.limits.authWindowMs);
  const guard = institutionGuard(platform, failures);
  const { read } = platform.db;
  // Areas with roles lie in api/areas, one file each: addX(app, platform, byRole).
  const byRole: ByRole = (endpoint) => roleGuard(platform, failures, endpoint);
  const forInstitution: ForInstitution = (endpoint) => (endpoint.roles === undefined ? guard : institutionOrRole(guard, byRole(endpoint)));

  addAudit(app, platform, byRole);
  addQuality(app, platform, byRole);
  addUsage(app, platform, byRole);
  addOutcomes(app, platform, byRole);
  addServices(app, new ServiceRequests(platform, platform.live), forInstitution);
  route(app, e.health, openGuard, async () => ({ status: "ok" as const }));
  addDocumentation(app, version);
  route(app, e.enrol, openGuard, ({ body, request }) => failures.guard(addressOf(request), () => enrol(platform, body)));
  route(app, e.listDatasets, forInstitution(e.listDatasets), async ({ caller }) => {
    // Another bank's labelled data is none of the caller's business.
    const datasets = (await listDatasets(read)).filter((row) => row.party === caller.party || !row.dataset.labelled);
    return { datasets };
  });
  route(app, e.submitJob, forInstitution(e.submitJob), ({ caller, body, request }) => {
    // Its results belong to a run: POST /v1/evaluations.
    if (body.kind === "evaluate") throw new AppError("JOB_PARAMS", { run: false });
    return submitJob(platform, caller, body, idempotencyKey(request));
  });
  route(app, e.listJobs, forInstitution(e.listJobs), async ({ caller, query }) => {
    if (query.cursor !== undefined && (await findJob(read, query.cursor))?.institution !== caller.institution)
      throw new AppError("REQUEST_INVALID");
    const rows = await listJobs(read, caller.institution, query.limit, query.cursor);
    return { items: rows.map(summarise), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
  });
  route(app, e.getJob, forInstitution(e.getJob), ({ caller, params }) => viewJob(platform, caller, params.id));
  route(app, e.getPlan, forInstitution(e.getPlan), async ({ caller, params }) => {
    const job = await ownJob(platform, caller, params.id);
    return { planDigest: job.planDigest, plan: jobPlanSchema.parse(JSON.parse(job.plan)) };
  });
  route(app, e.jobEvents, forInstitution(e.jobEvents), async ({ caller, params, request, response, signal }) => {
    const job = await ownJob(platform, caller, params.id);
    if (!platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
    await sendEvents(platform, job.id, lastEventId(request), response, signal);
  });
  route(app, e.releaseJob, byRole(e.releaseJob), ({ caller, params, body }) => {
    const { institution, party, credential, holder } = caller;
    if (institution === undefined || party === undefined) throw new AppError("AUTH_ROLE");
    return releaseJob(platform, { institution, party, person: { credential, holder } }, params.id, body.planDigest);
  });
  route(app, e.cancelJob, forInstitution(e.cancelJob), ({ caller, params }) => cancelJob(platform, caller, params.id));
  for (const [endpoint, name] of [
    [e.getReport, "report"],
    [e.getScores, "scores"],
  ] as const) {
    route(app, endpoint, forInstitution(endpoint), ({ caller, params, response }) => sendResult(platform, caller, params.id, name, response));
  }
  route(app, e.listModels, forInstitution(e.listModels), async ({ caller, query }) => {
    if (query.cursor !== undefined && (await findModel(read, query.cursor))?.institution !== caller.institution)
      throw new AppError("REQUEST_INVALID");
    const rows = await listModels(read, caller.institution, query.limit, query.cursor);
    return { items: rows.map(publicModel), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
  });
  route(app, e.getModel, forInstitution(e.getModel), async ({ caller, params }) => {
    const row = await findModel(read, params.model);
    if (row === undefined || row.institution !== caller.institution) throw new AppError("MODEL_NOT_FOUND");
    return publicModel(row);
  });
  addLogRoutes(app, platform, forInstitution(receiptBankEndpoints.listReceipts));
  addInstitutions(app, platform, byRole);
  addCatalogue(app);
  addEvaluations(app, platform, forInstitution, byRole);
  addPublicCredit(app, platform, forInstitution, byRole);
  addConsents(app, platform, byRole);
  addSubject(app, platform, byRole, failures);
  addWebhooks(app, platform, forInstitution);
  addMonitoring(app, platform, forInstitution);
  return finish();
}

function addDocumentation(app: Express, version: string): void {
  const document = JSON.stringify(openApiDocument(version));
  const page = docsPage(version);
  app.get("/openapi.json", (_request: Request, response: Response) => {
    response.locals["route"] = "/openapi.json";
    response.type("application/json").send(document);
  });
  app.get("/docs", (_request: Request, response: Response) => {
    response.locals["route"] = "/docs";
    response.setHeader("Content-Security-Policy", docsPolicy);
    response.type("text/html").send(page);
  });
}

function publicModel({ id, job, createdAt, kind, state, digests }: ModelRow) {
  return { id, job, createdAt, kind, state, digests };
}

function lastEventId(request: Request): number {
  const text = request.headers["last-event-id"] ?? "0";
  if (typeof text !== "string" || !/^[0-9]{1,9}$/.test(text)) throw new AppError("REQUEST_INVALID");
  return Number(text);
}

async function sendResult(
  platform: Platform,
  caller: InstitutionCaller,
  id: JobId,
  name: "report" | "scores",
  response: Response,
): Promise<void> {
  const result = await openResult(platform, caller, id, name);
  response
    .status(200)
    .setHeader("Content-Type", "application/jose")
    .setHeader("Content-Length", result.bytes)
    .setHeader("X-Content-Digest", result.digest);
  await pipeline(result.stream, response);
}
