// The app of the bank-facing listener. No listening here: tests and the process wrap it in a server.
import { pipeline } from "node:stream/promises";
import type { Express, Request, Response } from "express";
import { AppError } from "../core/errors.ts";
import { bankEndpoints as e } from "./contract.ts";
import { newApp } from "./http/app.ts";
import { addressOf, FailureLimit, institutionGuard, openGuard } from "./http/auth.ts";
import { docsPage, docsPolicy } from "./http/docs-page.ts";
import { sendEvents } from "./http/event-stream.ts";
import { openApiDocument } from "./http/openapi.ts";
import { route, type InstitutionCaller } from "./http/route.ts";
import type { Platform } from "./platform.ts";
import { enrol } from "./services/enrol.ts";
import { cancelJob, ownJob, summarise, viewJob } from "./services/jobs.ts";
import { openResult } from "./services/results.ts";
import { submitJob } from "./services/submit.ts";
import type { JobId } from "../core/brand.ts";
import { jobPlanSchema } from "../federation/plan-schema.ts";
import { findJob, listJobs } from "./store/jobs.ts";
import { listDatasets } from "./store/parties.ts";
import { findModel, listModels, type ModelRow } from "./store/relay.ts";

const keyForm = /^[A-Za-z0-9_-]{8,64}$/;

export function buildBankApp(platform: Platform, version: string): Express {
  const { app, finish } = newApp(platform.env, "bank");
  const failures = new FailureLimit(platform.env.now, platform.limits.authFailures, platform.limits.authWindowMs);
  const guard = institutionGuard(platform, failures);
  const { read } = platform.db;

  route(app, e.health, openGuard, async () => ({ status: "ok" as const }));
  addDocumentation(app, version);
  route(app, e.enrol, openGuard, ({ body, request }) => failures.guard(addressOf(request), () => enrol(platform, body)));
  route(app, e.listDatasets, guard, async ({ caller }) => {
    // Another bank's labelled data is none of the caller's business.
    const datasets = (await listDatasets(read)).filter((row) => row.party === caller.party || !row.dataset.labelled);
    return { datasets };
  });
  route(app, e.submitJob, guard, ({ caller, body, request }) => submitJob(platform, caller, body, idempotencyKey(request)));
  route(app, e.listJobs, guard, async ({ caller, query }) => {
    if (query.cursor !== undefined && (await findJob(read, query.cursor))?.institution !== caller.institution)
      throw new AppError("REQUEST_INVALID");
    const rows = await listJobs(read, caller.institution, query.limit, query.cursor);
    return { items: rows.map(summarise), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
  });
  route(app, e.getJob, guard, ({ caller, params }) => viewJob(platform, caller, params.id));
  route(app, e.getPlan, guard, async ({ caller, params }) => {
    const job = await ownJob(platform, caller, params.id);
    return { planDigest: job.planDigest, plan: jobPlanSchema.parse(JSON.parse(job.plan)) };
  });
  route(app, e.jobEvents, guard, async ({ caller, params, request, response, signal }) => {
    const job = await ownJob(platform, caller, params.id);
    if (!platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
    await sendEvents(platform, job.id, lastEventId(request), response, signal);
  });
  route(app, e.cancelJob, guard, ({ caller, params }) => cancelJob(platform, caller, params.id));
  for (const [endpoint, name] of [
    [e.getReport, "report"],
    [e.getScores, "scores"],
  ] as const) {
    route(app, endpoint, guard, ({ caller, params, response }) => sendResult(platform, caller, params.id, name, response));
  }
  route(app, e.listModels, guard, async ({ caller, query }) => {
    if (query.cursor !== undefined && (await findModel(read, query.cursor))?.institution !== caller.institution)
      throw new AppError("REQUEST_INVALID");
    const rows = await listModels(read, caller.institution, query.limit, query.cursor);
    return { items: rows.map(publicModel), next: rows.length < query.limit ? null : (rows.at(-1)?.id ?? null) };
  });
  route(app, e.getModel, guard, async ({ caller, params }) => {
    const row = await findModel(read, params.model);
    if (row === undefined || row.institution !== caller.institution) throw new AppError("MODEL_NOT_FOUND");
    return publicModel(row);
  });
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

function idempotencyKey(request: Request): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key !== "string" || !keyForm.test(key)) throw new AppError("REQUEST_INVALID");
  return key;
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
