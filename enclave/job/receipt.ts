// The signed receipt of what an enclave did in a job: digests only. It is made once and stored before it is sent.
import { compactVerify } from "jose";
import { z } from "zod";
import type { KeyObject } from "node:crypto";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import type { Ledger } from "../ledger.ts";
import { signStatement } from "./approval.ts";

const type = "yunei-receipt+jws";
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const receiptSchema = z.strictObject({
  version: z.literal(1), job: jobIdSchema, kind: z.string(), party: partyIdSchema, purpose: z.string(), planDigest: digest, snapshotDigest: digest,
  model: z.string(), modelDigest: digest, ledgerDigest: digest, at: z.iso.datetime(),
});
type Model = { readonly id: string; readonly digest: string };

export async function signReceipt(options: { plan: JobPlan; planDigest: string; self: PartyId; model: Model; ledger: Ledger; key: KeyObject; now: number }): Promise<string> {
  const { plan, self } = options;
  return signStatement({
    version: 1, job: plan.job, kind: plan.kind, party: self, purpose: plan.purpose, planDigest: options.planDigest,
    snapshotDigest: plan.datasets[self]?.snapshotDigest ?? "", model: options.model.id, modelDigest: options.model.digest,
    ledgerDigest: options.ledger.digest(), at: new Date(options.now).toISOString(),
  }, type, options.key);
}

/** Checks that a peer signed for this plan, its own approved data and this model. Throws RECEIPT_INVALID naming the party. */
export async function verifyReceipt(jws: string, expected: { plan: JobPlan; planDigest: string; party: PartyId; model: Model; key: KeyObject }): Promise<void> {
  const { plan, party, model } = expected;
  try {
    const { payload, protectedHeader } = await compactVerify(jws, expected.key, { algorithms: ["EdDSA"] });
    const receipt = receiptSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
    const right = protectedHeader.typ === type && receipt.job === plan.job && receipt.party === party && receipt.planDigest === expected.planDigest
      && receipt.snapshotDigest === plan.datasets[party]?.snapshotDigest && receipt.model === model.id && receipt.modelDigest === model.digest;
    if (!right) throw new AppError("RECEIPT_INVALID", { party });
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("RECEIPT_INVALID", { party }, { cause });
  }
}
