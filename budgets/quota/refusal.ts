// Why a quota refuses, and when it is free again.
import { AppError } from "../../core/errors.ts";
import type { Counter } from "../counts/counter.ts";
import type { NamedLimit } from "./policy.ts";

const codes = { requests: "BUDGET_REQUESTS", companies: "BUDGET_COMPANIES", claims: "BUDGET_CLAIMS", bits: "BUDGET_ANSWER_BITS" } as const;

/** freeAt, milliseconds since 1970: when a request of this size fits again if nothing else is charged; absent: never under this limit. */
export type QuotaRefusal = {
  readonly code: (typeof codes)[keyof typeof codes]; readonly name: string; readonly used: number; readonly asked: number; readonly limit: number;
  readonly freeAt?: number | undefined;
};

/** The refusal of so much more, if there is one. */
export function overdrawn({ name, counts, limit }: NamedLimit, counter: Counter, asked: number): QuotaRefusal | undefined {
  // What adds nothing is free, also when a lowered limit is exceeded already.
  if (asked <= 0 || counter.used + asked <= limit) return undefined;
  return { code: codes[counts], name, used: counter.used, asked, limit, freeAt: asked > limit ? undefined : counter.freeAt(limit - asked) };
}

/** A refusal as the error that a client sees. */
export function quotaError({ code, used, asked, limit, freeAt }: QuotaRefusal, now: number): AppError {
  return new AppError(code, { used, asked, limit, ...(freeAt === undefined ? {} : { freeAt, retryAfter: Math.max(1, Math.ceil((freeAt - now) / 1000)) }) });
}
