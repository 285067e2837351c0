// The signed receipt of what an enclave did in a job: digests only. It is made once and kept before anything that rests on it leaves.
import type { KeyObject } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { receiptVersion, verifyReceipt, type ReceiptStatement } from "../../receipts/receipt.ts";
import type { Ledger } from "../ledger.ts";
import type { ReceiptBook } from "../receipts/book.ts";
import type { JobUses } from "./uses.ts";

export type ReceiptParts = {
  readonly plan: JobPlan; readonly planDigest: string; readonly self: PartyId; readonly ledger: Pick<Ledger, "digest">; readonly uses: Pick<JobUses, "digest">;
  /** Seeds by label behind the commitments that this party sent (64 hex digits). */
  readonly seeds: () => Readonly<Record<string, string>>;
  readonly now: () => number;
};

/** This enclave's receipt of one job. */
export class JobReceipt {
  readonly #book: ReceiptBook;
  readonly #parts: ReceiptParts;
  #model: string | null = null;

  constructor(book: ReceiptBook, parts: ReceiptParts) {
    this.#book = book;
    this.#parts = parts;
  }

  /** Names the model of the job by its digest (of the guest's half), before the receipt is made. */
  names(model: { readonly digest: string }): void {
    this.#model = model.digest;
  }

  /** The receipt, durable on return; the first one again whatever is said later. output: SHA-256, hex, of what was given out. */
  make(output: string | null = null): string {
    const { plan } = this.#parts;
    return this.#book.issue(plan.job, () => statementOf(this.#parts, this.#model, output));
  }
}

function statementOf(parts: ReceiptParts, model: string | null, output: string | null): Omit<ReceiptStatement, "sequence" | "previous"> {
  const { plan, self } = parts;
  // Seeds are 32 secret bytes each: their hashes give nothing away, and an audit that is shown a seed can compare.
  const seeds = Object.entries(parts.seeds()).map(([label, seed]) => [label, sha256Hex(Buffer.from(seed, "hex"))]);
  return {
    version: receiptVersion, id: plan.job, kind: plan.kind, party: self, purpose: plan.purpose, planDigest: parts.planDigest, modelDigest: model,
    snapshotDigest: plan.datasets[self]?.snapshotDigest ?? null, outputDigest: output, ledgerDigest: parts.ledger.digest(),
    seedsDigest: seeds.length === 0 ? null : digestOf(seeds), uses: parts.uses.digest(), at: new Date(parts.now()).toISOString(),
  };
}

export type ExpectedReceipt = { readonly plan: JobPlan; readonly planDigest: string; readonly party: PartyId; readonly model: { readonly digest: string }; readonly key: KeyObject };

/** Checks that a peer signed for this plan, its own approved data and this model. Throws RECEIPT_INVALID, or RECEIPT_VERSION for a version that
 *  this program does not know, naming the party. */
export function checkPeerReceipt(jws: string, expected: ExpectedReceipt): ReceiptStatement {
  const { plan, party, model } = expected;
  let receipt: ReceiptStatement;
  try {
    receipt = verifyReceipt(jws, expected.key);
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    throw new AppError(cause.code === "RECEIPT_VERSION" ? "RECEIPT_VERSION" : "RECEIPT_INVALID", { party }, { cause });
  }
  const right = receipt.id === plan.job && receipt.kind === plan.kind && receipt.purpose === plan.purpose && receipt.party === party
    && receipt.planDigest === expected.planDigest && receipt.snapshotDigest === plan.datasets[party]?.snapshotDigest && receipt.modelDigest === model.digest;
  if (!right) throw new AppError("RECEIPT_INVALID", { party });
  return receipt;
}
