// The tags that this enclave keeps as a host, for each guest and version of its data: the key sealed in the database, the list and its
// order in files. Who has the key and the list can test every company, so the key is drawn once and goes with the version.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, removeTree, writeDurably } from "../../core/files.ts";
import type { DatasetSummary } from "../../federation/plan-schema.ts";
import { keyBytes } from "../../federation/psi/curve.ts";
import { tagBytes } from "../../federation/psi/messages.ts";
import { tagsDigest, type HostShelf, type KeptTags, type PublishedTags } from "../../federation/psi/reusable-tags.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";
import { hasLength, move, piecesOf } from "./files.ts";

/** A list of fewer is made in the first job that needs it: a minute and a half of CPU. */
const leastMadeAhead = 1_000_000;
const orderBytes = 4;

export type MadeOptions = { readonly db: StateDatabase; readonly box: SecretBox; readonly rng: Rng; readonly folder: string };
/** What the lists of a data set depend on: its version and its published size. */
export type Version = Pick<DatasetSummary, "snapshotDigest" | "rows">;
type Row = { readonly size: number; readonly tags: string; readonly orders: string };

export class MadeTags {
  readonly #o: MadeOptions;

  constructor(options: MadeOptions) {
    this.#o = options;
  }

  /** Whether a job of this guest can be served: its list is there, or small enough to be made on the way. */
  canServe(guest: PartyId, version: Version): boolean {
    return version.rows < leastMadeAhead || this.isMade(guest, version.snapshotDigest);
  }

  isMade(guest: PartyId, snapshot: string): boolean {
    return this.#row(guest, snapshot) !== undefined;
  }

  /** What a job of this guest finds. `published` throws ENCLAVE_TAGS_MISSING for a list that is to be made ahead and is not there, and
   *  ENCLAVE_TAGS for one that was damaged: it is then as if it had never been made. */
  shelf(guest: PartyId, version: Version): HostShelf {
    const snapshot = version.snapshotDigest;
    return {
      key: async () => this.#key(guest, snapshot),
      published: async () => {
        const row = this.#row(guest, snapshot);
        if (row !== undefined) return this.#read(guest, snapshot, row);
        if (!this.canServe(guest, version)) throw new AppError("ENCLAVE_TAGS_MISSING", { party: guest });
        return undefined;
      },
      keep: async (published) => this.#keep(guest, snapshot, published),
    };
  }

  /** Removes keys and lists of all but these versions of the data: what they belonged to is no more. */
  sweep(...snapshots: readonly string[]): void {
    const { db, folder } = this.#o;
    if (db.run(`delete from tags_made where snapshot not in (${snapshots.map(() => "?").join(", ")})`, ...snapshots) > 0) db.settle();
    if (!existsSync(folder)) return;
    for (const guest of readdirSync(folder)) {
      for (const file of readdirSync(`${folder}/${guest}`)) if (!snapshots.some((snapshot) => file.startsWith(snapshot))) removeTree(`${folder}/${guest}/${file}`);
    }
  }

  /** Of two processes that draw one, both get the first. */
  #key(guest: PartyId, snapshot: string): Uint8Array {
    const { db, box, rng } = this.#o;
    const sealed = (): unknown => db.get("select key from tags_made where guest = ? and snapshot = ?", guest, snapshot)?.["key"];
    if (sealed() === undefined) db.run("insert or ignore into tags_made (guest, snapshot, key) values (?, ?, ?)", guest, snapshot, box.seal(rng(keyBytes)));
    const key = sealed();
    if (!(key instanceof Uint8Array)) throw new AppError("ENCLAVE_STATE");
    return box.open(key);
  }

  #path(guest: PartyId, snapshot: string, kind: "tags" | "order"): string {
    return `${this.#o.folder}/${guest}/${snapshot}.${kind}`;
  }

  /** The row of a list whose files are there. */
  #row(guest: PartyId, snapshot: string): Row | undefined {
    const row = this.#o.db.get("select size, tags, orders from tags_made where guest = ? and snapshot = ? and tags is not null", guest, snapshot);
    if (row === undefined) return undefined;
    const size = Number(row["size"]);
    const isWhole = hasLength(this.#path(guest, snapshot, "tags"), size * tagBytes) && hasLength(this.#path(guest, snapshot, "order"), size * orderBytes);
    return isWhole ? { size, tags: String(row["tags"]), orders: String(row["orders"]) } : undefined;
  }

  #keep(guest: PartyId, snapshot: string, { tags, order, digest }: PublishedTags): void {
    const { db, rng } = this.#o;
    const orders = new Uint8Array(order.buffer, order.byteOffset, order.byteLength);
    // A name of their own while they are written: the operator's command and a job may make the same list at once.
    const mark = Buffer.from(rng(8)).toString("hex");
    for (const [kind, bytes] of [["order", orders], ["tags", tags]] as const) {
      const path = this.#path(guest, snapshot, kind);
      writeDurably(`${path}.${mark}`, bytes);
      move(`${path}.${mark}`, path);
    }
    db.run("update tags_made set size = ?, tags = ?, orders = ? where guest = ? and snapshot = ?", order.length, hexOf(digest), sha256(orders), guest, snapshot);
  }

  /** A damaged order would put companies beside others' records, so it is checked in every job; damaged tags when they are sent. */
  #read(guest: PartyId, snapshot: string, row: Row): KeptTags {
    const bytes = readBytes(this.#path(guest, snapshot, "order"));
    if (sha256(bytes) !== row.orders) this.#damaged(guest, snapshot);
    const path = this.#path(guest, snapshot, "tags");
    const tags = (): Iterable<Uint8Array> => {
      const hash = tagsDigest();
      for (const piece of piecesOf(path)) hash.update(piece);
      if (hexOf(hash.digest()) !== row.tags) this.#damaged(guest, snapshot);
      return piecesOf(path);
    };
    return { order: new Int32Array(bytes.buffer, bytes.byteOffset, row.size), digest: new Uint8Array(Buffer.from(row.tags, "hex")), tags };
  }

  #damaged(guest: PartyId, snapshot: string): never {
    this.#o.db.run("update tags_made set size = null, tags = null, orders = null where guest = ? and snapshot = ?", guest, snapshot);
    for (const kind of ["tags", "order"] as const) rmSync(this.#path(guest, snapshot, kind), { force: true });
    throw new AppError("ENCLAVE_TAGS");
  }
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
