// Enrolment: a one-time token and two certificate requests for two certificates. The same request again (its answer was
// lost) gets the same certificates; anything else with a used token is refused.
import type { PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { enrolTokenSchema } from "../contract.ts";
import { fingerprintOf, readRequest } from "../pki/authority.ts";
import type { Platform } from "../platform.ts";
import { findCertificates, findToken, invite, storeCertificates, useToken, type Certificates } from "../store/parties.ts";

type Enrolled = Certificates & { party: PartyId; caCertificate: string };
type TokenIssuer = Pick<Platform, "db" | "env" | "authority">;

/** A fresh token for a party, new or known; its text is shown once, only a digest is stored. */
export async function createEnrolToken(platform: TokenIssuer, party: PartyId, lifeMs: number): Promise<string> {
  const secret = Buffer.from(platform.env.rng(32)).toString("base64url");
  const token = `yunei1.${party}.${secret}.${platform.authority.fingerprint}`;
  const now = platform.env.now();
  await platform.db.write((tx) => invite(tx, party, { digest: sha256Hex(token), expiresAt: new Date(now + lifeMs) }, new Date(now)));
  return token;
}

/** Throws ENROL_TOKEN, ENROL_EXPIRED, ENROL_USED, ENROL_CSR, ENROL_NAME, AUTH_SUSPENDED. */
export async function enrol(platform: Platform, request: { token: string; csrTls: string; csrIdentity: string }): Promise<Enrolled> {
  const parsed = enrolTokenSchema.safeParse(request.token);
  const digest = sha256Hex(request.token);
  const row = parsed.success ? await findToken(platform.db.read, digest) : undefined;
  if (!parsed.success || row === undefined) throw new AppError("ENROL_TOKEN");
  const { party } = parsed.data;
  const requestDigest = sha256Hex(`${request.csrTls}\0${request.csrIdentity}`);
  if (platform.env.now() > row.expiresAt.getTime()) throw new AppError("ENROL_EXPIRED");
  if (row.usedAt !== null) return again(platform, party, row.requestDigest === requestDigest);

  const tls = await readRequest(request.csrTls, party, "tls");
  const identity = await readRequest(request.csrIdentity, party, "identity");
  if (Buffer.compare(tls.spki, identity.spki) === 0) throw new AppError("ENROL_CSR");
  const days = platform.limits.certificateDays;
  const issued = {
    tlsCertificate: await platform.authority.issueClient("party", party, tls, days),
    identityCertificate: await platform.authority.issueIdentity(party, identity, days),
  };
  const now = new Date(platform.env.now());
  const isOurs = await platform.db.write(async (tx) => {
    if (!(await useToken(tx, digest, requestDigest, now))) return false;
    await storeCertificates(tx, party, { ...issued, tlsFingerprint: fingerprintOf(issued.tlsCertificate) }, now);
    return true;
  });
  if (!isOurs) return again(platform, party, (await findToken(platform.db.read, digest))?.requestDigest === requestDigest);
  platform.env.log.info("party.enrolled", { party });
  return { party, ...issued, caCertificate: platform.authority.certificatePem };
}

async function again(platform: Platform, party: PartyId, isSameRequest: boolean): Promise<Enrolled> {
  const stored = isSameRequest ? await findCertificates(platform.db.read, party) : undefined;
  if (stored === undefined) throw new AppError("ENROL_USED");
  return { party, ...stored, caCertificate: platform.authority.certificatePem };
}
