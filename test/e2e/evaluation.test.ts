// Full-coverage evaluation through real processes over generated data: all companies by public items, those that authorised it by all items, one
// provider missing, figures that are suppressed, and rows that only the subscribed institution opens.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { evaluationEndpoints as e, type RunView } from "../../api/contract/evaluations.ts";
import { openPush, type Pushed } from "../../cli/commands/evaluation.ts";
import { LocalRegistrar } from "../../cli/local-registrar.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { baselineScorecard, scorecardDigest } from "../../evaluation/load.ts";
import { publishedCards } from "../../federation/evaluate/params.ts";
import type { Figures } from "../../evaluation/figures.ts";
import { fails, json } from "../cli/support.ts";
import { loadParty, readTable } from "../demo/support.ts";
import { DemoTopology } from "../support/demo-topology.ts";
import { eventually, walk } from "../support/process.ts";

const guest = "registry_courts";
// On the basis `open` tax has nothing to add; three others are needed so that two are left without one of them.
const hosts = ["tax", "administrative", "environment", "customs"];
const consentedOf = 3;

describe("full-coverage evaluation of real processes", () => {
  let topology: DemoTopology;
  let companies: string[] = [];
  const registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  const runs: Record<string, RunView> = {};

  const cli = <T>(institution: string, args: readonly string[]): Promise<T> => json<T>(["evaluation", ...args, "--profile", topology.of(institution).profile], topology.work);
  const figuresOf = (id: string): Promise<Figures> => cli<Figures>("bank", ["distribution", id]);
  const opened = async (institution: string, run: string): Promise<Pushed[]> => {
    const { api, key } = topology.of(institution);
    const { items } = await api.call(e.listPushes, { query: { run } });
    const ca = readFileSync(join(topology.platformFolder, "ca.pem"), "utf8");
    return Promise.all(items.map((push) => openPush(api, key, ca, partyId(institution), push)));
  };
  const kept = (job: string | null): string[] => readFileSync(join(enclavePaths(topology.folder(guest)).results, job ?? "", "evaluations.csv"), "utf8").trim().split("\n").slice(1);

  before(async function () {
    this.timeout(300_000);
    topology = await DemoTopology.start({
      companies: 900, guest, hosts, institutions: [guest, "bank", "other_bank"], kinds: ["evaluate"], peerTimeoutSeconds: 60,
      policy: (_name, policy) => ({ ...policy, registrars: registrar.policy, allow: policy.allow.map((rule) => ({ ...rule, purposes: ["credit-evaluation"] })) }),
    });
    companies = (await readTable(join(topology.work, "data"), guest, "registrations")).map((row) => row["uscc"] ?? "").sort();
  });
  after(() => topology[Symbol.asyncDispose]());

  it("takes a subscription for a purpose that needs it, and none for one that does not", async () => {
    const made = await cli<{ id: string; bases: string[] }>("bank", ["subscribe", "--name", "all", "--purpose", "credit-evaluation"]);
    assert.deepEqual(made.bases, ["open", "full"]);
    const industry = await cli<{ bases: string[] }>("bank", ["subscribe", "--name", "industry", "--purpose", "loan-approval", "--province", "33", "--section", "C"]);
    assert.deepEqual(industry.bases, ["full"], "who is in the list of a section is in it: authorised companies alone");
    const refused = (name: string, purpose: string, code: string) => fails(["evaluation", "subscribe", "--name", name, "--purpose", purpose, "--profile", topology.of("bank").profile], topology.work, code);
    await Promise.all([refused("x", "post-loan-monitoring", "CATALOGUE_UNNECESSARY"), refused("all", "credit-evaluation", "EVALUATION_SUBSCRIPTION")]);
  });

  it("waits for a person where the plan pushes to a key that the evaluating enclave's operator does not know", async () => {
    const { api } = topology.of(guest);
    const run = await api.call(e.createRun, { body: { basis: "open", asOf: "2025-01-01", terms: { hosts: hosts.map(partyId), approvalSeconds: 600 } } });
    const view = await eventually("every provider has approved", async () => {
      const { run: now } = await api.call(e.getRun, { params: { id: run.id } });
      const job = now.job === null ? undefined : await api.job(now.job);
      return job?.parties.filter((p) => p.approved).length === hosts.length ? job : undefined;
    });
    assert.equal(view.state, "awaiting-approval");
    assert.isFalse(view.parties.find((p) => p.party === guest)?.approved);
    assert.equal(await codeOf(api.call(e.createRun, { body: { basis: "open", terms: { hosts: hosts.map(partyId) } } })), "EVALUATION_BUSY");
    assert.equal((await api.call(e.cancelRun, { params: { id: run.id } })).failure?.code, "JOB_CANCELLED");
    await eventually("the job ended with it", async () => (await api.job(view.id)).state === "cancelled");
    topology.setPolicy(guest, (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, evaluation: { maxRunsPerMonth: 12, maxSetsPerCompany: 4, scorecards: [], subscribers: { bank: topology.of("bank").key.publicJwk.x } } })) }));
  });

  it("evaluates every company by public items, with all providers, and publishes suppressed figures", async function () {
    this.timeout(120_000);
    const run = await cli<RunView>(guest, ["run", ...hosts.flatMap((h) => ["--host", h]), "--basis", "open", "--as-of", "2025-02-01"]);
    runs["open"] = run;
    assert.deepInclude(run, { state: "done", basis: "open", away: [], attempt: 1, psi: null });
    const lines = kept(run.job);
    assert.sameMembers(lines.map((line) => line.split(",")[0] ?? ""), companies);
    const figures = await figuresOf(run.id);
    assert.closeTo(figures.provinceByGrade?.total ?? 0, companies.length, 3);
    assert.isAbove(figures.provinceByGrade?.hidden.primary ?? 0, 0, "a table of 900 companies has small cells");
    for (const table of [figures.provinceByGrade, figures.sectorByGrade, figures.provinceBySector]) {
      assert.isTrue(table?.cells.flat().every((n) => n === null || n === 0 || (n >= 20 && n % 5 === 0)));
    }
    const held = new Set((await Promise.all([guest, ...hosts].map((name) => loadParty(join(topology.work, "data"), name)))).flatMap((d) => d.features.map((f) => f.name)));
    assert.sameMembers([...figures.absent], publishedCards.open.entries.map((entry) => entry.indicator).filter((id) => !held.has(id)));
    assert.equal(figures.partial, figures.absent.length > 0);
  });

  it("pushes them to the subscribed institution alone, which can tell who evaluated", async () => {
    const run = runs["open"] as RunView;
    const [push, ...more] = await opened("bank", run.id);
    assert.lengthOf(more, 0, "the filter by section gets nothing on this basis");
    assert.deepInclude(push, { evaluator: partyId(guest), institution: partyId("bank"), basis: "open", asOf: "2025-02-01", subscriptions: ["all"] });
    const told = push?.companies.map((c) => `${c.uscc},${c.score},${c.grade ?? ""},${Math.round(c.coverage * 1000)}`);
    assert.sameMembers(told ?? [], kept(run.job));
    const { files } = await cli<{ files: { file: string; companies: number }[] }>("bank", ["get", run.id, "--out", join(topology.work, "out")]);
    assert.deepEqual(files.map((f) => f.companies), [companies.length]);
    for (const name of [guest, "other_bank"]) {
      assert.deepEqual(await opened(name, run.id), []);
      assert.equal(await codeOf(topology.of(name).api.text(e.getPush, { params: { run: run.id, purpose: "credit-evaluation", part: "0" } })), "EVALUATION_NOT_FOUND");
    }
    const { api } = topology.of("bank");
    const ca = readFileSync(join(topology.platformFolder, "ca.pem"), "utf8");
    const item = { run: run.id, job: jobIdSchema.parse(run.job), purpose: "credit-evaluation" as const, part: 0, asOf: "2025-02-01", basis: "open" as const };
    assert.equal(await codeOf(openPush(api, topology.of("other_bank").key, ca, partyId("bank"), item)), "CLI_SEAL", "another institution's key opens nothing");
    assert.equal(await codeOf(openPush(api, topology.of("bank").key, ca, partyId("bank"), { ...item, asOf: "2025-03-01" })), "CLI_SEAL", "nor is it taken for another day's");
    const other = jobIdSchema.parse("job_0123456789abcdef");
    assert.equal(await codeOf(openPush(api, topology.of("bank").key, ca, partyId("bank"), { ...item, job: other })), "CLI_SEAL", "nor for another job's, which may have been without a provider");
    assert.equal(await codeOf(openPush(api, topology.of("bank").key, ca, partyId("bank"), item)), "ok");
  });

  it("leaves no company's code or score at the platform", () => {
    const bytes = [...walk(topology.platformFolder)].filter((entry) => !entry.isFolder).map(({ path }) => readFileSync(path, "latin1"));
    assert.isAbove(bytes.length, 5);
    for (const uscc of companies.slice(0, 50)) assert.isFalse(bytes.some((text) => text.includes(uscc)));
  });

  it("evaluates by all items those that authorised it, and tells an institution of those that authorised it", async function () {
    this.timeout(180_000);
    const consented = companies.filter((_, i) => i % consentedOf === 0);
    const toBank = consented.filter((_, i) => i % 2 === 0);
    const purpose = "credit-evaluation";
    const items = [...new Set([...publishedCards.full.entries.flatMap((entry) => entry.items), "registry.industry"])].sort();
    const [leaver = ""] = toBank;
    const folder = enclavePaths(topology.folder(guest)).consents;
    writeDurably(join(folder, "own.jws"), await registrar.consents(consented, { grantee: partyId(guest), items, purpose }));
    writeDurably(join(folder, "bank.jws"), await registrar.consents(toBank, { grantee: partyId("bank"), items, purpose }));
    registrar.withdraw([leaver]);
    const list = registrar.revocations();
    for (const name of [guest, ...hosts]) writeDurably(join(enclavePaths(topology.folder(name)).revocations, "registrar.jws"), list);
    const run = await cli<RunView>(guest, ["run", ...hosts.flatMap((h) => ["--host", h]), "--basis", "full", "--as-of", "2025-02-01"]);
    const evaluated = kept(run.job).map((line) => line.split(",")[0] ?? "");
    assert.sameMembers(evaluated, consented.filter((id) => id !== leaver), "the list of the run is theirs alone, and who withdrew is not in it");
    const pushes = await opened("bank", run.id);
    assert.sameMembers(pushes.filter((p) => p.purpose === purpose).flatMap((p) => p.companies.map((c) => c.uscc)), toBank.filter((id) => id !== leaver));
    // What was used of whom, and who was told, stands in the evaluating enclave's receipt: by salted commitments, which a company has opened for it.
    const receipt = await eventually("its receipt in the log", async () => (await topology.of(guest).api.receipts(run.job ?? "")).find((line) => line.party === guest));
    const [, payload = ""] = (await topology.of(guest).api.receipt(receipt.id)).receipt.split(".");
    assert.equal((JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { uses: { count: number } }).uses.count, evaluated.length + toBank.length - 1);
    assert.deepEqual(pushes.filter((p) => p.purpose === "loan-approval").flatMap((p) => p.companies), [], "nobody authorised that purpose");
  });

  it("evaluates by a published scorecard of its own, where every party's policy names it", async function () {
    this.timeout(120_000);
    const own = { ...baselineScorecard, id: "zhejiang", version: "1.0.0", grades: baselineScorecard.grades.map((g) => (g.grade === "B" ? { ...g, from: 620 } : g)) };
    const file = join(topology.work, "scorecard.json");
    writeDurably(file, JSON.stringify(own));
    const { digest } = await cli<{ digest: string }>(guest, ["scorecard", "publish", file]);
    assert.equal(digest, scorecardDigest(own));
    for (const name of [guest, ...hosts]) {
      topology.setPolicy(name, (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, evaluation: { maxRunsPerMonth: 12, maxSetsPerCompany: 4, subscribers: {}, ...rule.evaluation, scorecards: [digest] } })) }));
    }
    const run = await cli<RunView>(guest, ["run", ...hosts.flatMap((h) => ["--host", h]), "--basis", "open", "--as-of", "2025-02-02", "--scorecard", digest]);
    assert.deepInclude(run, { state: "done", scorecard: digest, psi: null }, "another scale is compared with nothing");
    const builtIn = new Map(kept((runs["open"] as RunView).job).map((line) => line.split(",")).map(([uscc = "", score, grade]) => [uscc, { score, grade }]));
    const now = kept(run.job).map((line) => line.split(","));
    assert.isTrue(now.every(([uscc = "", score, grade]) => {
      const was = builtIn.get(uscc);
      const isLowered = was?.grade === "B" && Number(score) < 620;
      return was?.score === score && grade === (isLowered ? "C" : was?.grade);
    }), "its points are those of the built-in one, its thresholds its own");
    assert.isTrue(now.some(([uscc = "", , grade]) => builtIn.get(uscc)?.grade !== grade));
  });

  it("goes on after its evaluating enclave was killed in the middle, and after the platform was", async function () {
    this.timeout(120_000);
    const { api } = topology.of(guest);
    const { id } = await api.call(e.createRun, { body: { basis: "open", asOf: "2025-01-15", terms: { hosts: hosts.map(partyId) } } });
    const view = async (): Promise<RunView | undefined> => (await api.call(e.getRun, { params: { id } }).catch(() => undefined))?.run;
    await eventually("it runs", async () => {
      const job = (await view())?.job ?? undefined;
      return job !== undefined && (await api.job(job)).state === "running";
    });
    await topology.kill(guest);
    await topology.kill("platform");
    await topology.launch("platform");
    await topology.launch(guest);
    const run = await eventually("the end", async () => {
      const now = await view();
      return now?.state === "done" || now?.state === "failed" ? now : undefined;
    }, 60_000);
    assert.deepInclude(run, { state: "done", attempt: 1, failure: null });
    assert.lengthOf((await opened("bank", id))[0]?.companies ?? [], companies.length);
    // The same data and the same providers: nothing new was computed.
    assert.sameMembers(kept(run.job), kept((runs["open"] as RunView).job));
  });

  it("goes on without a provider that does not come, says which indicators it lacks, and compares with the first run", async function () {
    this.timeout(120_000);
    await topology.kill("administrative");
    const run = await cli<RunView>(guest, ["run", ...hosts.flatMap((h) => ["--host", h]), "--basis", "open", "--as-of", "2025-03-01", "--approval-seconds", "5"]);
    assert.deepInclude(run, { state: "done", attempt: 2, partial: true });
    assert.deepEqual(run.away, [partyId("administrative")]);
    const figures = (await topology.of("bank").api.call(e.getRun, { params: { id: run.id } })).figures ?? assert.fail();
    const lost = ["ad_penalties_24m", "ad_coercive_24m"];
    assert.includeMembers([...figures.absent], lost);
    assert.deepEqual(figures.stability?.from, "2025-02-01");
    assert.sameMembers([...(figures.stability?.otherAbsent ?? [])], lost);
    assert.isNumber(figures.stability?.psi);
    assert.equal(run.verdict, figures.stability?.verdict);
    assert.lengthOf(kept(run.job), companies.length);
  });

  it("ends with the provider's name where the terms do not go on without it", async function () {
    this.timeout(60_000);
    topology.setPolicy("customs", (policy) => ({ ...policy, allow: [] }));
    await fails(["evaluation", "run", ...hosts.flatMap((h) => ["--host", h]), "--when-away", "fail", "--as-of", "2025-04-01", "--profile", topology.of(guest).profile], topology.work, "JOB_REFUSED");
    const [last] = (await topology.of(guest).api.call(e.listRuns, { query: { limit: "1" } })).items;
    assert.deepEqual(last?.failure, { code: "JOB_REFUSED", party: partyId("customs") });
    assert.isFalse(readdirSync(enclavePaths(topology.folder(guest)).results).includes(last?.job ?? ""), "nothing was computed");
  });
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}
