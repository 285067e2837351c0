// Authorisation through real processes, with consents and lists of withdrawals in the parties' own folders: a joint model of consented companies
// alone, scores of those who consented, and a withdrawal that counts for the next job of the running enclaves.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { RegistrarsView } from "../../cli/commands/enclave-registrars.ts";
import { LocalRegistrar } from "../../cli/local-registrar.ts";
import { partyId } from "../../core/names.ts";
import { writeDurably } from "../../core/files.ts";
import { systemRng } from "../../core/rng.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { fails, json } from "../cli/support.ts";
import { eventually, walk } from "../support/process.ts";
import { usccOf } from "../support/subjects.ts";
import { smallTables } from "../support/tables.ts";
import { plainParams, Topology } from "../support/topology.ts";

const tables = smallTables({ id: usccOf });
const declared = {
  tax: { turnover: ["tax.financial-filings"], arrears: ["tax.arrears"], sector: ["registry.industry"] },
  power: { usage: ["utilities.electricity"], late_bills: ["utilities.electricity"] },
};
const items = ["registry.industry", "tax.arrears", "tax.financial-filings", "utilities.electricity"];
const companies = Array.from({ length: 3000 }, (_, i) => usccOf(i));
const knows = (party: "tax" | "power", id: string): boolean => tables[party].includes(`\n${id},`);
const isKnown = (id: string): boolean => knows("tax", id) || knows("power", id);
const [silent = "", gone = "", leaver = "", ...others] = companies.filter((id) => knows("tax", id) && knows("power", id));
const batch = [silent, gone, leaver, ...others.slice(0, 17), ...companies.filter((id) => !isKnown(id)).slice(0, 2)];

describe("authorisation, over real processes", () => {
  let topology: Topology;
  let model = "";
  const registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  const file = async (name: string, subjects: readonly string[], purpose: FinancingPurpose): Promise<void> =>
    writeDurably(join(enclavePaths(topology.folder("bank")).consents, name), await registrar.consents(subjects, { grantee: partyId("bank"), items, purpose }));
  const list = (): void => {
    const text = registrar.revocations();
    for (const name of ["tax", "power"] as const) writeDurably(join(enclavePaths(topology.folder(name)).revocations, "registrar.jws"), text);
  };
  type Score = { points: string; refused: string };
  const score = async (out: string): Promise<Map<string, Score>> => {
    await json(["score", "--model", model, "--file", "batch.csv", "--dir", topology.folder("bank"), "--profile", "profile.json", "--out", out], topology.work);
    const [head, ...lines] = readFileSync(join(topology.work, out, "scores.csv"), "utf8").trim().split("\n").map((line) => line.split(","));
    assert.deepEqual(head, ["id", "points", "probability", "partial", "refused"]);
    return new Map(lines.map(([id = "", points = "", , , refused = ""]) => [id, { points, refused }]));
  };

  before(async function () {
    this.timeout(240_000);
    topology = await Topology.start({ tables, declared });
    for (const name of ["bank", "tax", "power"] as const) topology.setPolicy(name, (policy) => ({ ...policy, registrars: registrar.policy, allow: policy.allow.map((rule) => ({ ...rule, consentedOnly: name === "tax" })) }));
    topology.writeProfile(join(topology.work, "profile.json"));
    const rows = new Map(tables.bank.trim().split("\n").map((line) => line.split(",")).map(([id = "", , amount, term]) => [id, [id, amount, term].join(",")]));
    writeFileSync(join(topology.work, "batch.csv"), `${["ent_id", ...batch].map((id) => rows.get(id)).join("\n")}\n`);
  });
  after(() => topology[Symbol.asyncDispose]());

  it("trains on companies alone that agreed to it, and a provider whose policy wants that takes no other plan", async () => {
    await file("train.jws", companies.filter((id) => id !== silent), "model-development");
    registrar.withdraw([gone]);
    list();
    const open = await topology.submit();
    await topology.until(open, "failed");
    assert.equal((await topology.view(open))?.failure?.code, "JOB_REFUSED");
    assert.equal(topology.rows("tax", "select code from jobs where job = ?", open)[0]?.["code"], "POLICY_CONSENTS");
    const job = await topology.submit({ ...plainParams, consentedOnly: true });
    await topology.until(job, "done");
    const report = await topology.report(job);
    assert.equal(report.rows.total, companies.length - 2);
    assert.isTrue(report.leakage.insidePlan);
    const scores = await topology.scores(job);
    for (const id of [silent, gone]) assert.notInclude(scores, id);
    const refused = readFileSync(join(enclavePaths(topology.folder("bank")).results, job, "refused.csv"), "utf8").trim().split("\n");
    assert.sameMembers(refused.slice(1), [`${silent},CONSENT_MISSING,tax power`, `${gone},CONSENT_WITHDRAWN,tax power`]);
    model = String((await eventually("the model", () => topology.rows("bank", "select model from models")[0]))["model"]);
    for (const name of ["tax", "power"] as const) {
      const used = Number(topology.rows(name, "select count(*) as n from consent_uses where job = ?", job)[0]?.["n"]);
      assert.equal(used, companies.filter((id) => knows(name, id)).length - 2, name);
    }
  });

  it("scores nobody without consent to that: a consent to modelling is none to a score", async () => {
    const scores = await score("early");
    // Companies that no provider knows need nobody's consent, and are scored by the bank's own columns.
    for (const id of batch) assert.equal(scores.get(id)?.refused, isKnown(id) ? "CONSENT_MISSING" : "", id);
  });

  it("scores those who consented and names the others with the reason", async () => {
    await file("score.jws", batch.filter((id) => id !== silent), "loan-approval");
    registrar.withdraw([gone]);
    list();
    const scores = await score("scored");
    assert.equal(scores.size, batch.length);
    // Those who were scored are counted for the stability of the model, nobody else.
    const counted = topology.rows("tax", "select max(companies) as n from drift_counts where source = 'batch'")[0]?.["n"];
    assert.equal(counted, batch.filter((id) => knows("tax", id) && id !== silent && id !== gone).length);
    for (const id of batch) {
      const { points, refused } = scores.get(id) ?? assert.fail(id);
      assert.equal(refused, id === silent ? "CONSENT_MISSING" : id === gone ? "CONSENT_WITHDRAWN" : "", id);
      if (refused === "") assert.match(points, /^\d/);
      else assert.equal(points, "");
    }
  });

  it("uses a company no more from the next list on, without a restart", async () => {
    registrar.withdraw([leaver]);
    list();
    const scores = await score("after-withdrawal");
    assert.deepEqual(scores.get(leaver), { points: "", refused: "CONSENT_WITHDRAWN" });
    assert.equal(scores.get(others[0] ?? "")?.refused, "");
  });

  it("shows a provider's operator whom it believes and its lists, and lets two that contradict each other be settled", async () => {
    const dir = topology.folder("power");
    const view = (): Promise<RegistrarsView> => json<RegistrarsView>(["enclave", "registrars", "list", "--dir", dir], topology.work);
    const ofOurs = async (): Promise<RegistrarsView["lists"]> => (await view()).lists.filter((kept) => kept.registrar === registrar.name);
    assert.sameMembers((await view()).registrars.map((r) => r.name), ["registrar", registrar.name], "the platform's, and the one of the policy");
    const good = await ofOurs();
    assert.lengthOf(good, 1);
    assert.deepInclude(good[0], { sequence: 3, state: "current", withdrawn: 4 });
    const digest = good[0]?.digest ?? "";
    const settle = (keep: string): string[] => ["enclave", "registrars", "settle", registrar.name, "--keep", keep, "--dir", dir];
    await fails(settle(digest), topology.work, "CLI_ARGUMENT");
    await topology.stop("power");
    {
      using db = new StateDatabase(enclavePaths(dir).state);
      db.run("insert into revocation_lists select registrar, 'another', sequence, jws from revocation_lists where registrar = ?", registrar.name);
    }
    assert.deepEqual((await ofOurs()).map((kept) => kept.state), ["contradicted", "contradicted"]);
    await fails(settle("a third"), topology.work, "CLI_ARGUMENT");
    await json(settle(digest), topology.work);
    assert.deepEqual(await ofOurs(), good);
    await topology.launch("power");
  });

  it("leaves no company's code in the clear in a provider's state, and none in a log", () => {
    const state = walk(join(topology.folder("tax"), "state")).filter((entry) => !entry.isFolder).map((entry) => readFileSync(entry.path, "latin1")).join("");
    for (const id of batch) {
      assert.notInclude(state, id);
      assert.notInclude(topology.logs(), id);
    }
  });
});
