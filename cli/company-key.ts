// A company's own key (Ed25519) and consents under it: the key never leaves this machine, so that nobody else can make a consent in its name that it
// could not disown. One file (0600) with the key and the registrar's statement that it is the company's.
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { consentEndpoints as c, type GrantRequest } from "../api/contract/consents.ts";
import { isoSeconds, newConsentId } from "../consent/book.ts";
import { rawKey } from "../consent/keys.ts";
import { realNameSchema, signConsent, usccSchema } from "../consent/statement.ts";
import type { Env } from "../core/env.ts";
import { writeDurably } from "../core/files.ts";
import type { ApiClient } from "./api-client.ts";
import { explained } from "./arguments.ts";

const ownKeySchema = z.strictObject({ version: z.literal(1), subject: usccSchema, kid: z.string(), key: z.string(), statement: z.string().max(4096), notAfter: z.iso.datetime() });
export type OwnKey = z.output<typeof ownKeySchema>;
/** What the registrar's statement says of the real name; the statement itself is verified by who relies on it. */
const statementSchema = z.looseObject({ realName: realNameSchema });

/** Makes a key, registers it in the session and writes it. Throws as POST /v1/subject/key does. */
export async function registerOwnKey(api: ApiClient, session: { readonly session: string; readonly subject: string }, path: string): Promise<OwnKey> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const key = rawKey(publicKey);
  const proof = sign(null, Buffer.from(`yunei/subject-key/v1\n${session.session}\n${key}`), privateKey).toString("base64url");
  const { kid, statement, notAfter } = await api.call(c.registerKey, { body: { key, proof } });
  const own: OwnKey = { version: 1, subject: session.subject, kid, key: privateKey.export({ format: "pem", type: "pkcs8" }), statement, notAfter };
  writeDurably(path, `${JSON.stringify(own, undefined, 2)}\n`);
  return own;
}

/** Throws CLI_ARGUMENT for a file that is none. */
export function readOwnKey(path: string): OwnKey {
  try {
    return ownKeySchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    throw explained("CLI_ARGUMENT", `not a company's own key: ${path}`);
  }
}

/** A consent of the company under its own key (JWS). Throws as `signConsent` does. */
export function signOwn(own: OwnKey, request: GrantRequest, env: Pick<Env, "rng" | "now">): string {
  const { realName } = statementSchema.parse(JSON.parse(Buffer.from(own.statement.split(".")[1] ?? "", "base64url").toString("utf8")));
  const issuedAt = isoSeconds(Math.floor(env.now() / 1000));
  const key: KeyObject = createPrivateKey(own.key);
  return signConsent({
    ...request, version: 1, id: newConsentId(env.rng), subject: own.subject, issuedAt, notBefore: request.notBefore ?? issuedAt, evidence: { kind: "online", realName },
    issuer: { kind: "subject", statement: own.statement },
  }, key);
}
