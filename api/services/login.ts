// Real-name login of a company: begun, finished once, and the short session that it gives. The secret of a login stays with the program that
// began it, so that a code that is caught on its way back is of no use, and nobody is logged in by a link that another made.
import { createHash, createHmac } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import { mayReturnTo, readIdentityProvider } from "../identity/config.ts";
import { OidcClient } from "../identity/oidc.ts";
import { isSame, sha256 } from "../http/auth.ts";
import type { Platform } from "../platform.ts";
import { addLogin, addSession, countLogins, findLogin, sweepLogins, takeLogin, type SessionRow } from "../store/sessions.ts";

const loginLifeMs = 600_000;
/** Anybody may begin a login. */
const maxOpenLogins = 10_000;
const secretForm = /^yl1\.[A-Za-z0-9_-]{43}$/;

/** RFC 7636: what the issuer asks for when the code is exchanged. Only the holder of the login's secret can say it. */
function verifierOf(secret: string): string {
  return createHmac("sha256", secret).update("yunei/pkce/v1").digest("base64url");
}

/** Throws IDENTITY_OFF, IDENTITY_CONFIG, IDENTITY_UNREACHABLE, SUBJECT_REDIRECT, PLATFORM_BUSY. */
export async function beginLogin(platform: Platform, redirectUri: string): Promise<{ login: string; authorizationUrl: string; expiresAt: string }> {
  const { env, db } = platform;
  const provider = readIdentityProvider(platform.data);
  if (!mayReturnTo(redirectUri, provider)) throw new AppError("SUBJECT_REDIRECT");
  if ((await countLogins(db.read)) >= maxOpenLogins) throw new AppError("PLATFORM_BUSY");
  const random = (): string => Buffer.from(env.rng(32)).toString("base64url");
  const [login, state, nonce] = [`yl1.${random()}`, random(), random()];
  await using client = new OidcClient(provider);
  const challenge = createHash("sha256").update(verifierOf(login)).digest("base64url");
  const authorizationUrl = await client.authorizationUrl({ redirectUri, state, nonce, challenge });
  const now = env.now();
  const expiresAt = new Date(now + loginLifeMs);
  await db.write((tx) => addLogin(tx, { digest: sha256(login), stateDigest: sha256(state), nonce, redirectUri, createdAt: new Date(now), expiresAt, usedAt: null }));
  return { login, authorizationUrl, expiresAt: expiresAt.toISOString() };
}

export type OpenedSession = { readonly token: string; readonly row: SessionRow };

/** Throws SUBJECT_LOGIN for one that is unknown, over, of another state, or was finished before; IDENTITY_… as OidcClient.finish does. */
export async function finishLogin(platform: Platform, given: { login: string; state: string; code: string }): Promise<OpenedSession> {
  const { env, db } = platform;
  const provider = readIdentityProvider(platform.data);
  const digest = sha256(given.login);
  const row = secretForm.test(given.login) ? await findLogin(db.read, digest) : undefined;
  if (row === undefined || !isSame(row.stateDigest, sha256(given.state)) || env.now() >= row.expiresAt.getTime()) throw new AppError("SUBJECT_LOGIN");
  // Taken before the code is sent: of two attempts one goes on, whatever the issuer does.
  if (!(await db.write((tx) => takeLogin(tx, digest, new Date(env.now()))))) throw new AppError("SUBJECT_LOGIN");
  await using client = new OidcClient(provider);
  const who = await client.finish({ code: given.code, redirectUri: row.redirectUri, nonce: row.nonce, verifier: verifierOf(given.login) }, env.now);
  const id = `ses_${Buffer.from(env.rng(12)).toString("hex")}`;
  const token = `ys1.${id}.${Buffer.from(env.rng(32)).toString("base64url")}`;
  const now = env.now();
  const session: SessionRow = {
    id, subject: who.subject, keyDigest: sha256(token), provider: provider.name, assurance: who.assurance, authority: who.authority, person: who.person,
    realNameAt: new Date(who.at), createdAt: new Date(now), expiresAt: new Date(now + platform.limits.subjectSessionMs), revokedAt: null,
  };
  await db.write((tx) => addSession(tx, session));
  env.log.info("subject.session", { provider: provider.name, assurance: who.assurance });
  return { token, row: session };
}

/** For the clock: logins that nobody finished. */
export async function forgetLogins(platform: Platform): Promise<void> {
  if ((await countLogins(platform.db.read)) > 0) await platform.db.write((tx) => sweepLogins(tx, new Date(platform.env.now())));
}

export function viewSession(row: SessionRow) {
  return {
    id: row.id, provider: row.provider, assurance: row.assurance, authority: row.authority, realNameAt: row.realNameAt.toISOString(),
    createdAt: row.createdAt.toISOString(), expiresAt: row.expiresAt.toISOString(), revokedAt: row.revokedAt?.toISOString() ?? null,
  };
}
