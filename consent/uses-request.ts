// A company's request to see every use of its data (P21 (九): 免费查询), as the registrar's signed word that the company of this code asks, and to
// which key the answers are sealed. Enclaves verify it themselves; the platform hands on answers that it cannot read.
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { fit, isSignedBy, openJws, readPayload, signJws } from "./jws.ts";
import { timeSchema, usccSchema } from "./statement.ts";
import type { Trust } from "./trust.ts";

export const usesRequestType = "yunei-uses-request+jws";
const maxBytes = 4096;
/** The longest time that a request counts. */
export const maxUsesRequestMs = 7 * 86_400_000;

const requestSchema = z.strictObject({
  version: z.literal(1), registrar: partyIdSchema, id: z.string().regex(/^uses_[0-9a-f]{24}$/), subject: usccSchema,
  /** X25519 public key (RFC 7748), base64url. */
  key: z.string().regex(/^[A-Za-z0-9_-]{43}$/), issuedAt: timeSchema, notAfter: timeSchema,
});
export type UsesRequest = z.output<typeof requestSchema>;

/** Throws CONSENT_SCHEMA, CONSENT_ALGORITHM. */
export function signUsesRequest(request: Omit<UsesRequest, "version">, registrar: KeyObject): string {
  return signJws(fit({ version: 1, ...request }, requestSchema), usesRequestType, registrar);
}

/** A request of a trusted registrar that counts at `now` (ms); `skew` (ms) forgives its clock. Throws USES_REQUEST for any other. */
export function readUsesRequest(jws: string, trust: Trust, now: number, skew = 120_000): UsesRequest {
  try {
    const sealed = openJws(jws, usesRequestType, maxBytes);
    const registrar = trust.registrar(sealed.kid);
    if (registrar === undefined || !isSignedBy(sealed, registrar.key)) throw new AppError("CONSENT_SIGNATURE");
    const request = readPayload(sealed, requestSchema);
    const [issued, end] = [Date.parse(request.issuedAt), Date.parse(request.notAfter)];
    const inTerm = issued >= registrar.from && issued < registrar.to && end - issued <= maxUsesRequestMs && issued <= now + skew && now < end;
    if (request.registrar !== registrar.name || !inTerm) throw new AppError("CONSENT_CHAIN");
    return request;
  } catch (cause) {
    throw new AppError("USES_REQUEST", {}, { cause });
  }
}
