// People of a platform in their roles, and applicants on their way in.
import { generateKeyPairSync } from "node:crypto";
import { assert } from "chai";
import type { MemberDetail, MemberView } from "../../api/contract/institutions.ts";
import { isAsked, isMandatory, questionIds, questionnaireVersion, type Assessment, type MemberKind } from "../../api/contract/questionnaire.ts";
import type { Role } from "../../api/contract/roles.ts";
import type { Client, Reply } from "./clients.ts";
import { sha256 } from "./clients.ts";
import { TestPlatform, type TestPlatformOptions } from "./platform.ts";

export type Person = { readonly client: Client; readonly id: string; readonly key: string };
export type Staff = { readonly operator: Person; readonly ana: Person; readonly bo: Person };

/** A platform with one operator, two supervisors, and the CA that clients trust. */
export async function staffed(options: TestPlatformOptions = {}): Promise<{ platform: TestPlatform } & Staff> {
  const platform = await TestPlatform.start(options);
  await platform.enrol("registry"); // brings the CA's certificate
  return { platform, ...(await staffOf(platform)) };
}

export async function staffOf(platform: TestPlatform): Promise<Staff> {
  const person = async (role: "supervisor" | "platform-operator", holder: string): Promise<Person> => {
    const { id, key } = await platform.admin.addPerson({ role, holder });
    return { id, key, client: platform.apiClient({ apiKey: key }) };
  };
  return { operator: await person("platform-operator", "operator 1"), ana: await person("supervisor", "Ana 07"), bo: await person("supervisor", "Bo 08") };
}

/** A key for a person of an institution or party. */
export async function personOf(platform: TestPlatform, operator: Person, role: Role, holder: string, owner: { institution?: string; party?: string }): Promise<Person> {
  const issued = await said<{ id: string; key: string }>(operator.client.post("/v1/keys", { role, holder, ...owner }), 201);
  return { ...issued, client: platform.apiClient({ apiKey: issued.key }) };
}

/** The JSON of a reply that has this status. */
export async function said<T>(reply: Promise<Reply>, status = 200): Promise<T> {
  const given = await reply;
  assert.equal(given.status, status, given.bytes.toString("utf8").slice(0, 400));
  return given.json() as T;
}

export const evidence = (text: string): string => sha256(`document: ${text}`);

/** All that is asked, answered "yes" with evidence. */
export function goodAssessment(kind: MemberKind, marked = "first"): Assessment {
  return {
    questionnaire: questionnaireVersion,
    answers: questionIds.filter((id) => isAsked(id, kind) && isMandatory(id)).map((question) => ({ question, answer: "yes" as const, evidence: [evidence(`${marked} ${question}`)] })),
  };
}

export function sealTo(): { kty: "OKP"; crv: "X25519"; x: string } {
  return { kty: "OKP", crv: "X25519", x: String(generateKeyPairSync("x25519").publicKey.export({ format: "jwk" }).x) };
}

export async function apply(staff: Staff, party: string, kind: MemberKind = "bank", more: object = {}): Promise<MemberView> {
  const body = { kind, name: `Member ${party}`, party, ...(kind === "node" ? {} : { sealTo: sealTo() }), ...more };
  return said(staff.operator.client.post("/v1/members", body), 201);
}

/** Registered, with an assessment that waits for its two decisions. */
export async function applied(staff: Staff, party: string, kind: MemberKind = "bank", more: object = {}): Promise<MemberView> {
  const { id } = await apply(staff, party, kind, more);
  return said(staff.operator.client.put(`/v1/members/${id}/assessment`, goodAssessment(kind)));
}

export function decide(by: Person, member: Pick<MemberView, "id" | "assessmentDigest">, decision: "approve" | "reject" = "approve"): Promise<Reply> {
  return by.client.post(`/v1/members/${member.id}/decisions`, { decision, assessment: member.assessmentDigest });
}

export async function approveByBoth(staff: Staff, member: MemberView): Promise<MemberView> {
  await said(decide(staff.ana, member));
  return said(decide(staff.bo, member));
}

export type Issued = { member: string; institution: string | null; apiKey: string | null; certificate: string | null; token: string | null };

/** All the way in. */
export async function admitted(staff: Staff, party: string, kind: MemberKind = "bank", more: object = {}): Promise<Issued> {
  const member = await approveByBoth(staff, await applied(staff, party, kind, more));
  assert.equal(member.state, "approved");
  return said(staff.operator.client.post(`/v1/members/${member.id}/admission`, {}), 201);
}

export function show(staff: Staff, id: string): Promise<MemberDetail> {
  return said(staff.ana.client.get(`/v1/members/${id}`));
}
