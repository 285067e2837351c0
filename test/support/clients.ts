// Clients of a platform as an enclave and a bank would build them: undici over TLS 1.3, certificates from enrolment.
import { createHash, webcrypto } from "node:crypto";
import { connect, type TLSSocket } from "node:tls";
import { assert } from "chai";
import { Pool, type Dispatcher } from "undici";
import { enclaveEndpoints, enrolTokenSchema } from "../../api/contract.ts";
import { pathOf } from "../../api/contract/endpoint.ts";
import "reflect-metadata";
import { Pkcs10CertificateRequestGenerator } from "@peculiar/x509";
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";

export type Reply = { status: number; headers: Record<string, string | string[] | undefined>; bytes: Buffer; json(): unknown };
export type Call = { body?: unknown; raw?: Uint8Array | string; headers?: Record<string, string>; signal?: AbortSignal };
export type TlsIdentity = { key: string; cert: string };
export type Enrolled = TlsIdentity & { party: PartyId; identityKey: webcrypto.CryptoKey; identityCertificate: string; ca: string };

export class Client implements AsyncDisposable {
  readonly pool: Pool;
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    port: number,
    options: { ca: string; identity?: TlsIdentity | undefined; apiKey?: string | undefined; connections?: number },
  ) {
    const { ca, identity } = options;
    this.pool = new Pool(`https://127.0.0.1:${port}`, {
      connect: { ca, ...identity },
      connections: options.connections ?? 8,
      bodyTimeout: 60_000,
      headersTimeout: 60_000,
    });
    this.headers = options.apiKey === undefined ? {} : { authorization: `Bearer ${options.apiKey}` };
  }

  async call(method: Dispatcher.HttpMethod, path: string, given: Call = {}): Promise<Reply> {
    const body = given.raw ?? (given.body === undefined ? undefined : JSON.stringify(given.body));
    const type: Record<string, string> = given.body === undefined ? {} : { "content-type": "application/json" };
    const response = await this.pool.request({
      method,
      path,
      body: body ?? null,
      headers: { ...this.headers, ...type, ...given.headers },
      ...(given.signal === undefined ? {} : { signal: given.signal }),
    });
    const bytes = Buffer.from(await response.body.arrayBuffer());
    return { status: response.statusCode, headers: response.headers, bytes, json: () => JSON.parse(bytes.toString("utf8")) };
  }

  get = (path: string, given?: Call): Promise<Reply> => this.call("GET", path, given);
  post = (path: string, body?: unknown, given?: Call): Promise<Reply> => this.call("POST", path, { body, ...given });
  put = (path: string, body?: unknown, given?: Call): Promise<Reply> => this.call("PUT", path, { body, ...given });

  putFrame(job: string, to: string, seq: number | string, frame: Uint8Array, headers: Record<string, string> = {}): Promise<Reply> {
    const path = pathOf(enclaveEndpoints.putRelay, { job, to, seq });
    return this.call("PUT", path, {
      raw: frame,
      headers: { "content-type": "application/octet-stream", "x-content-digest": sha256(frame), ...headers },
    });
  }

  getFrame(job: string, from: string, seq: number, wait = 0): Promise<Reply> {
    return this.get(`${pathOf(enclaveEndpoints.getRelay, { job, from, seq })}?wait=${wait}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.destroy();
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Asserts that a reply is a problem with this code. */
export function assertCode(reply: Reply, code: string): void {
  assert.include(String(reply.headers["content-type"]), "application/problem+json", reply.bytes.toString("utf8").slice(0, 300));
  const problem = reply.json() as { code: string; status: number; details: { en: string; zh: string } };
  assert.equal(problem.code, code);
  assert.equal(problem.status, reply.status);
  assert.isNotEmpty(problem.details.en);
  assert.isNotEmpty(problem.details.zh);
}

export async function newKeys(type: "P-256" | "Ed25519"): Promise<webcrypto.CryptoKeyPair> {
  const algorithm = type === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
  return (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
}

export async function certificateRequest(name: string, keys: webcrypto.CryptoKeyPair): Promise<string> {
  const signingAlgorithm = keys.privateKey.algorithm.name === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
  return (await Pkcs10CertificateRequestGenerator.create({ name: `CN=${name}`, keys, signingAlgorithm }, webcrypto)).toString("pem");
}

export async function privatePem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, "$1\n")}\n-----END PRIVATE KEY-----\n`;
}

/** The CA certificate in the server's chain whose fingerprint the token pins, as an enrolling enclave looks for it. */
export async function pinnedCa(port: number, caFingerprint: string): Promise<string> {
  const socket: TLSSocket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, minVersion: "TLSv1.3" });
  await new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  try {
    let at: ReturnType<TLSSocket["getPeerCertificate"]> | undefined = socket.getPeerCertificate(true);
    const seen = new Set<string>();
    while (at !== undefined && !seen.has(at.fingerprint256)) {
      if (createHash("sha256").update(at.raw).digest("base64url") === caFingerprint) {
        return `-----BEGIN CERTIFICATE-----\n${at.raw.toString("base64").replace(/(.{64})/g, "$1\n")}\n-----END CERTIFICATE-----\n`;
      }
      seen.add(at.fingerprint256);
      at = (at as { issuerCertificate?: typeof at }).issuerCertificate;
    }
    throw new Error("the server's chain does not hold the pinned certificate");
  } finally {
    socket.destroy();
  }
}

/** The whole enrolment of one party. */
export async function enrolParty(apiPort: number, token: string): Promise<Enrolled> {
  const { party, caFingerprint } = enrolTokenSchema.parse(token);
  const ca = await pinnedCa(apiPort, caFingerprint);
  const [tls, identity] = [await newKeys("P-256"), await newKeys("Ed25519")];
  await using client = new Client(apiPort, { ca });
  const reply = await client.post("/v1/enrol", {
    token,
    csrTls: await certificateRequest(party, tls),
    csrIdentity: await certificateRequest(party, identity),
  });
  assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
  const { tlsCertificate, identityCertificate } = reply.json() as { tlsCertificate: string; identityCertificate: string };
  return {
    party: partyId(party),
    key: await privatePem(tls),
    cert: tlsCertificate,
    identityKey: identity.privateKey,
    identityCertificate,
    ca,
  };
}
