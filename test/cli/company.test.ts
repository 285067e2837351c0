// `yunei company`, `written`, `objections` and the test issuer as a person uses them: processes of their own over real sockets.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { currentNotice } from "../../consent/notice.ts";
import type { ConsentView, WrittenView } from "../../api/contract/consents.ts";
import type { ObjectionView } from "../../api/contract/subject.ts";
import { issueCredential } from "../../api/services/credentials.ts";
import { newWorld, type World } from "../support/platform.ts";
import { bankUscc, isoSeconds, usccOf } from "../support/subjects.ts";
import { companyLogin, fails, json, serve, succeeds, yunei, type Outcome, type Server } from "./support.ts";

const uscc = usccOf(1);

describe("a company on the command line", () => {
  let world: World;
  let issuer: Server;
  let here: string;
  let url: string;
  const version = currentNotice().notice.version;

  before(async () => {
    world = await newWorld();
    here = world.platform.data;
    url = `https://127.0.0.1:${world.platform.apiPort}`;
    issuer = await serve(["platform", "test-issuer", "--data", here], here);
  });
  after(async () => {
    await issuer.stop();
    await world.platform[Symbol.asyncDispose]();
  });

  const login = (file: string, hint: string | undefined): Promise<Outcome> => companyLogin({ url, ca: "ca.pem", file, hint }, here);
  const roleKey = async (role: "bank-submitter" | "bank-approver" | "platform-operator", holder: string): Promise<string> => {
    const { platform } = world.platform.running ?? assert.fail();
    const owner = role === "platform-operator" ? {} : { institution: world.bank.institution };
    return (await platform.db.write((tx) => issueCredential(platform, tx, { role, holder, ...owner }))).key;
  };
  const asRole = async <T>(key: string, args: readonly string[]): Promise<T> => {
    const earlier = process.env["YUNEI_KEY"];
    process.env["YUNEI_KEY"] = key;
    try {
      return await json<T>([...args, "--url", url, "--ca", "ca.pem"], here);
    } finally {
      if (earlier === undefined) delete process.env["YUNEI_KEY"];
      else process.env["YUNEI_KEY"] = earlier;
    }
  };

  it("says that the issuer is for tests, and writes no configuration over another", async () => {
    assert.include(await fails(["platform", "test-issuer", "--data", here], here, "CLI_EXISTS"), "identity-provider.json");
  });

  it("logs in by the browser into a file of its own; a login that is refused leaves none", async () => {
    await fails(["company", "consents", "list"], here, "COMPANY_PROFILE");
    const refused = await login("none.json", undefined);
    assert.equal(refused.status, 1);
    assert.include(refused.out, "IDENTITY_REFUSED");
    const { status, out, err } = await login("yunei-company.json", uscc);
    assert.equal(status, 0, err);
    assert.deepInclude(JSON.parse(out), { subject: uscc });
    assert.equal(statSync(join(here, "yunei-company.json")).mode & 0o777, 0o600);
    const { token } = JSON.parse(readFileSync(join(here, "yunei-company.json"), "utf8")) as { token: string };
    assert.notInclude(out + err, token);
  });

  const grantArgs = ["company", "consents", "grant", "--to", "bank", "--to-code", bankUscc, "--item", "utilities.electricity", "tax.payment", "--purpose", "loan-approval"];

  it("shows the notice before it lets consent, then grants, lists and withdraws", async () => {
    assert.include(await fails(grantArgs, here, "CONSENT_NOTICE"), `--acknowledge ${version}`);
    await fails([...grantArgs, "--acknowledge", "2020-1"], here, "CONSENT_NOTICE");
    const made = await json<ConsentView>([...grantArgs, "--acknowledge", version, "--key", "my-first-consent"], here);
    assert.deepInclude(made, { state: "active", subject: uscc, items: ["tax.payment", "utilities.electricity"], use: { kind: "single" } });
    const text = await succeeds(["company", "consents", "list", "--lang", "zh"], here);
    assert.include(text, made.id);
    assert.include(text, "有效");
    await fails([...grantArgs, "--acknowledge", version, "--item", "tax.invented"], here, "CONSENT_ITEM_UNKNOWN");
    assert.equal((await json<ConsentView>(["company", "consents", "withdraw", made.id], here)).state, "withdrawn");
    await fails(["company", "consents", "withdraw", `consent_${"0".repeat(24)}`], here, "CONSENT_NOT_FOUND");
    const { status } = await yunei([...grantArgs.slice(0, -1), "marketing"], here);
    assert.equal(status, 1);
  });

  it("enters and confirms a written form by two people", async () => {
    const { notice, digest } = currentNotice();
    const terms = {
      subject: uscc, granteeUscc: bankUscc, items: ["tax.payment"], purpose: "loan-approval", kinds: ["score"], notAfter: isoSeconds(Date.now() + 86_400_000), use: { kind: "single" },
      notice: { version: notice.version, digest },
    };
    writeFileSync(join(here, "terms.json"), JSON.stringify(terms));
    writeFileSync(join(here, "form.pdf"), "a scanned form");
    writeFileSync(join(here, "other.pdf"), "another scanned form");
    const [clerk, officer] = [await roleKey("bank-submitter", "clerk 7"), await roleKey("bank-approver", "officer 3")];
    await fails(["written", "list", "--url", url, "--ca", "ca.pem"], here, "CLI_ARGUMENT");
    const entered = await asRole<WrittenView>(clerk, ["written", "enter", "--terms", "terms.json", "--form", "form.pdf"]);
    assert.equal(entered.state, "pending");
    process.env["YUNEI_KEY"] = officer;
    try {
      await fails(["written", "confirm", entered.id, "--form", "other.pdf", "--url", url, "--ca", "ca.pem"], here, "WRITTEN_FORM");
    } finally {
      delete process.env["YUNEI_KEY"];
    }
    const done = await asRole<WrittenView>(officer, ["written", "confirm", entered.id, "--form", "form.pdf"]);
    assert.match(done.consent ?? "", /^consent_/);
    assert.equal((await asRole<{ items: WrittenView[] }>(clerk, ["written", "list"])).items.length, 1);
  });

  it("lodges an objection that the operator accepts, and shows its steps", async () => {
    const lodged = await json<ObjectionView>(["company", "objections", "lodge", "--against", "tax", "--item", "tax.payment", "--ground", "inaccurate"], here);
    assert.equal(lodged.state, "lodged");
    const operator = await roleKey("platform-operator", "operator 1");
    const { items } = await asRole<{ items: { id: string }[] }>(operator, ["objections", "list", "--state", "lodged"]);
    assert.deepEqual(items.map((i) => i.id), [lodged.id]);
    assert.deepInclude(await asRole<object>(operator, ["objections", "accept", lodged.id]), { state: "accepted" });
    assert.deepEqual((await json<ObjectionView>(["company", "objections", "show", lodged.id], here)).steps.map((s) => s.type), ["lodge", "accept"]);
    assert.include(await succeeds(["company", "objections", "show", lodged.id, "--lang", "zh"], here), "已受理");
    await fails(["company", "objections", "lodge", "--against", "tax", "--ground", "inaccurate", "--item", "tax.payment"], here, "OBJECTION_OPEN");
  });

  it("signs with the company's own key, which takes all its consents along when it is withdrawn", async () => {
    const own = [...grantArgs, "--acknowledge", version, "--own-key", "own.json"];
    await fails(own, here, "CLI_FILE");
    const { kid } = await json<{ kid: string }>(["company", "key", "register", "--out", "own.json"], here);
    assert.equal(statSync(join(here, "own.json")).mode & 0o777, 0o600);
    await fails(["company", "key", "register", "--out", "own.json"], here, "CLI_EXISTS");
    const made = await json<ConsentView>(own, here);
    assert.deepInclude(made, { state: "active", source: "own-key", subject: uscc });
    const payload = JSON.parse(Buffer.from(made.jws.split(".")[1] ?? "", "base64url").toString()) as { issuer: { kind: string } };
    assert.equal(payload.issuer.kind, "subject");
    assert.include(await fails([...own, "--key", "once-and-again"], here, "CLI_ARGUMENT"), "--own-key");
    await fails([...own, "--item", "Not an item"], here, "CONSENT_SCHEMA");
    writeFileSync(join(here, "other.json"), JSON.stringify({ ...JSON.parse(readFileSync(join(here, "own.json"), "utf8")), subject: usccOf(2) }));
    await fails([...grantArgs, "--acknowledge", version, "--own-key", "other.json"], here, "CONSENT_SUBJECT", "CONSENT_CHAIN", "CONSENT_ISSUER");
    await fails([...grantArgs, "--acknowledge", version, "--own-key", "ca.pem"], here, "CLI_ARGUMENT");
    assert.equal((await json<{ kid: string }>(["company", "key", "withdraw", kid], here)).kid, kid);
    assert.include(await succeeds(["company", "key", "list", "--lang", "zh"], here), "已撤销");
    const { items } = await json<{ items: ConsentView[] }>(["company", "consents", "list"], here);
    assert.equal(items.find(({ id }) => id === made.id)?.state, "withdrawn");
    assert.isTrue(items.some(({ state, source }) => state === "active" && source !== "own-key"), "the others stay");
    await fails(own, here, "CONSENT_KEY_WITHDRAWN");
    assert.include(await succeeds(["company", "notices"], here), "written-consent");
  });

  it("asks for uses, exports everything once, and ends", async () => {
    const looked = await json<{ answered: string[]; uses: [] }>(["company", "uses", "--wait", "0", "--out", "uses"], here);
    assert.deepEqual([looked.answered, looked.uses], [[], []]);
    const { err } = await yunei(["company", "uses", "--wait", "0", "--out", "uses", "--lang", "zh"], here);
    assert.match(err, /已应答节点：0 \/ \d/);
    assert.deepInclude(await json<object>(["company", "export", "--out", "all.json"], here), { consents: 3, objections: 1 });
    const all = JSON.parse(readFileSync(join(here, "all.json"), "utf8")) as { subject: string; sessions: []; usesRequests: [] };
    assert.deepEqual([all.subject, all.sessions.length, all.usesRequests.length], [uscc, 1, 2]);
    await fails(["company", "export", "--out", "all.json"], here, "CLI_EXISTS");
    assert.deepEqual(await json(["company", "logout"], here), { ended: 1 });
    await fails(["company", "consents", "list"], here, "AUTH_INVALID");
  });
});
