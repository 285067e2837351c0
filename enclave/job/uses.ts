// The uses of single companies' data in one job: what this enclave's receipt commits to. Each is kept with its salt, sealed, before the
// receipt is made, so that the enclave can open it for its company later; a replay after a restart adds nothing.
import { createHash } from "node:crypto";
import type { JobId } from "../../core/brand.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { fromBase64, toBase64 } from "../../receipts/note.ts";
import { UseCommitments, UsesSoFar, useSchema, type Use, type UsesDigest } from "../../receipts/uses.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";

type Kept = readonly { readonly use: Use; readonly salt: string }[];

export class JobUses {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #rng: Rng;
  readonly #job: JobId;
  readonly #onUses: ((job: JobId, companies: readonly string[]) => void) | undefined;
  #known: Set<string> | undefined;

  /** onUses: hears of the companies of new uses before these are kept. */
  constructor(options: { db: StateDatabase; box: SecretBox; rng: Rng; job: JobId; onUses?: ((job: JobId, companies: readonly string[]) => void) | undefined }) {
    this.#onUses = options.onUses;
    this.#db = options.db;
    this.#box = options.box;
    this.#rng = options.rng;
    this.#job = options.job;
  }

  /** Adds uses, durable on return. A use is the same when company, grantee, items and consent are: of the same the first stays, so that a role
   *  may say everything again after a restart (with a freshly salted output, or under a newer list of withdrawals). texts: the consents and lists
   *  that the uses name by digest; they are kept for whoever opens a use. Throws RECEIPT_USE, also once the job's receipt is made. */
  record(uses: readonly Use[], texts: readonly string[] = []): void {
    if (!uses.every((use) => useSchema.safeParse(use).success)) throw new AppError("RECEIPT_USE");
    this.#known ??= new Set(this.#parts().map(({ use }) => keyOf(use)));
    const fresh = new Map(uses.map((use) => [keyOf(use), use] as const).toReversed().filter(([key]) => !this.#known?.has(key)));
    if (fresh.size > 0 && this.#db.get("select 1 from receipts where job = ?", this.#job) !== undefined) throw new AppError("RECEIPT_USE");
    this.#onUses?.(this.#job, [...new Set([...fresh.values()].map(({ subject }) => subject))]);
    const part: Kept = [...fresh.values()].toReversed().map((use) => ({ use, salt: toBase64(this.#rng(32)) }));
    this.#db.transaction(() => {
      for (const text of texts) this.#keepText(text);
      if (part.length > 0) {
        const sealed = this.#box.seal(Buffer.from(JSON.stringify(part)));
        this.#db.run("insert into receipt_uses select ?, coalesce(max(part) + 1, 0), ? from receipt_uses where job = ?", this.#job, sealed, this.#job);
      }
    });
    for (const key of fresh.keys()) this.#known.add(key);
  }

  /** All that was recorded, as the receipt commits to it: the same after every restart. */
  commitments(): UseCommitments {
    const kept = [...this.#parts()];
    return new UseCommitments(kept.map(({ use }) => use), kept.map(({ salt }) => fromBase64(salt)));
  }

  /** What the receipt says of them, without all of them in memory. */
  digest(): UsesDigest {
    return this.soFar().digest();
  }

  /** To be gone on with by who keeps the uses to come. */
  soFar(): UsesSoFar {
    const all = new UsesSoFar();
    for (const { use, salt } of this.#parts()) all.add(use, fromBase64(salt));
    return all;
  }

  /** Positions in `commitments` of the uses of one company. */
  of(subject: string): number[] {
    return [...this.#parts()].flatMap(({ use }, i) => (use.subject === subject ? [i] : []));
  }

  /** A consent or list of withdrawals that a use named, or undefined. */
  text(digest: string): string | undefined {
    const sealed = this.#db.get("select sealed from receipt_texts where digest = ?", digest)?.["sealed"];
    return sealed instanceof Uint8Array ? Buffer.from(this.#box.open(sealed)).toString("utf8") : undefined;
  }

  #keepText(text: string): void {
    const digest = sha256Hex(text);
    if (this.#db.get("select 1 from receipt_texts where digest = ?", digest) !== undefined) return;
    this.#db.run("insert into receipt_texts values (?, ?)", digest, this.#box.seal(Buffer.from(text)));
  }

  *#parts(): Generator<Kept[number], undefined, undefined> {
    // Authentic: sealed by this enclave, which had checked it.
    for (const { sealed } of this.#db.each("select sealed from receipt_uses where job = ? order by part", this.#job)) {
      yield* JSON.parse(Buffer.from(this.#box.open(sealed as Uint8Array)).toString("utf8")) as Kept;
    }
    return undefined;
  }
}

/** 16 bytes: a job may use a million companies. */
function keyOf({ subject, grantee, items, consent }: Use): string {
  return createHash("sha256").update(canonicalJson({ subject, grantee, items, consent })).digest("latin1").slice(0, 16);
}
