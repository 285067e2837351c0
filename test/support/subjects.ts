// Companies that log in at a platform of a test, through a real issuer over HTTP.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { startTestIssuer, type TestIssuer } from "../../api/identity/test-issuer.ts";
import type { Role } from "../../api/contract/roles.ts";
import { issueCredential } from "../../api/services/credentials.ts";
import type { ConsentView, GrantRequest } from "../../api/contract/consents.ts";
import { currentNotice } from "../../consent/notice.ts";
import type { PartyId } from "../../core/brand.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import type { Client } from "./clients.ts";
import type { TestPlatform } from "./platform.ts";

export function usccOf(number: number): string {
  const first = `91110108MA${String(number).padStart(7, "0")}`;
  return first + (usccCheckCharacter(first) ?? "");
}
export const bankUscc = usccOf(9001);
export const redirectUri = "http://127.0.0.1:9/callback";

/** Starts the test issuer and lets a platform believe it. */
export async function withIssuer(platform: TestPlatform, change: object = {}): Promise<TestIssuer> {
  const issuer = await startTestIssuer({ env: platform.env });
  believe(platform, { ...issuer.configuration, ...change });
  return issuer;
}

export function believe(platform: TestPlatform, configuration: object): void {
  writeFileSync(join(platform.data, "identity-provider.json"), JSON.stringify(configuration), { mode: 0o600 });
}

export type Begun = { login: string; authorizationUrl: string };

export async function begin(platform: TestPlatform): Promise<Begun> {
  const reply = await platform.apiClient().post("/v1/subject/login", { redirectUri });
  assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
  return reply.json() as Begun;
}

/** What the browser brings back. */
export async function visit(begun: Begun, uscc: string, authority = "legal-representative"): Promise<{ code: string; state: string }> {
  const url = new URL(begun.authorizationUrl);
  url.searchParams.set("login_hint", uscc);
  url.searchParams.set("authority", authority);
  const reply = await fetch(url, { redirect: "manual" });
  assert.equal(reply.status, 303, await reply.text());
  const back = new URL(reply.headers.get("location") ?? "");
  return { code: back.searchParams.get("code") ?? "", state: back.searchParams.get("state") ?? "" };
}

export type Company = { uscc: string; token: string; session: string; client: Client };

export async function login(platform: TestPlatform, uscc: string): Promise<Company> {
  const begun = await begin(platform);
  const reply = await platform.apiClient().post("/v1/subject/session", { login: begun.login, ...(await visit(begun, uscc)) });
  assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
  const { token, session, subject } = reply.json() as { token: string; session: { id: string }; subject: string };
  assert.equal(subject, uscc);
  return { uscc, token, session: session.id, client: platform.apiClient({ apiKey: token }) };
}

/** A key of somebody in a role, and a client with it. */
export async function person(platform: TestPlatform, role: Exclude<Role, "subject">, holder: string, owner: { institution?: string; party?: PartyId } = {}): Promise<Client> {
  const running = platform.running?.platform;
  assert.isDefined(running);
  const { key } = await running.db.write((tx) => issueCredential(running, tx, { role, holder, ...owner }));
  return platform.apiClient({ apiKey: key });
}

const dayMs = 86_400_000;
export const isoSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

export function grantRequest(now: number, change: Partial<GrantRequest> = {}): GrantRequest {
  const { notice, digest } = currentNotice();
  return {
    grantee: { party: "bank" as PartyId, uscc: bankUscc }, items: ["tax.payment", "utilities.electricity"], purpose: "loan-approval", kinds: ["score"],
    notAfter: isoSeconds(now + 90 * dayMs), use: { kind: "single" }, notice: { version: notice.version, digest }, ...change,
  };
}

let keys = 0;
export const freshKey = (): { headers: Record<string, string> } => ({ headers: { "idempotency-key": `test-key-${++keys}` } });

export async function consentTo(company: Company, request: GrantRequest): Promise<ConsentView> {
  const reply = await company.client.post("/v1/consents", request, freshKey());
  assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
  return reply.json() as ConsentView;
}
