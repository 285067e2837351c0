// How the command line reaches a platform as an institution: one file (0600) with address, API key, CA and the sealing key.
// The institution makes the key pair; the platform's operator is given the public half and returns an admission.
import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { writeDurably } from "../core/files.ts";
import { ApiClient } from "./api-client.ts";
import { explained, readJson } from "./arguments.ts";
import { createInstitutionKey, keyFromJwk, type InstitutionKey } from "./institution-key.ts";

const jwk = z.strictObject({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: z.string(), d: z.string() });
const admissionSchema = z.strictObject({
  institution: z.string().max(64), guest: partyIdSchema, url: z.url(), apiKey: z.string().max(256), ca: z.string().max(8192),
});
/** What the platform's operator hands to an institution. The API key in it is a secret. */
export type Admission = z.output<typeof admissionSchema>;
const profileSchema = z.strictObject({ version: z.literal(1), sealKey: jwk, admission: admissionSchema.optional() });
export type Profile = z.output<typeof profileSchema>;

export const defaultProfile = "yunei-bank.json";

/** Makes a profile with a fresh sealing key and returns the public half. Throws CLI_EXISTS: a key is never overwritten. */
export function createProfile(path: string, admission?: Admission): InstitutionKey["publicJwk"] {
  refuseExisting(path);
  const { publicJwk, privateJwk } = createInstitutionKey();
  const { d = "" } = privateJwk;
  writeProfile(path, { version: 1, sealKey: { kty: "OKP", crv: "X25519", x: publicJwk.x, d }, ...(admission === undefined ? {} : { admission }) });
  return publicJwk;
}

/** Puts an admission into a profile. Throws CLI_PROFILE, CLI_FILE, CLI_JSON, or CLI_ARGUMENT for a file that is no admission. */
export function admitProfile(path: string, admissionFile: string): Admission {
  const profile = readProfile(path);
  const admission = admissionSchema.safeParse(readJson(admissionFile));
  if (!admission.success) throw explained("CLI_ARGUMENT", `not an admission: ${admissionFile}`);
  writeProfile(path, { ...profile, admission: admission.data });
  return admission.data;
}

export function refuseExisting(path: string): void {
  if (existsSync(path)) throw explained("CLI_EXISTS", `already there: ${path}`);
}

export function openProfile(path: string): { api: ApiClient; key: InstitutionKey; guest: Admission["guest"] } {
  const { admission, sealKey } = readProfile(path);
  if (admission === undefined) throw explained("CLI_PROFILE", `no admission yet: ${path}`);
  // A person's own role key in place of the institution's program key.
  const person = process.env["YUNEI_KEY"];
  return { api: new ApiClient({ ...admission, ...(person === undefined || person === "" ? {} : { apiKey: person }) }), key: keyFromJwk(sealKey), guest: admission.guest };
}

/** Where the platform is and whose certificates it shows. Throws CLI_PROFILE. */
export function profileAddress(path: string): { url: string; ca: string } {
  const { admission } = readProfile(path);
  if (admission === undefined) throw explained("CLI_PROFILE", `no admission yet: ${path}`);
  return { url: admission.url, ca: admission.ca };
}

function readProfile(path: string): Profile {
  try {
    return profileSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new AppError("CLI_PROFILE", {}, { cause });
  }
}

function writeProfile(path: string, profile: Profile): void {
  writeDurably(path, `${JSON.stringify(profile, undefined, 2)}\n`);
}
