// Binds an endpoint of the contract to an Express app: authenticate, parse in, run, parse out. A reply with a field that
// the contract does not list is an error, so a database row with one more column cannot slip out.
import express, { type Express, type Request, type Response } from "express";
import type { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { maxJsonBytes, type Endpoint } from "../contract/endpoint.ts";
import type { Role } from "../contract/roles.ts";
import { RequestAudit, type Said } from "../audit/requests.ts";
import { auditOf } from "./app.ts";
import { InvalidRequest } from "./problem.ts";

export type InstitutionCaller = {
  readonly institution: string;
  readonly party: PartyId;
  /** Who it is, when one of its people calls with a role's key and not its program. */
  readonly person?: { readonly credential: string; readonly holder: string };
};
export type PartyCaller = { readonly party: PartyId };
/** A person or a system in a role. institution and party: those that the role belongs to; subject: the company's code (USCC). */
export type RoleCaller = {
  readonly role: Role;
  readonly credential: string;
  readonly holder: string;
  readonly institution: string | undefined;
  readonly party: PartyId | undefined;
  readonly subject: string | undefined;
};
type CallerOf<E extends Endpoint> = E["auth"] extends "institution"
  ? InstitutionCaller
  : E["auth"] extends "party"
    ? PartyCaller
    : E["auth"] extends "role"
      ? RoleCaller
      : undefined;
type OutputOf<S> = S extends z.ZodType ? z.output<S> : undefined;
type Part<E extends Endpoint, K extends keyof Endpoint> = K extends keyof E ? OutputOf<E[K]> : undefined;

export type Call<E extends Endpoint> = {
  readonly caller: CallerOf<E>;
  readonly params: Part<E, "params">;
  readonly query: Part<E, "query">;
  readonly body: Part<E, "body">;
  readonly request: Request;
  readonly response: Response;
  /** Declared length of a raw body. */
  readonly length: number;
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal;
};
type ReplyOf<E extends Endpoint> = E extends { readonly reply: infer S extends z.ZodType } ? z.input<S> : void;
/** Says who calls, or throws AUTH_*. */
export type Guard<C> = (request: Request) => Promise<C>;

const readJson = express.json({ limit: maxJsonBytes, strict: true, inflate: false, type: "application/json" });

/** One for all: every request ends with it, and a fresh one would carry a stack. */
const closed = new Error("the connection is closed");

export function route<E extends Endpoint>(
  app: Express,
  endpoint: E,
  guard: Guard<CallerOf<E>>,
  run: (call: Call<E>) => Promise<ReplyOf<E>>,
): void {
  app[endpoint.method](endpoint.path, async (request: Request, response: Response) => {
    response.locals["route"] = endpoint.path;
    const gone = new AbortController();
    response.once("close", () => gone.abort(closed));
    response.locals["audited"] = true;
    const audit = new RequestAudit(auditOf(app), endpoint, request, String(response.locals["requestId"]));
    const said: { -readonly [K in keyof Said]?: Said[K] } = {};
    try {
      said.caller = await guard(request);
      said.params = parsePart(endpoint.params, "params", request.params);
      said.query = parsePart(endpoint.query, "query", request.query);
      const length = endpoint.rawBody === undefined ? 0 : checkRaw(request, endpoint.rawBody);
      said.bytes = length;
      said.body = endpoint.body === undefined ? undefined : parsePart(endpoint.body, "body", await jsonBody(request, response));
      const call = { ...said, request, response, length, signal: gone.signal } as unknown as Call<E>;
      if (endpoint.reply === undefined) await audit.begun(said as Said);
      const reply: unknown = await run(call);
      if (endpoint.reply === undefined) {
        // A raw reply: `run` has sent it.
        await audit.done(said as Said);
        return;
      }
      // A long poll may have outlived its caller's rights.
      if (endpoint.query?.shape["wait"] !== undefined) await guard(request);
      const parsed = parseReply(endpoint.reply, reply);
      await audit.done({ ...(said as Said), reply: parsed });
      response.status(endpoint.status).type("application/json").send(JSON.stringify(parsed));
    } catch (error) {
      await audit.failed(said, error, gone.signal.aborted && !response.writableFinished);
      throw error;
    }
  });
}

function parsePart(schema: z.ZodType | undefined, part: "params" | "query" | "body", value: unknown): unknown {
  // An endpoint without a query takes none: a misspelt parameter must not be ignored silently.
  if (schema === undefined) {
    if (part === "query" && Object.keys(value ?? {}).length > 0) throw new AppError("REQUEST_INVALID", {});
    return undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new InvalidRequest(part, parsed.error);
  return parsed.data;
}

/** Strict on the way out as well. */
export function parseReply(schema: z.ZodType, reply: unknown): unknown {
  const parsed = schema.safeParse(reply);
  if (!parsed.success) throw new AppError("PLATFORM_INTERNAL", { reply: false, problems: parsed.error.issues.length });
  return parsed.data;
}

async function jsonBody(request: Request, response: Response): Promise<unknown> {
  if (request.is("application/json") === false || request.headers["content-type"] === undefined) throw new AppError("REQUEST_MEDIA_TYPE");
  await new Promise<void>((resolve, reject) => {
    readJson(request, response, (error?: Error | null) => (error ? reject(error) : resolve()));
  });
  return request.body as unknown;
}

function checkRaw(request: Request, raw: { media: string; maxBytes: number }): number {
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== raw.media) throw new AppError("REQUEST_MEDIA_TYPE");
  const header = request.headers["content-length"];
  if (header === undefined || request.headers["content-encoding"] !== undefined) throw new AppError("REQUEST_LENGTH");
  const length = Number(header); // Node has checked that it is digits
  if (length > raw.maxBytes) throw new AppError("REQUEST_TOO_LARGE", { limit: raw.maxBytes });
  return length;
}
