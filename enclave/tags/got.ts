// The tags that this enclave keeps as a guest: of each host the last list that it got, so that the next job need not fetch it again.
import { existsSync, readdirSync, rmSync } from "node:fs";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { removeTree, writePiecesDurably } from "../../core/files.ts";
import { tagsDigest, type GuestShelf } from "../../federation/psi/reusable-tags.ts";
import type { StateDatabase } from "../store/database.ts";
import { hasLength, move, piecesOf } from "./files.ts";

export class GotTags {
  readonly #db: StateDatabase;
  readonly #folder: string;

  constructor(options: { db: StateDatabase; folder: string }) {
    this.#db = options.db;
    this.#folder = options.folder;
  }

  /** Digest (hex) of the list of that host that is here, if there is one. */
  digest(host: PartyId): string | undefined {
    const row = this.#db.get("select digest, bytes from tags_got where host = ?", host);
    const digest = row === undefined ? undefined : String(row["digest"]);
    return digest !== undefined && hasLength(this.#path(host, digest), Number(row?.["bytes"])) ? digest : undefined;
  }

  /** have: what `digest` said when the job began. `tags` throws ENCLAVE_TAGS, at the latest after the last chunk, when the list is not the
   *  one that was kept; it is then forgotten, and the next job fetches it again. */
  shelf(host: PartyId, job: JobId, have: string | null): GuestShelf {
    return {
      have: have === null ? undefined : new Uint8Array(Buffer.from(have, "hex")),
      tags: (digest) => this.#read(host, Buffer.from(digest).toString("hex")),
      keep: (digest, chunks) => this.#keep(host, job, Buffer.from(digest).toString("hex"), chunks),
    };
  }

  /** Removes what a killed process left behind. No job may be running. */
  sweep(): void {
    if (!existsSync(this.#folder)) return;
    for (const host of readdirSync(this.#folder)) this.#removeOthers(host as PartyId, /^/);
  }

  *#read(host: PartyId, digest: string): Generator<Uint8Array> {
    const hash = tagsDigest();
    try {
      for (const piece of piecesOf(this.#path(host, digest))) {
        hash.update(piece);
        yield piece;
      }
      if (Buffer.from(hash.digest()).toString("hex") !== digest) throw new AppError("ENCLAVE_TAGS");
    } catch (error) {
      this.#db.run("delete from tags_got where host = ? and digest = ?", host, digest);
      rmSync(this.#path(host, digest), { force: true });
      throw error;
    }
  }

  async #keep(host: PartyId, job: JobId, digest: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#path(host, digest);
    let bytes = 0;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    // A name of its own while it is written: two jobs may get the same list at once.
    await writePiecesDurably(`${path}.${job}`, counted());
    move(`${path}.${job}`, path);
    this.#db.run("insert into tags_got values (?, ?, ?) on conflict (host) do update set digest = excluded.digest, bytes = excluded.bytes", host, digest, bytes);
    this.#removeOthers(host, /\.tags$/);
  }

  /** Files of a host, of those with such names, other than its list. */
  #removeOthers(host: PartyId, names: RegExp): void {
    const digest = this.#db.get("select digest from tags_got where host = ?", host)?.["digest"];
    for (const file of readdirSync(`${this.#folder}/${host}`)) {
      if (names.test(file) && file !== `${String(digest)}.tags`) removeTree(`${this.#folder}/${host}/${file}`);
    }
  }

  #path(host: PartyId, digest: string): string {
    return `${this.#folder}/${host}/${digest}.tags`;
  }
}
