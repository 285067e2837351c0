// Real-name login by OpenID Connect: what a dishonest issuer, browser or program may try, through real HTTP; and a company's session.
import { createHmac, generateKeyPairSync, randomBytes, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { exportJWK, SignJWT, UnsecuredJWT, type JWTPayload } from "jose";
import { after, before, describe, it } from "mocha";
import { mayReturnTo } from "../../api/identity/config.ts";
import { testAssurance, type TestIssuer } from "../../api/identity/test-issuer.ts";
import { assertCode, type Reply } from "../support/clients.ts";
import { keptLog, newWorld, TestClock, type World } from "../support/platform.ts";
import { begin, believe, login, usccOf, visit, withIssuer } from "../support/subjects.ts";

const client = "yunei-platform";
const uscc = usccOf(1);

/** An issuer that says whatever a test wants. */
class HostileIssuer {
  readonly #server: Server;
  readonly key: KeyObject;
  readonly publicJwk: object;
  readonly url: string;
  /** The token for the next exchange. */
  token: (nonce: string) => string | Promise<string> = () => "";
  keys: object[];
  discovery: Record<string, unknown> = {};
  tokenStatus = 200;

  private constructor(server: Server, key: KeyObject, publicJwk: object) {
    this.#server = server;
    this.key = key;
    this.publicJwk = publicJwk;
    this.keys = [publicJwk];
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<HostileIssuer> {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const issuer = new HostileIssuer(server, privateKey, { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256" });
    let nonce = "";
    server.on("request", (request, response) => {
      const path = (request.url ?? "").split("?")[0];
      const send = (status: number, body: unknown): void => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (path === "/.well-known/openid-configuration") {
        const { url } = issuer;
        send(200, { issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/jwks`, ...issuer.discovery });
      } else if (path === "/jwks") send(200, { keys: issuer.keys });
      else if (path === "/nonce") {
        nonce = new URL(request.url ?? "", issuer.url).searchParams.get("nonce") ?? "";
        send(200, {});
      } else if (path === "/token") void Promise.resolve(issuer.token(nonce)).then((token) => send(issuer.tokenStatus, { id_token: token }));
      else send(404, {});
    });
    return issuer;
  }

  configuration(change: object = {}): object {
    return { version: 1, name: "hostile", issuer: this.url, clientId: client, test: true, assurance: { [testAssurance]: "substantial" }, ...change };
  }

  /** A right token, but for what is changed. */
  async sign(nonce: string, now: number, change: JWTPayload = {}, header: object = {}, key: KeyObject | Uint8Array = this.key): Promise<string> {
    return new SignJWT({ ...payloadOf(this.url, nonce, now), ...change }).setProtectedHeader({ alg: "ES256", kid: "k1", ...header }).sign(key);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function payloadOf(iss: string, nonce: string, now: number): JWTPayload {
  const iat = Math.floor(now / 1000);
  return { iss, aud: client, sub: "person", nonce, iat, exp: iat + 300, uscc, authority: "legal-representative", acr: testAssurance };
}

describe("real-name login", () => {
  let world: World;
  let honest: TestIssuer;
  let hostile: HostileIssuer;
  const lines: string[] = [];
  const clock = new TestClock();

  before(async () => {
    world = await newWorld({ log: keptLog(lines), now: clock.now, limits: { authFailures: 10_000 } });
    hostile = await HostileIssuer.start();
  });
  after(async () => {
    hostile.close();
    await honest.close();
    await world.platform[Symbol.asyncDispose]();
  });

  it("is off without a configuration, and a configuration over plain HTTP counts for a test issuer on this machine only", async () => {
    const post = (): Promise<Reply> => world.platform.apiClient().post("/v1/subject/login", { redirectUri: "http://127.0.0.1:9/callback" });
    assertCode(await post(), "IDENTITY_OFF");
    for (const change of [{ test: false }, { issuer: "http://issuer.example" }, { issuer: "file:///etc/passwd" }, { algorithms: ["HS256"] }, { algorithms: ["none"] }, { surprise: 1 }]) {
      believe(world.platform, hostile.configuration(change));
      assertCode(await post(), "IDENTITY_CONFIG");
    }
    rmSync(join(world.platform.data, "identity-provider.json"));
    honest = await withIssuer(world.platform);
    assert.equal((await post()).status, 201);
  });

  it("returns to this machine or to a listed address only", async () => {
    for (const redirectUri of ["https://evil.example/callback", "http://127.0.0.1:9/other", "http://127.0.0.1.evil.example:9/callback", "http://localhost:9/callback", "http://127.0.0.1:9/callback?x=1"]) {
      assertCode(await world.platform.apiClient().post("/v1/subject/login", { redirectUri }), "SUBJECT_REDIRECT");
    }
    assert.isTrue(mayReturnTo("https://portal.example/back", { redirectUris: ["https://portal.example/back"] }));
    assert.isFalse(mayReturnTo("https://portal.example/back/x", { redirectUris: ["https://portal.example/back"] }));
  });

  describe("with an honest issuer", () => {
    const finish = (body: object): Promise<Reply> => world.platform.apiClient().post("/v1/subject/session", body);

    it("gives one company's session for one login", async () => {
      const company = await login(world.platform, uscc);
      assert.match(company.token, /^ys1\.ses_[0-9a-f]{24}\.[A-Za-z0-9_-]{43}$/);
      assert.equal(((await company.client.get("/v1/subject/export")).json() as { subject: string }).subject, uscc);
    });

    it("takes code, state and login once, together, and within their time", async () => {
      const begun = await begin(world.platform);
      const back = await visit(begun, uscc);
      const other = await begin(world.platform);
      const wrong = { login: begun.login, ...back };
      assertCode(await finish({ ...wrong, state: "x".repeat(43) }), "SUBJECT_LOGIN");
      assertCode(await finish({ ...wrong, login: other.login }), "SUBJECT_LOGIN");
      assertCode(await finish({ ...wrong, login: `yl1.${"A".repeat(43)}` }), "SUBJECT_LOGIN");
      assert.equal((await finish(wrong)).status, 201);
      assertCode(await finish(wrong), "SUBJECT_LOGIN");
      // The same code with a login of one's own: the issuer has seen it, and PKCE does not fit.
      const state = new URL(other.authorizationUrl).searchParams.get("state") ?? "";
      assertCode(await finish({ login: other.login, state, code: back.code }), "IDENTITY_REFUSED");
      const late = await begin(world.platform);
      const lateBack = await visit(late, uscc);
      clock.ms += 601_000;
      assertCode(await finish({ login: late.login, ...lateBack }), "SUBJECT_LOGIN");
    });

    it("does not take a code that was caught: only the login's own secret makes the verifier", async () => {
      const victim = await begin(world.platform);
      const caught = await visit(victim, uscc);
      const thief = await begin(world.platform);
      const state = new URL(thief.authorizationUrl).searchParams.get("state") ?? "";
      assertCode(await finish({ login: thief.login, state, code: caught.code }), "IDENTITY_REFUSED");
    });

    it("lets one of two attempts at once finish", async () => {
      const begun = await begin(world.platform);
      const body = { login: begun.login, ...(await visit(begun, uscc)) };
      const replies = await Promise.all([finish(body), finish(body), finish(body)]);
      assert.deepEqual(replies.map((r) => r.status).sort((a, b) => a - b), [201, 401, 401]);
    });

    it("lets no person in who may not act for the company", async () => {
      const begun = await begin(world.platform);
      assertCode(await finish({ login: begun.login, ...(await visit(begun, uscc, "accountant")) }), "IDENTITY_AUTHORITY");
    });

    it("ends a session by its time, by logout, and all at once", async () => {
      const [a, b, c] = [await login(world.platform, uscc), await login(world.platform, uscc), await login(world.platform, usccOf(2))];
      assert.deepEqual((await a.client.post("/v1/subject/logout", {})).json(), { ended: 1 });
      assertCode(await a.client.get("/v1/subject/export"), "AUTH_INVALID");
      assert.equal((await b.client.get("/v1/subject/export")).status, 200);
      assert.isAtLeast(((await b.client.post("/v1/subject/logout", { all: true })).json() as { ended: number }).ended, 1);
      assertCode(await b.client.get("/v1/subject/export"), "AUTH_INVALID");
      assert.equal((await c.client.get("/v1/subject/export")).status, 200);
      clock.ms += 30 * 60_000;
      assertCode(await c.client.get("/v1/subject/export"), "AUTH_INVALID");
    });

    it("answers a logout also when the clock comes by just then, and cuts the session's connection after it", async () => {
      const company = await login(world.platform, uscc);
      const { platform } = world.platform.running ?? assert.fail();
      const write = platform.db.write.bind(platform.db);
      let swept = 0;
      Object.assign(platform.db, { write: async (work: Parameters<typeof write>[0]) => {
        const done = await write(work);
        if (swept === 0) {
          swept = 1; // at once where something is on its way
          await platform.sessions.sweep();
        }
        return done;
      } });
      try {
        assert.deepEqual((await company.client.post("/v1/subject/logout", {})).json(), { ended: 1 });
      } finally {
        Object.assign(platform.db, { write });
      }
      assert.equal(swept, 1);
      assertCode(await company.client.get("/v1/subject/export"), "AUTH_INVALID");
    });

    it("refuses tokens that are wrong in any part, and other keys in a session's place", async () => {
      const company = await login(world.platform, uscc);
      const other = await login(world.platform, usccOf(2));
      const [prefix, id, secret = ""] = company.token.split(".");
      for (const token of [`${prefix}.${other.session}.${secret}`, `${prefix}.${id}.${"A".repeat(43)}`, `yr1.${id}.${secret}`, secret]) {
        assertCode(await world.platform.apiClient({ apiKey: token }).get("/v1/subject/export"), "AUTH_INVALID");
      }
      assertCode(await world.platform.apiClient({ apiKey: company.token }).get("/v1/objections/inbox"), "AUTH_ROLE");
      assertCode(await world.platform.apiClient({ apiKey: company.token }).get("/v1/jobs"), "AUTH_INVALID");
    });

    it("shows the issuer's page to a person, marked as a test, and refuses foreign clients", async () => {
      const page = await (await fetch((await begin(world.platform)).authorizationUrl)).text();
      assert.include(page, "仅供测试");
      const url = new URL((await begin(world.platform)).authorizationUrl);
      url.searchParams.set("redirect_uri", "https://evil.example/");
      url.searchParams.set("login_hint", uscc);
      assert.equal((await fetch(url, { redirect: "manual" })).status, 400);
    });
  });

  describe("with an issuer that cheats", () => {
    before(() => believe(world.platform, hostile.configuration()));
    after(() => {
      hostile.discovery = {};
      believe(world.platform, honest.configuration);
    });

    /** The whole login, with the token that the issuer makes. */
    const outcome = async (token: (nonce: string) => string | Promise<string>): Promise<Reply> => {
      hostile.token = token;
      const begun = await begin(world.platform);
      const url = new URL(begun.authorizationUrl);
      await fetch(`${hostile.url}/nonce?nonce=${url.searchParams.get("nonce")}`);
      return world.platform.apiClient().post("/v1/subject/session", { login: begun.login, state: url.searchParams.get("state") ?? "", code: "any" });
    };
    const at = (seconds: number): number => Math.floor(clock.ms / 1000) + seconds;
    const refuses = (change: JWTPayload, code = "IDENTITY_TOKEN", header: object = {}) => async (): Promise<void> => {
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, change, header)), code);
    };

    it("takes what is right (so that the refusals below mean something)", async () => {
      assert.equal((await outcome((nonce) => hostile.sign(nonce, clock.ms))).status, 201);
      assert.equal((await outcome((nonce) => hostile.sign(nonce, clock.ms, { exp: at(-60), iat: at(-300) }))).status, 201, "within the skew");
    });
    it("refuses a wrong issuer", refuses({ iss: "https://other.example" }));
    it("refuses another audience", refuses({ aud: "another-client" }));
    it("refuses several audiences without an authorised party", refuses({ aud: [client, "another"] }));
    it("refuses another authorised party", refuses({ azp: "another" }));
    it("refuses another login's nonce", refuses({ nonce: randomBytes(32).toString("base64url") }));
    it("refuses a nonce that is no text", refuses({ nonce: 7 }));
    it("refuses an ended token, beyond the skew", async () => {
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { exp: at(-121), iat: at(-400) })), "IDENTITY_TOKEN");
    });
    it("refuses an old token that does not end", async () => {
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { exp: at(99_999), iat: at(-800) })), "IDENTITY_TOKEN");
    });
    it("refuses a token from the future", async () => {
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { iat: at(300), exp: at(600) })), "IDENTITY_TOKEN");
    });
    it("refuses a token without a subject or an end", async () => {
      for (const missing of ["sub", "exp", "iat", "nonce"]) {
        assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { [missing]: undefined })), "IDENTITY_TOKEN");
      }
    });
    it("refuses alg none", async () => {
      assertCode(await outcome((nonce) => new UnsecuredJWT(payloadOf(hostile.url, nonce, clock.ms)).encode()), "IDENTITY_TOKEN");
    });
    it("refuses HS256 under the public key, and under a secret in the key set", async () => {
      const pem = Buffer.from(JSON.stringify(hostile.publicJwk));
      const hs256 = (nonce: string, secret: Uint8Array): string => {
        const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
        const signed = `${part({ alg: "HS256", kid: "k1" })}.${part(payloadOf(hostile.url, nonce, clock.ms))}`;
        return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
      };
      assertCode(await outcome((nonce) => hs256(nonce, pem)), "IDENTITY_TOKEN");
      hostile.keys = [{ kty: "oct", kid: "k1", alg: "HS256", k: pem.toString("base64url") }];
      assertCode(await outcome((nonce) => hs256(nonce, pem)), "IDENTITY_TOKEN");
      hostile.keys = [hostile.publicJwk];
    });
    it("refuses a key of another issuer, and a key that the token brings along", async () => {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const jwk = await exportJWK(publicKey);
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, {}, {}, privateKey)), "IDENTITY_TOKEN");
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, {}, { jwk }, privateKey)), "IDENTITY_TOKEN");
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, {}, { jku: `${hostile.url}/jwks`, kid: "k2" }, privateKey)), "IDENTITY_TOKEN");
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { iss: honest.issuer, aud: client }, { kid: honest.kid }, honest.key)), "IDENTITY_TOKEN");
    });
    it("refuses an algorithm that the operator did not list", async () => {
      believe(world.platform, hostile.configuration({ algorithms: ["EdDSA"] }));
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms)), "IDENTITY_TOKEN");
      believe(world.platform, hostile.configuration());
    });
    it("refuses codes that are no credit code, or not exactly one", async () => {
      for (const wrong of [undefined, "", uscc.toLowerCase(), `${uscc} `, `${uscc.slice(0, 17)}?`, [uscc], 7]) {
        assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { uscc: wrong })), "IDENTITY_COMPANY");
      }
    });
    it("refuses identification that is too weak, unknown or missing", async () => {
      for (const acr of [undefined, "urn:unknown", "__proto__", "toString", 3]) {
        assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms, { acr })), "IDENTITY_AUTHORITY");
      }
    });
    it("refuses what is no token at all, an error of the issuer, and a silent one", async () => {
      assertCode(await outcome(() => "no token"), "IDENTITY_TOKEN");
      hostile.tokenStatus = 500;
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms)), "IDENTITY_UNREACHABLE");
      hostile.tokenStatus = 400;
      assertCode(await outcome((nonce) => hostile.sign(nonce, clock.ms)), "IDENTITY_REFUSED");
      hostile.tokenStatus = 200;
    });
    it("refuses a discovery document of another issuer, or one that leads elsewhere", async () => {
      const post = (): Promise<Reply> => world.platform.apiClient().post("/v1/subject/login", { redirectUri: "http://127.0.0.1:9/callback" });
      hostile.discovery = { issuer: "https://other.example" };
      assertCode(await post(), "IDENTITY_UNREACHABLE");
      for (const where of ["token_endpoint", "jwks_uri", "authorization_endpoint"]) {
        hostile.discovery = { [where]: "http://169.254.169.254/latest" };
        assertCode(await post(), "IDENTITY_CONFIG");
      }
    });
  });

  it("writes no company, code, token or secret into its logs", async () => {
    const company = await login(world.platform, usccOf(3));
    const told = lines.join("\n");
    assert.include(told, "subject.session");
    for (const secret of [uscc, usccOf(3), company.token.split(".")[2] ?? "none"]) assert.notInclude(told, secret);
  });
});
