// Enrolment: the enclave makes its keys, trusts the platform's CA only if its fingerprint is the one in the token, and gets
// two certificates for its signing requests. Keys never leave this machine.
import { createHash, X509Certificate } from "node:crypto";
import { connect, type DetailedPeerCertificate } from "node:tls";
import { Agent, request } from "undici";
import { bankEndpoints, enrolTokenSchema, pathOf, problemSchema } from "../api/contract.ts";
import type { PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { createKeys, storeCertificates } from "./keys/identity.ts";

const connectTimeoutMs = 15_000;
const httpsPort = 443;

/** Enrols at `url` (https://host:port of the API listener) and stores keys and certificates in `keyFolder`. */
export async function enrol(options: { url: string; token: string; keyFolder: string }): Promise<{ party: PartyId }> {
  const parsed = enrolTokenSchema.safeParse(options.token);
  if (!parsed.success) throw new AppError("ENROL_TOKEN");
  const { party, caFingerprint } = parsed.data;
  const ca = await findCa(new URL(options.url), caFingerprint);
  const { csrTls, csrIdentity } = await createKeys(options.keyFolder, party);
  const dispatcher = new Agent({ connect: { ca, minVersion: "TLSv1.3" } });
  try {
    const reply = await request(new URL(pathOf(bankEndpoints.enrol), options.url), {
      method: "POST", dispatcher, headers: { "content-type": "application/json" }, body: JSON.stringify({ token: options.token, csrTls, csrIdentity }),
    });
    const body: unknown = await reply.body.json();
    if (reply.statusCode >= 400) {
      const problem = problemSchema.safeParse(body);
      throw new AppError(problem.success ? problem.data.code : "PLATFORM_REFUSED", { status: reply.statusCode });
    }
    storeCertificates(options.keyFolder, bankEndpoints.enrol.reply.parse(body));
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("JOB_PLATFORM_UNREACHABLE", {}, { cause });
  } finally {
    await dispatcher.destroy();
  }
  return { party };
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
