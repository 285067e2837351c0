// Signed approvals: JWS (RFC 7515, RFC 8037 EdDSA) over the plan's digest and a fresh channel key.
import { CompactSign, compactVerify } from "jose";
import { z } from "zod";
import type { KeyObject } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";

const type = "yunei-approval+jws";
const approvalSchema = z.strictObject({
  job: jobIdSchema,
  party: partyIdSchema,
  planDigest: z.string().regex(/^[0-9a-f]{64}$/),
  snapshotDigest: z.string().regex(/^[0-9a-f]{64}$/),
  channelKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** X25519 (x, base64url) of the guest of a service: requests are sealed to it. */
  serviceKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/).optional(),
  at: z.string(),
});
export type Approval = z.output<typeof approvalSchema>;

export async function signStatement(statement: Json, typ: string, key: KeyObject): Promise<string> {
  return new CompactSign(new TextEncoder().encode(canonicalJson(statement))).setProtectedHeader({ alg: "EdDSA", typ }).sign(key);
}

export function signApproval(approval: Approval, key: KeyObject): Promise<string> {
  return signStatement(approval, type, key);
}

/** Checks a peer's approval for this job and plan. Throws APPROVAL_INVALID naming the party. */
export async function verifyApproval(jws: string, expected: { job: JobId; party: PartyId; planDigest: string; key: KeyObject }): Promise<Approval> {
  try {
    const { payload, protectedHeader } = await compactVerify(jws, expected.key, { algorithms: ["EdDSA"] });
    const approval = approvalSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
    const right = protectedHeader.typ === type && approval.job === expected.job && approval.party === expected.party && approval.planDigest === expected.planDigest;
    if (!right) throw new AppError("APPROVAL_INVALID", { party: expected.party });
    return approval;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("APPROVAL_INVALID", { party: expected.party }, { cause });
  }
}
