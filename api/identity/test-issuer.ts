// An OpenID Connect issuer for tests and demonstrations: whoever opens its page is whom they say they are. It listens on this machine only,
// keeps everything in memory, and no platform believes it unless its identity-provider.json says `"test": true`.
import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import { exportJWK, SignJWT, type JWK } from "jose";
import type { Env } from "../../core/env.ts";
import { isUscc } from "../../core/uscc.ts";
import { escapeHtml } from "../http/docs-page.ts";

const codeLifeMs = 60_000;
const maxCodes = 1000;
export const testAssurance = "urn:yunei:test:real-name";

type Grant = { readonly client: string; readonly redirectUri: string; readonly challenge: string; readonly nonce: string; readonly uscc: string; readonly authority: string; readonly until: number };
export type TestIssuer = {
  readonly issuer: string; readonly clientId: string;
  /** What identity-provider.json of a platform says to believe it. */
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly key: KeyObject; readonly kid: string;
  close(): Promise<void>;
};

/** Listens on 127.0.0.1. port 0: any free one. */
export async function startTestIssuer(options: { env: Pick<Env, "rng" | "now">; port?: number | undefined; clientId?: string | undefined }): Promise<TestIssuer> {
  const { env, clientId = "yunei-platform" } = options;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = "test-1";
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" };
  const app = express();
  const server = createServer(app);
  await listen(server, options.port ?? 0);
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  addRoutes(app, { issuer, clientId, env, jwk, key: privateKey, kid });
  const configuration = {
    version: 1, name: "test-issuer", issuer, clientId, test: true, assurance: { [testAssurance]: "substantial" },
  };
  return {
    issuer, clientId, configuration, key: privateKey, kid,
    close: () => new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

type Parts = { readonly issuer: string; readonly clientId: string; readonly env: Pick<Env, "rng" | "now">; readonly jwk: JWK; readonly key: KeyObject; readonly kid: string };

function addRoutes(app: Express, parts: Parts): void {
  const { issuer, clientId, env } = parts;
  const grants = new Map<string, Grant>();
  app.disable("x-powered-by");
  app.get("/.well-known/openid-configuration", (_request: Request, response: Response) => {
    response.json({
      issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, response_types_supported: ["code"],
      subject_types_supported: ["pairwise"], id_token_signing_alg_values_supported: ["ES256"], code_challenge_methods_supported: ["S256"],
    });
  });
  app.get("/jwks", (_request: Request, response: Response) => {
    response.json({ keys: [parts.jwk] });
  });
  app.get("/authorize", (request: Request, response: Response) => {
    const asked = askedOf(request);
    const isRight = asked.response_type === "code" && asked.client_id === clientId && asked.code_challenge_method === "S256"
      && URL.canParse(asked.redirect_uri) && ["127.0.0.1", "localhost"].includes(new URL(asked.redirect_uri).hostname);
    if (!isRight) {
      response.status(400).type("text/plain").send("not a request of this test issuer's client");
      return;
    }
    if (!isUscc(asked.login_hint)) {
      response.setHeader("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'").type("text/html").send(page(asked));
      return;
    }
    for (const [code, grant] of grants) if (grant.until <= env.now() || grants.size >= maxCodes) grants.delete(code);
    const code = Buffer.from(env.rng(32)).toString("base64url");
    grants.set(sha256(code), {
      client: asked.client_id, redirectUri: asked.redirect_uri, challenge: asked.code_challenge, nonce: asked.nonce, uscc: asked.login_hint,
      authority: asked.authority === "" ? "legal-representative" : asked.authority, until: env.now() + codeLifeMs,
    });
    const back = new URL(asked.redirect_uri);
    back.searchParams.set("code", code);
    back.searchParams.set("state", asked.state);
    response.redirect(303, back.href);
  });
  app.post("/token", express.urlencoded({ extended: false, limit: 8192 }), (request: Request, response: Response, next: NextFunction) => {
    const form = (request.body ?? {}) as Readonly<Record<string, unknown>>;
    const text = (name: string): string => (typeof form[name] === "string" ? form[name] : "");
    const grant = grants.get(sha256(text("code")));
    grants.delete(sha256(text("code"))); // once, whatever comes of it
    const challenge = createHash("sha256").update(text("code_verifier")).digest("base64url");
    const fits = grant !== undefined && grant.until > env.now() && grant.client === text("client_id") && grant.redirectUri === text("redirect_uri") && grant.challenge === challenge;
    if (!fits) {
      response.status(400).json({ error: "invalid_grant" });
      return;
    }
    tokenOf(grant, parts).then((token) => response.json({ access_token: "none", token_type: "Bearer", expires_in: 300, id_token: token }), next);
  });
}

function tokenOf(grant: Grant, { issuer, clientId, env, key, kid }: Parts): Promise<string> {
  const seconds = Math.floor(env.now() / 1000);
  return new SignJWT({ nonce: grant.nonce, uscc: grant.uscc, authority: grant.authority, acr: testAssurance, auth_time: seconds })
    .setProtectedHeader({ alg: "ES256", kid, typ: "JWT" }).setIssuer(issuer).setAudience(clientId).setSubject(sha256(`person of ${grant.uscc}`))
    .setIssuedAt(seconds).setExpirationTime(seconds + 300).sign(key);
}

const parameters = ["response_type", "client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method", "login_hint", "authority"] as const;
type Asked = Readonly<Record<(typeof parameters)[number], string>>;

function askedOf(request: Request): Asked {
  const text = (name: string): string => (typeof request.query[name] === "string" ? request.query[name] : "");
  return Object.fromEntries(parameters.map((name) => [name, text(name)])) as Asked;
}

function page(asked: Asked): string {
  const kept = parameters.filter((name) => name !== "login_hint" && name !== "authority")
    .map((name) => `<input type="hidden" name="${name}" value="${escapeHtml(asked[name])}">`).join("");
  return `<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>TEST ISSUER 测试签发方</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}b{color:#b00}input,select{font:inherit;width:100%}</style></head><body>
<h1>测试签发方 <small>Test issuer</small></h1><p><b>仅供测试与演示：任何人可冒充任何企业。<br>For tests and demonstrations only: anybody can be any company here.</b></p>
<form action="/authorize" method="get">${kept}<p><label>统一社会信用代码 Credit code (USCC)<input name="login_hint" maxlength="18" required></label></p>
<p><label>身份 Authority<select name="authority"><option>legal-representative</option><option>authorised-agent</option></select></label></p>
<p><button>登录 Log in</button></p></form></body></html>`;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
