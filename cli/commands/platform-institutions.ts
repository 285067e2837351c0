// `yunei platform institutions` and `keys`: onboarding and supervision over the API, each person with the key of their own role.
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { InvalidArgumentError, Option, type Command } from "commander";
import { z } from "zod";
import { institutionEndpoints as e, institutionIdSchema, issuableRoles, memberIdSchema, suspensionReasons, violations, type MemberDetail, type MemberView } from "../../api/contract/institutions.ts";
import { assessmentSchema, isAsked, memberKinds, questionIds, questionnaireVersion, questions, type Assessment, type MemberKind } from "../../api/contract/questionnaire.ts";
import type { PartyId } from "../../core/brand.ts";
import { writeDurably } from "../../core/files.ts";
import { existingFile, explained, httpsUrl, languageOption, partyName, problemsOf, readJson, wholeNumber } from "../arguments.ts";
import { refuseExisting, type Admission } from "../profile.ts";
import { asRole, withRole, type RoleOptions, type RoleTools } from "../role-client.ts";
import { credentialLines, memberDetailLines, memberLines, questionLines } from "../show-institutions.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";
import { credentialId, holderName } from "./platform-people.ts";

const hexDigest = /^[0-9a-f]{64}$/;
const overlap = wholeNumber(0, 7 * 86_400);

export function addInstitutions(platform: Command): void {
  const all = platform.command("institutions").description("onboarding and supervision of institutions and nodes / 机构与节点的接入与监管");
  const command = (name: string, description: string): Command => asRole(all.command(name).description(description));
  const ofMember = (name: string, description: string): Command => command(name, description).argument("<member>", "id of the institution or node", memberId);

  all.command("questions").description("the questions of the self-assessment with their clauses; --template prints a file to fill in / 自评估问卷")
    .addOption(new Option("--template <kind>", "an answer file for this kind of member, every answer still to be given").choices([...memberKinds]))
    .option("--json", "print JSON").addOption(languageOption()).action(showQuestions);
  command("apply", "register an applicant (platform-operator) / 登记申请")
    .argument("<name>", "its name").addOption(new Option("--kind <kind>", "what it is").choices([...memberKinds]).makeOptionMandatory())
    .requiredOption("--party <party>", "the party of its enclave or node", partyName).option("--seal-to <key>", "institutions: the key that `yunei profile create` printed", sealKey)
    .option("--two-person", "its submissions need a second person").action(apply);
  ofMember("submit", "submit its self-assessment (platform-operator); evidence: digests, or files that are digested here / 提交自评估")
    .argument("<file>", "answers as JSON").action((member: string, file: string, o: RoleOptions) => submit(member, file, o, false));
  ofMember("readmit", "ask for re-admission with a new assessment (platform-operator) / 申请重新接入")
    .argument("<file>", "answers as JSON").action((member: string, file: string, o: RoleOptions) => submit(member, file, o, true));
  for (const decision of ["approve", "reject"] as const) {
    ofMember(decision, `${decision} an assessment (supervisor); two different people approve / ${decision === "approve" ? "批准" : "拒绝"}`)
      .requiredOption("--assessment <digest>", "digest of the assessment that you read (`show`)", sha256)
      .action((member: string, o: RoleOptions & { assessment: string }) => change(o, ({ api }) => api.call(e.decideMember, { params: { member }, body: { decision, assessment: o.assessment } })));
  }
  ofMember("admit", "issue key, certificate and token to an approved member, into files (platform-operator) / 签发接入凭证")
    .option("--api-url <url>", "address of the API as the member sees it; --url unless given", httpsUrl)
    .option("--certificate-request <file>", "PKCS #10 request of an institution that also wants a client certificate").option("--out <file>", "file to write", "admission.json").action(admit);
  ofMember("rotate-key", "a new API key for an institution (platform-operator) / 轮换机构密钥")
    .option("--overlap <seconds>", "how long the old key works on", overlap, 0)
    .option("--certificate-request <file>", "PKCS #10 request for a new client certificate, which replaces the old one at once").requiredOption("--out <file>", "file to write").action(rotateMember);
  ofMember("token", "a one-time enrolment token for a member's enclave or node: for `yunei enclave renew`, or where the first was lost (platform-operator) / 签发注册令牌")
    .requiredOption("--out <file>", "file to write").action(newToken);
  ofMember("two-person", "whether its submissions need a second person (platform-operator) / 双人提交设置").addOption(new Option("--set <value>", "on or off").choices(["on", "off"]).makeOptionMandatory())
    .action((member: string, o: RoleOptions & { set: string }) => change(o, ({ api }) => api.call(e.setMember, { params: { member }, body: { twoPerson: o.set === "on" } })));
  ofMember("review", "record a periodic review (supervisor) / 登记定期复审").addOption(new Option("--outcome <outcome>", "how it ended").choices(["passed", "failed"]).makeOptionMandatory())
    .requiredOption("--evidence <digest>", "SHA-256, or the file", evidenceOf)
    .action((member: string, o: RoleOptions & { outcome: string; evidence: Promise<string> }) => change(o, async ({ api }) => api.call(e.reviewMember, { params: { member }, body: { outcome: o.outcome, evidence: await o.evidence } })));
  ofMember("violation", "record a violation (supervisor) / 登记违规").addOption(new Option("--what <violation>", "its kind").choices([...violations]).makeOptionMandatory())
    .requiredOption("--evidence <digest>", "SHA-256, or the file", evidenceOf)
    .action((member: string, o: RoleOptions & { what: string; evidence: Promise<string> }) => change(o, async ({ api }) => api.call(e.recordViolation, { params: { member }, body: { violation: o.what, evidence: await o.evidence } })));
  for (const [name, endpoint, zh] of [["suspend", e.suspendMember, "暂停接入"], ["remove", e.removeMember, "取消接入"]] as const) {
    ofMember(name, `${name} it at once (supervisor) / ${zh}`).addOption(new Option("--reason <reason>", "why").choices([...suspensionReasons]).makeOptionMandatory())
      .action((member: string, o: RoleOptions & { reason: string }) => change(o, ({ api }) => api.call(endpoint, { params: { member }, body: { reason: o.reason } })));
  }
  command("list", "all of them, newest first (platform-operator, supervisor) / 列出").action((o: RoleOptions) => withRole(o, list));
  ofMember("show", "one with its assessment, decisions and record / 查看").action((member: string, o: RoleOptions) => withRole(o, async ({ api, json, language }) => {
    const detail: MemberDetail = await api.call(e.getMember, { params: { member } });
    if (json) printJson(detail);
    else printLines(memberDetailLines(detail, language));
  }));
  addKeys(platform);
}

function addKeys(platform: Command): void {
  const keys = platform.command("keys").description("keys of people and systems in a role / 角色密钥");
  asRole(keys.command("issue").description("issue one into a file (platform-operator) / 签发"))
    .addOption(new Option("--role <role>", "what it may do").choices([...issuableRoles]).makeOptionMandatory()).requiredOption("--holder <holder>", "staff number or function", holderName)
    .option("--institution <id>", "for roles of an institution", institutionId).option("--party <party>", "for roles of a party", partyName)
    .option("--days <number>", "how long it is valid", wholeNumber(1, 365), 365).requiredOption("--out <file>", "key file to write").action(issue);
  asRole(keys.command("rotate").argument("<key>", "id of the key", credentialId).description("a new key in place of one's own, or of a member's person (platform-operator) / 轮换"))
    .option("--overlap <seconds>", "how long the old key works on", overlap, 0).requiredOption("--out <file>", "key file to write")
    .action((key: string, o: RoleOptions & { overlap: number; out: string }) => keep(o, ({ api }) => api.call(e.rotateKey, { params: { key }, body: { overlapSeconds: o.overlap } })));
  asRole(keys.command("revoke").argument("<key>", "id of the key", credentialId).description("revoke one at once (platform-operator, supervisor) / 吊销"))
    .action((key: string, o: RoleOptions) => withRole(o, async ({ api, json }) => {
      const { id } = await api.call(e.revokeKey, { params: { key } });
      if (json) printJson({ id });
      else printLines([id]);
    }));
  asRole(keys.command("list").description("without their secrets / 列出")).action((o: RoleOptions) => withRole(o, async ({ api, json, language }) => {
    const { items } = await api.call(e.listKeys);
    if (json) printJson({ items });
    else printLines(credentialLines(items, language));
  }));
}

/** A call that changes a member, and the member after it. */
function change(o: RoleOptions, call: (tools: RoleTools) => Promise<MemberView>): Promise<void> {
  return withRole(o, async (tools) => {
    const member = await call(tools);
    if (tools.json) printJson(member);
    else printLines(memberLines([member], tools.language));
  });
}

function apply(name: string, o: RoleOptions & { kind: MemberKind; party: PartyId; sealTo?: string; twoPerson?: boolean }): Promise<void> {
  const sealTo = o.sealTo === undefined ? {} : { sealTo: { kty: "OKP", crv: "X25519", x: o.sealTo } };
  if ((o.kind === "node") === (o.sealTo !== undefined)) throw explained("CLI_ARGUMENT", o.kind === "node" ? "a node takes no --seal-to" : "an institution needs --seal-to");
  return change(o, ({ api }) => api.call(e.applyMember, { body: { name, kind: o.kind, party: o.party, ...sealTo, twoPerson: o.twoPerson === true } }));
}

const answersFile = z.strictObject({
  questionnaire: z.number(), answers: z.array(z.strictObject({ question: z.string(), answer: z.string(), evidence: z.array(z.string()).default([]) })),
});

/** The answers of a file. Evidence that is no digest is a file beside it, which is digested here and stays here. */
async function readAssessment(file: string): Promise<Assessment> {
  const raw = answersFile.safeParse(readJson(file));
  if (!raw.success) throw explained("CLI_ARGUMENT", problemsOf(raw.error));
  const digested = async (text: string): Promise<string> => (hexDigest.test(text) ? text : digestOfFile(resolve(dirname(file), text)));
  const answers = await Promise.all(raw.data.answers.map(async (answer) => ({ ...answer, evidence: await Promise.all(answer.evidence.map(digested)) })));
  const parsed = assessmentSchema.safeParse({ ...raw.data, answers });
  if (!parsed.success) throw explained("CLI_ARGUMENT", problemsOf(parsed.error));
  return parsed.data;
}

function submit(member: string, file: string, o: RoleOptions, again: boolean): Promise<void> {
  return change(o, async ({ api }) => api.call(again ? e.readmitMember : e.assessMember, { params: { member }, body: await readAssessment(file) }));
}

function admit(member: string, o: RoleOptions & { apiUrl?: string; certificateRequest?: string; out: string }): Promise<void> {
  const files = { admission: o.out, token: `${o.out}.token`, certificate: `${o.out}.pem` };
  for (const file of Object.values(files)) refuseExisting(file);
  return withRole(o, async ({ api, json, language }) => {
    const { party } = await api.call(e.getMember, { params: { member } });
    const body = certificateRequest(o.certificateRequest);
    const { institution, apiKey, certificate, token } = await api.call(e.issueMember, { params: { member }, body });
    const written: string[] = [];
    const write = (file: string, text: string): void => {
      writeDurably(file, text);
      written.push(file);
    };
    if (institution !== null && apiKey !== null) {
      const admission: Admission = { institution, guest: party, url: o.apiUrl ?? o.url, apiKey, ca: readFileSync(o.ca, "utf8") };
      write(files.admission, `${JSON.stringify(admission, undefined, 2)}\n`);
    }
    if (token !== null) write(files.token, `${token}\n`);
    if (certificate !== null) write(files.certificate, certificate);
    if (json) printJson({ member, institution, files: written });
    else {
      printLines([member, ...written]);
      remark(language, { en: "These files hold keys: hand them over on a safe way and delete them here.", zh: "上述文件含密钥，请安全移交并在本机删除。" });
    }
  });
}

function certificateRequest(file: string | undefined): { certificateRequest?: string } {
  return file === undefined ? {} : { certificateRequest: readFileSync(existingFile(file), "utf8") };
}

function rotateMember(member: string, o: RoleOptions & { overlap: number; certificateRequest?: string; out: string }): Promise<void> {
  const files = { key: o.out, certificate: `${o.out}.pem` };
  for (const file of Object.values(files)) refuseExisting(file);
  const body = { overlapSeconds: o.overlap, ...certificateRequest(o.certificateRequest) };
  return withRole(o, async ({ api, json }) => {
    const { apiKey, certificate, previousUntil } = await api.call(e.rotateMemberKey, { params: { member }, body });
    writeDurably(files.key, `${apiKey}\n`);
    if (certificate !== null) writeDurably(files.certificate, certificate);
    const written = [files.key, ...(certificate === null ? [] : [files.certificate])];
    if (json) printJson({ member, previousUntil, files: written });
    else printLines(written.map((file) => `${file}  ${previousUntil}`));
  });
}

function newToken(member: string, o: RoleOptions & { out: string }): Promise<void> {
  refuseExisting(o.out);
  return withRole(o, async ({ api, json }) => {
    const { party, token, expiresAt } = await api.call(e.inviteMember, { params: { member } });
    writeDurably(o.out, `${token}\n`);
    if (json) printJson({ member, party, expiresAt, file: o.out });
    else printLines([`${party}  ${o.out}  ${expiresAt}`]);
  });
}

async function list({ api, json, language }: RoleTools): Promise<void> {
  const items: MemberView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page: z.output<typeof e.listMembers.reply> = await api.call(e.listMembers, { query: { limit: "100", ...(cursor === undefined ? {} : { cursor }) } });
    items.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  if (json) printJson({ items });
  else printLines(memberLines(items, language));
}

function issue(o: RoleOptions & { role: string; holder: string; institution?: string; party?: PartyId; days: number; out: string }): Promise<void> {
  const owner = { ...(o.institution === undefined ? {} : { institution: o.institution }), ...(o.party === undefined ? {} : { party: o.party }) };
  return keep(o, ({ api }) => api.call(e.issueKey, { body: { role: o.role, holder: o.holder, ...owner, days: o.days } }));
}

/** A call that gives a key, which is written to a file and not shown. */
function keep(o: RoleOptions & { out: string }, call: (tools: RoleTools) => Promise<{ id: string; key: string; expiresAt: string }>): Promise<void> {
  refuseExisting(o.out);
  return withRole(o, async (tools) => {
    const { id, key, expiresAt } = await call(tools);
    writeDurably(o.out, `${key}\n`);
    if (tools.json) printJson({ id, expiresAt, file: o.out });
    else printLines([`${id}  ${o.out}`]);
  });
}

function showQuestions(o: { template?: MemberKind; json?: boolean; lang?: string }): void {
  const { template } = o;
  if (template !== undefined) {
    const answers = questionIds.filter((id) => isAsked(id, template)).map((question) => ({ question, answer: "no", evidence: [] }));
    process.stdout.write(`${JSON.stringify({ questionnaire: questionnaireVersion, answers }, undefined, 2)}\n`);
  } else if (o.json === true) printJson({ version: questionnaireVersion, questions: questions() });
  else printLines(questionLines(questions(), languageOf(o.lang)));
}

function memberId(text: string): string {
  if (!memberIdSchema.safeParse(text).success) throw new InvalidArgumentError("It looks like mem_0123456789abcdef01234567; see `yunei platform institutions list`.");
  return text;
}

function institutionId(text: string): string {
  if (!institutionIdSchema.safeParse(text).success) throw new InvalidArgumentError("It looks like inst_0123456789abcdef01234567.");
  return text;
}

function sealKey(x: string): string {
  if (!/^[A-Za-z0-9_-]{43}$/.test(x)) throw new InvalidArgumentError("It is the 43 characters that `yunei profile create` prints.");
  return x;
}

function sha256(text: string): string {
  if (!hexDigest.test(text)) throw new InvalidArgumentError("It is a SHA-256 digest: 64 characters of 0-9 and a-f.");
  return text;
}

function evidenceOf(text: string): Promise<string> {
  const digest = hexDigest.test(text) ? Promise.resolve(text) : digestOfFile(text);
  digest.catch(() => {}); // told when it is used
  return digest;
}

/** Throws CLI_FILE. */
async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(existingFile(path)), hash);
  return hash.digest("hex");
}
