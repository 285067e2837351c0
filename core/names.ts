// Checked public names.
import { z } from "zod";
import type { JobId, PartyId } from "./brand.ts";

export const partyIdSchema = z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/).transform((s) => s as PartyId);
export const jobIdSchema = z.string().regex(/^job_[0-9a-z]{16,32}$/).transform((s) => s as JobId);
/** Receipts of a service are of batches of its uses: their ids are the service's and the number of the batch, in so many characters of base 36. */
export const batchDigits = 8;

/** Extended key usage of an identity certificate, "signs for a party of joint computations" (an arc of UUID
 *  8afe2713-e8b8-4c39-ad3d-41b9417e537e): a TLS certificate of the same CA cannot stand in for it. */
export const identityOid = "2.25.184753099411719191457702532619284927358";

export function partyId(name: string): PartyId {
  return partyIdSchema.parse(name);
}
