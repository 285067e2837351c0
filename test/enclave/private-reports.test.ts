// Noise on the counts of reports: charged before anything leaves, the same numbers for the same release, refused when the year's budget is spent.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { evaluationReportSchema } from "../../api/contract/evaluations.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng, systemRng } from "../../core/rng.ts";
import { presentPolicy } from "../../enclave/charges/open.ts";
import { budgetsPolicySchema, standardBudgets, type BudgetsPolicy } from "../../enclave/charges/policy.ts";
import { PrivateReports } from "../../enclave/charges/private-reports.ts";
import { ReportDesk, ReportLedger } from "../../enclave/reports.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { publishable } from "../../evaluation/suppress.ts";
import { stabilityReportSchema } from "../../monitoring/drift/report.ts";
import { outcomeCountsSchema, type OutcomeCounts } from "../../models/outcomes/release.ts";
import { noAudit } from "../support/no-audit.ts";
import { temporaryFolder } from "../support/enclave.ts";

const day = 86_400_000;
const outcomes = (goods: number, model = "a"): OutcomeCounts => outcomeCountsSchema.parse({
  version: 1, model: model.repeat(64), grouping: "b".repeat(64), definition: { daysPastDue: 90, windowMonths: 12, indeterminateFrom: null },
  cohorts: { asOf: "2026-01", cells: [{ key: "2024Q1", goods, bads: 400 }], rest: null }, bands: { asOf: "2026-01", cells: [{ key: "band 1", goods, bads: 400 }], rest: null },
});
const rates = (failed: readonly number[]) => ({
  body: {
    version: 1, ranAt: "2026-01-01T00:00:00.000Z", issues: [],
    rates: failed.map((n, i) => ({ rule: `own.rule-${i}`, item: null, dimension: "accuracy", severity: "minor", limit: 5, state: "rated", permille: Math.round(n / 10) })),
  },
  behind: failed.map((n) => ({ checked: 10_000, failed: n })),
});

describe("noise on released counts", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let now: number;
  let policy: BudgetsPolicy;
  let rng = systemRng;
  beforeEach(() => {
    folder = temporaryFolder();
    db = new StateDatabase(join(folder.path, "state.db"));
    now = Date.parse("2026-03-10T04:00:00Z");
    rng = seededRng(new Uint8Array(32).fill(1), "noise");
    policy = budgetsPolicySchema.parse({ privacy: { epsilonPerYear: 4, mechanism: "laplace", releasesPerYear: 4 } });
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });
  const reports = (): PrivateReports => new PrivateReports({ db, env: { now: () => now, rng }, policy: () => policy });
  const told = (goods: number, model?: string): OutcomeCounts => outcomeCountsSchema.parse(reports().toRelease("outcomes", outcomes(goods, model)));
  const codeOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof AppError) return error.code;
      throw error;
    }
    return "ok";
  };
  /** As after kill -9. */
  const restart = (): void => {
    db[Symbol.dispose]();
    db = new StateDatabase(join(folder.path, "state.db"));
    rng = systemRng;
  };

  it("is not there without a policy, nor on what counts no company", () => {
    policy = budgetsPolicySchema.parse({});
    const body = outcomes(1000);
    assert.equal(reports().toRelease("outcomes", body), body);
    assert.isUndefined(reports().account());
    policy = budgetsPolicySchema.parse({ privacy: { epsilonPerYear: 1 } });
    assert.equal(reports().toRelease("usage", body), body);
  });

  it("is charged with the release, and the same release gives the same numbers after a kill, whatever the data are by then", () => {
    const first = told(1000);
    assert.notEqual(first.cohorts.cells[0]?.goods, first.bands.cells[0]?.goods, "each number has noise of its own");
    assert.closeTo(first.cohorts.cells[0]?.goods ?? 0, 1000, 60);
    assert.deepInclude(reports().account(), { spent: 1, limit: 4, unit: "epsilon", until: "2026-12-31T16:00:00.000Z" });
    restart();
    assert.deepEqual(told(2000), first);
    assert.equal(reports().account()?.spent, 1);
    now += 100 * day;
    assert.closeTo(told(2000).cohorts.cells[0]?.goods ?? 0, 2000, 60);
    assert.equal(reports().account()?.spent, 2);
  });

  it("is refused when the year's budget is spent, and begins anew with the year alone", () => {
    for (const model of ["1", "2", "3", "4"]) told(1000, model);
    assert.equal(codeOf(() => told(1000, "5")), "BUDGET_PRIVACY");
    assert.equal(codeOf(() => told(1000, "4")), "ok", "what was released stays released");
    now -= 400 * day;
    restart();
    assert.equal(codeOf(() => told(1000, "5")), "BUDGET_PRIVACY", "a clock that is set back frees nothing");
    now = Date.parse("2027-01-02T00:00:00Z");
    assert.equal(codeOf(() => told(1000, "5")), "ok");
  });

  it("releases nothing when its charge cannot be written, and charges nothing then", async () => {
    const sent: unknown[] = [];
    const desk = new ReportDesk({ db, now: () => now, audit: noAudit, reports: { putReport: async (_kind, report) => void sent.push(report) }, figures: reports() });
    db.run("create temp trigger full before insert on budget_rows begin select raise(abort, 'disk full'); end");
    const code = await desk.send("outcomes", outcomes(1000)).then(() => "sent", (error: unknown) => (error instanceof AppError ? error.code : "other"));
    assert.equal(code, "ENCLAVE_STATE");
    assert.isEmpty(sent);
    assert.isEmpty(new ReportLedger(db).lines(9));
    db.run("drop trigger full");
    assert.equal(reports().account()?.spent, 0);
    await desk.send("outcomes", outcomes(1000));
    assert.lengthOf(sent, 1);
    assert.equal(reports().account()?.spent, 1);
  });

  it("leaves nothing out while the policy cannot be read", () => {
    const file = join(folder.path, "policy.json");
    writeFileSync(file, "{");
    const closed = new PrivateReports({ db, env: { now: () => now, rng }, policy: presentPolicy({ policyFile: file, now: () => now }) });
    assert.equal(codeOf(() => closed.toRelease("usage", {})), "BUDGET_POLICY");
  });

  it("leaves nothing out while a policy that was there is gone: neither noise nor quotas end with the file", () => {
    const file = join(folder.path, "policy.json");
    const present = presentPolicy({ policyFile: file, now: () => now });
    const later = (): BudgetsPolicy => {
      now += 2_000;
      return present();
    };
    assert.equal(present(), standardBudgets, "an enclave that never had one");
    writeFileSync(file, JSON.stringify({ version: 1, budgets: { privacy: { epsilonPerYear: 1 } } }));
    assert.equal(later().privacy?.epsilonPerYear, 1);
    rmSync(file);
    assert.equal(codeOf(later), "BUDGET_POLICY");
    writeFileSync(file, JSON.stringify({ version: 1 }));
    assert.equal(later(), standardBudgets, "a person wrote it without");
  });

  it("is on rates of quality by the counts behind them, which stay here, as do issues", () => {
    policy = budgetsPolicySchema.parse({ privacy: { epsilonPerYear: 50, mechanism: "gaussian", delta: 1e-9, releasesPerYear: 2 } });
    const { body, behind } = rates([0, 40, 5000, 10_000]);
    const released = reports().toRelease("quality", body, behind) as { rates: { permille: number }[]; issues: unknown[] };
    assert.isTrue(released.rates.every(({ permille }) => Number.isInteger(permille) && permille >= 0 && permille <= 1000));
    assert.closeTo(released.rates[2]?.permille ?? 0, 500, 20);
    assert.isEmpty(released.issues);
    assert.isBelow(reports().account()?.spent ?? 99, 50);
    assert.isAbove(reports().account()?.spent ?? 0, 20);
    assert.equal(codeOf(() => reports().toRelease("quality", body)), "BUDGET_PRIVACY", "without the counts it cannot be made");
  });

  it("leaves out indices of stability, which are functions of exact counts", () => {
    const body = { version: 1, model: "model_000000000000000000000001", party: "tax", month: "2026-02", rule: "half", figures: [{ feature: "c1", index: 0.12 }, { feature: "c2", index: null }] };
    const released = stabilityReportSchema.parse(reports().toRelease("stability", body));
    assert.deepEqual(released.figures.map((f) => f.index), [null, null]);
    assert.equal(reports().account()?.spent, 0);
    policy = budgetsPolicySchema.parse({});
    assert.equal(reports().toRelease("stability", body), body);
  });

  it("goes on when the policy sets another price: a release of its own, charged", () => {
    told(1000);
    policy = budgetsPolicySchema.parse({ privacy: { epsilonPerYear: 8, mechanism: "laplace", releasesPerYear: 4 } });
    const again = told(1000);
    assert.equal(reports().account()?.spent, 3);
    assert.deepEqual(told(2000), again);
    assert.equal(reports().account()?.spent, 3);
  });

  it("is on figures of an evaluation, which keep their form", () => {
    const table = publishable({ rows: ["11", "31"], columns: ["A", "B"], cells: [[5000, 300], [2000, 4000]] }, { rows: "rest", columns: "neighbour", trait: true });
    const body = {
      job: "job_000000000000000a", figures: {
        card: { id: "card", version: "1", digest: "c".repeat(64) }, basis: "open", asOf: "2026-01-01", absent: [], partial: false, away: [],
        provinceByGrade: table, sectorByGrade: null, provinceBySector: null, stability: null,
      },
    };
    const first = evaluationReportSchema.parse(evaluationReportSchema.safeParse(body).success ? reports().toRelease("evaluation", body) : assert.fail("the sample does not fit"));
    assert.notDeepEqual(first.figures.provinceByGrade?.cells, table?.cells);
    assert.closeTo(first.figures.provinceByGrade?.total ?? 0, 11_300, 400);
    now += 200 * day;
    assert.deepEqual(reports().toRelease("evaluation", body), first, "one run is released once");
  });
});
