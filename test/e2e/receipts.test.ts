// Receipts through real processes: a job leaves one of every party in the log, co-signed by all enclaves; the bank fetches bundles and anybody
// verifies them; a company is shown its use alone; killed enclaves bring what was not acknowledged; a log that goes back or forks is refused.
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { startTestIssuer, type TestIssuer } from "../../api/identity/test-issuer.ts";
import { logPaths } from "../../api/log/key.ts";
import { openSealed } from "../../cli/institution-key.ts";
import { readLog, type LogView } from "../../cli/log-client.ts";
import { createProfile } from "../../cli/profile.ts";
import { scorable } from "../../cli/scorable.ts";
import { silentLog } from "../../core/env.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { stageBatch, stageOptions } from "../../enclave/batch/stage.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { loadIdentity } from "../../enclave/keys/identity.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { openCheckpoint } from "../../receipts/checkpoint.ts";
import { parseVerifierKey } from "../../receipts/note.ts";
import { readReceipt } from "../../receipts/receipt.ts";
import { Client } from "../support/clients.ts";
import { eventually } from "../support/process.ts";
import { freshKey, grantRequest, usccOf, visit, type Begun } from "../support/subjects.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

const parties = ["bank", "power", "tax"] as const;
const tables = smallTables({ id: usccOf });
const declared = {
  tax: { turnover: ["tax.financial-filings"], arrears: ["tax.arrears"], sector: ["registry.industry"] },
  power: { usage: ["utilities.electricity"], late_bills: ["utilities.electricity"] },
};
const consented = ["registry.industry", "tax.arrears", "tax.financial-filings", "utilities.electricity"];
/** Two companies that both providers know and that consent, and one that does not. */
const [first = "", second = "", silent = ""] = Array.from({ length: 100 }, (_, i) => usccOf(i)).filter((id) => Object.values(tables).every((table) => table.includes(`\n${id},`)));
type Report = { result: string; checks: { name: string; status: string; code?: string }[]; cosignatures: unknown[]; receipt: { party: string } };
type Item = { id: string; job: string; party: string; index: number };

describe("receipts of a job of real processes", () => {
  let topology: Topology;
  let issuer: TestIssuer;
  let job: string;
  const path = (name: string): string => join(topology.work, name);
  const profile = (): string => path("profile.json");
  const view = (): Promise<LogView> => readLog({ url: topology.apiUrl, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8") });
  const sizeOf = (note: string | null, key: string): number => (note === null ? 0 : openCheckpoint(note, parseVerifierKey(key)).size);
  const cli = (...args: string[]): string => topology.cli([...args, "--lang", "en"]).trim();
  /** Waits until all enclaves have co-signed a tree of at least this size. */
  const witnessed = (size: number): Promise<LogView> => eventually("co-signatures", async () => {
    const now = await view();
    return now.witnesses.length === 3 && now.witnesses.every(({ cosigned }) => (cosigned?.size ?? 0) >= size) && sizeOf(now.witnessed, now.key) >= size ? now : undefined;
  }, 60_000);

  before(async () => {
    topology = await Topology.start({ tables, declared });
    issuer = await startTestIssuer({ env: { rng: systemRng, now: Date.now } });
    writeFileSync(join(topology.platformFolder, "identity-provider.json"), JSON.stringify(issuer.configuration), { mode: 0o600 });
    job = await topology.submit();
    await topology.until(job, "done");
    createProfile(profile(), {
      institution: "inst_0", guest: partyId("bank"), url: topology.apiUrl, apiKey: topology.apiKey, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"),
    });
  });
  after(async () => {
    await issuer.close();
    await topology[Symbol.asyncDispose]();
  });
  const client = (apiKey?: string): Client => new Client(Number(new URL(topology.apiUrl).port), { ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), apiKey });
  /** Logs in by real name and consents to being scored. */
  async function consent(uscc: string): Promise<void> {
    await using open = client();
    const begun = (await open.post("/v1/subject/login", { redirectUri: "http://127.0.0.1:9/callback" })).json() as Begun;
    const session = await open.post("/v1/subject/session", { login: begun.login, ...(await visit(begun, uscc)) });
    assert.equal(session.status, 201, session.bytes.toString("utf8"));
    await using own = client((session.json() as { token: string }).token);
    const granted = await own.post("/v1/consents", grantRequest(Date.now(), { items: consented }), freshKey());
    assert.equal(granted.status, 201, granted.bytes.toString("utf8"));
  }
  /** A receipt of a party without a job: made while its enclave is down, brought to the log when it is back. */
  async function issueAt(name: "tax" | "power", id: string): Promise<void> {
    await topology.kill(name);
    const paths = enclavePaths(topology.folder(name));
    {
      using db = new StateDatabase(paths.state);
      const book = new ReceiptBook({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, key: loadIdentity(paths.keys, partyId(name)).signKey });
      book.issue(jobIdSchema.parse(id), () => ({
        version: 2, id, kind: "score", party: partyId(name), purpose: "loan-approval", planDigest: "a".repeat(64), modelDigest: null, snapshotDigest: null, outputDigest: null,
        ledgerDigest: "b".repeat(64), seedsDigest: null, uses: book.uses(jobIdSchema.parse(id)).commitments().digest, at: new Date().toISOString(),
      }));
    }
    await topology.launch(name);
  }
  /** Scores the three companies; the lines of the result, by company. */
  async function score(): Promise<{ job: string; lines: Map<string, string[]> }> {
    const folder = topology.folder("bank");
    const rows = tables.bank.trim().split("\n").map((line) => line.split(",")).filter(([id = ""]) => ["ent_id", first, second, silent].includes(id));
    writeFileSync(path("batch.csv"), rows.map((row) => `${row.toSpliced(1, 1).join(",")}\n`).join(""));
    const staged = await stageBatch(path("batch.csv"), stageOptions(folder, { log: silentLog, now: Date.now }));
    const model = (await topology.report(job)).model.id;
    const { hosts, shape } = scorable(folder, model);
    const { id } = await topology.api.submit({ kind: "score", guest: partyId("bank"), hosts: [...hosts], purpose: "loan-approval", model, params: { ...staged, shape } });
    await topology.until(id, "done");
    const lines = (await openSealed(await topology.api.result(id, "scores"), topology.key)).trim().split("\n").map((line) => line.split(","));
    return { job: id, lines: new Map(lines.map((line) => [line[0] ?? "", line])) };
  }

  it("come into the log, one of each party, and every enclave witnesses it", async () => {
    const { size } = await witnessed(3);
    assert.equal(size, 3);
    const { items } = JSON.parse(cli("receipts", "list", "--profile", profile(), "--json")) as { items: Item[] };
    assert.deepEqual(items.map(({ party }) => party).sort(), [...parties]);
    for (const item of items) assert.equal(item.job, job);
    for (const name of parties) {
      const [row] = topology.rows(name, "select jws, place from receipts");
      assert.isString(row?.["place"], name);
      const receipt = readReceipt(String(row?.["jws"]));
      assert.deepInclude(receipt, { id: job, party: partyId(name), kind: "scorecard", purpose: "model-development", sequence: 0 });
      assert.equal(receipt.outputDigest === null, name !== "bank", "the bank's enclave alone gave something out");
    }
  });

  it("are fetched as bundles, which verify offline with a trust file that names log, witnesses and authority", async () => {
    const trust = path("trust.json");
    const said = JSON.parse(cli("log", "trust", "--profile", profile(), "--out", trust, "--json")) as { trust: string; fingerprints: Record<string, string> };
    assert.equal(said.trust, trust);
    assert.match(said.fingerprints["identity of tax"] ?? "", /^[0-9a-f]{64}$/);
    assert.deepInclude((JSON.parse(readFileSync(trust, "utf8")) as { witnesses: object }).witnesses, { threshold: 2 });
    const { items } = JSON.parse(cli("receipts", "list", "--profile", profile(), "--json")) as { items: Item[] };
    for (const { id, party } of items) {
      const out = path(`${party}.json`);
      cli("receipts", "get", id, "--profile", profile(), "--out", out);
      const report = JSON.parse(cli("verify", out, "--trust", trust, "--json")) as { result: string; cosignatures: unknown[]; receipt: { party: string } };
      assert.equal(report.result, "ok", party);
      assert.equal(report.receipt.party, party);
      assert.isAtLeast(report.cosignatures.length, 2);
    }
    assert.match(cli("log", "show", "--profile", profile()), /^yunei-log\//);
    assert.match(cli("enclave", "receipts", "list", "--dir", topology.folder("tax")), new RegExp(`${job}  scorecard  0  log \\d`));
    const twice = topology.cliFailing(["log", "trust", "--profile", profile(), "--out", trust]);
    assert.deepEqual([twice.status, /CLI_EXISTS/.test(twice.output)], [1, true]);
  });

  it("are brought by an enclave that was killed before the log had answered", async () => {
    await topology.kill("tax");
    // The answer was on its way when the process died.
    using db = new StateDatabase(enclavePaths(topology.folder("tax")).state);
    db.run("update receipts set place = null");
    await topology.launch("tax");
    await eventually("the acknowledgement", () => (topology.rows("tax", "select 1 from receipts where place is not null").length > 0 ? true : undefined), 60_000);
    assert.equal((await view()).size, 3, "nothing is there twice");
  });

  it("prove one company's use, offline, without showing another's: consent and withdrawals of that time, log, witnesses, chain", async () => {
    for (const uscc of [first, second]) await consent(uscc);
    const scored = await score();
    for (const uscc of [first, second]) assert.match(scored.lines.get(uscc)?.[1] ?? "", /^\d+\.\d\d$/, "a score");
    assert.deepEqual(scored.lines.get(silent)?.slice(1), ["", "", "0", "CONSENT_MISSING"]);
    await witnessed(6);
    const reveal = (...args: string[]): string[] => ["enclave", "receipts", "reveal", "--dir", topology.folder("tax"), "--lang", "en", ...args];
    const out = path("own.json");
    cli(...reveal("--company", first, "--job", scored.job, "--out", out));
    const text = readFileSync(out, "utf8");
    assert.include(text, first);
    for (const uscc of [second, silent]) assert.notInclude(text, uscc);
    const refused: [string[], string][] = [
      [reveal("--company", silent, "--job", scored.job, "--out", path("x.json")), "RECEIPT_NOT_FOUND"], [reveal("--company", first, "--job", job, "--out", path("x.json")), "RECEIPT_NOT_FOUND"],
      [reveal("--company", second, "--job", scored.job, "--out", out), "CLI_EXISTS"],
    ];
    for (const [args, code] of refused) {
      const { status, output } = topology.cliFailing(args);
      assert.deepEqual([status, output.includes(code)], [1, true], output);
    }
    await topology.stop("platform");
    const trust = ["--trust", path("trust.json")];
    const report = JSON.parse(topology.cli(["verify", out, ...trust, "--company", first, "--json"])) as Report;
    const names = ["chain", "checkpoint", "consent", "format", "inclusion", "issuer", "receipt", "revocation", "time", "use", "witnesses"];
    assert.deepEqual([report.result, report.checks.map(({ name, status }) => `${name} ${status}`).sort()], ["ok", names.map((name) => `${name} ok`)]);
    assert.lengthOf(report.cosignatures, 3);
    const [zh, en] = ["zh", "en"].map((language) => topology.cli(["verify", out, ...trust, "--company", first, "--lang", language]));
    assert.match(zh ?? "", /^有效.*\n[^]*企业授权真实有效，且涵盖此次使用。[^]*当时签名的撤销清单中没有该授权。/u);
    assert.match(en ?? "", /^Valid.*\n[^]*authorisation is genuine and covers this use\.[^]*does not name the authorisation\./);
    const other = topology.cliFailing(["verify", out, ...trust, "--company", second, "--lang", "zh"]);
    assert.deepEqual([other.status, other.output.startsWith("无效"), other.output.includes("RECEIPT_REVEAL")], [1, true, true]);
    const { consent: _, ...without } = JSON.parse(text) as Record<string, unknown>;
    writeFileSync(path("without.json"), JSON.stringify(without));
    assert.equal(topology.cliFailing(["verify", path("without.json"), ...trust, "--lang", "en"]).status, 2);
    await topology.launch("platform");
    for (const uscc of [first, second, silent]) assert.notInclude(topology.logs(), uscc);
  });

  it("stand in a log that every witness refuses once it has gone back, or has gone on from another past", async () => {
    const { folder } = logPaths(topology.platformFolder);
    const database = ["platform.db", "platform.db-wal", "platform.db-shm"];
    const copy = (name: string, from: string, to: string): void => void (existsSync(join(from, name)) && cpSync(join(from, name), join(to, name), { recursive: true }));
    const refusals = (): Promise<LogView["witnesses"]> => eventually("refusals", async () => {
      const seen = await view().catch(() => undefined);
      return seen !== undefined && seen.witnesses.filter(({ refused }) => refused !== null).length === 3 ? seen.witnesses : undefined;
    }, 60_000);
    await topology.stop("platform");
    for (const name of ["log", ...database]) copy(name, topology.platformFolder, path("kept"));
    await topology.launch("platform");
    await issueAt("power", "job_00000000000000bb");
    await witnessed(7);
    await topology.stop("platform");
    rmSync(folder, { recursive: true });
    for (const name of database) rmSync(join(topology.platformFolder, name), { force: true });
    for (const name of ["log", ...database]) copy(name, path("kept"), topology.platformFolder);
    await topology.launch("platform");
    for (const { refused } of await refusals()) assert.deepInclude(refused ?? {}, { code: "WITNESS_REWOUND", size: 7, offered: 6 });
    assert.include(cli("log", "show", "--profile", profile()), "REFUSED WITNESS_REWOUND");
    assert.include(topology.log("bank"), "log-not-cosigned");
    // It goes on with another receipt in the place of the one that it has lost.
    await issueAt("tax", "job_00000000000000cc");
    const forked = await eventually("the fork", async () => (await view()).witnesses.find(({ party, refused }) => party === "tax" && refused?.code === "WITNESS_FORKED"), 60_000);
    assert.deepInclude(forked.refused ?? {}, { size: 7, offered: 7 });
    assert.include(cli("enclave", "receipts", "list", "--dir", topology.folder("tax")), "refused 2 checkpoints");
    const { evidence } = JSON.parse(cli("enclave", "receipts", "list", "--dir", topology.folder("tax"), "--json")) as { evidence: { seen: string; offered: string }[] };
    assert.deepEqual(evidence.map(({ seen, offered }) => [seen.split("\n")[1], offered.split("\n")[1]]), [["7", "6"], ["7", "7"]]);
  });

  it("are checked again from the ground by `yunei log fsck`, beside the running platform", () => {
    assert.match(cli("log", "fsck", topology.platformFolder), /^the log is whole: 7 entries/);
  });
});
