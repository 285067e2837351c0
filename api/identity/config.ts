// Which identity provider a platform believes when a company logs in by its real name (实名注册). The file `identity-provider.json` in the data
// folder is read at every login; without it nobody can log in.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { assurances } from "../contract/subject.ts";

const claim = z.string().min(1).max(64);
/** Signature algorithms with public keys; HMAC and `none` are not to be named. */
export const allowedAlgorithms = ["EdDSA", "ES256", "ES384", "PS256", "RS256"] as const;

export const identityProviderSchema = z.strictObject({
  version: z.literal(1),
  /** Stands in consents as the provider of the real name. */
  name: partyIdSchema,
  issuer: z.url().max(512),
  clientId: z.string().min(1).max(256),
  /** File with the client's secret, for confidential clients; relative to the data folder. */
  clientSecretFile: z.string().optional(),
  /** PEM of the CA of the issuer's TLS certificate, when it is none of the system's; relative to the data folder. */
  caFile: z.string().optional(),
  scope: z.string().regex(/^openid( [\x21-\x7e]+)*$/).max(512).default("openid"),
  claims: z.strictObject({
    /** The company's unified social credit code. */
    subject: claim.default("uscc"),
    /** What entitles the person to act for it. */
    authority: claim.default("authority"),
  }).prefault({}),
  authorities: z.array(z.string().min(1).max(64)).min(1).default(["legal-representative", "authorised-agent"]),
  /** Values of `acr` and how much they are worth; one that is not named is worth "low". */
  assurance: z.record(z.string().max(128), z.enum(assurances)).default({}),
  minimumAssurance: z.enum(assurances).default("substantial"),
  algorithms: z.array(z.enum(allowedAlgorithms)).min(1).default([...allowedAlgorithms]),
  /** Addresses to return to, besides this machine's own. */
  redirectUris: z.array(z.url().max(512)).max(20).default([]),
  /** A test issuer on this machine: plain HTTP is allowed to 127.0.0.1, and only then. */
  test: z.boolean().default(false),
});
export type IdentityProvider = z.output<typeof identityProviderSchema> & { readonly secret: string | undefined; readonly ca: string | undefined };

/** Whether an address may be fetched: https, or plain HTTP on this machine for a test issuer. */
export function mayFetch(address: string, isTest: boolean): boolean {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || (isTest && url.protocol === "http:" && ["127.0.0.1", "[::1]"].includes(url.hostname));
}

/** Throws IDENTITY_OFF without a file, IDENTITY_CONFIG for one that does not fit. */
export function readIdentityProvider(data: string): IdentityProvider {
  const file = join(data, "identity-provider.json");
  if (!existsSync(file)) throw new AppError("IDENTITY_OFF");
  try {
    const provider = identityProviderSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    if (!mayFetch(provider.issuer, provider.test)) throw new AppError("IDENTITY_CONFIG");
    const text = (name: string | undefined): string | undefined => (name === undefined ? undefined : readFileSync(join(data, name), "utf8"));
    return { ...provider, secret: text(provider.clientSecretFile)?.trim(), ca: text(provider.caFile) };
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("IDENTITY_CONFIG", {}, { cause });
  }
}

/** RFC 8252, 7.3: a program on the person's own machine listens on a free port of the loopback address. */
export function mayReturnTo(redirectUri: string, provider: Pick<IdentityProvider, "redirectUris">): boolean {
  return /^http:\/\/127\.0\.0\.1:[1-9][0-9]{0,4}\/callback$/.test(redirectUri) || provider.redirectUris.includes(redirectUri);
}
