// The deployment of the README, command by command: a platform, a bank and two providers that each run their own enclave.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { JobView } from "../../api/contract.ts";
import type { EnclaveStatus } from "../../cli/show.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { fails, json, serve, succeeds, yunei, type Server } from "./support.ts";

const parties = ["bank", "tax", "utilities"] as const;
type Rule = { sealTo?: string; approve?: "auto" | "manual"; purposes?: string[]; singleHostTotals?: boolean; maxSetsPerCompany?: number; maxNewIdsPerMonth?: number; explain?: "groups" };

describe("the walk-through of the README", function () {
  this.timeout(240_000);
  let work = "";
  let urls: string[] = [];
  let platform: Server | undefined;
  const enclaves = new Map<string, Server>();
  let sealTo = "";
  /** Whose consents the providers believe, once there is somebody. */
  let registrars: object | undefined;
  let trained = "";
  let model = "";

  const policy = (party: string, rule: Rule): void => {
    const allow = [{ guest: "bank", kinds: ["scorecard", "score"], purposes: ["model-development", "loan-approval"], ...rule }];
    writeFileSync(join(work, `enclave-${party}`, "policy.json"), JSON.stringify({ version: 1, allow, pinned: {}, ...(registrars && { registrars }) }));
  };
  const init = (party: string, token: string, folder = `enclave-${party}`, dataset = `demo-data/${party}/dataset.json`): string[] => (
    ["enclave", "init", "--dir", folder, "--token", token, ...urls, "--data", `demo-data/${party}`, "--dataset", dataset]);
  const start = async (party: string): Promise<void> => {
    enclaves.set(party, await serve(["enclave", "start", "--dir", `enclave-${party}`], work));
  };
  const status = (party: string): Promise<EnclaveStatus> => json(["enclave", "status", "--dir", `enclave-${party}`], work);
  /** Waits until the enclave shows the job in that state. */
  const shows = async (party: string, job: string, state: string): Promise<EnclaveStatus["jobs"][number]> => {
    for (let tries = 0; tries < 60; tries++) {
      const found = (await status(party)).jobs.find((j) => j.job === job);
      if (found?.state === state) return found;
    }
    throw new Error(`${party} never showed ${job} as ${state}`);
  };
  const score = (out: string, ...more: string[]): string[] => (
    ["score", "--model", model, "--file", "demo-data/bank/applications.csv", "--dir", "enclave-bank", "--out", out, ...more]);

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "yunei-walk-"));
    const made = await json<{ loans: number }>(["demo-data", "--out", "demo-data", "--companies", "6000"], work);
    assert.isAbove(made.loans, 3000);
    platform = await serve(["platform", "start", "--data", "platform", "--api-port", "0", "--enclave-port", "0"], work);
    const [api, enclave] = [platform.ready["apiPort"], platform.ready["enclavePort"]];
    urls = ["--url", `https://127.0.0.1:${String(api)}`, "--enclave-url", `https://127.0.0.1:${String(enclave)}`];
  });

  after(async () => {
    await Promise.all([...enclaves.values(), ...(platform === undefined ? [] : [platform])].map((server) => server.stop()));
    rmSync(work, { recursive: true, force: true });
  });

  it("checks data before anybody enrols, and says what is wrong with it", async () => {
    const tax = await json<{ rows: number; features: number }>(["enclave", "check", "--data", "demo-data/tax", "--dataset", "demo-data/tax/dataset.json"], work);
    assert.isAbove(tax.rows, 5000);
    assert.equal(tax.features, 15);
    const bank = await succeeds(["enclave", "check", "--dataset", "demo-data/bank/dataset.json"], work);
    assert.match(bank, /^bads: [1-9]/m);
    writeFileSync(join(work, "broken.json"), "{ not json");
    writeFileSync(join(work, "wrong.json"), JSON.stringify({ name: "x", idColumn: "uscc", idKind: "other", features: "loans.csv" }));
    await fails(["enclave", "check", "--dataset", "broken.json"], work, "CLI_JSON");
    assert.include(await fails(["enclave", "check", "--dataset", "wrong.json"], work, "DATA_DEFINITION"), "idKind");
    await fails(["enclave", "check", "--dataset", "absent.json"], work, "CLI_FILE");
    await fails(["enclave", "check"], work, "CLI_ARGUMENT");
  });

  it("enrols each party with a token of its own, and nobody twice", async () => {
    await Promise.all(parties.map(async (party) => {
      const token = await succeeds(["platform", "invite", party, "--data", "platform"], work);
      assert.match(token, new RegExp(`^yunei1\\.${party}\\.`));
      if (party === "bank") await refusedAttempts(party, token);
      await succeeds(init(party, token), work);
      await fails(init(party, token), work, "CLI_EXISTS");
      if (party === "bank") await fails(init(party, token, "again"), work, "ENROL_USED");
      assert.equal(statSync(join(work, `enclave-${party}`, "keys", "identity.key")).mode & 0o777, 0o600);
      assert.deepEqual(JSON.parse(readFileSync(join(work, `enclave-${party}`, "policy.json"), "utf8")), { version: 1, allow: [], pinned: {} });
    }));
    const listed = await json<{ party: string; state: string }[]>(["platform", "parties", "--data", "platform"], work);
    assert.deepEqual(listed.map((p) => [p.party, p.state]), parties.map((p) => [p, "active"]));
  });

  /** What is wrong is found before the token is spent, a guess spends no token, and no attempt leaves keys behind. */
  async function refusedAttempts(party: string, token: string): Promise<void> {
    const [version, name, secret, fingerprint] = token.split(".");
    const folder = `enclave-${party}`;
    await fails(init(party, token, folder, "broken.json"), work, "CLI_JSON");
    await fails(init(party, token, folder, "wrong.json"), work, "DATA_DEFINITION");
    await fails(init(party, "yunei1.nonsense", folder), work, "ENROL_TOKEN");
    await fails(init(party, [version, name, "A".repeat(43), fingerprint].join("."), folder), work, "ENROL_TOKEN");
    await fails(init(party, [version, name, secret, "A".repeat(43)].join("."), folder), work, "ENROL_TOKEN");
    assert.isFalse(existsSync(join(work, folder, "keys")));
  }

  it("lets the bank make its own sealing key, and the operator admit it", async () => {
    await fails(["job", "list"], work, "CLI_PROFILE");
    sealTo = await succeeds(["profile", "create"], work);
    await fails(["profile", "create"], work, "CLI_EXISTS");
    await fails(["job", "list"], work, "CLI_PROFILE");
    await fails(["platform", "institution", "Demo Bank", "--guest", "bank", "--seal-to", "short", "--data", "platform"], work, "CLI_ARGUMENT");
    await succeeds(["platform", "institution", "Demo Bank", "--guest", "bank", "--seal-to", sealTo, "--data", "platform", ...urls.slice(0, 2)], work);
    assert.equal(statSync(join(work, "admission.json")).mode & 0o777, 0o600);
    const secret = JSON.parse(readFileSync(join(work, "yunei-bank.json"), "utf8")) as { sealKey: { d: string } };
    assert.notInclude(readFileSync(join(work, "admission.json"), "utf8"), secret.sealKey.d);
    await fails(["platform", "institution", "Another", "--guest", "bank", "--seal-to", sealTo, "--data", "platform", "--out", "other.json"], work, "PARTY_EXISTS");
    await fails(["profile", "admit", "demo-data/tax/dataset.json"], work, "CLI_ARGUMENT");
    await succeeds(["profile", "admit", "admission.json"], work);
    assert.equal(await succeeds(["job", "list", "--lang", "zh"], work), "没有任务");
    await fails(["job", "submit", "--host", "tax"], work, "JOB_DATASET_UNKNOWN");
  });

  it("starts the enclaves, which print the layers of protection and refuse everything", async () => {
    await Promise.all(parties.map((party) => start(party)));
    for (const server of enclaves.values()) {
      const layers = server.ready["layers"] as { name: string; active: boolean }[];
      assert.deepInclude(layers, { name: "node-permission-model", active: true });
    }
    const job = await submitWhenPublished();
    assert.include(await fails(["job", "watch", job], work, "JOB_REFUSED"), "party=");
    assert.match(await succeeds(["job", "list"], work), new RegExp(`^${job} .*failed.*JOB_REFUSED`));
    assert.equal((await shows("tax", job, "refused")).code, "POLICY_REFUSED");
    for (const party of parties) policy(party, { approve: "auto", ...(party === "bank" ? { sealTo } : {}) });
  });

  /** The first submission may come before an enclave has published its sizes. */
  async function submitWhenPublished(): Promise<string> {
    for (;;) {
      const { status: code, out, err } = await yunei(["job", "submit", "--host", "tax", "utilities"], work);
      if (code === 0) return out.trim();
      assert.match(err, /JOB_DATASET_UNKNOWN/);
    }
  }

  it("refuses a purpose that a provider's policy does not name", async () => {
    policy("utilities", { approve: "auto", purposes: ["loan-approval"] });
    const job = await succeeds(["job", "submit", "--host", "tax", "utilities"], work);
    await fails(["job", "watch", job], work, "JOB_REFUSED");
    assert.equal((await shows("utilities", job, "refused")).code, "POLICY_PURPOSE");
    policy("utilities", { approve: "auto" });
  });

  it("cancels a job that waits for a person, and a person cannot approve it any more", async () => {
    policy("tax", { approve: "manual" });
    const job = await succeeds(["job", "submit", "--host", "tax", "utilities"], work);
    await shows("tax", job, "seen");
    assert.equal((await json<JobView>(["job", "cancel", job], work)).state, "cancelled");
    await fails(["job", "watch", job], work, "JOB_CANCELLED");
    await shows("tax", job, "cancelled");
    await fails(["enclave", "approve", job, "--dir", "enclave-tax"], work, "JOB_ENDED");
    await fails(["enclave", "approve", "job_0123456789abcdef01234567", "--dir", "enclave-tax"], work, "JOB_NOT_FOUND");
  });

  it("shows a provider's operator what the bank would learn, and runs once it is approved by hand", async () => {
    const submitted = await yunei(["job", "submit", "--host", "tax", "--host", "utilities", "--key", "first-model-1"], work);
    const job = submitted.out.trim();
    assert.match(submitted.err, /^bank learns at most:/m);
    assert.equal(await succeeds(["job", "submit", "--host", "tax", "--host", "utilities", "--key", "first-model-1"], work), job, "the same key gives the same job");
    const asked = await shows("tax", job, "seen");
    const toBank = asked.othersWouldLearn?.filter((line) => line.to === "bank") ?? [];
    assert.include(toBank.map((line) => line.type), "totals/masked");
    assert.isTrue(toBank.some((line) => line.numbers > 0 && line.reveals.zh !== ""));
    const text = await succeeds(["enclave", "status", "--dir", "enclave-tax", "--lang", "zh"], work);
    assert.include(text, "bank 至多得知：");
    assert.include(text, "等待本方决定");
    assert.include(text, "实测攻击：");
    assert.equal((await json<JobView>(["job", "show", job], work)).state, "awaiting-approval");
    const own = (await status("bank")).jobs.find((j) => j.job === job);
    assert.equal(own?.sealTo, sealTo, "the bank sees to which key its results would be sealed");
    assert.isUndefined(asked.sealTo);
    await succeeds(["enclave", "approve", job, "--dir", "enclave-tax"], work);
    const done = await json<JobView>(["job", "watch", job], work);
    assert.equal(done.state, "done");
    assert.match(await succeeds(["job", "plan", job], work), /bank learns at most:/);
    policy("tax", { approve: "auto" });
    trained = job;
  });

  it("fetches and opens the report and the scores, which only the bank's profile can", async () => {
    const shown = await succeeds(["job", "report", trained, "--out", "out"], work);
    assert.include(shown, "report.html");
    const report = jointReportSchema.parse(JSON.parse(readFileSync(join(work, "out", "report.json"), "utf8")));
    assert.isTrue(report.leakage.insidePlan);
    assert.isAbove(report.metrics.test.auc, report.guestOnly.test.auc);
    assert.include(readFileSync(join(work, "out", "report.html"), "utf8"), "<svg");
    const scores = readFileSync(join(work, "out", "scores.csv"), "utf8").trimEnd().split("\n");
    assert.equal(scores[0], "id,points,probability,part");
    assert.equal(scores.length - 1, report.rows.total);
    assert.deepEqual(await json(["job", "report", trained, "--out", "out"], work), report);
    model = report.model.id;
    const stranger = JSON.parse(readFileSync(join(work, "yunei-bank.json"), "utf8")) as { sealKey: unknown };
    await succeeds(["profile", "create", "--profile", "stranger.json"], work);
    const { sealKey } = JSON.parse(readFileSync(join(work, "stranger.json"), "utf8")) as { sealKey: unknown };
    writeFileSync(join(work, "stranger.json"), JSON.stringify({ ...stranger, sealKey }));
    await fails(["job", "report", trained, "--profile", "stranger.json"], work, "CLI_SEAL");
    await fails(["job", "report", "job_0123456789abcdef01234567"], work, "JOB_NOT_FOUND");
  });

  it("scores a batch with all providers, once the companies have consented; who has withdrawn is left out", async () => {
    await succeeds(["demo-consents", "--grantee", "bank", "--withdrawn", "1"], work);
    for (const [file, folder] of [["consents", "enclave-bank/consents"], ["revocations", "enclave-tax/revocations"], ["revocations", "enclave-utilities/revocations"]] as const) {
      mkdirSync(join(work, folder), { recursive: true });
      cpSync(join(work, "demo-consents", `${file}.jws`), join(work, folder, `${file}.jws`));
    }
    registrars = JSON.parse(readFileSync(join(work, "demo-consents", "registrar.json"), "utf8")) as object;
    for (const party of ["tax", "utilities"]) policy(party, { approve: "auto" });
    const summary = await json<{ partial: boolean; rows: number; job: string; refused: { companies: number; codes: object } }>(score("batch"), work);
    assert.isFalse(summary.partial);
    assert.deepEqual(summary.refused.codes, { CONSENT_WITHDRAWN: 1 });
    const lines = readFileSync(join(work, "batch", "scores.csv"), "utf8").trimEnd().split("\n");
    assert.equal(lines[0], "id,points,probability,partial,refused");
    assert.equal(lines.length - 1, summary.rows);
    const [gone = ""] = readFileSync(join(work, "demo-data", "bank", "applications.csv"), "utf8").split("\n").slice(1).map((line) => line.split(",")[0]);
    for (const line of lines.slice(1)) assert.match(line, line.startsWith(`${gone},`) ? /^\w+,,,0,CONSENT_WITHDRAWN$/ : /^\w+,[\d.]+,[\d.]+,0,$/);
    assert.include(await succeeds(["job", "report", summary.job, "--out", "batch-again"], work), "score.json");
    assert.deepEqual(readFileSync(join(work, "batch-again", "scores.csv")), readFileSync(join(work, "batch", "scores.csv")));
    await fails(["score", "--model", "model_0123456789abcdef01234567", "--file", "demo-data/bank/applications.csv", "--dir", "enclave-bank"], work, "JOB_MODEL_UNKNOWN");
    await fails(["score", "--model", model, "--file", "absent.csv", "--dir", "enclave-bank"], work, "CLI_FILE");
  });

  it("explains each score, and a provider's own part of it as far as that provider's policy lets it name", async () => {
    await fails(score("refused", "--explain", "2", "--explain-host", "tax"), work, "JOB_REFUSED");
    assert.equal((await status("tax")).jobs.find((j) => j.state === "refused")?.state, "refused");
    policy("tax", { approve: "auto", explain: "groups" });
    const summary = await json<{ explanations: object }>(score("explained", "--explain", "2", "--explain-host", "tax"), work);
    assert.deepInclude(summary.explanations, { reasons: 2, hosts: ["tax"], against: "median" });
    policy("tax", { approve: "auto" });
    type Line = { id: string; score: number; base: number; contributions: { value: number; label: { kind: string; party?: string; feature?: string; group?: string } }[] };
    const text = readFileSync(join(work, "explained", "explanations.ndjson"), "utf8");
    const scores = readFileSync(join(work, "explained", "scores.csv"), "utf8").trimEnd().split("\n").slice(1).map((line) => line.split(",")).filter(([, points]) => points !== "");
    const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
    assert.deepEqual(lines.map((l) => [l.id, l.score.toFixed(2)]), scores.map(([id, points]) => [id, points]));
    for (const { score: made, base, contributions } of lines) {
      assert.equal(Math.round(100 * made), contributions.reduce((sum, c) => sum + Math.round(100 * c.value), Math.round(100 * base)));
    }
    const labels = lines.flatMap((l) => l.contributions.map((c) => c.label));
    const ofTax = labels.filter((l) => l.party === "tax");
    const dataset = JSON.parse(readFileSync(join(work, "demo-data", "tax", "dataset.json"), "utf8")) as { indicators: { name: string; sourceItem: string }[] };
    const items = new Set(dataset.indicators.map((i) => i.sourceItem));
    assert.isAbove(ofTax.length, 0);
    assert.isTrue(ofTax.every((l) => l.kind === "group" && items.has(l.group ?? "")), "items of the sharing list alone");
    assert.isTrue(labels.every((l) => l.party !== "utilities"));
    for (const { name } of dataset.indicators) assert.notInclude(text, `"${name}"`);
    await fails(score("refused", "--explain-host", "tax"), work, "CLI_ARGUMENT");
    await fails(score("refused", "--explain", "2", "--explain-host", "court"), work, "CLI_ARGUMENT");
    await fails(score("refused", "--explain", "11"), work, "CLI_ARGUMENT");
  });

  it("flags every score as partial when a provider is away, if the one that is left allows it", async () => {
    const full = readFileSync(join(work, "batch", "scores.csv"), "utf8");
    assert.equal(await enclaves.get("tax")?.stop(), 0, "an enclave that is told to stop ends well");
    await fails(score("refused", "--wait", "1"), work, "JOB_REFUSED");
    assert.isFalse(existsSync(join(work, "refused", "scores.csv")));
    policy("utilities", { approve: "auto", singleHostTotals: true });
    // With the full scores, its own total would tell that of the tax office.
    await fails(score("refused", "--wait", "1"), work, "BUDGET_SETS");
    policy("utilities", { approve: "auto", singleHostTotals: true, maxSetsPerCompany: 2 });
    const summary = await json<{ partial: boolean; away: string[] }>(score("partial", "--wait", "1"), work);
    assert.deepInclude(summary, { partial: true, away: ["tax"] });
    const lines = readFileSync(join(work, "partial", "scores.csv"), "utf8").trimEnd().split("\n");
    assert.isTrue(lines.slice(1).every((line) => line.split(",")[3] === "1"));
    assert.notEqual(lines.join("\n"), full.trimEnd());
  });

  it("keeps identity, jobs and model over a restart, and answers again", async () => {
    const earlier = await status("tax");
    await start("tax");
    assert.deepEqual(await status("tax"), earlier);
    assert.include(earlier.models.map((m) => m.model), model);
    const summary = await json<{ partial: boolean }>(score("batch-2"), work);
    assert.isFalse(summary.partial);
    assert.equal(readFileSync(join(work, "batch-2", "scores.csv"), "utf8"), readFileSync(join(work, "batch", "scores.csv"), "utf8"), "the same companies score the same");
  });

  it("enforces a budget of the policy across jobs", async () => {
    policy("utilities", { approve: "auto", maxNewIdsPerMonth: 10 });
    cpSync(join(work, "demo-data", "bank", "applications.csv"), join(work, "more.csv"));
    const lines = readFileSync(join(work, "more.csv"), "utf8").trimEnd().split("\n");
    writeFileSync(join(work, "more.csv"), `${lines.slice(0, -3).join("\n")}\n`);
    await fails(["score", "--model", model, "--file", "more.csv", "--dir", "enclave-bank", "--out", "over"], work, "BUDGET_NEW_IDS");
    policy("utilities", { approve: "auto" });
  });

  it("refuses a suspended party until it is resumed", async () => {
    await succeeds(["platform", "suspend", "utilities", "--data", "platform"], work);
    await fails(["job", "submit", "--host", "tax", "utilities"], work, "PARTY_NOT_FOUND");
    await succeeds(["platform", "resume", "utilities", "--data", "platform"], work);
    await fails(["platform", "suspend", "nobody", "--data", "platform"], work, "PARTY_NOT_FOUND");
  });

  it("says in a sentence that the platform is away", async () => {
    assert.equal(await platform?.stop(), 0);
    await fails(["job", "list"], work, "CLI_UNREACHABLE");
    assert.match((await yunei(["job", "list", "--json"], work)).out, /^\{"error":\{"code":"CLI_UNREACHABLE"/);
  });
});
