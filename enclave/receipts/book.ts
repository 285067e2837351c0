// The receipts of this enclave: its chain, which of them the platform's log has acknowledged, and what they commit to. One chain for
// each identity key: an enclave that was enrolled anew begins another.
import { createPublicKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { JobId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { openCheckpoint } from "../../receipts/checkpoint.ts";
import { leafHash, verifyInclusion } from "../../receipts/merkle.ts";
import { fromBase64, type NoteKey } from "../../receipts/note.ts";
import { following, readReceipt, receiptDigest, signReceipt, type ReceiptStatement } from "../../receipts/receipt.ts";
import { JobUses } from "../job/uses.ts";
import type { SecretBox } from "../keys/box.ts";
import { fingerprint } from "../keys/identity.ts";
import type { Row, StateDatabase } from "../store/database.ts";

const placeSchema = z.strictObject({ index: z.int().min(0), path: z.array(z.string().max(64)).max(64), checkpoint: z.string().max(65_536) });
/** Where a receipt stands in the log, as the log has proved it: index, inclusion path (base64) and signed checkpoint. */
export type Place = z.output<typeof placeSchema>;
export type KeptReceipt = {
  readonly sequence: number; readonly job: JobId; readonly jws: string; readonly place: Place | undefined;
  /** Of the identity key when it was made: a later one would not be valid at its time. */
  readonly certificate: string | undefined;
  /** Why the log did not take it, when it was refused last. */
  readonly refused: string | undefined;
};

export class ReceiptBook {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #rng: Rng;
  readonly #key: KeyObject;
  readonly #issuer: string;
  readonly #certificate: string | undefined;
  readonly #onUses: ((job: JobId, companies: readonly string[]) => void) | undefined;
  #listeners: (() => void)[] = [];

  /** key: the private identity key; certificate: its present one (PEM), for who makes receipts. */
  constructor(options: { db: StateDatabase; box: SecretBox; rng: Rng; key: KeyObject; certificate?: string; onUses?: (job: JobId, companies: readonly string[]) => void }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#rng = options.rng;
    this.#key = options.key;
    this.#certificate = options.certificate;
    this.#onUses = options.onUses;
    this.#issuer = fingerprint(createPublicKey(options.key));
  }

  /** What a job uses of single companies. */
  uses(job: JobId): JobUses {
    return new JobUses({ db: this.#db, box: this.#box, rng: this.#rng, job, onUses: this.#onUses });
  }

  /** The receipt of a job: signed, chained and kept in one step, so that it is durable on return; the first one again after a restart. */
  issue(job: JobId, make: () => Omit<ReceiptStatement, "sequence" | "previous">): string {
    const jws = this.#db.transaction(() => {
      const known = this.#db.get("select jws from receipts where job = ?", job)?.["jws"];
      if (typeof known === "string") return known;
      const last = this.#db.get("select sequence, jws from receipts where issuer = ? order by sequence desc limit 1", this.#issuer);
      const head = last === undefined ? undefined : { sequence: Number(last["sequence"]), digest: receiptDigest(String(last["jws"])) };
      const chain = following(head);
      const made = signReceipt({ ...make(), ...chain }, this.#key);
      this.#db.run("insert into receipts (issuer, sequence, job, jws, certificate) values (?, ?, ?, ?, ?)", this.#issuer, chain.sequence, job, made, this.#certificate ?? null);
      return made;
    });
    for (const listener of this.#listeners.splice(0)) listener();
    return jws;
  }

  of(job: JobId): KeptReceipt | undefined {
    const row = this.#db.get("select sequence, job, jws, certificate, place, refused from receipts where job = ?", job);
    return row === undefined ? undefined : kept(row);
  }

  /** The receipt before another of the same key. */
  before(receipt: KeptReceipt): KeptReceipt | undefined {
    const row = this.#db.get(`select b.sequence, b.job, b.jws, b.certificate, b.place, b.refused from receipts a join receipts b on b.issuer = a.issuer and b.sequence = a.sequence - 1
      where a.job = ?`, receipt.job);
    return row === undefined ? undefined : kept(row);
  }

  /** The first one that the log has not acknowledged: they go there in their order. */
  pending(): KeptReceipt | undefined {
    const row = this.#db.get("select sequence, job, jws, certificate, place, refused from receipts where issuer = ? and place is null order by sequence limit 1", this.#issuer);
    return row === undefined ? undefined : kept(row);
  }

  list(): KeptReceipt[] {
    return this.#db.all("select sequence, job, jws, certificate, place, refused from receipts order by issuer = ? desc, sequence desc", this.#issuer).map(kept);
  }

  /** Keeps where a receipt stands once the log has proved it. Throws CHECKPOINT_SIGNATURE, CHECKPOINT_FORMAT or RECEIPT_INCLUSION: not proved. */
  acknowledge(receipt: KeptReceipt, place: Place, log: NoteKey): void {
    checkPlace(receipt.jws, place, log);
    this.#db.run("update receipts set place = ?, refused = null where job = ?", JSON.stringify(placeSchema.parse(place)), receipt.job);
  }

  refuse(receipt: KeptReceipt, code: string): void {
    this.#db.run("update receipts set refused = ? where job = ?", code, receipt.job);
  }

  /** Resolves at the next receipt, when the time is over or when the signal aborts. */
  async issued(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    const abort = (): void => resolve();
    signal.addEventListener("abort", abort, { once: true });
    this.#listeners.push(abort);
    if (signal.aborted) resolve();
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    this.#listeners = this.#listeners.filter((listener) => listener !== abort);
  }
}

/** Throws unless the place is proved under the key of the log: CHECKPOINT_SIGNATURE, CHECKPOINT_FORMAT, RECEIPT_INCLUSION. */
export function checkPlace(jws: string, { index, path, checkpoint }: Place, log: NoteKey): void {
  const { size, root } = openCheckpoint(checkpoint, log);
  const isIncluded = verifyInclusion({ index, size, leaf: leafHash(Buffer.from(jws)), path: path.map(fromBase64), root });
  if (!isIncluded) throw new AppError("RECEIPT_INCLUSION", { index });
}

function kept(row: Row): KeptReceipt {
  const jws = String(row["jws"]);
  return {
    sequence: Number(row["sequence"]), job: String(row["job"]) as JobId, jws, refused: typeof row["refused"] === "string" ? row["refused"] : undefined,
    certificate: typeof row["certificate"] === "string" ? row["certificate"] : undefined,
    place: typeof row["place"] === "string" ? placeSchema.parse(JSON.parse(row["place"])) : undefined,
  };
}

/** The statement of a kept receipt, or undefined when this program does not know its version. */
export function statementOf({ jws }: KeptReceipt): ReceiptStatement | undefined {
  try {
    return readReceipt(jws);
  } catch (error) {
    if (isAppError(error)) return undefined;
    throw error;
  }
}
