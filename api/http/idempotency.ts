// The Idempotency-Key of a request.
import type { Request } from "express";
import { AppError } from "../../core/errors.ts";

const keyForm = /^[A-Za-z0-9_-]{8,64}$/;

/** undefined without one. Throws REQUEST_INVALID. */
export function idempotencyKey(request: Request): string | undefined {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key !== "string" || !keyForm.test(key)) throw new AppError("REQUEST_INVALID");
  return key;
}
