// The receipt: what one enclave says, and signs, that it did. Digests, public names and a time; nothing of a company in the
// clear. Each receipt names the one before it of the same enclave, so that none can be left out unseen.
import { z } from "zod";
import type { KeyObject } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { isSignedBy, readJws, signJws } from "./jws.ts";
import { digestSchema } from "./uses.ts";

export const receiptType = "yunei-receipt+jws";
export const receiptVersion = 2;

const publicName = z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/);

/** id: of the job or score. Digests are SHA-256, lower-case hex; null where there is none (a verification has no model).
 *  seeds: of the commitments to query seeds and labels. previous: of the issuer's receipt before; zeros for sequence 0. */
export const receiptSchema = z.strictObject({
  version: z.literal(receiptVersion),
  id: publicName,
  kind: publicName,
  party: partyIdSchema,
  purpose: publicName,
  planDigest: digestSchema,
  modelDigest: digestSchema.nullable(),
  snapshotDigest: digestSchema.nullable(),
  outputDigest: digestSchema.nullable(),
  ledgerDigest: digestSchema,
  seedsDigest: digestSchema.nullable(),
  uses: z.strictObject({ count: z.int().min(0).max(16_777_216), root: digestSchema }),
  at: z.iso.datetime({ precision: 3 }),
  sequence: z.int().min(0),
  previous: digestSchema,
});
export type ReceiptStatement = z.output<typeof receiptSchema>;
/** The end of an issuer's chain. */
export type ChainHead = { readonly sequence: number; readonly digest: string };

export const noPrevious = "0".repeat(64);

/** What the next receipt says about the chain. head: undefined for the first one. */
export function following(head: ChainHead | undefined): { readonly sequence: number; readonly previous: string } {
  return head === undefined ? { sequence: 0, previous: noPrevious } : { sequence: head.sequence + 1, previous: head.digest };
}

/** Signs a receipt. The statement is checked first. Throws RECEIPT_FORMAT. Keep the text before it is sent: it is made once. */
export function signReceipt(statement: ReceiptStatement, key: KeyObject): string {
  const checked = receiptSchema.safeParse(statement);
  if (!checked.success || !isChained(checked.data)) throw new AppError("RECEIPT_FORMAT");
  return signJws(checked.data, receiptType, key);
}

/** SHA-256 of the receipt's text: what `previous` of the next one holds. */
export function receiptDigest(jws: string): string {
  return sha256Hex(jws);
}

/** The statement of a receipt whose signature nobody has checked: to find the key by its party. Throws RECEIPT_FORMAT or
 *  RECEIPT_VERSION (also for what a later version of this program writes: its meaning is unknown here). */
export function readReceipt(jws: string): ReceiptStatement {
  const payload = readJws(jws, receiptType);
  if (payload === undefined || payload === null || typeof payload !== "object" || !("version" in payload)) throw new AppError("RECEIPT_FORMAT");
  if (payload["version"] !== receiptVersion) throw new AppError("RECEIPT_VERSION");
  const statement = receiptSchema.safeParse(payload);
  if (!statement.success || !isChained(statement.data)) throw new AppError("RECEIPT_FORMAT");
  return statement.data;
}

function isChained(statement: ReceiptStatement): boolean {
  return (statement.sequence === 0) === (statement.previous === noPrevious);
}

/** The statement of a receipt that `key` has signed. Throws RECEIPT_FORMAT, RECEIPT_VERSION or RECEIPT_SIGNATURE. */
export function verifyReceipt(jws: string, key: KeyObject): ReceiptStatement {
  const statement = readReceipt(jws);
  if (!isSignedBy(jws, key)) throw new AppError("RECEIPT_SIGNATURE", { party: statement.party });
  return statement;
}

/** Whether a verified receipt is the issuer's next one, or its last one again (an enclave repeats until it is acknowledged).
 *  Throws RECEIPT_CHAIN: one is missing, or two have the same number. */
export function checkNext(head: ChainHead | undefined, jws: string, statement: ReceiptStatement): "next" | "same" {
  const digest = receiptDigest(jws);
  if (head !== undefined && head.sequence === statement.sequence && head.digest === digest) return "same";
  const next = following(head);
  if (statement.sequence !== next.sequence || statement.previous !== next.previous) throw new AppError("RECEIPT_CHAIN", { sequence: statement.sequence, expected: next.sequence });
  return "next";
}
