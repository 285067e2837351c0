import { assert } from "chai";
import { describe, it } from "mocha";
import { stabilityIndex } from "../../../models/metrics/calibration.ts";
import { labelLoans } from "../../../models/outcomes/label.ts";
import { badDefinitionSchema, loanStatuses, monthNumber } from "../../../models/outcomes/record.ts";
import { rollRates } from "../../../models/outcomes/roll.ts";
import { stabilityByCohort } from "../../../models/outcomes/stability.ts";
import { vintageTable } from "../../../models/outcomes/vintage.ts";
import { seededDraw } from "../../support/draw.ts";
import { anyLives, bookOf, portfolio, row } from "./support.ts";

const standard = badDefinitionSchema.parse({});
const ages = [0, 1, 2, 3, 6, 9, 12, 18, 24];

describe("vintage tables", () => {
  it("count by month on book what a plain count over the rows gives, and leave out months that not all of a cohort reached", () => {
    const rows = anyLives(5, 3_000);
    const loans = bookOf("2025-06", rows);
    const labels = labelLoans(loans, standard);
    for (const cohort of ["month", "quarter"] as const) {
      const table = vintageTable(loans, labels, { cohort, months: ages });
      const key = (month: string): string => (cohort === "month" ? month : `${month.slice(0, 4)}Q${Math.ceil(Number(month.slice(5)) / 3)}`);
      const byCohort = Map.groupBy(rows, (r) => key(r.originated));
      assert.deepEqual(table.map((v) => v.cohort), [...byCohort.keys()].toSorted());
      for (const v of table) {
        const of = [...Map.groupBy(byCohort.get(v.cohort) ?? [], (r) => r.loan).values()];
        assert.equal(v.loans, of.length);
        const last = cohort === "month" ? v.cohort : `${v.cohort.slice(0, 4)}-${String(3 * Number(v.cohort.slice(5))).padStart(2, "0")}`;
        assert.deepEqual(v.cells.map((c) => c.month), ages.filter((m) => monthNumber(last) + m <= monthNumber("2025-06")));
        for (const cell of v.cells) {
          const bads = of.filter((l) => l.some((r) => (r.status === "dpd90" || r.status === "charged-off") && monthNumber(r.month) - monthNumber(r.originated) <= cell.month)).length;
          assert.equal(cell.bads, bads);
          assert.equal(cell.rate, bads / of.length);
          assert.isAtLeast(cell.adjustedRate, cell.rate - 1e-12);
        }
      }
    }
  });

  it("take lost loans as censored: the life table by hand", () => {
    // Ten loans: one bad at 1, two lost after 1, one bad at 2 (of 10 - 1 - 2 = 7), one paid at 1, the others current to 3.
    const lives: Record<number, (typeof loanStatuses)[number]>[] = [
      { 0: "current", 1: "dpd90" }, { 0: "current", 1: "current" }, { 0: "current", 1: "dpd30" }, { 0: "current", 1: "current", 2: "charged-off" }, { 0: "current", 1: "paid" },
      ...Array.from({ length: 5 }, () => ({ 0: "current", 1: "current", 2: "current", 3: "current" } as const)),
    ];
    const loans = bookOf("2024-04", lives.flatMap((life, i) => Object.entries(life).map(([age, status]) => row(i, "2024-01", Number(age), status))));
    const [vintage] = vintageTable(loans, labelLoans(loans, { ...standard, windowMonths: 3 }), { cohort: "month", months: [0, 1, 2, 3, 4] });
    assert.deepInclude(vintage, { loans: 10, lost: 2 });
    assert.deepEqual(vintage?.cells.map((c) => [c.month, c.bads, c.rate]), [[0, 0, 0], [1, 1, 0.1], [2, 2, 0.2], [3, 2, 0.2]]);
    [0, 0.1, 1 - 0.9 * (6 / 7), 1 - 0.9 * (6 / 7)].forEach((rate, i) => assert.approximately(vintage?.cells[i]?.adjustedRate ?? 1, rate, 1e-12));
  });

  it("are right about loans that got lost, where the plain rate is too low", () => {
    const what = { first: "2023-01", months: 1, perMonth: 30_000, seed: 9, asOf: "2024-06" } as const;
    const at = (lost: number): { rate: number; adjustedRate: number } => {
      const loans = bookOf(what.asOf, portfolio({ ...what, lost }));
      const [v] = vintageTable(loans, labelLoans(loans, standard), { cohort: "month", months: [12] });
      return v?.cells[0] ?? assert.fail();
    };
    const truth = at(0);
    assert.approximately(truth.adjustedRate, truth.rate, 1e-12);
    const lost = at(0.04);
    assert.isBelow(lost.rate, 0.85 * truth.rate);
    assert.approximately(lost.adjustedRate, truth.rate, 4 * Math.sqrt((truth.rate * (1 - truth.rate)) / 20_000));
  });

  it("refuse months that do not increase or that are not kept", () => {
    const loans = bookOf("2024-04", [row(1, "2024-01", 0, "current")]);
    const labels = labelLoans(loans, standard);
    for (const wrong of [[], [3, 3], [6, 3], [-1], [1.5], [37]]) assert.throws(() => vintageTable(loans, labels, { cohort: "month", months: wrong }), /OUTCOME_SETTINGS/);
  });
});

describe("roll rates", () => {
  it("count the pairs of consecutive months that were returned", () => {
    const rows = anyLives(13, 2_000);
    const loans = bookOf("2025-06", rows);
    const byKey = new Map(rows.map((r) => [`${r.loan} ${monthNumber(r.month)}`, r.status]));
    for (const [from, to] of [[undefined, undefined], [monthNumber("2024-06"), monthNumber("2024-12")]]) {
      const table = rollRates(loans, { ...(from !== undefined && { from, to: to ?? 0 }) });
      for (const line of table) {
        const counts = loanStatuses.map(() => 0);
        for (const r of rows) {
          if (r.status !== line.from || (from !== undefined && (monthNumber(r.month) < from || monthNumber(r.month) > (to ?? 0)))) continue;
          const next = byKey.get(`${r.loan} ${monthNumber(r.month) + 1}`);
          if (next !== undefined) counts[loanStatuses.indexOf(next)] = (counts[loanStatuses.indexOf(next)] ?? 0) + 1;
        }
        assert.deepEqual([...line.to], counts);
        assert.equal(line.loans, counts.reduce((a, b) => a + b, 0));
      }
    }
  });

  it("say worse and better of what is, payment and charge-off included", () => {
    const pair = (i: number, a: (typeof loanStatuses)[number], b: (typeof loanStatuses)[number]): unknown[] => [row(i, "2024-01", 0, a), row(i, "2024-01", 1, b)];
    const table = rollRates(bookOf("2024-04", [
      ...pair(1, "dpd30", "dpd60"), ...pair(2, "dpd30", "current"), ...pair(3, "dpd30", "paid"), ...pair(4, "dpd30", "charged-off"), ...pair(5, "dpd30", "dpd30"),
      ...pair(6, "current", "paid"), ...pair(7, "current", "dpd30"), ...pair(8, "dpd90", "charged-off"),
    ]));
    assert.deepEqual(table.map((r) => [r.from, r.loans, r.worse, r.better]), [["current", 2, 0.5, 0], ["dpd30", 5, 0.4, 0.4], ["dpd60", 0, 0, 0], ["dpd90", 1, 1, 0]]);
  });
});

describe("population stability by month", () => {
  const draw = seededDraw(21);
  const development = Float64Array.from({ length: 20_000 }, () => 1 / (1 + Math.exp(2 + draw.normal())));

  it("is the index against development, and small months are not called by chance", () => {
    const stable = bookOf("2024-06", portfolio({ first: "2024-01", months: 6, perMonth: 400, seed: 31, asOf: "2024-06" }));
    const found = stabilityByCohort(stable, development, { cohort: "month", minLoans: 200 });
    assert.equal(found.length, 6);
    const odds = development.map((p) => Math.log(p / (1 - p)));
    const own = Float64Array.from([...stable.originated.keys()].filter((i) => stable.originated[i] === monthNumber("2024-03")), (i) => Math.log((stable.score[i] ?? 0) / (1 - (stable.score[i] ?? 0))));
    assert.approximately(found[2]?.psi ?? 0, stabilityIndex(odds, own).psi, 1e-9);
    assert.isTrue(found.every((m) => m.pValue > 0.05));
    assert.deepEqual(stabilityByCohort(stable, development, { cohort: "month", minLoans: 401 }), []);
    assert.deepEqual(stabilityByCohort(stable, development, { cohort: "quarter", minLoans: 401 }).map((q) => [q.cohort, q.loans]), [["2024Q1", 1_200], ["2024Q2", 1_200]]);
  });

  it("has under no change the distribution that its p-value says", () => {
    // Months of 300 loans without change, one at a time: one in ten below 0.1.
    const count = 150;
    const months = bookOf("2024-12", portfolio({ first: "2000-01", months: count, perMonth: 300, seed: 77, asOf: "2024-12" }).filter((r) => r.month === r.originated), 12);
    let below = 0;
    for (let m = 0; m < count; m++) {
      const month = monthNumber("2000-01") + m;
      const [one] = stabilityByCohort(months, development, { cohort: "month", minLoans: 200, use: (l) => months.originated[l] === month });
      if ((one?.pValue ?? 1) < 0.1) below++;
    }
    assert.approximately(below / count, 0.1, 0.08);
  });

  it("finds the month from which applicants are others", () => {
    const moved = bookOf("2024-06", portfolio({ first: "2024-01", months: 6, perMonth: 400, seed: 31, asOf: "2024-06", moved: (m) => (m >= 4 ? 0.8 : 0) }));
    const found = stabilityByCohort(moved, development, { cohort: "month", minLoans: 200 });
    assert.deepEqual(found.map((m) => m.psi > 0.25 && m.pValue < 0.001), [false, false, false, false, true, true]);
  });
});
