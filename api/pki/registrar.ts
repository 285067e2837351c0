// The registrar at the platform (登记方): the key under which consents of companies registered by real name, statements for their own keys
// and lists of withdrawals are signed. Its keys lie in `registrar/` of the data folder, numbered; the private half of the last one only.
// Certificates of earlier keys stay: what they signed still counts.
import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { writeDurably } from "../../core/files.ts";
import { partyId } from "../../core/names.ts";
import type { Authority } from "./authority.ts";

/** The registrar's name in every platform's certificates: `CN` of the certificate, `issuer.registrar` of a consent. */
export const registrarName: PartyId = partyId("registrar");
const termDays = 730;
const renewBeforeMs = 60 * 86_400_000;

export type PlatformRegistrar = { readonly name: PartyId; readonly key: KeyObject; /** PEM, oldest first. */ readonly certificates: readonly string[] };

/** Opens the registrar's keys; makes the first one, and the next one well before the last ends or when the authority is another. */
export async function openRegistrar(data: string, authority: Authority, env: Pick<Env, "now">): Promise<PlatformRegistrar> {
  const folder = join(data, "registrar");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const numbers = readdirSync(folder).flatMap((name) => /^([1-9][0-9]{0,5})\.pem$/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => a - b);
  const last = numbers.at(-1);
  if (last === undefined || !isUsable(folder, last, authority, env.now())) {
    const next = (last ?? 0) + 1;
    const { privateKey } = generateKeyPairSync("ed25519");
    const certificate = await authority.issueRegistrar(registrarName, privateKey, termDays);
    // The certificate last: with it there, the key is there.
    writeDurably(join(folder, `${next}.key`), privateKey.export({ format: "pem", type: "pkcs8" }));
    writeDurably(join(folder, `${next}.pem`), certificate);
    numbers.push(next);
  }
  const [current = 1] = numbers.slice(-1);
  for (const number of numbers.slice(0, -1)) rmSync(join(folder, `${number}.key`), { force: true });
  const ca = new X509Certificate(authority.certificatePem);
  const certificates = numbers.map((number) => readFileSync(join(folder, `${number}.pem`), "utf8")).filter((pem) => new X509Certificate(pem).checkIssued(ca));
  return { name: registrarName, key: createPrivateKey(readFileSync(join(folder, `${current}.key`), "utf8")), certificates };
}

function isUsable(folder: string, number: number, authority: Authority, now: number): boolean {
  const certificate = new X509Certificate(readFileSync(join(folder, `${number}.pem`), "utf8"));
  const isOurs = certificate.checkIssued(new X509Certificate(authority.certificatePem));
  return isOurs && existsSync(join(folder, `${number}.key`)) && certificate.validToDate.getTime() - now > renewBeforeMs;
}
