// Enrolment: the enclave makes its keys, trusts the platform's CA only if its fingerprint is the one in the token, and gets
// two certificates for its signing requests; later, with another token, it renews them. Keys never leave this machine.
import { createHash, X509Certificate } from "node:crypto";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { Agent, request } from "undici";
import { bankEndpoints, enrolTokenSchema } from "../api/contract.ts";
import { pathOf, problemSchema } from "../api/contract/endpoint.ts";
import type { PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { createKeys, loadIdentity, renewalRequests, storeCertificates, storeRenewed, type Identity } from "./keys/identity.ts";

const connectTimeoutMs = 15_000;
const httpsPort = 443;

/** Enrols at `url` (https://host:port of the API listener) and stores keys and certificates in `keyFolder`. */
export async function enrol(options: { url: string; token: string; keyFolder: string }): Promise<{ party: PartyId }> {
  const { party, caFingerprint } = readToken(options.token);
  const ca = await findCa(new URL(options.url), caFingerprint);
  const requests = await createKeys(options.keyFolder, party);
  storeCertificates(options.keyFolder, await ask(options, ca, requests));
  return { party };
}

/**
 * New certificates for an enclave that has enrolled: with a new key for TLS and the same identity. The old certificate for TLS is void once
 * the platform has answered; done again with the same token, a lost answer is had again. Throws ENROL_TOKEN for the token of another party
 * or platform, ENCLAVE_NOT_ENROLLED, and what enrolling throws.
 */
export async function renew(options: { url: string; token: string; keyFolder: string; party: PartyId }): Promise<Identity> {
  const { url, token, keyFolder } = options;
  const { party, caFingerprint } = readToken(token);
  const { ca } = loadIdentity(keyFolder, options.party);
  if (party !== options.party || createHash("sha256").update(new X509Certificate(ca).raw).digest("base64url") !== caFingerprint) throw new AppError("ENROL_TOKEN");
  storeRenewed(keyFolder, await ask({ url, token }, ca, await renewalRequests(keyFolder, party)));
  return loadIdentity(keyFolder, party);
}

function readToken(token: string): ReturnType<typeof enrolTokenSchema.parse> {
  const parsed = enrolTokenSchema.safeParse(token);
  if (!parsed.success) throw new AppError("ENROL_TOKEN");
  return parsed.data;
}

async function ask(
  { url, token }: { readonly url: string; readonly token: string }, ca: string, requests: { readonly csrTls: string; readonly csrIdentity: string },
): Promise<ReturnType<typeof bankEndpoints.enrol.reply.parse>> {
  const dispatcher = new Agent({ connect: { ca, minVersion: "TLSv1.3" } });
  try {
    const reply = await request(new URL(pathOf(bankEndpoints.enrol), url), {
      method: "POST", dispatcher, headers: { "content-type": "application/json" }, body: JSON.stringify({ token, ...requests }),
    });
    const body: unknown = await reply.body.json();
    if (reply.statusCode >= 400) {
      const problem = problemSchema.safeParse(body);
      throw new AppError(problem.success ? problem.data.code : "PLATFORM_REFUSED", { status: reply.statusCode });
    }
    return bankEndpoints.enrol.reply.parse(body);
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("JOB_PLATFORM_UNREACHABLE", {}, { cause });
  } finally {
    await dispatcher.destroy();
  }
}

/** The certificate in the server's chain that has this fingerprint: looked at without trust, then trusted alone. */
async function findCa(url: URL, fingerprint: string): Promise<string> {
  const chain = await new Promise<DetailedPeerCertificate>((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: url.port === "" ? httpsPort : Number(url.port), rejectUnauthorized: false, timeout: connectTimeoutMs }, () => {
      const certificate = socket.getPeerCertificate(true);
      socket.destroy();
      resolve(certificate);
    });
    socket.once("timeout", () => socket.destroy(new Error("timeout")));
    socket.once("error", (cause) => reject(new AppError("JOB_PLATFORM_UNREACHABLE", {}, { cause })));
  });
  const seen = new Set<string>();
  for (let at: DetailedPeerCertificate | undefined = chain; at?.raw !== undefined && !seen.has(at.fingerprint256); at = at.issuerCertificate) {
    seen.add(at.fingerprint256);
    if (createHash("sha256").update(at.raw).digest("base64url") === fingerprint) return new X509Certificate(at.raw).toString();
  }
  throw new AppError("ENROL_TOKEN");
}
