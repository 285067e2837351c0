// The platform as relying party of OpenID Connect Core 1.0: authorization code with PKCE (RFC 7636, S256), the token fetched from the
// issuer's own token endpoint and still verified in full. `jose` checks signature and times; nothing in a token chooses its algorithm.
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from "jose";
import { Agent, request } from "undici";
import { z } from "zod";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { isUscc } from "../../core/uscc.ts";
import { assurances } from "../contract/subject.ts";
import { isSame, sha256 } from "../http/auth.ts";
import { mayFetch, type IdentityProvider } from "./config.ts";

const skewSeconds = 120;
/** A token is verified within seconds of its making. */
const maxAgeSeconds = 600;
const timeoutMs = 10_000;
const maxReplyBytes = 256 * 1024;

const discoverySchema = z.object({
  issuer: z.string(), authorization_endpoint: z.url(), token_endpoint: z.url(), jwks_uri: z.url(),
  code_challenge_methods_supported: z.array(z.string()).optional(),
});
const tokenSchema = z.object({ id_token: z.string().max(16_384) });
const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1).max(50) });

/** Who logged in, as far as the platform keeps it. */
export type RealName = {
  readonly subject: string; readonly authority: string; readonly assurance: (typeof assurances)[number];
  /** SHA-256 of issuer and pseudonym. */
  readonly person: string;
  /** ms; never after now. */
  readonly at: number;
};

export class OidcClient implements AsyncDisposable {
  readonly #provider: IdentityProvider;
  readonly #agent: Agent;

  constructor(provider: IdentityProvider) {
    this.#provider = provider;
    this.#agent = new Agent({ connect: { timeout: timeoutMs, ...(provider.ca === undefined ? {} : { ca: provider.ca }) } });
  }

  /** The address at which the person logs in. Throws IDENTITY_UNREACHABLE, IDENTITY_CONFIG. */
  async authorizationUrl(login: { redirectUri: string; state: string; nonce: string; challenge: string }): Promise<string> {
    const { authorization_endpoint: endpoint } = await this.#discover();
    const url = new URL(endpoint);
    const parameters = {
      response_type: "code", client_id: this.#provider.clientId, scope: this.#provider.scope, redirect_uri: login.redirectUri, state: login.state, nonce: login.nonce,
      code_challenge: login.challenge, code_challenge_method: "S256",
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  /** Exchanges the code. Throws IDENTITY_REFUSED, IDENTITY_TOKEN, IDENTITY_COMPANY, IDENTITY_AUTHORITY, IDENTITY_UNREACHABLE. */
  async finish(login: { code: string; redirectUri: string; nonce: string; verifier: string }, now: Clock): Promise<RealName> {
    const { token_endpoint: tokens, jwks_uri: keys } = await this.#discover();
    const { clientId, secret } = this.#provider;
    const form = new URLSearchParams({ grant_type: "authorization_code", code: login.code, redirect_uri: login.redirectUri, code_verifier: login.verifier, client_id: clientId });
    const authorization = secret === undefined ? undefined : `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString("base64")}`;
    const reply = await this.#fetch(tokens, { body: form.toString(), ...(authorization === undefined ? {} : { authorization }) });
    if (reply.status >= 400 && reply.status < 500) throw new AppError("IDENTITY_REFUSED");
    const token = tokenSchema.safeParse(reply.json);
    const jwks = jwksSchema.safeParse((await this.#fetch(keys)).json);
    if (reply.status !== 200 || !token.success || !jwks.success) throw new AppError("IDENTITY_UNREACHABLE");
    return this.#read(await this.#verify(token.data.id_token, jwks.data, now), login.nonce, now);
  }

  async #verify(token: string, jwks: JSONWebKeySet, now: Clock): Promise<JWTPayload> {
    const { issuer, clientId, algorithms } = this.#provider;
    try {
      // Symmetric keys in a key set are nobody's public keys.
      const keys = createLocalJWKSet({ keys: jwks.keys.filter((key) => key.kty !== "oct") });
      const { payload } = await jwtVerify(token, keys, {
        issuer, audience: clientId, algorithms: [...algorithms], clockTolerance: skewSeconds, maxTokenAge: maxAgeSeconds, currentDate: new Date(now()),
        requiredClaims: ["sub", "iat", "exp", "nonce"],
      });
      // OpenID Connect Core 3.1.3.7: a token for several audiences names who may use it.
      const isShared = Array.isArray(payload.aud) && payload.aud.length > 1;
      if ((isShared || payload["azp"] !== undefined) && payload["azp"] !== clientId) throw new AppError("IDENTITY_TOKEN");
      return payload;
    } catch (cause) {
      throw cause instanceof AppError ? cause : new AppError("IDENTITY_TOKEN", {}, { cause });
    }
  }

  #read(payload: JWTPayload, nonce: string, now: Clock): RealName {
    const { claims, authorities, assurance, minimumAssurance, issuer } = this.#provider;
    const given = payload["nonce"];
    if (typeof given !== "string" || !isSame(sha256(given), sha256(nonce))) throw new AppError("IDENTITY_TOKEN");
    const subject = payload[claims.subject];
    if (typeof subject !== "string" || !isUscc(subject)) throw new AppError("IDENTITY_COMPANY");
    const authority = payload[claims.authority];
    const acr = payload["acr"];
    const worth = typeof acr === "string" && Object.hasOwn(assurance, acr) ? (assurance[acr] ?? "low") : "low";
    const isEnough = assurances.indexOf(worth) >= assurances.indexOf(minimumAssurance);
    if (typeof authority !== "string" || !authorities.includes(authority) || !isEnough) throw new AppError("IDENTITY_AUTHORITY");
    const authTime = payload["auth_time"];
    const at = Math.min(now(), 1000 * (typeof authTime === "number" && authTime > 0 ? authTime : (payload.iat ?? 0)));
    return { subject, authority, assurance: worth, person: sha256(`${issuer}\0${payload.sub ?? ""}`), at };
  }

  /** OpenID Connect Discovery 1.0, 4.3: the document names the issuer that was asked for. */
  async #discover(): Promise<z.output<typeof discoverySchema>> {
    const { issuer, test } = this.#provider;
    const found = discoverySchema.safeParse((await this.#fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`)).json);
    if (!found.success || found.data.issuer !== issuer) throw new AppError("IDENTITY_UNREACHABLE");
    const { authorization_endpoint: authorization, token_endpoint: tokens, jwks_uri: keys } = found.data;
    if (![authorization, tokens, keys].every((address) => mayFetch(address, test))) throw new AppError("IDENTITY_CONFIG");
    return found.data;
  }

  /** No redirects are followed: an answer comes from the address that was asked. */
  async #fetch(url: string, post?: { body: string; authorization?: string }): Promise<{ status: number; json: unknown }> {
    try {
      const reply = await request(url, {
        dispatcher: this.#agent, method: post === undefined ? "GET" : "POST", headersTimeout: timeoutMs, bodyTimeout: timeoutMs, body: post?.body ?? null,
        headers: {
          accept: "application/json", ...(post === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
          ...(post?.authorization === undefined ? {} : { authorization: post.authorization }),
        },
      });
      let text = "";
      for await (const chunk of reply.body.setEncoding("utf8") as AsyncIterable<string>) {
        text += chunk;
        if (text.length > maxReplyBytes) throw new AppError("IDENTITY_UNREACHABLE");
      }
      return { status: reply.statusCode, json: text === "" ? undefined : (JSON.parse(text) as unknown) };
    } catch (cause) {
      throw new AppError("IDENTITY_UNREACHABLE", {}, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}
