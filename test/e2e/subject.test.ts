// The rights of a company through real processes: it logs in by real name at the test issuer, consents, finds the use of its data with a receipt that
// verifies offline, withdraws and is used no more, objects; the provider corrects, the bank is told, the score is marked and made again.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { ConsentView } from "../../api/contract/consents.ts";
import type { ObjectionView, SubjectExport } from "../../api/contract/subject.ts";
import { currentNotice } from "../../consent/notice.ts";
import type { KeptObjection } from "../../enclave/subject/objections.ts";
import { companyLogin, fails, json, serve, succeeds, yunei, type Server } from "../cli/support.ts";
import { eventually, walk } from "../support/process.ts";
import { bankUscc, usccOf } from "../support/subjects.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

const tables = smallTables({ id: usccOf });
const declared = {
  tax: { turnover: ["tax.financial-filings"], arrears: ["tax.arrears"], sector: ["registry.industry"] },
  power: { usage: ["utilities.electricity"], late_bills: ["utilities.electricity"] },
};
const items = ["registry.industry", "tax.arrears", "tax.financial-filings", "utilities.electricity"];
const isHeld = (id: string): boolean => [tables.tax, tables.power].every((table) => table.includes(`\n${id},`));
/** Two companies that both providers know, and one that has nothing to do with it. */
const [mine = "", other = "", stranger = ""] = Array.from({ length: 200 }, (_, i) => usccOf(i)).filter(isHeld);
const batch = [mine, other, ...Array.from({ length: 20 }, (_, i) => usccOf(i + 300))];

type Uses = { answered: string[]; unread: string[]; uses: { party: string; job: string; grantee: string; items: string[]; file: string; kind: string; purpose: string }[] };
type Affected = { job: string; model: string; mark: string | null; batch?: string };
type Score = { points: string; refused: string; objection: string };

describe("a company and its rights, over real processes", () => {
  let topology: Topology;
  let issuer: Server;
  let work: string;
  let operator: string;
  let model: string;
  const path = (name: string): string => join(work, name);
  const ca = (): string => join(topology.platformFolder, "ca.pem");
  const dir = (name: "bank" | "tax" | "power"): string => topology.folder(name);
  const asMine = (...args: string[]): string[] => ["company", ...args, "--file", "mine.json"];
  const asOther = (...args: string[]): string[] => ["company", ...args, "--file", "other.json"];
  const grantArgs = (...more: string[]): string[] => [
    "consents", "grant", "--to", "bank", "--to-code", bankUscc, "--item", ...items, "--purpose", "loan-approval", "--days", "30", "--repeated", "--acknowledge", currentNotice().notice.version, ...more,
  ];
  const logIn = async (file: string, hint: string): Promise<void> => {
    const { status, err } = await companyLogin({ url: topology.apiUrl, ca: ca(), file, hint }, work);
    assert.equal(status, 0, err);
  };
  const asOperator = async <T>(...args: string[]): Promise<T> => {
    process.env["YUNEI_KEY"] = operator;
    try {
      return await json<T>([...args, "--url", topology.apiUrl, "--ca", ca()], work);
    } finally {
      delete process.env["YUNEI_KEY"];
    }
  };
  /** Scores a file with the bank's command line; what each company got. */
  const score = async (file: string, out: string): Promise<Map<string, Score>> => {
    await succeeds(["score", "--model", model, "--file", file, "--dir", dir("bank"), "--profile", "profile.json", "--out", out], work);
    const [head = "", ...lines] = readFileSync(path(`${out}/scores.csv`), "utf8").trim().split("\n");
    const columns = head.split(",");
    return new Map(lines.map((line) => {
      const cells = line.split(",");
      const of = (name: string): string => cells[columns.indexOf(name)] ?? "";
      return [of("id"), { points: of("points"), refused: of("refused"), objection: of("objection") }];
    }));
  };
  const objectionsAt = async (name: "bank" | "tax" | "power"): Promise<KeptObjection[]> => (await json<{ items: KeptObjection[] }>(["enclave", "objections", "list", "--dir", dir(name)], work)).items;
  const stands = (name: "bank" | "tax", id: string, state: string): Promise<KeptObjection> =>
    eventually(`${id} is ${state} at ${name}`, async () => (await objectionsAt(name)).find((o) => o.id === id && o.state === state));
  const lodge = (...args: string[]): Promise<ObjectionView> => json<ObjectionView>(asMine("objections", "lodge", "--against", "tax", "--item", "tax.arrears", ...args), work);
  const show = (id: string): Promise<ObjectionView> => json<ObjectionView>(asMine("objections", "show", id), work);

  before(async function () {
    this.timeout(240_000);
    topology = await Topology.start({ tables, declared });
    ({ work } = topology);
    issuer = await serve(["platform", "test-issuer", "--data", topology.platformFolder], work);
    await succeeds(["platform", "operators", "add", "op 1", "--data", topology.platformFolder, "--out", "operator.key"], work);
    operator = readFileSync(path("operator.key"), "utf8").trim();
    topology.writeProfile(path("profile.json"));
    const job = await topology.submit();
    await topology.until(job, "done");
    model = String((await eventually("the model", () => topology.rows("bank", "select model from models")[0]))["model"]);
    const rows = new Map(tables.bank.trim().split("\n").map((line) => line.split(",")).map(([id = "", , amount, term]) => [id, [id, amount, term].join(",")]));
    writeFileSync(path("batch.csv"), `${["ent_id", ...batch].map((id) => rows.get(id)).join("\n")}\n`);
  });
  after(async () => {
    await issuer.stop();
    await topology[Symbol.asyncDispose]();
  });

  it("is scored after it has consented, and only then", async () => {
    await logIn("mine.json", mine);
    await logIn("other.json", other);
    const given = await json<ConsentView>(asMine(...grantArgs("--key", "first-of-mine")), work);
    assert.deepInclude(given, { state: "active", subject: mine, items });
    assert.equal((await json<ConsentView>(asMine(...grantArgs("--key", "first-of-mine")), work)).id, given.id);
    await json(asOther(...grantArgs()), work);
    assert.include(await succeeds([...asMine("consents", "list"), "--lang", "en"], work), given.id);
    assert.notInclude(await succeeds(asOther("consents", "list"), work), given.id);
    await fails(asOther("consents", "withdraw", given.id), work, "CONSENT_NOT_FOUND");
    const scores = await score("batch.csv", "scored");
    assert.equal(scores.size, batch.length);
    for (const id of batch) {
      const consented = id === mine || id === other;
      assert.equal(scores.get(id)?.refused, consented || !isKnown(id) ? "" : "CONSENT_MISSING", id);
      if (consented) assert.match(scores.get(id)?.points ?? "", /^\d/);
    }
  });

  it("finds the use at each provider with a receipt that verifies offline, and no other company's", async () => {
    const jobs = (name: "tax" | "power"): string[] => topology.rows(name, "select job from receipts where place is not null").map((row) => String(row["job"]));
    const [scored = ""] = topology.rows("bank", "select job from jobs order by created_at desc limit 1").map((row) => String(row["job"]));
    await eventually("receipts in the log", () => jobs("tax").includes(scored) && jobs("power").includes(scored));
    await eventually("witnesses", async () => {
      const { status } = await yunei(["log", "trust", "--url", topology.apiUrl, "--ca", ca(), "--out", path(`trust-${Date.now()}.json`)], work);
      return status === 0;
    });
    const found = await json<Uses>(asMine("uses", "--answers", "3", "--out", "uses"), work);
    assert.deepEqual([found.answered, found.unread], [["bank", "power", "tax"], []]);
    const uses = found.uses.filter((use) => use.job === scored);
    assert.deepEqual([...new Set(uses.map((use) => `${use.party} ${use.grantee} ${use.kind} ${use.purpose}`))].sort(), ["power bank score loan-approval", "tax bank score loan-approval"]);
    assert.includeMembers(uses.filter((use) => use.party === "tax").flatMap((use) => use.items), ["tax.arrears", "tax.financial-filings"]);
    await succeeds(["log", "trust", "--url", topology.apiUrl, "--ca", ca(), "--out", "trust.json"], work);
    for (const { file } of uses) {
      assert.notInclude(readFileSync(path(file), "utf8"), other);
      const { status, out } = await yunei(["verify", file, "--trust", "trust.json", "--company", mine, "--json"], work);
      const report = JSON.parse(out) as { result: string; checks: { name: string; status: string }[] };
      assert.deepEqual([report.result, status], ["ok", 0], out);
      assert.isTrue(report.checks.some((check) => check.name.startsWith("consent") && check.status === "ok"), out);
    }
    const theirs = await yunei(["verify", uses[0]?.file ?? "", "--trust", "trust.json", "--company", other, "--json"], work);
    assert.equal(theirs.status, 1);
    const others = await json<Uses>(asOther("uses", "--answers", "3", "--out", "uses-of-other"), work);
    for (const { file } of others.uses) assert.notInclude(readFileSync(path(file), "utf8"), mine);
    await logIn("stranger.json", stranger);
    assert.isEmpty((await json<Uses>(["company", "uses", "--out", "none", "--file", "stranger.json"], work)).uses);
  });

  it("is used no more from the moment it withdraws", async () => {
    const [active] = (await json<{ items: ConsentView[] }>(asMine("consents", "list"), work)).items;
    assert.equal((await json<ConsentView>(asMine("consents", "withdraw", active?.id ?? ""), work)).state, "withdrawn");
    const scores = await score("batch.csv", "after-withdrawal");
    assert.deepInclude(scores.get(mine), { points: "", refused: "CONSENT_WITHDRAWN" });
    assert.equal(scores.get(other)?.refused, "");
    assert.include(await succeeds([...asMine("consents", "list"), "--lang", "zh"], work), "已撤回");
    await json(asMine(...grantArgs()), work);
    assert.equal((await score("batch.csv", "granted-again")).get(mine)?.refused, "");
  });

  let objection = "";
  let disputed = "";
  it("objects: the platform accepts, the provider's enclave has it, the bank is told and its scores are marked", async () => {
    const lodged = await lodge("--ground", "inaccurate", "--evidence", "e".repeat(64));
    objection = lodged.id;
    assert.deepEqual([lodged.state, lodged.notified], ["lodged", []]);
    await fails(asMine("objections", "lodge", "--against", "tax", "--item", "tax.arrears", "--ground", "outdated"), work, "OBJECTION_OPEN");
    await fails(asOther("objections", "show", objection), work, "OBJECTION_NOT_FOUND");
    assert.notInclude(JSON.stringify(await asOperator<object>("objections", "list")), mine);
    await asOperator("objections", "accept", objection);
    assert.deepInclude(await stands("tax", objection, "examining"), { role: "decide", subject: mine, item: "tax.arrears", evidence: "e".repeat(64) });
    assert.deepInclude(await stands("bank", objection, "examining"), { role: "mark", evidence: null });
    assert.isEmpty(await objectionsAt("power"));
    assert.deepEqual((await show(objection)).notified, ["bank"]);
    const marked = (await json<{ items: Affected[] }>(["enclave", "objections", "affected", objection, "--dir", dir("bank")], work)).items;
    assert.lengthOf(marked, 2, "not the batch in which it had withdrawn");
    assert.isTrue(marked.every((a) => a.mark === "examining"), JSON.stringify(marked));
    const scores = await score("batch.csv", "while-open");
    assert.equal(scores.get(mine)?.objection, "tax.arrears");
    assert.equal(scores.get(other)?.objection, "");
    disputed = scores.get(mine)?.points ?? "";
    assert.match(disputed, /^\d/);
  });

  it("is put right: the provider corrects its data, the outcome reaches company and bank, and the score is made again", async () => {
    const file = join(work, "data", "tax", "tax.csv");
    copyFileSync(file, path("tax-before.csv"));
    // Of the company that objects alone: many arrears become none.
    writeFileSync(file, readFileSync(file, "utf8").split("\n").map((line) => (line.startsWith(`${mine},`) ? line.split(",").with(2, line.split(",")[2] === "0" ? "9" : "0").join(",") : line)).join("\n"));
    assert.notEqual(readFileSync(file, "utf8"), readFileSync(path("tax-before.csv"), "utf8"));
    await topology.stop("tax");
    const reply = createHash("sha256").update("the written reply").digest("hex");
    const answer = ["enclave", "objections", "answer", objection, "--dir", dir("tax"), "--reply", reply];
    assert.deepInclude(await json<object>([...answer, "--outcome", "corrected", "--reason", "value-corrected"], work), { outcome: "corrected", users: ["bank"] });
    await json([...answer, "--outcome", "corrected", "--reason", "value-corrected"], work);
    await fails([...answer, "--outcome", "rejected", "--reason", "value-confirmed"], work, "OBJECTION_STATE");
    assert.include(await fails([...answer, "--outcome", "corrected", "--reason", "value-confirmed"], work, "CLI_ARGUMENT"), "value-corrected");
    await topology.launch("tax");
    await stands("bank", objection, "corrected");
    const end = await show(objection);
    assert.deepInclude(end, { state: "corrected", outcome: "corrected", reason: "value-corrected", reply, overdue: false });
    assert.deepEqual(end.steps.map((step) => `${step.type} ${step.actor}`), ["lodge subject", "accept platform-operator", "take tax", "answer tax"]);
    const affected = async (): Promise<Affected[]> => (await json<{ items: Affected[] }>(["enclave", "objections", "affected", objection, "--dir", dir("bank"), "--out", path("again")], work)).items;
    const [latest, ...earlier] = await eventually("marks", async () => {
      const found = await affected();
      return found.length >= 3 && found.every((a) => a.mark === "corrected") ? found : undefined;
    });
    assert.isAtLeast(earlier.length, 2);
    assert.equal(latest?.model, model);
    const again = await score(latest?.batch ?? "", "made-again");
    assert.deepEqual([...again.keys()], [mine]);
    assert.match(again.get(mine)?.points ?? "", /^\d/);
    assert.notEqual(again.get(mine)?.points, disputed);
    assert.equal(again.get(mine)?.objection, "", "the mark is off");
    assert.equal((await affected()).filter((a) => a.mark === null).length, 1, "the new score is none that is to be made again");
    assert.include(await succeeds(["enclave", "objections", "affected", objection, "--dir", dir("bank"), "--lang", "zh"], work), "数据已更正，应重新评分");
  });

  it("asks for credit repair, which the provider rejects with a reason", async () => {
    const { id } = await lodge("--kind", "repair", "--ground", "obligation-fulfilled");
    await asOperator("objections", "accept", id);
    await stands("tax", id, "examining");
    await json(["enclave", "objections", "answer", id, "--dir", dir("tax"), "--outcome", "rejected", "--reason", "conditions-not-met"], work);
    const end = await eventually("the rejection", async () => {
      const view = await show(id);
      return view.state === "rejected" ? view : undefined;
    });
    assert.deepInclude(end, { kind: "repair", reason: "conditions-not-met" });
    assert.include(await succeeds([...asMine("objections", "show", id), "--lang", "zh"], work), "不予更正");
  });

  it("takes everything that the platform holds on it, and nothing of others", async () => {
    await succeeds(asMine("export", "--out", "all.json"), work);
    const text = readFileSync(path("all.json"), "utf8");
    const all = JSON.parse(text) as SubjectExport;
    assert.deepEqual([all.subject, all.consents.length, all.objections.length, all.sessions.length], [mine, 2, 2, 1]);
    assert.deepEqual(all.notices.map((notice) => notice.type).filter((type) => type === "objection-decided").length, 2);
    for (const uscc of [other, stranger]) assert.notInclude(text, uscc);
  });

  it("is named in no log, and in no enclave's database in the open", () => {
    assert.include(topology.logs(), "uses-answered");
    for (const uscc of [mine, other, stranger]) assert.notInclude(topology.logs(), uscc);
    const audits = [topology.platformFolder, ...(["bank", "tax", "power"] as const).map(dir)].flatMap((folder) => walk(join(folder, "audit"))).filter((f) => !f.isFolder);
    assert.isAtLeast(audits.length, 4);
    for (const file of audits) assert.notInclude(readFileSync(file.path, "latin1"), mine, file.path);
    for (const name of ["bank", "tax", "power"] as const) {
      for (const file of walk(join(dir(name), "state")).filter((f) => !f.isFolder)) assert.notInclude(readFileSync(file.path, "latin1"), mine, file.path);
    }
  });
});

/** Whether a provider holds it: whom nobody knows nobody is asked about. */
function isKnown(id: string): boolean {
  return [tables.tax, tables.power].some((table) => table.includes(`\n${id},`));
}
