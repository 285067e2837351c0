// How many companies two sets do not share, from 16 KiB of each: a linear sketch of second moments (Alon, Matias, Szegedy 1996, in the bucketed form
// of Charikar, Chen, Farach-Colton 2002 and Thorup, Zhang 2004). Each company adds +1 or -1 to one of 4,096 counters; the squares of the counters'
// differences sum to the number of companies in one set only, within 2.2 % (one standard deviation) whatever the sets' size.
import { createHash } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import { isKeyedHash, type KeyedHash } from "../hashes.ts";

const counters = 4096;
/** Standard deviation of an estimate, relative to it. */
export const sketchDeviation = Math.sqrt(2 / counters);

export type SetSketch = { readonly digest: string; readonly size: number; readonly counts: Int32Array };

/** Of keyed hashes in strictly rising order. They are uniform to whoever lacks the key, so places and signs are taken from their bits. Throws BUDGET_COMPANY_SET. */
export function sketchOf(companies: Iterable<KeyedHash>): SetSketch {
  const counts = new Int32Array(counters);
  const digest = createHash("sha256");
  let last = "";
  let size = 0;
  for (const company of companies) {
    if (!isKeyedHash(company) || company <= last) throw new AppError("BUDGET_COMPANY_SET");
    const word = Number.parseInt(company.slice(24), 16);
    const at = word & (counters - 1);
    counts[at] = (counts[at] ?? 0) + ((word & counters) === 0 ? 1 : -1);
    digest.update(company);
    last = company;
    size++;
  }
  if (size === 0) throw new AppError("BUDGET_COMPANY_SET");
  return { digest: digest.digest("hex"), size, counts };
}

/** Estimated number of companies that are in one of both only, and at least the difference of the sizes. */
export function differenceOf(a: Pick<SetSketch, "counts" | "size">, b: Pick<SetSketch, "counts" | "size">): number {
  let sum = 0;
  for (let i = 0; i < counters; i++) {
    const d = (a.counts[i] ?? 0) - (b.counts[i] ?? 0);
    sum += d * d;
  }
  return Math.max(sum, Math.abs(a.size - b.size));
}

export function sketchText(sketch: SetSketch): string {
  return Buffer.from(sketch.counts.buffer, sketch.counts.byteOffset, sketch.counts.byteLength).toString("base64");
}

/** Throws BUDGET_STATE. */
export function countsOf(text: string): Int32Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== counters * 4) throw new AppError("BUDGET_STATE");
  return Int32Array.from({ length: counters }, (_, i) => bytes.readInt32LE(4 * i));
}
