// The two digests of a row order: one that every party compares, one that a host can recompute from its own ids.
import { createHash, type Hash } from "node:crypto";
import type { EntityId, JobId, PartyId } from "../../core/brand.ts";
import { inSlices } from "../../core/slices.ts";

const piece = 65_536;

/** What all parties must agree on before any arithmetic. */
export type Agreed = { readonly rows: number; readonly trainRows: number; readonly commitment: Uint8Array };

/** SHA-256 over salt, counts and the ids in row order. The salt (32 secret bytes of the guest) keeps a party that sees the
 *  commitment from trying lists of public ids; the guest shows it in an audit. */
export async function orderCommitment(job: JobId, salt: Uint8Array, trainRows: number, idsInOrder: readonly EntityId[]): Promise<Uint8Array> {
  const hash = createHash("sha256").update(header("order", [job], idsInOrder.length, trainRows)).update(salt);
  const lines = new Lines(hash);
  await inSlices(idsInOrder.length, (from, to) => {
    for (let i = from; i < to; i++) lines.add(`${JSON.stringify(idsInOrder[i])}\n`);
  });
  return finish(lines.end());
}

/** SHA-256 over (row, id) of the rows that a host holds. Unsalted: only somebody with exactly these ids could tell, and
 *  the one who receives it has them. */
export class MatchedDigest {
  readonly #lines: Lines;

  constructor(job: JobId, host: PartyId, rows: number, trainRows: number) {
    this.#lines = new Lines(createHash("sha256").update(header("matched", [job, host], rows, trainRows)));
  }
  /** Rows in ascending order. */
  add(row: number, id: EntityId): void {
    this.#lines.add(`${row} ${JSON.stringify(id)}\n`);
  }
  digest(): Uint8Array {
    return finish(this.#lines.end());
  }
}

/** Lines into a hash, many at a time: a call for each of a million would cost more than the hash. */
class Lines {
  readonly #hash: Hash;
  #text = "";

  constructor(hash: Hash) {
    this.#hash = hash;
  }
  add(line: string): void {
    this.#text += line;
    if (this.#text.length >= piece) this.#flush();
  }
  end(): Hash {
    this.#flush();
    return this.#hash;
  }
  #flush(): void {
    this.#hash.update(this.#text);
    this.#text = "";
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// Lines of JSON cannot run into each other, so two different inputs never give one text.
function header(kind: string, names: readonly string[], rows: number, trainRows: number): string {
  return `${JSON.stringify(["yunei/rows/v1", kind, ...names, rows, trainRows])}\n`;
}

function finish(hash: Hash): Uint8Array {
  return new Uint8Array(hash.digest());
}
