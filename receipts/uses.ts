// What a receipt says about single companies: nothing but the root of a tree of salted commitments. A company is given the
// salt, its own fields and the path of its commitment, and so proves one use without showing that of anybody else.
import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../core/canonical.ts";
import type { Rng } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { isUscc } from "../core/uscc.ts";
import { leafHash, nodeHash, verifyInclusion } from "./merkle.ts";
import { fromBase64, toBase64 } from "./note.ts";
import { SmallTree } from "./small-tree.ts";

export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_.:-]{0,96}$/);
const saltBytes = 32;
const hashBytes = 32;

/** One use of one company's data. consent: null where the item needs none. output: a salted digest of what was given out
 *  (`commitOutput`), null where nothing about the company was. revocations: digest of the signed list that was relied on. at: when
 *  both were found to hold, UTC; the receipt may be made much later, at the end of a long job or after one that was stopped. */
export const useSchema = z.strictObject({
  subject: z.string().refine(isUscc),
  grantee: name,
  items: z.array(name).min(1).max(256),
  consent: z.strictObject({ id: name, digest: digestSchema }).nullable(),
  revocations: digestSchema.nullable(),
  output: digestSchema.nullable(),
  at: z.iso.datetime({ precision: 3 }),
}).refine((use) => (use.consent === null) === (use.revocations === null));
export type Use = z.output<typeof useSchema>;

export const revealSchema = z.strictObject({
  use: useSchema,
  salt: z.string().max(64),
  index: z.int().min(0),
  path: z.array(z.string().max(64)).max(32),
});
/** What a company is given: its use, the salt, and the path to the receipt's root. */
export type Reveal = z.output<typeof revealSchema>;
/** What a receipt carries: how many uses, and the root over them (lower-case hex). */
export type UsesDigest = { readonly count: number; readonly root: string };

/** SHA-256 over a label, the salt and the canonical fields: hides them as long as the salt is secret, and binds to them. */
function commitment(use: Use, salt: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update("yunei/use/v1\n").update(salt).update(canonicalJson(use)).digest());
}

/** A salted digest of a low-entropy value, a score for instance; the salt stays with those who know the value. */
export function commitOutput(value: string, salt: Uint8Array): string {
  return createHash("sha256").update("yunei/output/v1\n").update(salt).update(value).digest("hex");
}

export class UseCommitments {
  readonly digest: UsesDigest;
  readonly #uses: readonly Use[];
  readonly #salts: readonly Uint8Array[];
  /** Position in the tree of use i: commitments are sorted, so a position says nothing about the order of the rows. */
  readonly #positions: readonly number[];
  readonly #tree: SmallTree;

  /** salts: 32 bytes for each use, fresh; the enclave keeps them to open a use later. Throws RECEIPT_USE. */
  constructor(uses: readonly Use[], salts: readonly Uint8Array[]) {
    const isFit = salts.length === uses.length && salts.every((s) => s.length === saltBytes) && uses.every((use) => useSchema.safeParse(use).success);
    if (!isFit) throw new AppError("RECEIPT_USE");
    const made = uses.map((use, i) => ({ i, bytes: Buffer.from(commitment(use, salts[i] as Uint8Array)) })).sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    const positions: number[] = [];
    made.forEach(({ i }, at) => void (positions[i] = at));
    this.#uses = uses;
    this.#salts = salts;
    this.#positions = positions;
    this.#tree = new SmallTree(made.map(({ bytes }) => leafHash(bytes)));
    this.digest = { count: uses.length, root: Buffer.from(this.#tree.root()).toString("hex") };
  }

  /** Fresh salts. */
  static draw(count: number, rng: Rng): Uint8Array[] {
    return Array.from({ length: count }, () => rng(saltBytes));
  }

  /** The opening of use i, for its company alone. Throws RECEIPT_USE for another i. */
  reveal(i: number): Reveal {
    const use = this.#uses[i];
    const index = this.#positions[i];
    if (use === undefined || index === undefined) throw new AppError("RECEIPT_USE");
    return { use, salt: toBase64(this.#salts[i] as Uint8Array), index, path: this.#tree.path(index).map(toBase64) };
  }
}

/** The same digest for uses that come one after the other and are not kept: 32 bytes of each are. They are taken as they are, from where they were checked. */
export class UsesSoFar {
  #packed = Buffer.alloc(32 * hashBytes);
  #count = 0;

  add(use: Use, salt: Uint8Array): void {
    if ((this.#count + 1) * hashBytes > this.#packed.length) this.#packed = Buffer.concat([this.#packed, Buffer.alloc(this.#packed.length)]);
    this.#packed.set(commitment(use, salt), this.#count * hashBytes);
    this.#count += 1;
  }

  digest(): UsesDigest {
    const [packed, count] = [this.#packed, this.#count];
    if (count === 0) return new UseCommitments([], []).digest;
    const heads = Uint32Array.from({ length: count }, (_, i) => packed.readUInt32BE(i * hashBytes));
    const order = Uint32Array.from({ length: count }, (_, i) => i)
      .sort((a, b) => (heads[a] as number) - (heads[b] as number) || packed.compare(packed, b * hashBytes, (b + 1) * hashBytes, a * hashBytes, (a + 1) * hashBytes));
    const level = Buffer.alloc(count * hashBytes);
    const at = (i: number): Buffer => level.subarray(i * hashBytes, (i + 1) * hashBytes);
    for (const [i, from] of order.entries()) level.set(leafHash(packed.subarray(from * hashBytes, (from + 1) * hashBytes)), i * hashBytes);
    // Level by level; a last node without a neighbour goes up as it is (RFC 9162, 2.1.1).
    for (let nodes = count; nodes > 1; nodes = Math.ceil(nodes / 2)) {
      for (let i = 0; 2 * i < nodes; i++) at(i).set(2 * i + 1 < nodes ? nodeHash(at(2 * i), at(2 * i + 1)) : at(2 * i));
    }
    return { count, root: at(0).toString("hex") };
  }
}

/** Whether the opened use is one of those that a receipt commits to. Throws RECEIPT_REVEAL. */
export function checkReveal(uses: UsesDigest, reveal: Reveal): Use {
  const { use, index } = reveal;
  const salt = fromBase64(reveal.salt);
  const root = new Uint8Array(Buffer.from(uses.root, "hex"));
  const leaf = leafHash(commitment(use, salt));
  const fits = salt.length === saltBytes && verifyInclusion({ index, size: uses.count, leaf, path: reveal.path.map(fromBase64), root });
  if (!fits) throw new AppError("RECEIPT_REVEAL");
  return use;
}
