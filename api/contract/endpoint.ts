// What an endpoint is, and what every area of the contract shares: bounds, names, errors. One file per area beside this one.
import { z } from "zod";
import { errorTable, type Code } from "../../core/errors.ts";
import type { Role } from "./roles.ts";

type Bilingual = { readonly en: string; readonly zh: string };

/** Raw bytes in or out instead of JSON. */
export type RawBody = { readonly media: string; readonly maxBytes: number };

export type Endpoint = {
  readonly listener: "bank" | "enclave";
  readonly method: "get" | "post" | "put";
  /** Express form: parameters are ":name". */
  readonly path: string;
  readonly auth: "none" | "institution" | "party" | "role";
  /** With auth "role": who may call. With "institution": its people who may, beside its program key. */
  readonly roles?: readonly Role[];
  readonly summary: Bilingual;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  /** Request headers with a meaning of their own: name to description. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  readonly rawBody?: RawBody;
  readonly status: 200 | 201;
  readonly reply?: z.ZodType;
  readonly rawReply?: RawBody;
  /** Codes beyond those that every endpoint of its listener may give (`commonErrors`). */
  readonly errors: readonly Code[];
};

/** Longest wait of a long poll, seconds. */
export const maxWaitSeconds = 25;
/** Largest relayed frame: one sealed frame of 8 MiB and its envelope. */
export const maxRelayBytes = 9 * 1024 * 1024;
export const maxResultBytes = 64 * 1024 * 1024;
export const maxJsonBytes = 256 * 1024;

export const hex64 = z.string().regex(/^[0-9a-f]{64}$/);
export const time = z.iso.datetime();
export const word = z.string().regex(/^[a-z][a-z0-9_.-]{0,47}$/);
export const pem = z.string().min(64).max(8192);
// Numbers in paths and queries: one spelling each, so that a frame has one address.
export const seq = z.string().regex(/^(0|[1-9][0-9]{0,8})$/).transform(Number);
export const wait = z.string().regex(/^[0-9]{1,2}(\.[0-9]{1,3})?$/).transform(Number).pipe(z.number().max(maxWaitSeconds)).default(0);
export const modelId = z.string().regex(/^model_[0-9a-z]{16,32}$/);

const codes = Object.keys(errorTable) as [Code, ...Code[]];
/** A code of the closed table: nothing else can be said about a failure through the platform. */
export const codeSchema = z.enum(codes);
/** A page of a list, newest first. */
export const page = z.strictObject({
  limit: z.string().regex(/^[1-9][0-9]?$|^100$/).transform(Number).default(20),
  cursor: z.string().max(64).optional(),
});

/** What the problem+json of every refusal looks like (RFC 9457). `detail` follows Accept-Language; `details` has both. */
export const problemSchema = z.strictObject({
  type: z.string(), title: z.string(), status: z.number().int(), code: codeSchema, detail: z.string(),
  details: z.strictObject({ en: z.string(), zh: z.string() }), requestId: z.string(),
  facts: z.record(z.string(), z.union([z.number(), z.boolean(), z.string()])),
  errors: z.array(z.strictObject({ at: z.string(), rule: z.string() })).optional(),
});
export type Problem = z.output<typeof problemSchema>;

export const commonErrors = {
  bank: ["AUTH_REQUIRED", "AUTH_INVALID", "AUTH_SUSPENDED", "AUTH_RATE_LIMITED", "REQUEST_INVALID", "PLATFORM_BUSY", "PLATFORM_INTERNAL", "AUDIT_STOPPED"],
  /** Besides those of its listener, for endpoints by role. */
  role: ["AUTH_ROLE"],
  enclave: ["AUTH_INVALID", "AUTH_SUSPENDED", "REQUEST_INVALID", "PLATFORM_BUSY", "PLATFORM_INTERNAL", "AUDIT_STOPPED"],
} as const satisfies Record<string, readonly Code[]>;

export const bodyErrors = ["REQUEST_MALFORMED", "REQUEST_TOO_LARGE", "REQUEST_MEDIA_TYPE"] as const;
export const rawErrors = ["REQUEST_LENGTH", "REQUEST_TOO_LARGE", "REQUEST_MEDIA_TYPE", "PLATFORM_STORAGE"] as const;

/** The path of an endpoint with its parameters filled in. */
export function pathOf(endpoint: Endpoint, params: Readonly<Record<string, string | number>> = {}): string {
  return endpoint.path.replace(/:([a-z]+)/g, (_, name: string) => encodeURIComponent(String(params[name])));
}
