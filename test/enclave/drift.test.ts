// Counting what was scored, per model, month and column; and what of it leaves at the end of the month.
import { assert } from "chai";
import { beforeEach, describe, it } from "mocha";
import { createHash } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { hostColumns, countPlaces, placesOf } from "../../enclave/drift/columns.ts";
import { countsOf, DriftCounts, endedMonths, readCounts } from "../../enclave/drift/counts.ts";
import { DriftReports, type DriftParts } from "../../enclave/drift/report.ts";
import { GivenScores } from "../../enclave/outcomes/scores.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { hostHalfSchema, type HostHalf } from "../../federation/scorecard/half.ts";
import type { Feature } from "../../models/features.ts";
import { stabilityReportSchema, type StabilityReport } from "../../monitoring/drift/report.ts";
import { bank, tax } from "../support/enclave.ts";
import { keptLog } from "../support/platform.ts";

const model = "model_0123456789abcdef";
/** Two columns: a number with bins below 10, up to 20, above, and missing; and a category of two groups. */
const half: HostHalf = hostHalfSchema.parse({
  version: 1, model, digest: "d", guest: bank, hosts: [tax], plan: { party: tax, clip: 40, fractionBits: 20, offset: 0, weights: [1, 1] },
  columns: [
    { feature: "turnover", definition: { kind: "numeric", edges: [10, 15, 20], special: [], missing: 4, fallback: 0, bins: 5, orderedBins: 4 }, mergedOf: [0, 1, 1, 2, 3], codes: [-5, 1, 4, 9], rows: [300, 300, 300, 100] },
    { feature: "sector", definition: { kind: "categorical", levels: [{ level: "a", bin: 0 }, { level: "b", bin: 1 }], missing: 255, fallback: 0, bins: 2, orderedBins: 2 }, mergedOf: [0, 1], codes: [2, -2], rows: [500, 500] },
  ],
});
const columns = hostColumns(half);
const turnover = (...values: number[]): Feature => ({ kind: "numeric", name: "turnover", values: Float64Array.from(values), special: [] });
const sector = (...levels: string[]): Feature => ({ kind: "categorical", name: "sector", codes: Int32Array.from(levels, (l) => ["a", "b"].indexOf(l)), levels: ["a", "b"] });
const company = (value: number, level = "a") => (name: string): Feature | undefined => (name === "turnover" ? turnover(value) : name === "sector" ? sector(level) : undefined);
const recordOf = (id: string): Uint8Array => new Uint8Array(createHash("sha256").update(id).digest().subarray(0, 16));

let db: StateDatabase;
const clock = { ms: Date.UTC(2026, 0, 15) };
const counts = (): DriftCounts => new DriftCounts({ db, now: () => clock.ms, recordOf, model, columns });
const write = (one: DriftCounts): void => db.transaction(() => one.write());
beforeEach(() => {
  db = new StateDatabase(":memory:");
  clock.ms = Date.UTC(2026, 0, 15);
  db.run("insert into models (model, job, created_at, kind, half) values (?, 'job_1', 0, 'scorecard-host', ?)", model, JSON.stringify(half));
});

describe("histograms of what was scored", () => {
  it("have the model's merged bins in order, missing and the unknown at the end", () => {
    const [number, category] = columns;
    if (number === undefined || category === undefined) assert.fail("two columns");
    assert.deepEqual([number.expected, number.bins], [[300, 300, 300, 100, 0], { kind: "ordered", alone: 2 }]);
    assert.deepEqual(countPlaces(number, placesOf(number, turnover(1, 9, 10, 17, 20, 99, Number.NaN))), [2, 2, 2, 1, 0]);
    assert.deepEqual([category.expected, category.bins], [[500, 500, 0], { kind: "nominal" }]);
    assert.deepEqual(countPlaces(category, placesOf(category, sector("a", "b", "b", "?"))), [1, 2, 1]);
  });
  it("put special values behind the ranges, wherever the model's bins have them", () => {
    const [base] = half.columns;
    const mixed = hostColumns({ ...half, columns: [{ ...(base as HostHalf["columns"][number]), mergedOf: [1, 2, 2, 3, 0], rows: [100, 1, 2, 3] }] })[0];
    assert.deepEqual(mixed?.expected, [1, 2, 3, 100, 0]);
  });
  it("count a company once in a month, also after a restart, and again in the next", () => {
    const one = counts();
    one.note("a", company(1));
    one.note("a", company(99));
    one.note("b", company(12, "b"));
    write(one);
    const again = counts();
    again.note("a", company(50));
    write(again);
    assert.deepEqual(readCounts(db, model, "2026-01", "service"), { companies: 2, columns: [[1, 1, 0, 0, 0], [1, 1, 0]] });
    clock.ms = Date.UTC(2026, 1, 1);
    again.note("a", company(50));
    write(again);
    assert.equal(readCounts(db, model, "2026-02", "service")?.companies, 1);
    const kept = JSON.stringify(db.all("select * from drift_counts")) + db.all("select record from drift_seen").map((r) => Buffer.from(r["record"] as Uint8Array).toString("latin1")).join();
    assert.notInclude(kept, "turnover");
  });
  it("leave nothing of what was not committed", () => {
    const one = counts();
    one.note("a", company(1));
    assert.throws(() => db.transaction(() => { one.write(); throw new Error("disk"); }));
    assert.isUndefined(readCounts(db, model, "2026-01", "service"));
    assert.equal(db.all("select 1 from drift_seen").length, 0);
    one.note("b", company(12));
    write(one);
    write(one);
    assert.deepEqual(readCounts(db, model, "2026-01", "service"), { companies: 2, columns: [[1, 1, 0, 0, 0], [2, 0, 0]] }, "with the next group, once");
  });
  it("of batches are those of the largest one, the same after a replay; of a month the larger source counts", async () => {
    const featureOf = (n: number) => (name: string): Feature | undefined => (name === "turnover" ? turnover(...Array.from({ length: n }, (_, i) => i)) : sector(...Array.from({ length: n }, () => "a")));
    await counts().noteBatch(30, featureOf(30));
    await counts().noteBatch(30, featureOf(30));
    await counts().noteBatch(8, featureOf(8));
    const batch = { companies: 30, columns: [[10, 10, 10, 0, 0], [30, 0, 0]] };
    assert.deepEqual(readCounts(db, model, "2026-01", "batch"), batch);
    assert.deepEqual(countsOf(db, model, "2026-01"), batch);
    const one = counts();
    for (let i = 0; i < 40; i++) one.note(`c${i}`, company(1));
    write(one);
    assert.equal(countsOf(db, model, "2026-01")?.companies, 40);
  });
});

describe("the report of a month", () => {
  const box = new SecretBox(new Uint8Array(32).fill(7), systemRng);
  const scored = (n: number, valueOf: (i: number) => number): void => {
    const one = counts();
    for (let i = 0; i < n; i++) one.note(`c${i}`, company(valueOf(i), i % 2 === 0 ? "a" : "b"));
    write(one);
  };
  const reports = (more: Partial<DriftParts> = {}): { sent: StabilityReport[]; tick: () => Promise<void>; lines: string[] } => {
    const sent: StabilityReport[] = [];
    const lines: string[] = [];
    const made = new DriftReports({
      db, config: { party: tax, publishStability: true }, env: { rng: systemRng, now: () => clock.ms, log: keptLog(lines) },
      desk: { send: async (_kind, body) => { sent.push(stabilityReportSchema.parse(body)); } },
      scores: new GivenScores({ db, box, memoryKey: new Uint8Array(32) }), batch: async () => new Float64Array(0), development: async () => { throw new AppError("OUTCOME_DEVELOPMENT"); }, digestOf: () => undefined, ...more,
    });
    return { sent, tick: () => made.tick(), lines };
  };

  it("is told once, when the month is over: opaque columns and indices, no count, no name", async () => {
    scored(1000, (i) => [5, 12, 25, Number.NaN][i % 10 < 3 ? 0 : i % 10 < 6 ? 1 : i % 10 < 9 ? 2 : 3] ?? 0);
    const { sent, tick } = reports();
    await tick();
    assert.lengthOf(sent, 0, "the month runs");
    clock.ms = Date.UTC(2026, 1, 1);
    await tick();
    await tick();
    assert.deepEqual(sent, [{ version: 1, model, party: tax, month: "2026-01", rule: "half", figures: [{ feature: "c1", index: 0 }, { feature: "c2", index: 0 }] }]);
    assert.equal(db.all("select 1 from drift_seen").length, 0, "who was scored is forgotten");
  });
  it("shows a population that has moved, and says nothing of too few companies or of a half without counts of training", async () => {
    scored(1000, () => 25);
    clock.ms = Date.UTC(2026, 1, 1);
    scored(30, () => 5);
    clock.ms = Date.UTC(2026, 2, 1);
    const { sent, tick } = reports();
    await tick();
    const [january, february] = sent;
    assert.isNull(january?.figures[0]?.index ?? null, "everybody in one cell: there is no second one with enough");
    assert.deepEqual(february?.figures.map((f) => f.index), [null, null]);
    db = new StateDatabase(":memory:");
    clock.ms = Date.UTC(2026, 0, 15);
    const { columns: own } = half;
    db.run("insert into models (model, job, created_at, kind, half) values (?, 'job_1', 0, 'scorecard-host', ?)", model, JSON.stringify({ ...half, columns: own.map(({ rows: _rows, ...c }, i) => (i === 0 ? { ...c, rows: [300, 300, 300, 100] } : c)) }));
    scored(1000, (i) => (i % 10 < 1 ? 5 : i % 10 < 2 ? 12 : i % 10 < 9 ? 25 : Number.NaN));
    clock.ms = Date.UTC(2026, 1, 1);
    const later = reports();
    await later.tick();
    const [shifted, without] = later.sent[0]?.figures ?? [];
    assert.isAbove(shifted?.index ?? 0, 0.25);
    assert.isNull(without?.index);
  });
  it("has the score of the whole model at the bank, against its development sample", async () => {
    const scores = new GivenScores({ db, box, memoryKey: new Uint8Array(32) });
    for (let i = 0; i < 1000; i++) scores.note({ company: `c${i}`, model: "digest", probability: (i + 1) / 2002, at: clock.ms, service: "job_1", role: i < 10 ? "shadow" : "champion" });
    db.transaction(() => scores.write());
    scored(1000, (i) => i % 30);
    clock.ms = Date.UTC(2026, 1, 1);
    const probability = Float64Array.from({ length: 2000 }, (_, i) => (i + 1) / 2002);
    const { sent, tick } = reports({ scores, digestOf: () => "digest", development: async () => ({ probability, label: new Uint8Array(2000), source: "job_1" }) });
    await tick();
    const score = sent[0]?.figures[0];
    assert.equal(score?.feature, "score");
    assert.isAbove(score?.index ?? 0, 0.5, "the upper half is missing");
    assert.equal(scores.probabilities("digest", 2026 * 12).length, 990);
  });
  it("stays here unless the operator wants it told, and a refusal of the platform is tried again", async () => {
    scored(1000, (i) => i % 30);
    clock.ms = Date.UTC(2026, 1, 1);
    const silent = reports({ config: { party: tax } });
    await silent.tick();
    assert.lengthOf(silent.sent, 0);
    let tries = 0;
    const failing = reports({ desk: { send: async () => { if (++tries === 1) throw new AppError("PLATFORM_BUSY"); } } });
    await failing.tick();
    await failing.tick();
    await failing.tick();
    assert.equal(tries, 2);
    assert.include(failing.lines.join(), "stability-not-told");
  });
  it("knows the months that are over, and forgets them after a year", async () => {
    scored(1, () => 1);
    assert.deepEqual(endedMonths(db, clock.ms), []);
    clock.ms = Date.UTC(2027, 1, 1);
    assert.deepEqual(endedMonths(db, clock.ms), [{ model, month: "2026-01" }]);
    await reports({ config: { party: tax } }).tick();
    assert.lengthOf(endedMonths(db, clock.ms), 1);
    clock.ms = Date.UTC(2027, 2, 1);
    await reports({ config: { party: tax } }).tick();
    assert.lengthOf(endedMonths(db, clock.ms), 0);
  });
});
