// The public polynomials a_0 .. a_{nb-1} and a' of one use, expanded by every party from the joint seed. They are sampled in the
// transform domain (the transform of a uniform polynomial is uniform), and are never taken from the wire.
import { AppError } from "../core/errors.ts";
import { ringDegree, sumsParams } from "./params.ts";
import { indexedStreams, sampleBelow } from "./streams.ts";

/** Expands a block of the CRS: 4096 coefficients of four residues. */
export type Crs = {
  /** a_j into `out` (16,384 words, coefficient by coefficient). */
  block(j: number, out: Uint32Array): void;
  /** a' into `out`. */
  dummy(out: Uint32Array): void;
};

/** Throws KERNEL_PARAMS unless the seed has 32 bytes. */
export function requireCrsSeed(seed: Uint8Array): void {
  if (seed.length !== 32) throw new AppError("KERNEL_PARAMS", { seedBytes: seed.length });
}

/** seed: 32 bytes from a commit-then-reveal of all parties, one for each (querier, rows, use). */
export function expandCrs(seed: Uint8Array): Crs {
  requireCrsSeed(seed);
  const data = indexedStreams(seed, "crs/data");
  const dummy = indexedStreams(seed, "crs/dummy");
  const fill = (rng: ReturnType<typeof data>, out: Uint32Array): void => {
    for (const [lane, p] of sumsParams.primes.entries()) sampleBelow(p, rng, out, lane, 4, ringDegree);
  };
  return { block: (j, out) => fill(data(j), out), dummy: (out) => fill(dummy(0), out) };
}
