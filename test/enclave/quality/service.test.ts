// Quality checks on schedule and the life of an issue, over restarts, changes of data and the clock.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { eventSchema, type AuditEvent } from "../../../audit/entry.ts";
import { sha256Hex } from "../../../core/canonical.ts";
import { systemRng } from "../../../core/rng.ts";
import { parseDefinition, type DatasetDefinition } from "../../../enclave/data/definition.ts";
import { QualityService, type QualityParts } from "../../../enclave/quality/service.ts";
import { QualityStore } from "../../../enclave/quality/store.ts";
import { ReportDesk, ReportLedger } from "../../../enclave/reports.ts";
import { StateDatabase } from "../../../enclave/store/database.ts";
import { accepted, assigned, corrected } from "../../../quality/issues.ts";
import { publicationSchema, type Publication } from "../../../quality/publication.ts";
import { isOverdue } from "../../../quality/states.ts";
import { keptLog, TestClock } from "../../support/platform.ts";
import { Folder } from "../data/support.ts";

const hour = 3_600_000;
const day = 24 * hour;
const rows = (missing: number, negative = 0): string => `${["id,amount", ...Array.from({ length: 100 }, (_, i) => `company-${i},${i < missing ? "" : i < missing + negative ? -5 : i}`)].join("\n")}\n`;
const definition: DatasetDefinition = parseDefinition({
  name: "t", idColumn: "id", idKind: "opaque", tables: { bills: { file: "bills.csv", columns: { amount: { type: "numeric" } } } },
  indicators: [{ name: "n", table: "bills", sql: "count(*)", unit: "", direction: "none", sourceItem: "utilities.electricity" }],
});

describe("the quality service of an enclave", () => {
  let folder: Folder;
  let clock: TestClock;
  let lines: string[];
  let told: Publication[];
  let isDown: boolean;
  let audited: AuditEvent[];
  const open: StateDatabase[] = [];
  const signal = new AbortController().signal;

  beforeEach(() => {
    folder = new Folder();
    clock = new TestClock();
    lines = [];
    told = [];
    isDown = false;
    audited = [];
    folder.write("bills.csv", rows(10, 3));
    folder.write("quality.json", JSON.stringify({ version: 1, tables: { bills: { columns: { amount: { nonNegative: true } } } } }));
  });
  afterEach(() => {
    for (const db of open.splice(0)) db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  /** A process of this enclave: the earlier one's objects are dropped, its folder remains. */
  const start = (config: Partial<QualityParts["config"]> = {}): { service: QualityService; store: QualityStore; ledger: ReportLedger } => {
    for (const db of open.splice(0)) db[Symbol.dispose]();
    const db = new StateDatabase(join(folder.path, "state", "state.db"));
    open.push(db);
    const store = new QualityStore(db);
    const ledger = new ReportLedger(db);
    const desk = new ReportDesk({
      db, now: clock.now, audit: { record: (event) => Promise.resolve(void audited.push(eventSchema.parse(event))) },
      reports: {
        putReport: (kind, report) => {
          assert.equal(kind, "quality");
          // Written down before it leaves, also in the audit log.
          assert.deepInclude(ledger.lines(1)[0] as object, { kind, bytes: report.length, digest: sha256Hex(report), acknowledged: false });
          assert.deepInclude(audited.at(-1) as object, { action: "report.released", facts: { kind, entry: ledger.lines(1)[0]?.entry, bytes: report.length } });
          if (isDown) return Promise.reject(new Error("down"));
          told.push(publicationSchema.parse(JSON.parse(Buffer.from(report).toString("utf8"))));
          return Promise.resolve();
        },
      },
    });
    const service = new QualityService({ folder: folder.path, config: { dataset: definition, dataFolder: folder.path, ...config }, env: { rng: systemRng, now: clock.now, log: keptLog(lines) }, store, desk });
    return { service, store, ledger };
  };
  const causes = (store: QualityStore): string[] => store.runs(20).map((r) => r.cause).toReversed();

  it("runs at every start, on changed data, on changed settings, and every so many hours, and not between", async () => {
    let { service, store } = start();
    await service.tick(signal);
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start"]);
    folder.write("bills.csv", rows(11, 3));
    await service.tick(signal);
    folder.write("quality.json", JSON.stringify({ version: 1 }));
    await service.tick(signal);
    clock.ms += 24 * hour - 1;
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start", "data-changed", "settings-changed"]);
    clock.ms += 1;
    await service.tick(signal);
    ({ service, store } = start({ quality: { everyHours: 1, memoryMb: 128, publish: true } }));
    await service.tick(signal);
    clock.ms += hour;
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start", "data-changed", "settings-changed", "schedule", "start", "schedule"]);
    // The history holds every run with its counts.
    const [first] = store.runs(20).toReversed();
    assert.deepInclude(store.results(first?.id ?? 0).find((r) => r.key === "validity.amount|bills|amount") as object, { checked: 90, failed: 3 });
  });

  it("opens an issue, keeps it over restarts, lets it become overdue, and closes it when its check passes", async () => {
    let { service, store } = start();
    await service.tick(signal);
    const [issue] = store.issues();
    assert.deepInclude(issue as object, { rule: "validity.amount", item: "utilities.electricity", state: "open", permille: 33, openedAt: clock.ms, dueAt: clock.ms + 10 * day });
    assert.lengthOf(store.issues(), 1);
    const id = issue?.id ?? 0;
    store.step(id, clock.ms, (i) => assigned(i, "li"));
    store.step(id, clock.ms, (i) => assigned(i, "meter department"), "li is ill");
    assert.throws(() => store.step(99, clock.ms, corrected), /QUALITY_ISSUE_UNKNOWN/);
    clock.ms += 11 * day;
    ({ service, store } = start());
    await service.tick(signal);
    const late = store.issue(id);
    assert.deepInclude(late, { state: "assigned", assignee: "meter department" });
    assert.isTrue(isOverdue(late.state, late.dueAt, clock.ms));
    assert.isTrue(lines.some((l) => l.includes("quality.published") && l.includes('"overdue":1')));
    folder.write("bills.csv", rows(10, 0));
    await service.tick(signal);
    assert.deepInclude(store.issue(id), { state: "closed", permille: 0, closedAt: clock.ms });
    // The same defect again is another issue.
    folder.write("bills.csv", rows(10, 4));
    await service.tick(signal);
    assert.deepEqual(store.issues().map((i) => i.state), ["closed", "open"]);
    assert.deepEqual(store.steps(id).map((s) => [s.state, s.by, s.assignee]), [["open", "check", null], ["assigned", "operator", "li"], ["assigned", "operator", "meter department"], ["closed", "check", "meter department"]]);
    assert.notMatch(JSON.stringify(told), /"li"|department|is ill/, "who has it stays here");
  });

  it("checks again at once when somebody says that it is corrected, once, and hands it back when it is not", async () => {
    let { service, store } = start();
    await service.tick(signal);
    store.step(1, clock.ms, (i) => assigned(i, "li"));
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start"]);
    store.step(1, clock.ms, corrected);
    await service.tick(signal);
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start", "correction"]);
    assert.deepInclude(store.issue(1), { state: "assigned", assignee: "li", dueAt: clock.ms + 10 * day });
    assert.deepEqual(told.map((p) => p.issues[0]?.state), ["open", "assigned", "assigned"]);
    // The word is not forgotten by a process that ends before the check.
    store.step(1, clock.ms, corrected);
    ({ service, store } = start());
    folder.write("bills.csv", rows(10, 0));
    await service.tick(signal);
    assert.equal(store.issue(1).state, "closed");
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start", "correction", "start"]);
    assert.deepEqual(store.steps(1).map((s) => [s.state, s.by]), [["open", "check"], ["assigned", "operator"], ["corrected", "operator"], ["assigned", "check"], ["corrected", "operator"], ["closed", "check"]]);
    assert.deepEqual(told.at(-1)?.issues.map((i) => [i.issue, i.state]), [[1, "closed"]]);
  });

  it("gives the issues of a table to its owner", async () => {
    folder.write("quality.json", JSON.stringify({ version: 1, tables: { bills: { owner: "计量处", columns: { amount: { nonNegative: true } } } } }));
    const { service, store } = start();
    await service.tick(signal);
    assert.deepEqual(store.issues().map((i) => [i.state, i.assignee]), [["assigned", "计量处"]]);
    assert.notInclude(JSON.stringify(told), "计量");
  });

  it("lets an operator accept an issue for a reason and a time, keeps the note inside, and opens it again afterwards", async () => {
    const { service, store } = start();
    await service.tick(signal);
    const id = store.issues()[0]?.id ?? 0;
    assert.throws(() => store.step(id, clock.ms, (i) => accepted(i, "source-is-right", 400, clock.ms)), /QUALITY_ISSUE_STATE/);
    store.step(id, clock.ms, (i) => accepted(i, "source-is-right", 30, clock.ms), "refunds of company-7 are negative");
    await service.tick(signal);
    assert.deepInclude(told.at(-1)?.issues[0] as object, { state: "accepted", reason: "source-is-right" });
    assert.notInclude(JSON.stringify(told), "refund");
    assert.equal(store.steps(id).at(-1)?.note, "refunds of company-7 are negative");
    clock.ms += 29 * day;
    await service.tick(signal);
    assert.equal(store.issue(id).state, "accepted");
    clock.ms += 2 * day;
    await service.tick(signal);
    assert.deepInclude(store.issue(id), { state: "open", reason: null, dueAt: clock.ms + 10 * day });
  });

  it("withdraws the issue of a check that is no longer made", async () => {
    const { service, store } = start();
    await service.tick(signal);
    folder.write("quality.json", JSON.stringify({ version: 1, adjust: { "validity.amount": { off: true } } }));
    await service.tick(signal);
    assert.deepEqual(store.issues().map((i) => i.state), ["withdrawn"]);
  });

  it("tells the platform until it has heard, and nothing but rates and states", async () => {
    isDown = true;
    let { service, store, ledger } = start();
    await service.tick(signal);
    assert.isEmpty(told);
    assert.deepEqual(ledger.lines(9).map((l) => l.acknowledged), [false]);
    await service.tick(signal);
    clock.ms += 60_000;
    await service.tick(signal);
    assert.lengthOf(audited, 2, "a platform that is away is asked again after a minute");
    assert.lengthOf(ledger.lines(9), 1, "what waits is one line");
    // What is new is told at once.
    store.step(1, clock.ms, (i) => assigned(i, "wang"));
    await service.tick(signal);
    assert.lengthOf(audited, 3);
    isDown = false;
    ({ service, store, ledger } = start());
    await service.tick(signal);
    await service.tick(signal);
    assert.lengthOf(told, 1);
    assert.deepEqual(ledger.lines(9).map((l) => [l.kind, l.acknowledged]), [["quality", true], ["quality", false], ["quality", false]], "what never arrived stays named");
    store.step(1, clock.ms, corrected);
    folder.write("bills.csv", rows(10, 0));
    await service.tick(signal);
    assert.deepEqual(told.map((p) => p.issues[0]?.state), ["assigned", "closed"]);
    const text = JSON.stringify(told);
    for (const word of ["bills", "amount\"", "company", "checked", "failed", ":90,"]) assert.notInclude(text.replaceAll(/"rule":"[^"]*"/g, ""), word);
    assert.deepEqual(told[0]?.rates.filter((r) => r.rule === "validity.amount"), [
      { rule: "validity.amount", item: "utilities.electricity" as never, dimension: "validity", severity: "major", limit: 0, state: "rated", permille: 56 },
    ]);
    // A message with more in it than that does not fit the schema.
    for (const more of [{ checked: 90 }, { table: "bills" }, { company: "x" }]) {
      assert.isFalse(publicationSchema.safeParse({ ...told[0], rates: [{ ...told[0]?.rates[0], ...more }] }).success);
    }
    assert.isFalse(publicationSchema.safeParse({ ...told[0], rates: [{ ...told[0]?.rates[0], state: "rated", permille: 33.3 }] }).success);
  });

  it("tells nothing about a bank's labelled data, or where the operator says so", async () => {
    const labelled = parseDefinition({ name: "t", idColumn: "id", idKind: "opaque", labelColumn: "y", features: "loans.csv" });
    folder.write("loans.csv", `${["id,y,x", ...Array.from({ length: 50 }, (_, i) => `c${i},${i % 2},${i}`)].join("\n")}\n`);
    folder.write("quality.json", JSON.stringify({ version: 1 }));
    for (const config of [{ dataset: labelled, quality: { everyHours: 24, memoryMb: 128, publish: true } }, { quality: { everyHours: 24, memoryMb: 128, publish: false } }]) {
      const { service, store } = start(config);
      await service.tick(signal);
      assert.isDefined(store.lastRun());
    }
    assert.isEmpty(told);
  });

  it("loses nothing and tells nothing half when the disk is full: all of a run is written down, or none", async () => {
    const { service, store } = start();
    await service.tick(signal);
    store.step(1, clock.ms, (i) => assigned(i, "li"));
    const [db] = open;
    db?.all("pragma max_page_count = 1");
    folder.write("bills.csv", rows(50, 40));
    folder.write("quality.json", JSON.stringify({ version: 1, tables: { bills: { columns: { amount: { nonNegative: true, maxMissing: 5, min: 3, max: 70 } } } }, rules: Array.from({ length: 150 }, (_, i) => (
      { id: `own.rule-${i}`, dimension: "accuracy", en: "x", zh: "x", limit: 0, severity: "minor", sql: "SELECT count(*), count(*) FROM bills" })) }));
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start"]);
    assert.deepEqual(store.issues().map((i) => [i.state, i.permille]), [["assigned", 33]]);
    assert.isTrue(lines.some((l) => l.includes("quality.failed")));
    const count = told.length;
    db?.all("pragma max_page_count = 1000000");
    clock.ms += hour;
    await service.tick(signal);
    assert.deepEqual(causes(store), ["start", "data-changed"]);
    assert.lengthOf(store.issues(), 153);
    assert.isAbove(told.length, count);
  });

  it("says once that the settings are broken, keeps what it knew, and runs when they are mended", async () => {
    const { service, store } = start();
    await service.tick(signal);
    folder.write("quality.json", "{ no json");
    await service.tick(signal);
    await service.tick(signal);
    folder.write("quality.json", JSON.stringify({ version: 1, rules: [{ id: "own.x", dimension: "accuracy", en: "x", zh: "x", limit: 0, severity: "minor", sql: "DELETE FROM bills" }] }));
    await service.tick(signal);
    await service.tick(signal);
    assert.deepEqual(lines.filter((l) => l.includes("quality.failed")).map((l) => (JSON.parse(l) as { code: string }).code), ["QUALITY_SETTINGS", "QUALITY_SQL"]);
    assert.deepEqual(causes(store), ["start"]);
    assert.deepEqual(store.issues().map((i) => i.state), ["open"]);
    writeFileSync(join(folder.path, "quality.json"), JSON.stringify({ version: 1, tables: { bills: { columns: { amount: { nonNegative: true, maxMissing: 50 } } } } }));
    await service.tick(signal);
    assert.deepEqual(store.issues().map((i) => i.rule), ["validity.amount", "completeness.missing"]);
  });
});
