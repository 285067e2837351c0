// What both listeners' apps share: no default headers, a request id, one log line per request without its data.
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { RequestLog } from "../../audit/trail.ts";
import { addressOf } from "./auth.ts";
import { problemHandler } from "./problem.ts";

const wellFormedId = /^[A-Za-z0-9._-]{8,64}$/;

/** A bare app; `finish` adds the handlers that come after all routes. */
export function newApp(env: Env, listener: "bank" | "enclave", audit: RequestLog): { app: Express; finish: () => Express } {
  const app = express();
  app.locals["audit"] = audit;
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", "simple");
  app.set("strict routing", true);
  app.set("case sensitive routing", true);
  app.use((request: Request, response: Response, next: NextFunction) => {
    const given = request.headers["x-request-id"];
    const id = typeof given === "string" && wellFormedId.test(given) ? given : Buffer.from(env.rng(12)).toString("hex");
    response.locals["requestId"] = id;
    response.setHeader("X-Request-Id", id);
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("X-Content-Type-Options", "nosniff");
    const start = performance.now();
    // This, the route, the sessions and a stream of its own listen to one response: more than the ten at which Node suspects a leak.
    response.setMaxListeners(32);
    response.once("close", () => {
      if (response.locals["audited"] !== true) countPublic(audit, request, response);
      env.log.info("request", {
        listener,
        requestId: id,
        method: request.method,
        route: String(response.locals["route"] ?? "none"),
        status: response.statusCode,
        whole: response.writableFinished,
        ms: Math.round(performance.now() - start),
      });
    });
    next();
  });
  const finish = (): Express => {
    app.use(() => {
      throw new AppError("REQUEST_NO_ROUTE");
    });
    app.use(problemHandler(env.log));
    return app;
  };
  return { app, finish };
}

/** What is public (documentation, the static files of the receipts' log) and what is nowhere: counted, and served without a log, too. */
function countPublic(audit: RequestLog, request: Request, response: Response): void {
  const path: unknown = response.locals["route"];
  const isThere = typeof path === "string";
  try {
    audit.sum({
      actor: { role: "unknown" }, action: "requests", route: isThere ? `GET ${path}` : "none", outcome: isThere ? "ok" : "REQUEST_NO_ROUTE", facts: { status: response.statusCode },
      ...(isThere ? {} : { from: audit.address(addressOf(request)) }),
    });
  } catch {
    // The log takes nothing now: said once a tick.
  }
}

/** The log in which every request of this app is an entry. */
export function auditOf(app: Express): RequestLog {
  return app.locals["audit"] as RequestLog;
}
