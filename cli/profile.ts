// How the command line reaches a platform as an institution: one file (0600) with address, API key, CA and the sealing key.
import { readFileSync } from "node:fs";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { writeDurably } from "../enclave/store/files.ts";
import { ApiClient } from "./api-client.ts";
import { keyFromJwk, type InstitutionKey } from "./institution-key.ts";

const jwk = z.strictObject({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: z.string(), d: z.string() });
const profileSchema = z.strictObject({ url: z.url(), apiKey: z.string(), ca: z.string(), guest: z.string(), sealKey: jwk });
export type Profile = z.output<typeof profileSchema>;

export const defaultProfile = "yunei-bank.json";

export function writeProfile(path: string, profile: Profile): void {
  writeDurably(path, `${JSON.stringify(profile, undefined, 2)}\n`);
}

export function openProfile(path: string): { api: ApiClient; key: InstitutionKey; guest: string } {
  let profile: Profile;
  try {
    profile = profileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new AppError("CLI_PROFILE", {}, { cause });
  }
  return { api: new ApiClient(profile), key: keyFromJwk(profile.sealKey), guest: profile.guest };
}
