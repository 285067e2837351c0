// Batches of a service's uses: each batch has a receipt of its own, made when it has enough uses or is an hour old, so that a company finds a
// use soon after it. A batch is named by the service and its number; its uses lie where those of jobs lie, and are opened in the same way.
import { createHash } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import type { Clock, Rng } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { batchDigits, jobIdSchema } from "../../core/names.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { toBase64 } from "../../receipts/note.ts";
import { commitOutput, UsesSoFar, useSchema, type Use } from "../../receipts/uses.ts";
import { JobReceipt } from "../job/receipt.ts";
import type { SecretBox } from "../keys/box.ts";
import type { ReceiptBook } from "../receipts/book.ts";
import type { StateDatabase } from "../store/database.ts";

const hourMs = 3_600_000;
const saltBytes = 32;

/** The id of a batch's receipt: of the form of a job's. */
export function batchId(service: JobId, batch: number): JobId {
  return jobIdSchema.parse(`${service}${batch.toString(36).padStart(batchDigits, "0")}`);
}

export type ServiceUsesOptions = {
  readonly db: StateDatabase; readonly box: SecretBox; readonly rng: Rng; readonly now: Clock; readonly book: ReceiptBook; readonly plan: JobPlan; readonly planDigest: string; readonly self: PartyId;
  readonly ledger: { digest(): string }; readonly modelDigest: string; readonly usesPerReceipt: number;
  readonly onUses?: ((batch: JobId, companies: readonly string[]) => void) | undefined;
};

export class ServiceUses {
  readonly #o: ServiceUsesOptions;
  #batch: number;
  #count: number;
  #openedAt: number | undefined;
  /** Running digest of the commitments to what was given out. */
  #output: string;
  #lastN: number;
  #isChanged = false;
  #isOver = false;
  #pending: Use[] = [];
  /** Of the pending ones, those that `onUses` has heard of. */
  #told = 0;
  /** What the receipt will say of the batch: to read all of it again at its end would hold up the answers of that moment. */
  #kept: UsesSoFar;
  readonly #texts = new Map<string, string>();

  constructor(options: ServiceUsesOptions) {
    this.#o = options;
    const row = options.db.get("select last_n, batch, uses, opened_at, output from service_state where service = ?", options.plan.job);
    this.#lastN = Number(row?.["last_n"] ?? -1);
    this.#batch = Number(row?.["batch"] ?? 0);
    this.#count = Number(row?.["uses"] ?? 0);
    this.#openedAt = typeof row?.["opened_at"] === "number" ? row["opened_at"] : undefined;
    this.#output = String(row?.["output"] ?? "");
    // Killed between the receipt and the next batch.
    if (options.book.of(this.batch) !== undefined) this.#next();
    this.#kept = options.book.uses(this.batch).soFar();
  }

  /** The last number that was used, -1 at first. */
  get lastN(): number {
    return this.#lastN;
  }
  set lastN(n: number) {
    this.#isChanged ||= n !== this.#lastN;
    this.#lastN = n;
  }
  get batch(): JobId {
    return batchId(this.#o.plan.job, this.#batch);
  }

  /** Notes uses of the data about one company, with the consents and lists that they name. Throws RECEIPT_USE. */
  note(uses: readonly Use[], texts: readonly string[]): void {
    if (!uses.every((use) => useSchema.safeParse(use).success)) throw new AppError("RECEIPT_USE");
    this.#open();
    this.#pending.push(...uses);
    this.#tell();
    for (const text of texts) this.#texts.set(sha256Hex(text), text);
  }

  /** Notes what is given out about one company; the salt goes with the answer. */
  noteOutput(value: string): { readonly batch: JobId; readonly use: number; readonly salt: string } {
    this.#open();
    const salt = this.#o.rng(saltBytes);
    this.#output = createHash("sha256").update(this.#output).update(commitOutput(value, salt)).digest("hex");
    const use = this.#count - 1;
    return { batch: this.batch, use, salt: toBase64(salt) };
  }

  /** Nothing is written any longer: another one may be in its place, whose numbers an answer that comes late must not set back. */
  end(): void {
    this.#isOver = true;
  }

  /** Within the transaction of a group. Throws JOB_ENDED after its end, which undoes the group. */
  write(): void {
    if (this.#isOver) throw new AppError("JOB_ENDED");
    if (!this.#isChanged) return;
    const { db, box, rng, plan } = this.#o;
    if (this.#pending.length > 0) {
      this.#hear();
      const part = this.#pending.map((use) => ({ use, salt: rng(saltBytes) }));
      const sealed = box.seal(Buffer.from(JSON.stringify(part.map(({ use, salt }) => ({ use, salt: toBase64(salt) })))));
      db.run("insert into receipt_uses select ?, coalesce(max(part) + 1, 0), ? from receipt_uses where job = ?", this.batch, sealed, this.batch);
      const kept = this.#kept;
      db.atEnd((isCommitted) => {
        if (isCommitted) for (const { use, salt } of part) kept.add(use, salt);
      });
      for (const [digest, text] of this.#texts) {
        if (db.get("select 1 from receipt_texts where digest = ?", digest) === undefined) db.run("insert into receipt_texts values (?, ?)", digest, box.seal(Buffer.from(text)));
      }
    }
    this.#isChanged = false;
    this.#pending = [];
    this.#told = 0;
    this.#texts.clear();
    db.run("insert or replace into service_state values (?, ?, ?, ?, ?, ?)", plan.job, this.#lastN, this.#batch, this.#count, this.#openedAt ?? null, this.#output);
  }

  /** Whether the batch is large or old enough for its receipt. */
  get isDue(): boolean {
    return this.#count >= this.#o.usesPerReceipt || (this.#openedAt !== undefined && this.#o.now() - this.#openedAt >= hourMs);
  }

  /** Makes the receipt of the batch and begins the next one; nothing for an empty batch. Not while a group waits to be committed. */
  close(): string | undefined {
    const { book, plan, planDigest, self, ledger, modelDigest, now } = this.#o;
    if (this.#count === 0) return undefined;
    // Uses whose answers are still being worked out belong to this batch.
    if (this.#pending.length > 0) this.#o.db.transactionSoon(() => this.write());
    const { batch } = this;
    const receipt = new JobReceipt(book, { plan: { ...plan, job: batch }, planDigest, self, ledger, uses: this.#kept, seeds: () => ({}), now });
    receipt.names({ digest: modelDigest });
    // Durable, and all before it with it. What follows is found out again from the receipt.
    const jws = receipt.make(this.#output === "" ? null : this.#output);
    this.#next();
    this.#o.db.transactionSoon(() => this.write());
    return jws;
  }

  /** As soon as they are noted: what hears of them writes beside the group's commit, not after it. One that cannot take them is asked again with the group. */
  #tell(): void {
    try {
      this.#hear();
    } catch (error) {
      if (!isAppError(error)) throw error;
    }
  }

  #hear(): void {
    const companies = [...new Set(this.#pending.slice(this.#told).map(({ subject }) => subject))];
    if (companies.length > 0) this.#o.onUses?.(this.batch, companies);
    this.#told = this.#pending.length;
  }

  #next(): void {
    this.#isChanged = true;
    this.#batch += 1;
    this.#count = 0;
    this.#openedAt = undefined;
    this.#output = "";
    this.#kept = new UsesSoFar();
  }

  #open(): void {
    this.#isChanged = true;
    this.#openedAt ??= this.#o.now();
    this.#count += 1;
  }
}
