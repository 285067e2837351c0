// Checked public names.
import { z } from "zod";
import type { JobId, PartyId } from "./brand.ts";

export const partyIdSchema = z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/).transform((s) => s as PartyId);
export const jobIdSchema = z.string().regex(/^job_[0-9a-z]{16,32}$/).transform((s) => s as JobId);

export function partyId(name: string): PartyId {
  return partyIdSchema.parse(name);
}
