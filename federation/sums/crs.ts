// Seeds of the public polynomials: one per use and querier, all from the joint seed of the job, never from one party.
import { createHash } from "node:crypto";

/** 32 bytes for the CRS of one use ("binning", "moments", "cross|<querier>") of a job. */
export function crsSeed(jointSeed: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update("yunei/crs/v1\0").update(jointSeed).update(use).digest());
}
