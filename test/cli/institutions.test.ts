// Onboarding, role keys, two-person submission and four eyes as people type them.
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { CredentialView, MemberDetail, MemberView } from "../../api/contract/institutions.ts";
import { isMandatory, type Assessment } from "../../api/contract/questionnaire.ts";
import type { JobView } from "../../api/contract.ts";
import { certificateRequest, newKeys } from "../support/clients.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { newWorld, type World } from "../support/platform.ts";
import { json, succeeds, yunei } from "./support.ts";

describe("yunei platform institutions, keys and job approve", () => {
  let world: World;
  const folder = temporaryFolder();
  before(async function () {
    this.timeout(60_000);
    world = await newWorld();
    await world.platform.enrol("guild");
  });
  after(async () => {
    await world.platform[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const cwd = folder.path;
  const reach = (): string[] => ["--url", `https://127.0.0.1:${world.platform.apiPort}`, "--ca", join(world.platform.data, "ca.pem")];
  const withKey = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
    process.env["YUNEI_KEY"] = readFileSync(join(cwd, file), "utf8").trim();
    try {
      return await work();
    } finally {
      delete process.env["YUNEI_KEY"];
    }
  };
  const as = <T>(file: string, args: readonly string[]): Promise<T> => withKey(file, () => json<T>([...args, ...reach()], cwd));
  const refused = async (file: string, args: readonly string[]): Promise<string> => {
    const { status, out } = await withKey(file, () => yunei([...args, ...reach(), "--json"], cwd));
    assert.equal(status, 1);
    return (JSON.parse(out) as { error: { code: string } }).error.code;
  };
  const institutions = (...args: string[]): string[] => ["platform", "institutions", ...args];

  it("makes the first people on the machine: key files of their own, nothing secret printed", async function () {
    this.timeout(60_000);
    const { status, out, err } = await yunei(["platform", "init", "--data", world.platform.data, "--supervisor", "ana", "--supervisor", "bo", "--operator", "op 1", "--keys", "keys"], cwd);
    assert.equal(status, 0, err);
    assert.notMatch(out + err, /yr1\./);
    for (const name of ["supervisor-ana", "supervisor-bo", "platform-operator-op-1"]) {
      const file = join(cwd, "keys", `${name}.key`);
      assert.match(readFileSync(file, "utf8"), /^yr1\.cred_[0-9a-f]{24}\.[A-Za-z0-9_-]{43}\n$/);
      assert.equal(statSync(file).mode & 0o777, 0o600);
    }
    const again = await yunei(["platform", "supervisors", "add", "ANA", "--data", world.platform.data, "--out", "second.key", "--json"], cwd);
    assert.deepInclude((JSON.parse(again.out) as { error: object }).error, { code: "CREDENTIAL_HOLDER" });
    assert.isFalse(existsSync(join(cwd, "second.key")));
    const { items } = await json<{ items: CredentialView[] }>(["platform", "supervisors", "list", "--data", world.platform.data], cwd);
    assert.sameMembers(items.map((key) => key.holder), ["ana", "bo"]);
  });

  it("brings an institution in, from the template of the questions to the admission file, and out again", async function () {
    this.timeout(120_000);
    const [operator, ana, bo] = ["keys/platform-operator-op-1.key", "keys/supervisor-ana.key", "keys/supervisor-bo.key"];
    const sealTo = (await json<{ sealTo: string }>(["profile", "create", "--profile", "guild.json"], cwd)).sealTo;
    const { id } = await as<MemberView>(operator, institutions("apply", "Guild Bank", "--kind", "bank", "--party", "guild", "--seal-to", sealTo));
    const template = JSON.parse(await succeeds(institutions("questions", "--template", "bank"), cwd)) as Assessment;
    assert.include(await succeeds(institutions("questions", "--lang", "zh"), cwd), "获取的信息不得用于为企业提供融资支持以外的活动");
    writeFileSync(join(cwd, "rules.txt"), "our rules");
    writeFileSync(join(cwd, "answers.json"), JSON.stringify(template));
    assert.equal(await refused(operator, institutions("submit", id, "answers.json")), "ASSESSMENT_NOT_MET");
    const answers = template.answers.map((a) => (isMandatory(a.question as never) ? { ...a, answer: "yes", evidence: ["rules.txt"] } : a));
    writeFileSync(join(cwd, "answers.json"), JSON.stringify({ ...template, answers }));
    const open = await as<MemberView>(operator, institutions("submit", id, "answers.json"));
    const digest = open.assessmentDigest ?? "";
    assert.equal(await refused(ana, institutions("approve", id, "--assessment", "0".repeat(64))), "MEMBER_ASSESSMENT_CHANGED");
    assert.equal(await refused(operator, institutions("approve", id, "--assessment", digest)), "AUTH_ROLE");
    await as(ana, institutions("approve", id, "--assessment", digest));
    assert.equal(await refused(ana, institutions("approve", id, "--assessment", digest)), "MEMBER_DECIDED");
    assert.equal((await as<MemberView>(bo, institutions("approve", id, "--assessment", digest))).state, "approved");
    const { files } = await as<{ files: string[] }>(operator, institutions("admit", id, "--out", "guild-admission.json"));
    assert.deepEqual(files, ["guild-admission.json"]); // its enclave has enrolled before, so there is no token
    await json(["profile", "admit", "guild-admission.json", "--profile", "guild.json"], cwd);
    assert.deepEqual(await json(["job", "list", "--profile", "guild.json"], cwd), { items: [] });
    writeFileSync(join(cwd, "guild.csr"), await certificateRequest("Guild Bank", await newKeys("P-256")));
    const rotated = await as<{ files: string[] }>(operator, institutions("rotate-key", id, "--certificate-request", "guild.csr", "--out", "guild-2.key"));
    assert.deepEqual(rotated.files, ["guild-2.key", "guild-2.key.pem"]);
    assert.match(readFileSync(join(cwd, "guild-2.key.pem"), "utf8"), /^-----BEGIN CERTIFICATE-----/);
    const stopped = await yunei(["job", "list", "--profile", "guild.json", "--json"], cwd);
    assert.deepInclude((JSON.parse(stopped.out) as { error: object }).error, { code: "AUTH_INVALID" });
    const admission = JSON.parse(readFileSync(join(cwd, "guild-admission.json"), "utf8")) as object;
    writeFileSync(join(cwd, "guild-admission-2.json"), JSON.stringify({ ...admission, apiKey: readFileSync(join(cwd, "guild-2.key"), "utf8").trim() }));
    await json(["profile", "admit", "guild-admission-2.json", "--profile", "guild.json"], cwd);
    assert.deepEqual(await json(["job", "list", "--profile", "guild.json"], cwd), { items: [] });
    const token = await as<{ party: string }>(operator, institutions("token", id, "--out", "guild.token"));
    assert.equal(token.party, "guild");
    assert.match(readFileSync(join(cwd, "guild.token"), "utf8"), /^yunei1\.guild\./);
    assert.equal(statSync(join(cwd, "guild.token")).mode & 0o777, 0o600);
    await as(ana, institutions("violation", id, "--what", "leak", "--evidence", "rules.txt"));
    await as(ana, institutions("suspend", id, "--reason", "leak"));
    const listed = await yunei(["job", "list", "--profile", "guild.json", "--json"], cwd);
    assert.deepInclude((JSON.parse(listed.out) as { error: object }).error, { code: "AUTH_SUSPENDED" });
    await as(bo, institutions("remove", id, "--reason", "leak"));
    const detail = await as<MemberDetail>(bo, institutions("show", id));
    assert.deepEqual(detail.history.slice(-3).map((event) => `${event.type} ${event.what ?? ""}`), ["violation leak", "suspended leak", "removed leak"]);
    assert.match(await withKey(ana, () => succeeds([...institutions("list"), ...reach()], cwd)), /Guild Bank.*leak/);
  });

  it("issues keys to a bank's people; one submits, another approves, with the digest of the plan that was read", async function () {
    this.timeout(120_000);
    const operator = "keys/platform-operator-op-1.key";
    const { items } = await as<{ items: MemberView[] }>(operator, institutions("list"));
    const demo = items.find((member) => member.institution === world.bank.institution);
    assert.deepInclude(demo, { admission: "demo", state: "admitted" });
    await as(operator, institutions("two-person", demo?.id ?? "", "--set", "on"));
    const issue = (role: string, holder: string): Promise<{ file: string }> =>
      as(operator, ["platform", "keys", "issue", "--role", role, "--holder", holder, "--institution", world.bank.institution, "--out", `${role}.key`]);
    await issue("bank-submitter", "sue");
    await issue("bank-approver", "paul");
    const admission = { institution: world.bank.institution, guest: "bank", url: `https://127.0.0.1:${world.platform.apiPort}`, apiKey: world.bank.apiKey, ca: world.platform.ca };
    writeFileSync(join(cwd, "bank-admission.json"), JSON.stringify(admission));
    await json(["profile", "create", "--profile", "bank.json"], cwd);
    await json(["profile", "admit", "bank-admission.json", "--profile", "bank.json"], cwd);
    const hosts = ["tax", "power"];
    const job = await withKey("bank-submitter.key", () => json<JobView>(["job", "submit", ...hosts.flatMap((host) => ["--host", host]), "--profile", "bank.json"], cwd));
    assert.equal(job.state, "submitted");
    const approve = (key: string, plan: string): Promise<{ status: number | null; out: string }> => withKey(key, () => yunei(["job", "approve", job.id, "--plan", plan, "--profile", "bank.json", "--json"], cwd));
    assert.include((await approve("bank-submitter.key", job.planDigest)).out, "AUTH_ROLE");
    assert.include((await approve("bank-approver.key", "f".repeat(64))).out, "JOB_PLAN_DIGEST");
    const approved = await approve("bank-approver.key", job.planDigest);
    assert.equal((JSON.parse(approved.out) as JobView).state, "awaiting-approval");
    const keys = await as<{ items: CredentialView[] }>(operator, ["platform", "keys", "list"]);
    const paul = keys.items.find((key) => key.holder === "paul")?.id ?? "";
    await withKey("bank-approver.key", () => json(["platform", "keys", "rotate", paul, "--out", "paul-2.key", ...reach()], cwd));
    assert.include((await approve("bank-approver.key", job.planDigest)).out, "AUTH_INVALID");
    assert.equal((await approve("paul-2.key", job.planDigest)).status, 0);
  });
});
