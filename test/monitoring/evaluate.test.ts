// The state machine of one watched company: what is told, once, and what is not.
import * as fc from "fast-check";
import { assert } from "chai";
import { describe, it } from "mocha";
import { mostAlerts } from "../../monitoring/triggers/bound.ts";
import { evaluate, type Alert, type Snapshot } from "../../monitoring/triggers/evaluate.ts";
import { publishedTriggers } from "../../monitoring/triggers/published.ts";
import { parseState, serialiseState, type WatchState } from "../../monitoring/triggers/state.ts";
import { arrears, codeOf, collapse, declared, drift, drop, gone, listing, monthly, run, scored, snapshot } from "./support.ts";

const owing = (...amounts: readonly (number | null)[]): Snapshot[] => amounts.map((amount, i) => snapshot(i + 1, { tax_arrears_open: amount }));
const listed = (...counts: readonly (number | null)[]): Snapshot[] => counts.map((count, i) => snapshot(i + 1, { jd_dishonest_debtor_24m: count }));
const using = (...kwh: readonly (number | null)[]): Snapshot[] => kwh.map((v, i) => monthly(i + 1, { ut_kwh_12m: v }));

describe("arrears", () => {
  const set = declared(arrears());
  it("are told when they turn from none to some, not while they stand", () => {
    assert.deepEqual(run(set, owing(0, 0, 500, 700, 300)).told, ["3 arrears"]);
  });
  it("that stand at the first look are no event, unless the declaration asks for them", () => {
    assert.deepEqual(run(set, owing(500, 700)).told, []);
    assert.deepEqual(run(set, owing(500, 0, 100)).told, ["3 arrears"]);
    assert.deepEqual(run(declared(arrears({ atStart: "alert" })), owing(500, 700)).told, ["1 arrears"]);
  });
  it("between none and the limit change nothing", () => {
    const above = declared(arrears({ above: 100 }));
    assert.deepEqual(run(above, owing(0, 60, 100, 101, 60, 150, 0, 150)).told, ["4 arrears", "8 arrears"]);
  });
  it("are told again only after they were gone and the cool-down is over", () => {
    const cool = declared(arrears({ coolDownDays: 4 }));
    assert.deepEqual(run(cool, owing(0, 1, 0, 1, 1, 1, 1)).told, ["2 arrears", "6 arrears"], "held back, then told while it stands");
    assert.deepEqual(run(cool, owing(0, 1, 0, 1, 0, 0, 0)).told, ["2 arrears"], "gone before the cool-down was over");
  });
  it("need to be seen as often as declared, and to be gone as often", () => {
    const slow = declared(arrears({ confirm: 2, settle: 2 }));
    assert.deepEqual(run(slow, owing(0, 5, 0, 5, 5, 0, 5, 5, 0, 0, 5, 5)).told, ["5 arrears", "12 arrears"]);
    assert.deepEqual(run(slow, owing(0, 5, null, 5)).told, ["4 arrears"], "what is missing neither confirms nor breaks");
  });
});

describe("a new listing", () => {
  const set = declared(listing());
  it("is told at every rise of the count, and against what was there at the first look", () => {
    assert.deepEqual(run(set, listed(1, 1, 2, 2, 4)).told, ["3 listing", "5 listing"]);
    assert.deepEqual(run(declared(listing({ atStart: "alert" })), listed(1, 1)).told, ["1 listing"]);
  });
  it("is told once the old entry has left and another comes", () => assert.deepEqual(run(set, listed(0, 1, 0, 1)).told, ["2 listing", "4 listing"]));
  it("is not told twice when a delivery fell short once", () => {
    assert.deepEqual(run(declared(listing({ settle: 2 })), listed(0, 1, 0, 1, 1)).told, ["2 listing"]);
    assert.deepEqual(run(declared(listing({ settle: 2 })), listed(0, 1, 0, 0, 1)).told, ["2 listing", "5 listing"]);
  });
  it("that came within the cool-down is told after it", () => {
    assert.deepEqual(run(declared(listing({ coolDownDays: 5 })), listed(0, 1, 2, 2, 2, 2, 2, 3)).told, ["2 listing", "7 listing"]);
  });
  it("adds small rises up to the one that is asked for", () => assert.deepEqual(run(declared(listing({ rise: 3 })), listed(0, 1, 2, 3, 4)).told, ["4 listing"]));
});

describe("a collapse of activity", () => {
  const set = declared(collapse());
  it("is measured against the median of its own months, when enough of them are known", () => {
    assert.deepEqual(run(set, using(100, 100, 10)).told, [], "two months are too few");
    assert.deepEqual(run(set, using(100, 90, 110, 51)).told, []);
    assert.deepEqual(run(set, using(100, 90, 110, 49)).told, ["4 collapse"]);
    assert.deepEqual(run(set, using(100, null, 90, 110, 49)).told, ["5 collapse"]);
  });
  it("is over when it comes back to the median that it fell from, not when the low months have become usual", () => {
    assert.deepEqual(run(set, using(100, 100, 100, 40, 40, 40, 40, 40, 40, 40, 40)).told, ["4 collapse"]);
    assert.deepEqual(run(set, using(100, 100, 100, 40, 79, 40)).told, ["4 collapse"], "79 is between");
    assert.deepEqual(run(set, using(100, 100, 100, 40, 80, 100, 100, 40)).told, ["4 collapse", "8 collapse"]);
  });
  it("of what was never active is none", () => assert.deepEqual(run(set, using(0, 0, 0, 0, -5)).told, []));
  it("looks at months, however often the data come", () => {
    const daily = Array.from({ length: 60 }, (_, i) => snapshot(i + 1, { ut_kwh_12m: i < 45 ? 100 : 10 }));
    assert.deepEqual(run(set, daily).told, [], "only one or two earlier months are known");
    assert.isAtMost(run(set, daily).state.months["ut_kwh_12m"]?.length ?? 0, 3);
  });
});

describe("drift of an indicator", () => {
  const late = (...shares: readonly number[]): Snapshot[] => shares.map((v, i) => monthly(i + 1, { tax_late_share_12m: v }));
  it("is far from its own median in units of its own deviation, the bad way", () => {
    // Median 0.10, MAD 0.01: z = 0.6745 * deviation / 0.01; 3.5 is reached at 0.0519.
    const past = [0.08, 0.09, 0.1, 0.11, 0.12];
    assert.deepEqual(run(declared(drift()), late(...past, 0.151)).told, []);
    assert.deepEqual(run(declared(drift()), late(...past, 0.153)).told, ["6 drift"]);
    assert.deepEqual(run(declared(drift()), late(...past, 0.0)).told, [], "better");
    assert.deepEqual(run(declared(drift({ way: "either" })), late(...past, 0.0)).told, ["6 drift"]);
  });
  it("of a steady past begins above the floor", () => {
    assert.deepEqual(run(declared(drift()), late(0, 0, 0, 0, 0, 0.05)).told, []);
    assert.deepEqual(run(declared(drift()), late(0, 0, 0, 0, 0, 0.06)).told, ["6 drift"]);
  });
  it("is not over because what is bad has become usual", () => {
    const high = Array.from({ length: 14 }, () => 0.3);
    assert.deepEqual(run(declared(drift()), late(0, 0, 0, 0, 0, ...high, 0.6)).told, ["6 drift"]);
    assert.deepEqual(run(declared(drift()), late(0, 0, 0, 0, 0, ...high, 0.02, 0.3, 0.6)).told, ["6 drift", "22 drift"], "after it was over, its new past counts");
  });
  it("of a count that is better higher is a fall", () => {
    const staff = [10, 10, 10, 10, 10];
    const set = declared(drift({ indicator: "si_insured_12m", floor: 1 }));
    const snapshots = (last: number): Snapshot[] => [...staff, last].map((v, i) => monthly(i + 1, { si_insured_12m: v }));
    assert.deepEqual(run(set, snapshots(20)).told, []);
    assert.deepEqual(run(set, snapshots(5)).told, ["6 drift"]);
  });
});

describe("a drop of the score", () => {
  const points = (...values: readonly (number | null)[]): Snapshot[] => values.map((v, i) => scored(i + 1, v));
  it("is told against the first score, and again only after it recovered", () => {
    assert.deepEqual(run(declared(drop()), points(700, 651, 650, 600, 670, 640, 680, 640)).told, ["3 drop", "8 drop"]);
  });
  it("may be a share of the reference; a reference of nothing says nothing", () => {
    const set = declared(drop({ drop: { in: "share", limit: 0.25, recover: 0.1 } }));
    assert.deepEqual(run(set, points(400, 301, 300)).told, ["3 drop"]);
    assert.deepEqual(run(set, points(0, -100, -200)).told, []);
    assert.deepEqual(run(set, points(-10, -100)).told, []);
  });
  it("may be against the best of its months", () => {
    const set = declared(drop({ against: { kind: "best", months: 3, known: 3 } }));
    assert.deepEqual(run(set, points(600, 700, 650, 651)).told, []);
    assert.deepEqual(run(set, points(600, 700, 650, 650)).told, ["4 drop"]);
    assert.deepEqual(run(set, points(700, 600, 600, 660, 661, 600)).told, ["6 drop"], "the best of the last three is 661");
  });
  it("is not measured against the month that it is in, nor beyond its own months when another trigger looks back further", () => {
    const best = (months: number, more: object = {}): ReturnType<typeof drop> => drop({ against: { kind: "best", months, known: 3 }, ...more });
    const inApril = { ...scored(5, 640), asOf: "2024-04-20" };
    assert.deepEqual(run(declared(best(3)), [...points(600, 600, 600, 700), inApril]).told, []);
    const sixty = { in: "points", limit: 60, recover: 20 };
    const two = declared(best(3, { drop: sixty }), best(6, { id: "long", drop: sixty }));
    assert.deepEqual(run(two, points(700, 641, 641, 641, 640)).told, ["5 long"], "700 is four months back");
  });
  it("begins anew under another version of the model, without an alert", () => {
    const set = declared(drop());
    const { told, state } = run(set, [scored(1, 700), scored(2, 500, "v2"), scored(3, 460, "v2"), scored(4, 450, "v2")]);
    assert.deepEqual(told, ["4 drop"]);
    assert.equal(state.models["loan-model"], "v2");
    assert.deepEqual(run(set, [scored(1, 700), scored(2, null, "v2"), scored(3, 600)]).told, ["3 drop"], "a missing score changes no version");
  });
});

describe("missing data", () => {
  const none = [null, Number.NaN, Number.POSITIVE_INFINITY, 1e301];
  it("is no alert of another kind", () => {
    const set = declared(arrears(), listing(), collapse(), drift({ way: "either" }), drop());
    for (const value of none) {
      const empty = (n: number): Snapshot => monthly(n, { tax_arrears_open: value, jd_dishonest_debtor_24m: value, ut_kwh_12m: value, tax_late_share_12m: value }, { scores: { "loan-model": { value, version: "v1" } } });
      const full = (n: number): Snapshot => monthly(n, { tax_arrears_open: 0, jd_dishonest_debtor_24m: 0, ut_kwh_12m: 100, tax_late_share_12m: 0 }, { scores: { "loan-model": { value: 700, version: "v1" } } });
      const snapshots = Array.from({ length: 12 }, (_, i) => (i < 6 ? full(i + 1) : empty(i + 1)));
      assert.deepEqual(run(set, snapshots).told, []);
      assert.deepEqual(run(set, [1, 2, 3].map(empty)).told, []);
    }
    assert.deepEqual(run(set, [monthly(1, {}), monthly(2, {})]).told, []);
  });
  it("has a kind of its own: gone after it was there, as often as declared", () => {
    const revenue = (...values: readonly (number | null)[]): Snapshot[] => values.map((v, i) => snapshot(i + 1, { tax_revenue_12m: v }));
    const set = declared(gone({ confirm: 2 }));
    assert.deepEqual(run(set, revenue(null, null, null)).told, [], "it never was there");
    assert.deepEqual(run(set, revenue(5, null, 5, null, null, null, 5, null, null)).told, ["5 gone", "9 gone"]);
    assert.deepEqual(run(set, [...revenue(5), snapshot(2, {}), snapshot(3, {})]).told, ["3 gone"]);
  });
});

describe("an alert", () => {
  it("names neither company nor value, and a band only where the policy tells it", () => {
    const set = declared(arrears(), listing());
    const snapshots = [snapshot(1, { tax_arrears_open: 0, jd_dishonest_debtor_24m: 0 }), snapshot(2, { tax_arrears_open: 123_456.78, jd_dishonest_debtor_24m: 2 })];
    const plain = run(set, snapshots).alerts;
    assert.deepEqual(plain.map((a) => a.band), [null, null]);
    assert.hasAllKeys(plain[0], ["id", "watch", "trigger", "kind", "severity", "sequence", "version", "asOf", "band"]);
    assert.deepInclude(plain[0], { watch: "watch_1", trigger: "arrears", kind: "arrears-begun", severity: "major", sequence: 2, asOf: "2025-01-02" });
    assert.notInclude(JSON.stringify(plain), "123456");
    const banded = run(set, snapshots, ["new-listing", "arrears-begun"]).alerts;
    assert.deepEqual(banded.map((a) => a.band), [null, "marked"], "arrears have no scale");
  });
  it("has bands of 1, 1.5 and 2.5 times the limit", () => {
    const band = (fall: number): string | null | undefined => run(declared(drop()), [scored(1, 700), scored(2, 700 - fall)], ["score-drop"]).alerts[0]?.band;
    assert.deepEqual([50, 74, 75, 124, 125, 700].map(band), ["slight", "slight", "marked", "marked", "strong", "strong"]);
  });
});

describe("a snapshot", () => {
  const set = declared(arrears());
  it("that was evaluated is ignored, as is an earlier one", () => {
    const first = evaluate(set, undefined, snapshot(5, { tax_arrears_open: 0 }), { watch: "w" });
    for (const again of [snapshot(5, { tax_arrears_open: 9 }), snapshot(4, { tax_arrears_open: 9 })]) {
      const result = evaluate(set, first.state, again, { watch: "w" });
      assert.deepEqual([result.outcome, result.alerts, result.state], ["ignored", [], first.state]);
    }
  });
  it("of another version under a number that was evaluated is refused", () => {
    const { state } = evaluate(set, undefined, snapshot(5, {}), { watch: "w" });
    assert.equal(codeOf(() => evaluate(set, state, snapshot(5, {}, { version: "f".repeat(64) }), { watch: "w" })), "MONITOR_VERSION_CONFLICT");
  });
  it("that is malformed is refused", () => {
    const bad: Partial<Snapshot>[] = [
      { sequence: 0 }, { sequence: 1.5 }, { version: "x" }, { asOf: "2025-02-30" }, { asOf: "today" }, { asOf: "2025-1-1" },
      { values: { tax_arrears_open: "5" as unknown as number } }, { values: { tax_arrears_open: true as unknown as number } },
    ];
    for (const more of bad) assert.equal(codeOf(() => evaluate(set, undefined, snapshot(1, {}, more), { watch: "w" })), "MONITOR_SNAPSHOT", JSON.stringify(more));
    assert.equal(codeOf(() => evaluate(declared(drop()), undefined, scored(1, 5, "a b"), { watch: "w" })), "MONITOR_SNAPSHOT");
  });
  it("with names of an object's own is read as any other", () => {
    const values = JSON.parse('{"__proto__": {"tax_arrears_open": 5}}') as Snapshot["values"];
    assert.deepEqual(run(declared(arrears({ atStart: "alert" })), [snapshot(1, values)]).told, []);
  });
});

describe("the state", () => {
  it("that is damaged or of another version is refused", () => {
    const { state } = run(declared(arrears()), owing(0));
    const textOf = (change: object): string => JSON.stringify({ ...state, ...change });
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`t-${i}`, state.triggers["arrears"]]));
    for (const text of ["", "{", "[]", textOf({ v: 2 }), textOf({ more: 1 }), textOf({ sequence: -1 }), textOf({ months: { a: [[1, "2"]] } }), textOf({ triggers: many })]) {
      assert.equal(codeOf(() => parseState(text)), "MONITOR_STATE", text.slice(0, 30));
    }
  });
  it("begins anew for a trigger that was declared otherwise, and keeps the others", () => {
    const { state } = run(declared(arrears(), gone()), [snapshot(1, { tax_arrears_open: 0, tax_revenue_12m: 5 })]);
    const other = run(declared(arrears({ above: 10 }), gone()), [snapshot(2, { tax_arrears_open: 50, tax_revenue_12m: null })], [], state);
    assert.deepEqual(other.told, ["2 gone"], "arrears of another rule: a first look");
    assert.hasAllKeys(run(declared(gone()), [snapshot(3, {})], [], other.state).state.triggers, ["gone"]);
    const reworded = declared(arrears({ severity: "info", text: { zh: "开始欠税", en: "Arrears" } }));
    assert.deepEqual(run(reworded, [snapshot(2, { tax_arrears_open: 50 })], [], state).told, ["2 arrears"], "other words, the same rule");
  });
  it("keeps a month that is delivered late in its place", () => {
    const { state } = run(declared(collapse()), [monthly(1, { ut_kwh_12m: 1 }), monthly(2, { ut_kwh_12m: 3 }, { asOf: "2024-03-15" }), monthly(3, { ut_kwh_12m: 2 }, { asOf: "2024-02-15" }), monthly(4, { ut_kwh_12m: 9 }, { asOf: "2024-02-20" })]);
    assert.deepEqual(state.months["ut_kwh_12m"]?.map(([, v]) => v), [1, 9, 3]);
  });
  it("of all published triggers over two years is below 6 kB", () => {
    const set = declared(...publishedTriggers);
    const indicators = [...new Set(set.triggers.flatMap((t) => (t.kind === "score-drop" ? [] : [t.indicator])))];
    const snapshots = Array.from({ length: 24 }, (_, n) => monthly(n + 1, Object.fromEntries(indicators.map((id, i) => [id, (1000 * (i + 1)) / (n + 3)]))));
    assert.isBelow(serialiseState(run(set, snapshots).state).length, 6_144);
  });
});

describe("evaluation, whatever comes", () => {
  const set = declared(arrears({ coolDownDays: 3, confirm: 2 }), listing({ coolDownDays: 2, settle: 2 }), collapse({ coolDownDays: 5 }), drift({ way: "either" }), gone({ confirm: 2 }), drop());
  const reading = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 5, 100) }, fc.constant(null), fc.double());
  const history = fc.array(fc.record({
    step: fc.integer({ min: -3, max: 40 }), values: fc.array(reading, { minLength: 6, maxLength: 6 }), model: fc.constantFrom("v1", "v1", "v2"),
  }), { minLength: 1, maxLength: 40 }).map((steps) => {
    let day = Date.UTC(2025, 0, 1);
    return steps.map(({ step, values: [a = null, l = null, k = null, s = null, r = null, p = null], model }, i) => {
      day += step * 86_400_000;
      return snapshot(i + 1, { tax_arrears_open: a, jd_dishonest_debtor_24m: l, ut_kwh_12m: k, tax_late_share_12m: s, tax_revenue_12m: r }, {
        asOf: new Date(day).toISOString().slice(0, 10), scores: { "loan-model": { value: p, version: model } } });
    });
  });

  it("is the same after a crash at any point, with every step done twice or done over", () => {
    fc.assert(fc.property(history, fc.infiniteStream(fc.nat(3)), (snapshots, crashes) => {
      const straight = run(set, snapshots);
      let state: WatchState | undefined;
      const stored = new Map<string, Alert>();
      for (const next of snapshots) {
        for (let times = crashes.next().value ?? 0; times >= 0; times--) {
          const result = evaluate(set, state === undefined ? undefined : parseState(serialiseState(state)), next, { watch: "watch_1" });
          // Killed before the transaction: evaluated, and nothing kept.
          if (times > 1) continue;
          for (const alert of result.alerts) stored.set(alert.id, alert);
          state = result.state;
        }
      }
      assert.deepEqual([...stored.values()], straight.alerts);
      assert.equal(serialiseState(state as WatchState), serialiseState(straight.state));
    }), { numRuns: 200 });
  });

  it("tells each event once, keeps the cool-down, and no more than is stated", () => {
    fc.assert(fc.property(history, (snapshots) => {
      const { alerts } = run(set, snapshots);
      assert.equal(new Set(alerts.map((a) => a.id)).size, alerts.length);
      const dayOf = (asOf: string): number => Date.parse(asOf) / 86_400_000;
      for (const trigger of set.triggers) {
        const days = alerts.filter((a) => a.trigger === trigger.id).map((a) => dayOf(a.asOf));
        days.forEach((d, i) => assert.isTrue(i === 0 || d - (days[i - 1] ?? 0) >= trigger.coolDownDays, `${trigger.id} ${days.join(" ")}`));
      }
      const all = snapshots.map((s) => dayOf(s.asOf));
      assert.isAtMost(alerts.length, mostAlerts(set, Math.max(...all) - Math.min(...all) + 1));
    }), { numRuns: 200 });
  });

  it("of a company whose readings never change tells nothing after its first look", () => {
    fc.assert(fc.property(fc.array(reading, { minLength: 6, maxLength: 6 }), ([a = null, l = null, k = null, s = null, r = null, p = null]) => {
      const same = Array.from({ length: 20 }, (_, i) => monthly(i + 1, { tax_arrears_open: a, jd_dishonest_debtor_24m: l, ut_kwh_12m: k, tax_late_share_12m: s, tax_revenue_12m: r }, { scores: { "loan-model": { value: p, version: "v1" } } }));
      assert.deepEqual(run(set, same).told, []);
    }), { numRuns: 100 });
  });
});
