// The signed receipt of what this enclave did in a job: digests only. It is made once and stored before it is sent.
import type { KeyObject } from "node:crypto";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { PartyId } from "../../core/brand.ts";
import type { Ledger } from "../ledger.ts";
import { signStatement } from "./approval.ts";

export async function signReceipt(options: {
  plan: JobPlan; planDigest: string; self: PartyId; model: { readonly id: string; readonly digest: string };
  ledger: Ledger; key: KeyObject; now: number;
}): Promise<string> {
  const { plan, self } = options;
  return signStatement({
    version: 1, job: plan.job, kind: plan.kind, party: self, purpose: plan.purpose, planDigest: options.planDigest,
    snapshotDigest: plan.datasets[self]?.snapshotDigest ?? "", model: options.model.id, modelDigest: options.model.digest,
    ledgerDigest: options.ledger.digest(), at: new Date(options.now).toISOString(),
  }, "yunei-receipt+jws", options.key);
}
