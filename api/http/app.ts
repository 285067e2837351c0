// What both listeners' apps share: no default headers, a request id, one log line per request without its data.
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { problemHandler } from "./problem.ts";

const wellFormedId = /^[A-Za-z0-9._-]{8,64}$/;

/** A bare app; `finish` adds the handlers that come after all routes. */
export function newApp(env: Env, listener: "bank" | "enclave"): { app: Express; finish: () => Express } {
  const app = express();
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
    response.once("close", () => {
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
