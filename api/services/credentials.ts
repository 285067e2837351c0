// Keys of people and systems in a role: made, rotated, revoked. A key is shown once; only its SHA-256 is kept.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { CredentialView } from "../contract/institutions.ts";
import { roleScope, type Role } from "../contract/roles.ts";
import { sha256 } from "../http/auth.ts";
import type { Platform } from "../platform.ts";
import { nextChange, type Tx } from "../store/database.ts";
import { createCredential, findCredential, isReplaced, revokeCredential, shortenCredential, type CredentialRow } from "../store/credentials.ts";

const lifeMs = 365 * 86_400_000;

export type NewCredential = {
  readonly role: Exclude<Role, "subject">;
  /** A staff number or a function; 1 to 64 printable characters. */
  readonly holder: string;
  readonly institution?: string | undefined;
  readonly party?: PartyId | undefined;
  /** ms; a year by default. */
  readonly lifeMs?: number | undefined;
};
export type IssuedCredential = { readonly id: string; readonly key: string; readonly expiresAt: string };

/** Makes a credential in the caller's transaction. Throws CREDENTIAL_SCOPE when role and owner do not fit. */
export async function issueCredential(platform: Pick<Platform, "env">, tx: Tx, given: NewCredential, replaces: string | null = null): Promise<IssuedCredential> {
  const { env } = platform;
  const scope = roleScope[given.role];
  const fits = (scope === "institution") === (given.institution !== undefined) && (scope === "party") === (given.party !== undefined);
  if (!fits) throw new AppError("CREDENTIAL_SCOPE");
  const id = `cred_${Buffer.from(env.rng(12)).toString("hex")}`;
  const key = `yr1.${id}.${Buffer.from(env.rng(32)).toString("base64url")}`;
  const now = env.now();
  const expiresAt = new Date(now + (given.lifeMs ?? lifeMs));
  await createCredential(tx, {
    id, role: given.role, holder: given.holder, institutionId: given.institution ?? null, partyId: given.party ?? null,
    keyDigest: sha256(key), state: "active", createdAt: new Date(now), expiresAt, replaces,
  });
  return { id, key, expiresAt: expiresAt.toISOString() };
}

/** Whether two keys are one person's: the same key, or keys of the same holder. Only for holders of one owner (an institution, the platform). */
export function isSamePerson(a: { readonly credential: string; readonly holder: string }, b: { readonly credential: string; readonly holder: string }): boolean {
  return a.credential === b.credential || holderKey(a.holder) === holderKey(b.holder);
}

/** The form in which holders are compared: "Li 01" and "li 01" are one person. */
export function holderKey(holder: string): string {
  return holder.normalize("NFKC").trim().toLowerCase();
}

/**
 * A new key in place of one that stops working in the same step, or after `overlapMs`. `may` says whose keys the caller may rotate.
 * Throws CREDENTIAL_UNKNOWN.
 */
export async function rotateCredential(
  platform: Pick<Platform, "env" | "db">, id: string, options: { readonly overlapMs?: number; readonly may?: (row: CredentialRow) => boolean } = {},
): Promise<IssuedCredential> {
  const { overlapMs = 0, may = () => true } = options;
  return platform.db.write(async (tx) => {
    await nextChange(tx); // two rotations of one key at once: the second finds it replaced
    const old = await findCredential(tx, id);
    const now = platform.env.now();
    if (old === undefined || old.role === "subject" || old.expiresAt.getTime() <= now || (await isReplaced(tx, id)) || !may(old)) throw new AppError("CREDENTIAL_UNKNOWN");
    const stops = overlapMs === 0 ? revokeCredential(tx, id) : shortenCredential(tx, id, new Date(Math.min(now + overlapMs, old.expiresAt.getTime())));
    if (!(await stops)) throw new AppError("CREDENTIAL_UNKNOWN");
    const owner = { institution: old.institutionId ?? undefined, party: (old.partyId ?? undefined) as PartyId | undefined };
    return issueCredential(platform, tx, { role: old.role, holder: old.holder, ...owner, lifeMs: old.expiresAt.getTime() - old.createdAt.getTime() }, id);
  });
}

/** What is shown of a credential. */
export function publicCredential(row: CredentialRow, now: number): CredentialView {
  const state = row.state === "active" && row.expiresAt.getTime() <= now ? "expired" : row.state;
  return {
    id: row.id, role: row.role, holder: row.holder, institution: row.institutionId, party: row.partyId as CredentialView["party"], state,
    createdAt: row.createdAt.toISOString(), expiresAt: row.expiresAt.toISOString(), replaces: row.replaces,
  };
}
