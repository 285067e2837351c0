// From errors to problem+json (RFC 9457). Only what the closed table says leaves: no message of a library, no value.
import type { NextFunction, Request, Response } from "express";
import { ZodError } from "zod";
import type { Log } from "../../core/env.ts";
import { AppError, describeError, type Code } from "../../core/errors.ts";
import { problemSchema, type Problem } from "../contract/endpoint.ts";

/** Body parsers' own error types. */
const parserCodes: Readonly<Record<string, Code>> = {
  "entity.too.large": "REQUEST_TOO_LARGE",
  "entity.parse.failed": "REQUEST_MALFORMED",
  "encoding.unsupported": "REQUEST_MALFORMED",
  "charset.unsupported": "REQUEST_MALFORMED",
  "request.size.invalid": "REQUEST_LENGTH",
  "request.aborted": "REQUEST_LENGTH",
};

/** A request that does not fit its schema: where and which rule, never what was there. */
export class InvalidRequest extends AppError {
  readonly errors: { at: string; rule: string }[];

  constructor(part: "params" | "query" | "body" | "headers", error: ZodError) {
    super("REQUEST_INVALID", { problems: error.issues.length });
    this.errors = error.issues.slice(0, 20).map((issue) => ({ at: [part, ...issue.path.map(publicKey)].join("."), rule: issue.code }));
  }
}

// A path may go through a map whose keys the caller chose: those are not repeated.
function publicKey(key: PropertyKey): string {
  return typeof key === "number" || /^[a-zA-Z]{1,32}$/.test(String(key)) ? String(key) : "*";
}

export function codeOf(error: unknown): Code {
  if (error instanceof AppError) return error.code;
  const type = typeof error === "object" && error !== null && "type" in error ? String(error.type) : "";
  if (parserCodes[type] !== undefined) return parserCodes[type];
  // Express refuses a path that is not valid percent-encoding with this.
  return error instanceof URIError ? "REQUEST_NO_ROUTE" : "PLATFORM_INTERNAL";
}

export function toProblem(error: unknown, requestId: string, language: "en" | "zh"): Problem {
  const code = codeOf(error);
  const { status, en, zh } = describeError(code);
  return problemSchema.parse({
    type: `urn:yunei:problem:${code}`,
    title: code.toLowerCase().replaceAll("_", " "),
    status,
    code,
    detail: language === "zh" ? zh : en,
    details: { en, zh },
    requestId,
    facts: error instanceof AppError ? error.facts : {},
    ...(error instanceof InvalidRequest ? { errors: error.errors } : {}),
  });
}

/** The last handler of an app. */
export function problemHandler(log: Log) {
  return (error: unknown, request: Request, response: Response, _next: NextFunction): void => {
    if (response.closed || response.destroyed) return; // the caller has gone, there is nobody to answer
    const requestId = String(response.locals["requestId"] ?? "none");
    const problem = toProblem(error, requestId, request.acceptsLanguages("en", "zh") === "zh" ? "zh" : "en");
    if (problem.status >= 500) log.error("request.failed", { requestId, code: problem.code, reason: reasonOf(error) });
    if (response.headersSent) {
      response.destroy(); // too late for a problem: the peer must not take the cut reply for a whole one
      return;
    }
    if (problem.status === 401) response.setHeader("WWW-Authenticate", "Bearer");
    if (problem.status === 429) response.setHeader("Retry-After", String(problem.facts["retryAfterSeconds"] ?? 1));
    if (problem.status === 503) response.setHeader("Retry-After", "1");
    response.status(problem.status).type("application/problem+json").send(JSON.stringify(problem));
  };
}

/** A name for the log that cannot hold data: the class, and a system or database error code. */
function reasonOf(error: unknown): string {
  const root = error instanceof AppError && error.cause !== undefined ? error.cause : error;
  const code = typeof root === "object" && root !== null && "code" in root ? String(root.code) : "";
  return `${root instanceof Error ? root.name : typeof root} ${/^[A-Z0-9_]{1,40}$/.test(code) ? code : ""}`.trim();
}
