// Reports on returned outcomes against the same figures made from the rows themselves; where scores come from; labels for a new job; what may leave.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { canonicalJson, digestOf, sha256Hex, type Json } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { systemRng } from "../../../core/rng.ts";
import { enclavePaths } from "../../../enclave/config.ts";
import { loadDataset } from "../../../enclave/data/load.ts";
import { parseDefinition } from "../../../enclave/data/definition.ts";
import { OutcomeReports, toldCounts } from "../../../enclave/outcomes/told.ts";
import { policySchema } from "../../../enclave/policy.ts";
import { backTest, outcomeCounts } from "../../../models/outcomes/back-test.ts";
import { monthNumber, type OutcomeRecord } from "../../../models/outcomes/record.ts";
import { outcomeCountsSchema } from "../../../models/outcomes/release.ts";
import { bookOf, loanOf, modelA, modelB, portfolio, row } from "../../models/outcomes/support.ts";
import { planOf } from "../../support/enclave.ts";
import { keptLog } from "../../support/platform.ts";
import { seededDraw } from "../../support/draw.ts";
import { assertFails, Bank, bankRows, companyOf, today } from "./support.ts";

const asOf = "2026-02";
const loans = (seed = 1, more: object = {}): OutcomeRecord[] => portfolio({ first: "2024-01", months: 9, perMonth: 150, seed, asOf, ...more });
/** What the model gave when it was built. */
function development(seed = 9): { probability: Float64Array; label: Uint8Array } {
  const draw = seededDraw(seed);
  const probability = Float64Array.from({ length: 1500 }, () => 1 / (1 + Math.exp(2 - draw.normal())));
  return { probability, label: Uint8Array.from(probability, (p) => (draw.uniform() < p ? 1 : 0)) };
}
function developmentFile(bank: Bank): string {
  const { probability, label } = development();
  return bank.file("development.csv", Array.from(probability, (p, i) => ({ probability: p, label: label[i] })));
}
const counts = policySchema.parse({ version: 1, outcomes: "counts" });

describe("reports on loan outcomes", () => {
  it("are those of the rows themselves, and the development sample is kept for the next one", async () => {
    using bank = new Bank();
    const records = loans();
    await bank.desk.importFile({ file: bank.file("loans.csv", bankRows(records)) });
    const file = developmentFile(bank);
    const report = await bank.desk.report({ model: modelA, asOf, development: file });
    const oracle = backTest({ loans: bookOf(asOf, records, 60), model: modelA, development: development() });
    // Sums over loans in another order.
    const close = (a: unknown, b: unknown, path: string): void => {
      if (typeof a === "number" && typeof b === "number") assert.closeTo(a, b, 1e-9 * Math.max(1, Math.abs(b)), path);
      else if (a !== null && typeof a === "object" && b !== null && typeof b === "object") for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) close((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], `${path}.${key}`);
      else assert.deepEqual(a, b, path);
    };
    close(report.backTest, oracle, "");
    assert.deepEqual(report.sample.scores, { row: 1350, service: 0, batch: 0 });
    assert.equal(report.development.source, "file");
    assert.deepEqual(canonicalJson((await bank.desk.report({ asOf })).backTest as unknown as Json), canonicalJson(report.backTest as unknown as Json));
    await assertFails(() => bank.desk.report({ model: modelB, development: file }), "OUTCOME_MODEL");
    await assertFails(() => bank.desk.report({ model: `model_${"0".repeat(24)}` }), "OUTCOME_MODEL");
  });

  it("find a loan's score among those that services and batches gave, the last one before the loan", async () => {
    using bank = new Bank();
    // A model of a training job, whose test part is the development sample.
    const half = { version: 1, weights: [1, 2] };
    const digest = digestOf(half);
    const model = `model_${"1".repeat(24)}`;
    bank.db.run("insert into models (model, job, created_at, kind, half) values (?, ?, ?, ?, ?)", model, "job_00000000000000aa", 1, "scorecard-guest", JSON.stringify(half));
    const { results } = enclavePaths(bank.folder);
    const scored = (job: string, at: string, lines: readonly string[], by: object = { model }): void => {
      const plan = { ...planOf(), job, kind: "score", createdAt: at, ...by };
      bank.db.run("insert into jobs (job, state, plan, digest, created_at) values (?, 'done', ?, '', ?)", job, JSON.stringify(plan), Date.parse(at));
      mkdirSync(join(results, job), { recursive: true });
      writeFileSync(join(results, job, "scores.csv"), `id,points,probability,partial\n${lines.join("\n")}\n`);
    };
    scored("job_0000000000000001", "2024-11-05T00:00:00.000Z", ["C1,500,0.110000,0", "C2,500,0.120000,0", "C4,500,0.140000,0"]);
    scored("job_0000000000000002", "2025-01-05T00:00:00.000Z", ["C1,500,0.210000,0", "C3,,,0", "C9,500,0.500000,0"]);
    // By a model that the bank brought itself.
    const shape = { kind: "whole-model", digest: modelA, bytes: 1000, inputs: ["x"] };
    scored("job_0000000000000004", "2025-01-06T00:00:00.000Z", ["C5,500,0.510000,0"], { model: undefined, params: { batch: "b".repeat(64), rows: 1, shape } });
    bank.scores.note({ company: "C2", model: digest, probability: 0.31, at: Date.parse("2025-01-20"), service: "job_0000000000000003", role: "champion" });
    bank.scores.note({ company: "C3", model: digest, probability: 0.33, at: Date.parse("2025-01-20"), service: "job_0000000000000003", role: "shadow" });
    bank.scores.note({ company: "C1", model: digest, probability: 0.35, at: Date.parse("2025-02-20"), service: "job_0000000000000003", role: "champion" });
    bank.scores.write();
    const rows = ["C1", "C2", "C3", "C4", "C5"].map((company) => ({ loan: `L-${company}`, company, originated: company === "C4" ? "2025-06" : "2025-01", month: "2025-07", status: "current" }));
    const result = await bank.desk.importFile({ file: bank.file("rows.csv", rows) });
    assert.deepEqual(result.joined, { service: 1, batch: 2, without: 2 });
    assert.deepInclude(bank.desk.loans.get(bank.desk.loans.keyOf("L-C5")) as object, { score: 0.51, from: "batch", model: modelA });
    const kept = (company: string): object => { const { score, from } = bank.desk.loans.get(bank.desk.loans.keyOf(`L-${company}`)) ?? {}; return { score, from }; };
    assert.deepEqual(kept("C1"), { score: 0.21, from: "batch" }, "the later batch, not the score of the month after");
    assert.deepEqual(kept("C2"), { score: 0.31, from: "service" });
    assert.deepEqual(kept("C3"), { score: undefined, from: undefined }, "a shadow answered nobody");
    assert.deepEqual(kept("C4"), { score: undefined, from: undefined }, "seven months before the loan");
    // The bank's own word goes before what was found.
    await bank.desk.importFile({ file: bank.file("own.csv", [{ ...rows[0], month: "2025-08", model: modelB, score: 0.4 }]) });
    assert.deepInclude(kept("C1"), { score: 0.4, from: "row" });
  });

  it("take the development sample from the test part of the training job", async () => {
    using bank = new Bank();
    const half = { version: 1, weights: [1] };
    bank.db.run("insert into models (model, job, created_at, kind, half) values (?, ?, ?, ?, ?)", `model_${"1".repeat(24)}`, "job_00000000000000aa", 1, "scorecard-guest", JSON.stringify(half));
    const { probability, label } = development();
    bank.file("bank.csv", Array.from(label, (y, i) => ({ ent_id: `D${i}`, y, amount: i })));
    const records = loans().map((r) => ({ ...r, model: digestOf(half) }));
    await bank.desk.importFile({ file: bank.file("loans.csv", bankRows(records)) });
    await assertFails(() => bank.desk.report({ asOf }), "OUTCOME_DEVELOPMENT");
    const folder = join(enclavePaths(bank.folder).results, "job_00000000000000aa");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "scores.csv"), `id,points,probability,part\n${Array.from(probability, (p, i) => `D${i},500,${p.toFixed(6)},${i < 500 ? "train" : "test"}`).join("\n")}\n`);
    const report = await bank.desk.report({ asOf });
    assert.deepInclude(report.development, { rows: 1000, bads: label.subarray(500).reduce((s, y) => s + y, 0), source: "job_00000000000000aa" });
  });

  it("compare a version with the one that granted the loans, on the same loans", async () => {
    using bank = new Bank();
    const records = loans(4, { known: 0.3 });
    const rows = bankRows(records);
    await bank.desk.importFile({ file: bank.file("loans.csv", rows) });
    const draw = seededDraw(5);
    const isBad = new Set(records.filter((r) => r.status === "dpd90").map((r) => r.loan));
    const ids = [...new Set(records.map((r) => r.loan))];
    // A shadow that knows more of the outcome; for a tenth of the companies it was not asked.
    for (const [i, loan] of ids.entries()) {
      if (i % 10 === 0) continue;
      const probability = 1 / (1 + Math.exp(2 - draw.normal() - (isBad.has(loan) ? 1.5 : 0)));
      const originated = records.find((r) => r.loan === loan)?.originated ?? "";
      bank.scores.note({ company: companyOf(loan), model: modelB, probability, at: Date.parse(`${originated}-15`), service: "job_0000000000000003", role: "shadow" });
    }
    bank.scores.write();
    const made = await bank.desk.compare({ model: modelB, against: modelA, asOf, development: developmentFile(bank) });
    assert.isAbove(made.difference, 0.1);
    assert.isBelow(made.pValue, 0.001);
    assert.closeTo(made.auc.model - made.auc.against, made.difference, 1e-12);
    assert.isAtMost(made.loans, Math.ceil(ids.length * 0.9));
    assert.equal(made.backTest.population.loans, ids.length - Math.ceil(ids.length / 10));
    await assertFails(() => bank.desk.compare({ model: modelB, against: sha256Hex("another"), asOf, development: join(bank.root, "development.csv") }), "OUTCOME_NONE");
  });
});

describe("labels from loan outcomes", () => {
  const bads = (records: readonly OutcomeRecord[]): Map<string, number> => {
    const out = new Map<string, number>();
    for (const r of records) {
      const age = monthNumber(r.month) - monthNumber(r.originated);
      const is = ["dpd90", "charged-off"].includes(r.status) && age <= 12 ? 1 : 0;
      out.set(companyOf(r.loan), Math.max(out.get(companyOf(r.loan)) ?? 0, is));
    }
    return out;
  };

  it("are one row a company with what was left out, and make a data set that an enclave loads", async () => {
    using bank = new Bank();
    const records = [...loans(), row(90_000, "2025-12", 1, "current"), row(90_001, "2024-01", 1, "current")];
    await bank.desk.importFile({ file: bank.file("loans.csv", bankRows(records)) });
    const expected = bads(loans());
    bank.file("bank.csv", [...[...expected.keys()].slice(100), "elsewhere"].map((id, i) => ({ ent_id: id, y: 0, amount: i, note: `"a,b ${i}"` })));
    const out = join(bank.root, "out");
    const { manifest, matched } = await bank.desk.exportLabels({ out, method: "none", asOf, testFrom: "2024-08", withFeatures: true });
    assert.deepInclude(manifest as object, { rows: 1350, excluded: { indeterminate: 0, immature: 1, lost: 1, withoutCompany: 0, older: 0 }, testFrom: "2024-08" });
    const text = readFileSync(join(out, "labels.csv"), "utf8");
    assert.equal(sha256Hex(text), manifest.digest);
    const labels = new Map(text.trim().split("\n").slice(1).map((l) => [l.split(",")[0] ?? "", Number(l.split(",")[1])]));
    assert.sameDeepMembers([...labels], [...expected]);
    assert.equal(matched, 1250);
    const loaded = await loadDataset(parseDefinition(JSON.parse(readFileSync(join(out, "dataset.json"), "utf8"))), { directory: out, log: keptLog([]) });
    assert.deepEqual([loaded.rows, loaded.features.map((f) => f.name).slice(0, 1)], [1250, ["amount"]]);
    for (const [i, id] of loaded.ids.entries()) assert.equal(loaded.label?.[i], expected.get(id), "the new labels, not the table's own");
    const parts = readFileSync(join(out, "split.csv"), "utf8").split("\n").filter((l) => l.endsWith(",test"));
    assert.lengthOf(parts, 300);
  });

  it("end with a code where the table cannot be written, and leave no half of it", async () => {
    using bank = new Bank();
    await bank.desk.importFile({ file: bank.file("loans.csv", bankRows(loans())) });
    bank.file("bank.csv", [...bads(loans()).keys()].map((id, i) => ({ ent_id: id, y: 0, amount: i })));
    const out = join(bank.root, "out");
    mkdirSync(join(out, "features.csv"), { recursive: true });
    await assertFails(() => bank.desk.exportLabels({ out, method: "none", asOf, withFeatures: true }), "DISK_FAILED");
    assert.deepEqual(readdirSync(join(out, "features.csv")), []);
    assert.notInclude(readdirSync(out).join(), "dataset.json");
    assert.notInclude(readdirSync(out).join(), ".tmp");
  });

  it("write down how turned-down applications were taken, and refuse weighted rows for a training job", async () => {
    using bank = new Bank();
    await bank.desk.importFile({ file: bank.file("loans.csv", bankRows(loans())) });
    const rejected = Array.from({ length: 200 }, (_, i) => ({ loan: `A${i}`, company: `R${i}`, originated: "2024-05", status: "rejected", model: modelA, score: 0.3 + i / 500, month: "" }));
    const taken = await bank.desk.importFile({ file: bank.file("rejected.csv", rejected) });
    assert.equal(taken.taken, 200);
    const out = join(bank.root, "out");
    const parcelled = await bank.desk.exportLabels({ out, method: "parcelling", badRateFactor: 2, asOf, withFeatures: false });
    assert.deepInclude(parcelled.manifest.rejects as object, { method: "parcelling", model: modelA, badRateFactor: 2, applications: 200 });
    assert.equal(parcelled.manifest.rows, 1550);
    const rate = parcelled.manifest.rejects.summary;
    assert.isAbove(rate?.rejectedBadRate ?? 0, rate?.acceptedBadRate ?? 1);
    await assertFails(() => bank.desk.exportLabels({ out, method: "augmentation", asOf, withFeatures: true }), "OUTCOME_WEIGHTS");
    assert.equal((await bank.desk.exportLabels({ out, method: "fuzzy", asOf, withFeatures: false })).manifest.rows, 1750);
    const report = await bank.desk.report({ asOf, development: developmentFile(bank) });
    assert.deepEqual(report.rejects.options?.map((o) => o.method), ["none", "augmentation", "parcelling", "fuzzy"]);
    assert.equal(report.backTest.population.loans, 1350, "an application is no loan");
  });
});

describe("counts of outcomes that leave", () => {
  it("leave where the policy says so, by a person's word, once, and as released counts", async () => {
    using bank = new Bank();
    const records = loans();
    await bank.desk.importFile({ file: bank.file("loans.csv", bankRows(records)) });
    const file = developmentFile(bank);
    await assertFails(() => bank.desk.tell({ asOf, development: file }, undefined), "OUTCOME_POLICY");
    await assertFails(() => bank.desk.tell({ asOf, development: file }, policySchema.parse({ version: 1 })), "OUTCOME_POLICY");
    assert.isEmpty(toldCounts(bank.db));
    const shown = await bank.desk.counts({ asOf, development: file });
    const next = await bank.desk.tell({ asOf }, counts);
    assert.isTrue(next.isNew);
    assert.deepEqual(next.counts, shown.counts);
    assert.deepEqual(next.counts, outcomeCounts({ loans: bookOf(asOf, records, 60), model: modelA, development: development() }));
    assert.isFalse((await bank.desk.tell({ asOf }, counts)).isNew);
    await assertFails(() => bank.desk.tell({ asOf, definition: { daysPastDue: 60 } }, counts), "OUTCOME_SETTINGS");
    await assertFails(() => bank.desk.tell({ asOf, settings: { cohort: "quarter" } }, counts), "OUTCOME_SETTINGS");

    const sent: unknown[] = [];
    let fault: AppError | undefined = new AppError("JOB_PLATFORM_UNREACHABLE");
    let policy = counts;
    const service = new OutcomeReports({
      db: bank.db, policy: () => policy, env: { rng: systemRng, now: () => 0, log: keptLog([]) },
      desk: { send: (kind, body) => (fault === undefined ? Promise.resolve(void sent.push([kind, body])) : Promise.reject(fault)) },
    });
    await service.tick();
    fault = undefined;
    policy = policySchema.parse({ version: 1 });
    await service.tick();
    assert.isEmpty(sent, "the policy was changed meanwhile");
    policy = counts;
    await service.tick();
    await service.tick();
    assert.lengthOf(sent, 1);
    assert.isTrue(outcomeCountsSchema.safeParse((sent[0] as unknown[])[1]).success);
    assert.deepEqual(toldCounts(bank.db).map((t) => t.isSent), [true]);
    bank.scores.note({ company: "C", model: modelA, probability: 0.5, at: today - 26 * 30 * 86_400_000, service: "job_0000000000000003", role: "champion" });
    bank.scores.note({ company: "C", model: modelA, probability: 0.5, at: today - 20 * 30 * 86_400_000, service: "job_0000000000000003", role: "champion" });
    bank.scores.write();
    await new OutcomeReports({ db: bank.db, policy: () => policy, env: { rng: systemRng, now: () => today, log: keptLog([]) }, desk: { send: () => Promise.reject(new AppError("JOB_INTERNAL")) } }).tick();
    assert.lengthOf(bank.db.all("select month from outcome_scores"), 1, "scores are kept for two years");
    // A month later few outcomes are new: what was told stays as it was, however often one asks.
    await bank.desk.importFile({ file: bank.file("more.csv", bankRows([row(80_000, "2024-02", 12, "current"), row(80_001, "2024-02", 5, "dpd90")])) });
    assert.isFalse((await bank.desk.tell({ asOf }, counts)).isNew);
    assert.notInclude(JSON.stringify(toldCounts(bank.db)), loanOf(1).slice(0, 10));
  });
});
