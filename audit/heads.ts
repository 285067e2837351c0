// What domains have seen of each other's logs: the signed heads that they exchanged stand as entries in the log of the one that took them. An
// export that does not go on from such a head was cut off or written anew, whoever holds its key.
import type { Entry } from "./entry.ts";
import type { SignedHead } from "./head.ts";

/** `by` has a head of `domain` at that size which the export of `domain` does not have. */
export type HeadMismatch = { readonly domain: string; readonly by: string; readonly size: number };
type Claim = { readonly by: string; readonly size: number; readonly digest: string; readonly at: string };
/** Per domain; when there are more, every second one is left out. */
const maxClaims = 20_000;
const maxFound = 1000;

export class HeadClaims {
  readonly #claims = new Map<string, Claim[]>();
  readonly #bySize = new Map<string, Map<number, Claim[]>>();
  readonly found: HeadMismatch[] = [];

  /** First, every entry of every log. */
  take(by: string, { action, objects, facts, at }: Entry): void {
    const { party: domain, after: digest } = objects ?? {};
    const size = facts?.["size"];
    if (action !== "head.taken" || domain === undefined || digest === undefined || typeof size !== "number") return;
    const known = this.#claims.get(domain) ?? [];
    known.push({ by, size, digest, at });
    this.#claims.set(domain, known.length > maxClaims ? known.filter((_, i) => i % 2 === 1) : known);
  }

  /** Whether anybody has a head of that domain. */
  isKnown(domain: string): boolean {
    return this.#claims.has(domain);
  }

  /** Then, every entry of a domain's own log: the digest of what is below an entry is its `previous`. */
  compare(domain: string, { seq, previous }: Entry): void {
    for (const { by, size, digest } of this.#sizesOf(domain).get(seq) ?? []) if (digest !== previous) this.#add({ domain, by, size });
  }

  /** At the end of an export: what others had seen before it was signed must be below its head, or behind the part that was asked for. */
  end(domain: string, { head, to }: { readonly head: SignedHead | undefined; readonly to?: string | undefined }): void {
    if (head === undefined) return;
    for (const { by, size, digest, at } of this.#claims.get(domain) ?? []) {
      const isGone = size > head.size && at <= head.at && (to === undefined || at < to);
      if (isGone || (size === head.size && digest !== head.digest)) this.#add({ domain, by, size });
    }
  }

  #sizesOf(domain: string): Map<number, Claim[]> {
    let sizes = this.#bySize.get(domain);
    if (sizes === undefined) {
      sizes = Map.groupBy(this.#claims.get(domain) ?? [], ({ size }) => size);
      this.#bySize.set(domain, sizes);
    }
    return sizes;
  }

  #add(found: HeadMismatch): void {
    if (this.found.length < maxFound) this.found.push(found);
  }
}
