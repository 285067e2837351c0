// What may be told of a check's counts, and the published rules themselves.
import { assert } from "chai";
import { describe, it } from "mocha";
import { officialCatalogue } from "../../catalogue/load.ts";
import type { ItemId } from "../../core/brand.ts";
import { checksOf, type Check, type TableShape } from "../../quality/checks.ts";
import { accepted, afterRun, assigned, corrected, type Issue } from "../../quality/issues.ts";
import { exceeds, permilleOf, publishedRates, toldPermille, type Result } from "../../quality/rates.ts";
import { dimensions, fieldRelations, mayBeNegative, publishedRules, ruleIdSchema, updateFrequencies } from "../../quality/rules.ts";
import { noSettings, parseSettings } from "../../quality/settings.ts";
import { isOverdue, issueStates } from "../../quality/states.ts";

const check = (key: string, more: Partial<Check> = {}): Check => ({
  key, rule: "validity.amount", dimension: "validity", limit: 0, severity: "major", item: "tax.payment" as ItemId, table: "t", ask: { kind: "id" }, ...more });
const result = (key: string, checked: number, failed: number, companies = checked, more: Partial<Check> = {}): Result => ({ check: check(key, more), counts: { checked, failed, companies } });

describe("rates of data quality", () => {
  it("are thousandths to the nearest, and the limit is held against the exact counts", () => {
    assert.deepEqual([permilleOf(1, 3000), permilleOf(1, 2000), permilleOf(2, 3), permilleOf(5, 5), permilleOf(0, 0)], [0, 1, 667, 1000, 0]);
    assert.isTrue(exceeds(result("a", 3000, 1)), "a rate that rounds to nothing is still above none");
    assert.isFalse(exceeds(result("a", 1000, 50, 1000, { limit: 50 })));
    assert.isTrue(exceeds(result("a", 1000, 51, 1000, { limit: 50 })));
    assert.isFalse(exceeds(result("a", 0, 0)));
  });

  it("are pooled per rule and item, without checks about too few, so that no difference shows one of these", () => {
    const rates = publishedRates([result("a", 1000, 10), result("b", 1000, 30), result("c", 19, 19), result("d", 1000, 900, 19), result("e", 50, 5, 50, { item: null })]);
    assert.deepEqual(rates.map((r) => [r.item, r.state, r.permille]), [["tax.payment", "rated", 20], [null, "rated", 100]]);
    const [few] = publishedRates([result("c", 19, 0)]);
    assert.deepInclude(few, { state: "suppressed", permille: null });
    const [none] = publishedRates([{ check: check("a"), counts: null }]);
    assert.deepInclude(none, { state: "not-run", permille: null });
  });

  it("tell one to four records that fail, or that do not, as five, and a small table by nothing finer", () => {
    const told = (failed: number, checked: number): number | null => toldPermille(result("a", checked, failed));
    assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map((n) => told(n, 1000)), [0, 5, 5, 5, 5, 5, 6]);
    assert.deepEqual([994, 995, 996, 999, 1000].map((n) => told(n, 1000)), [994, 995, 995, 995, 1000]);
    assert.deepEqual([told(1, 20), told(19, 20), told(20, 20), told(0, 20), told(1, 19)], [250, 750, 1000, 0, null]);
    // Also of what is pooled.
    assert.equal(publishedRates([result("a", 500, 1), result("b", 500, 2)])[0]?.permille, 5);
    // What is exact stays at the provider: the limit is held against it.
    assert.isFalse(exceeds(result("a", 1000, 4, 1000, { limit: 4 })));
  });
});

describe("the life of an issue", () => {
  const day = 86_400_000;
  const found = (more: Partial<Issue> = {}): Issue => {
    const [issue] = afterRun([], [result("a", 1000, 7)], 0).opened;
    return { ...(issue ?? assert.fail()), id: 1, ...more };
  };
  const next = (issue: Issue, failed: number, now: number): Issue => ({ ...issue, ...afterRun([issue], [result("a", 1000, failed)], now).changed[0] });

  it("begins when more fails than may, and not for a check that was not made", () => {
    assert.deepInclude(found(), { state: "open", assignee: null, permille: 7, told: 7, dueAt: 10 * day });
    assert.deepEqual(afterRun([found()], [{ check: check("a"), counts: null }, { check: check("b"), counts: null }], 10), { opened: [], changed: [] });
    assert.deepEqual(afterRun([found()], [result("a", 1000, 7)], 10), { opened: [], changed: [] });
    assert.deepEqual(afterRun([found()], [result("a", 1000, 9)], 10).changed.map((i) => [i.state, i.permille, i.told]), [["open", 9, 9]]);
    // Where the table has an owner it is that one's at once.
    assert.deepInclude(afterRun([], [result("a", 1000, 7, 1000, { owner: "meter department" })], 0).opened[0], { state: "assigned", assignee: "meter department" });
  });

  it("goes from hand to hand, is said to be corrected, and is closed by the next check alone", () => {
    const mine = assigned(assigned(found(), "li"), "计量处");
    assert.deepInclude(mine, { state: "assigned", assignee: "计量处" });
    const claimed = corrected(mine);
    assert.equal(claimed.state, "corrected");
    assert.deepInclude(next(claimed, 0, 20 * day), { state: "closed", closedAt: 20 * day, permille: 0 });
    // Nothing was corrected: handed back, and the day is that of the finding.
    assert.deepInclude(next(claimed, 7, 9 * day), { state: "assigned", assignee: "计量处", dueAt: 10 * day });
    assert.deepInclude(next(corrected(found()), 7, 9 * day), { state: "open", dueAt: 10 * day });
    assert.deepEqual(afterRun([claimed], [{ check: check("a"), counts: null }], 10).changed, [], "a check that was not made says nothing");
    assert.deepInclude(afterRun([claimed], [], 10).changed[0] as object, { state: "withdrawn" });
  });

  it("is overdue after its day in every state in which somebody has to act, also when it is said to be corrected", () => {
    assert.deepEqual(issueStates.filter((s) => isOverdue(s, 10, 11)), ["open", "assigned", "corrected"]);
    assert.isFalse(isOverdue("open", 10, 10));
  });

  it("refuses steps from a state that has none, names that are none, and acceptance for too long", () => {
    for (const state of ["corrected", "closed", "accepted", "withdrawn"] as const) {
      for (const step of [(i: Issue) => assigned(i, "li"), corrected, (i: Issue) => accepted(i, "source-is-right", 1, 0)]) assert.throws(() => step(found({ state })), /QUALITY_ISSUE_STATE/, state);
    }
    for (const name of ["", "  ", "x".repeat(65), "a\nb", "a\u0000", "\u202Ea"]) assert.throws(() => assigned(found(), name), /QUALITY_ASSIGNEE/, JSON.stringify(name));
    for (const days of [0, 367]) assert.throws(() => accepted(found(), "source-is-right", days, 0), /QUALITY_ISSUE_STATE/);
    // An acceptance that has run out is of the one who had it, with a new day.
    const done = accepted(assigned(found(), "li"), "planned-change", 30, 0);
    assert.deepInclude(next(done, 7, 30 * day), { state: "accepted" });
    assert.deepInclude(next(done, 7, 31 * day), { state: "assigned", assignee: "li", dueAt: 41 * day, reason: null });
    assert.deepInclude(next(done, 0, day), { state: "closed" });
  });
});

describe("the published rules", () => {
  it("have ids of their dimension, texts in both languages, and name items and fields that the catalogue has", () => {
    for (const rule of publishedRules) {
      assert.isTrue(ruleIdSchema.safeParse(rule.id).success, rule.id);
      assert.include(dimensions, rule.dimension);
      assert.match(rule.zh, /\p{Script=Han}/u);
      assert.match(rule.en, /^[\x20-\x7e]+$/);
    }
    assert.sameMembers([...new Set(publishedRules.map((r) => r.dimension))], [...dimensions]);
    for (const id of Object.keys(updateFrequencies)) assert.isDefined(officialCatalogue.find(id), id);
    for (const { rule, item, lesser, greater } of fieldRelations) {
      const fields = officialCatalogue.find(item)?.fields ?? assert.fail(item);
      for (const name of [lesser, greater]) {
        const field = fields.find((f) => f.id === name) ?? assert.fail(`${item}#${name}`);
        assert.include(rule === "accuracy.order" ? ["date"] : ["money", "number"], field.type, `${item}#${name}`);
      }
    }
    for (const name of mayBeNegative) {
      const [item = "", field] = name.split("#");
      assert.isDefined(officialCatalogue.find(item)?.fields.find((f) => f.id === field), name);
    }
  });

  it("apply by themselves where columns are declared as the catalogue's fields", () => {
    const item = officialCatalogue.find("tax.payment") ?? assert.fail();
    const column = (name: string) => ({ name, kind: "number" as const, uses: [{ item: item.id, field: item.fields.find((f) => f.id === name) }] });
    const table: TableShape = { name: "t", idColumn: "uscc", items: [], population: false, columns: [column("vat_paid_12m"), column("vat_payable_12m")] };
    const keys = checksOf([table], noSettings).map((c) => c.key);
    assert.includeMembers(keys, ["accuracy.bound|t|vat_paid_12m|vat_payable_12m", "validity.amount|t|vat_paid_12m", "uniqueness.record|t|uscc|vat_paid_12m|vat_payable_12m"]);
    assert.notInclude(keys, "uniqueness.key|t|uscc");
    const free = parseSettings({ version: 1, tables: { t: { columns: { vat_paid_12m: { nonNegative: false } } } }, adjust: { "accuracy.bound": { off: true }, "completeness.missing": { limit: 7 } } });
    const adjusted = checksOf([table], free);
    assert.notIncludeMembers(adjusted.map((c) => c.key), ["accuracy.bound|t|vat_paid_12m|vat_payable_12m"]);
    assert.notInclude(adjusted.map((c) => c.key), "validity.amount|t|vat_paid_12m");
    assert.deepEqual([...new Set(adjusted.filter((c) => c.rule === "completeness.missing").map((c) => c.limit))], [7]);
    const profit = { name: "profit", kind: "number" as const, uses: [{ item: "registry.annual-reports" as ItemId, field: officialCatalogue.find("registry.annual-reports")?.fields.find((f) => f.id === "net_profit") }] };
    assert.isFalse(checksOf([{ ...table, columns: [profit] }], noSettings).some((c) => c.rule === "validity.amount"));
  });
});
