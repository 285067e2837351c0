// Enrolment and mutual TLS over real sockets: who gets a certificate, and which certificate gets in.
import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { connect, type ConnectionOptions } from "node:tls";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { Authority, clientAuthOid, fingerprintOf, readRequest } from "../../api/pki/authority.ts";
import { identityOid } from "../../core/names.ts";
import { openAuthority } from "../../api/data-dir.ts";
import { storeCertificates } from "../../api/store/parties.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import {
  assertCode,
  certificateRequest,
  enrolParty,
  newKeys,
  pinnedCa,
  privatePem,
  type Client,
  type Enrolled,
} from "../support/clients.ts";
import { summaryOf, TestClock, TestPlatform } from "../support/platform.ts";

const dayMs = 86_400_000;

describe("enrolment", () => {
  let platform: TestPlatform;
  let tax: Enrolled;
  let open: Client;
  const clock = new TestClock();
  // Real time: TLS itself checks the dates of certificates.
  clock.ms = Date.now();

  before(async () => {
    platform = await TestPlatform.start({ now: clock.now, limits: { authFailures: 1000 } });
    tax = (await platform.enrol("tax")).identity;
    open = platform.apiClient();
  });
  after(() => platform[Symbol.asyncDispose]());

  const token = (name: string, lifeMs?: number): Promise<string> => platform.admin.createEnrolToken(partyId(name), lifeMs === undefined ? {} : { lifeMs });
  const request = async (name: string, text: string) => ({
    token: text,
    csrTls: await certificateRequest(name, await newKeys("P-256")),
    csrIdentity: await certificateRequest(name, await newKeys("Ed25519")),
  });

  it("issues one certificate for TLS and another for the identity, neither good for the other's purpose", async () => {
    const ca = new X509Certificate(tax.ca);
    const tls = new X509Certificate(tax.cert);
    const identity = new X509Certificate(tax.identityCertificate);
    for (const certificate of [tls, identity]) {
      assert.isTrue(certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
      assert.isFalse(certificate.ca);
      assert.include(certificate.subject.split("\n"), "CN=tax");
    }
    assert.deepEqual(tls.keyUsage, [clientAuthOid]);
    assert.deepEqual(identity.keyUsage, [identityOid]);
    assert.equal(identity.publicKey.asymmetricKeyType, "ed25519");
    assert.notEqual(tls.serialNumber, identity.serialNumber);
    assert.lengthOf(tls.serialNumber, 32);
  });

  it("keeps its keys and database for its own user only", () => {
    assert.equal(statSync(platform.data).mode & 0o777, 0o700);
    for (const name of readdirSync(platform.data)) {
      const info = statSync(join(platform.data, name));
      assert.equal(info.mode & 0o777, info.isDirectory() ? 0o700 : 0o600, name);
    }
  });

  it("takes a token once; the very same request again gets the very same certificates", async () => {
    const body = await request("power", await token("power"));
    const first = await open.post("/v1/enrol", body);
    assert.equal(first.status, 201);
    assert.deepEqual((await open.post("/v1/enrol", body)).json(), first.json());
    assertCode(await open.post("/v1/enrol", await request("power", body.token)), "ENROL_USED");
  });

  it("gives one of many simultaneous requests with one token its certificates", async () => {
    const text = await token("water");
    const replies = await Promise.all(Array.from({ length: 4 }, async () => open.post("/v1/enrol", await request("water", text))));
    assert.equal(replies.filter((reply) => reply.status === 201).length, 1);
    for (const reply of replies.filter((one) => one.status !== 201)) assertCode(reply, "ENROL_USED");
  });

  it("refuses expired, unknown and altered tokens", async () => {
    const short = await token("gas", 1000);
    const [, , secret = "", fingerprint = ""] = short.split(".");
    assertCode(await open.post("/v1/enrol", await request("tax", `yunei1.tax.${secret}.${fingerprint}`)), "ENROL_TOKEN");
    assertCode(await open.post("/v1/enrol", await request("gas", `yunei1.gas.${"A".repeat(43)}.${fingerprint}`)), "ENROL_TOKEN");
    assertCode(await open.post("/v1/enrol", await request("gas", "nonsense")), "ENROL_TOKEN");
    clock.ms += 2000;
    assertCode(await open.post("/v1/enrol", await request("gas", short)), "ENROL_EXPIRED");
  });

  it("refuses requests for another name, with foreign signatures, weak keys or one key for both uses", async () => {
    const text = await token("court");
    const good = await request("court", text);
    const same = await newKeys("Ed25519");
    const one = await certificateRequest("court", same);
    const der = Buffer.from(good.csrTls.replace(/-----.*-----|\s/g, ""), "base64");
    der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1;
    const badSignature = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    const table: [object, string][] = [
      [{ csrTls: (await request("tax", text)).csrTls }, "ENROL_NAME"],
      [{ csrIdentity: (await request("tax", text)).csrIdentity }, "ENROL_NAME"],
      [{ csrTls: badSignature }, "ENROL_CSR"],
      [{ csrIdentity: good.csrTls }, "ENROL_CSR"],
      [{ csrTls: one, csrIdentity: one }, "ENROL_CSR"],
      [{ csrTls: "x".repeat(100) }, "ENROL_CSR"],
      [{ csrTls: "x".repeat(9000) }, "REQUEST_INVALID"],
      [{ role: "admin" }, "REQUEST_INVALID"],
    ];
    for (const [change, code] of table) assertCode(await open.post("/v1/enrol", { ...good, ...change }), code);
    assert.equal((await open.post("/v1/enrol", good)).status, 201); // none of these has used the token up
  });

  it("lets an enclave find the server by the token's fingerprint before it sends anything", async () => {
    const text = await token("court");
    assert.equal(
      new X509Certificate(await pinnedCa(platform.apiPort, text.split(".")[3] ?? "")).fingerprint256,
      new X509Certificate(tax.ca).fingerprint256,
    );
    let failure: unknown;
    await pinnedCa(platform.apiPort, "A".repeat(43)).catch((error: unknown) => (failure = error));
    assert.instanceOf(failure, Error);
  });

  /** Whether a connection with this identity gets an HTTP answer on a listener. */
  async function isLetIn(port: number, options: ConnectionOptions): Promise<boolean> {
    const socket = connect({ host: "127.0.0.1", port, ca: tax.ca, ...options });
    return new Promise((resolve) => {
      socket.on("error", () => resolve(false));
      socket.on("close", () => resolve(false));
      socket.once("secureConnect", () => socket.write("GET /enclave/v1/parties HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
      socket.once("data", (data) => resolve(data.toString("latin1").startsWith("HTTP/1.1 200")));
    });
  }

  it("lets a party's certificate in, on TLS 1.3 only", async () => {
    assert.isTrue(await isLetIn(platform.enclavePort, { key: tax.key, cert: tax.cert }));
    assert.isFalse(await isLetIn(platform.enclavePort, { key: tax.key, cert: tax.cert, maxVersion: "TLSv1.2" }));
  });

  it("refuses no certificate, a wrong CA, an expired certificate, and certificates made for something else", async () => {
    const env = { rng: systemRng, now: Date.now };
    const own = await openAuthority(platform.data, platform.env);
    const foreign = await Authority.open(await Authority.create("another CA", env), env);
    const caKey = readFileSync(join(platform.data, "ca.key"), "utf8");
    const past = await Authority.open(
      { keyPem: caKey, certificatePem: own.certificatePem },
      { rng: systemRng, now: () => Date.now() - 3 * dayMs },
    );
    const keys = await newKeys("P-256");
    const key = await privatePem(keys);
    const csr = await readRequest(await certificateRequest("probe", keys), "probe", "tls");
    const server = await own.issueServer(["localhost"], 10);
    await token("probe");
    await token("platform");
    // The database is made to expect each of them, so that the certificate itself is all there is to refuse.
    const isTaken = async (party: string, pair: { key: string; cert: string }): Promise<boolean> => {
      const given = { tlsCertificate: pair.cert, identityCertificate: pair.cert, tlsFingerprint: fingerprintOf(pair.cert) };
      await platform.running?.platform.db.write((tx) => storeCertificates(tx, partyId(party), given, new Date()));
      return isLetIn(platform.enclavePort, pair);
    };
    assert.isTrue(await isTaken("probe", { key, cert: await own.issueClient("party", "probe", csr, 10) }));
    assert.isFalse(await isLetIn(platform.enclavePort, {}));
    assert.isFalse(await isTaken("probe", { key, cert: await foreign.issueClient("party", "probe", csr, 10) }), "a wrong CA");
    assert.isFalse(await isTaken("probe", { key, cert: await past.issueClient("party", "probe", csr, 1) }), "an expired certificate");
    assert.isFalse(await isTaken("platform", { key: server.keyPem, cert: server.certificatePem }), "a server's certificate");
    assert.isFalse(await isTaken("probe", { key, cert: await own.issueIdentity("probe", csr, 10) }), "an identity certificate");
    assert.isFalse(
      await isTaken("probe", { key, cert: await own.issueClient("institution", "probe", csr, 10) }),
      "an institution's certificate",
    );
  });

  it("refuses certificates of its CA that it has not handed out, and parties that it does not know", async () => {
    const own = await openAuthority(platform.data, platform.env);
    const keys = await newKeys("P-256");
    const key = await privatePem(keys);
    for (const name of ["tax", "nobody"]) {
      const csr = await readRequest(await certificateRequest(name, keys), name, "tls");
      assert.isFalse(await isLetIn(platform.enclavePort, { key, cert: await own.issueClient("party", name, csr, 10) }), name);
    }
  });

  it("does not let a client be served by a server with another CA", async () => {
    const env = { rng: systemRng, now: Date.now };
    const foreign = await Authority.create("another CA", env);
    assert.isFalse(await isLetIn(platform.enclavePort, { key: tax.key, cert: tax.cert, ca: foreign.certificatePem }));
  });

  it("revokes the old certificate at a new enrolment", async () => {
    const earlier = await enrolParty(platform.apiPort, await token("heat"));
    assert.isTrue(await isLetIn(platform.enclavePort, earlier));
    const later = await enrolParty(platform.apiPort, await token("heat"));
    assert.isFalse(await isLetIn(platform.enclavePort, earlier));
    assert.isTrue(await isLetIn(platform.enclavePort, later));
  });

  it("refuses a suspended party at its next request on an open connection, whatever token it holds, until it is resumed", async () => {
    const heat = platform.enclaveClient(await enrolParty(platform.apiPort, await token("heat")), 1);
    assert.equal((await heat.put("/enclave/v1/dataset", summaryOf("steam", false))).status, 200);
    const spare = await token("heat");
    await platform.admin.suspendParty(partyId("heat"));
    assertCode(await heat.get("/enclave/v1/parties"), "AUTH_SUSPENDED");
    assertCode(await open.post("/v1/enrol", await request("heat", spare)), "AUTH_SUSPENDED");
    await platform.admin.resumeParty(partyId("heat"));
    assert.equal((await heat.get("/enclave/v1/parties")).status, 200);
  });

  it("refuses a certificate that expires while the connection is open", async () => {
    const client = platform.enclaveClient(tax, 1);
    assert.equal((await client.get("/enclave/v1/parties")).status, 200);
    clock.ms += 400 * dayMs;
    assertCode(await client.get("/enclave/v1/parties"), "AUTH_INVALID");
    clock.ms = Date.now();
    assert.equal((await client.get("/enclave/v1/parties")).status, 200);
  });

  it("hands out the identity certificates of all enrolled parties", async () => {
    const { parties, caCertificate } = (await platform.enclaveClient(tax).get("/enclave/v1/parties")).json() as {
      caCertificate: string;
      parties: { party: string; identityCertificate: string }[];
    };
    assert.equal(caCertificate, tax.ca);
    assert.equal(parties.find((one) => one.party === "tax")?.identityCertificate, tax.identityCertificate);
  });
});
