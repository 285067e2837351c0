// Opening one use for its company: the receipt, where it is in the log, and of all the uses that it commits to this one alone, with the
// consent and the list of withdrawals that were relied on.
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Bundle } from "../../receipts/bundle.ts";
import type { Use } from "../../receipts/uses.ts";
import type { Place, ReceiptBook } from "./book.ts";

/** The uses of one company in a job, in the order in which `reveal` numbers them. */
export function usesOf(book: ReceiptBook, job: JobId, company: string): readonly { readonly index: number; readonly use: Use }[] {
  const uses = book.uses(job);
  const commitments = uses.commitments();
  return uses.of(company).map((index) => ({ index, use: commitments.reveal(index).use }));
}

/** The bundle of one use. certificate: of the identity key, where none was kept with the receipt. place: where the receipt is now; the place that was proved at its acknowledgement unless given. Throws
 *  RECEIPT_NOT_FOUND (no receipt, or not in the log yet), RECEIPT_USE when the job has no such use. */
export function revealUse(book: ReceiptBook, parts: { job: JobId; index: number; certificate: string; place?: Place | undefined }): Bundle {
  const receipt = book.of(parts.job);
  const place = parts.place ?? receipt?.place;
  if (receipt === undefined || place === undefined) throw new AppError("RECEIPT_NOT_FOUND");
  const uses = book.uses(parts.job);
  const reveal = uses.commitments().reveal(parts.index);
  const previous = book.before(receipt);
  const consent = textOf(uses.text.bind(uses), reveal.use.consent?.digest);
  const revocations = textOf(uses.text.bind(uses), reveal.use.revocations);
  return {
    format: "yunei-receipt-bundle", version: 1, receipt: receipt.jws, issuer: { certificate: receipt.certificate ?? parts.certificate }, log: place,
    ...(previous === undefined ? {} : { previous: previous.jws }), reveal,
    ...(consent === undefined ? {} : { consent }), ...(revocations === undefined ? {} : { revocations }),
  };
}

function textOf(find: (digest: string) => string | undefined, digest: string | null | undefined): string | undefined {
  return digest === null || digest === undefined ? undefined : find(digest);
}
