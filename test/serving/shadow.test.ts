import { assert } from "chai";
import { describe, it } from "mocha";
import type { Route } from "../../serving/registry/routing.ts";
import { ShadowScoring, type Observation, type Scored } from "../../serving/registry/shadow.ts";
import { VersionStatistics } from "../../serving/registry/statistics.ts";
import { seededDraw } from "../support/draw.ts";
import { day, start } from "./support.ts";

const route: Route = { deployment: "sme", revision: 7, answer: { version: 1, model: "a".repeat(64), state: "champion" }, shadows: [{ version: 2, model: "b".repeat(64) }, { version: 3, model: "c".repeat(64) }] };
const scored = (logOdds: number, partial = false): Scored => ({ logOdds, partial });

describe("shadow scores", () => {
  it("are computed and observed, and never in the answer", async () => {
    const seen: Observation[] = [];
    const scoring = new ShadowScoring({ now: () => start, observe: (o) => void seen.push(o) });
    const answer = await scoring.answer(route, (v) => Promise.resolve({ ...scored(v * 10), reasons: [`of ${v}`] }));
    await scoring.idle();
    assert.deepEqual(answer, { logOdds: 10, partial: false, version: 1, model: "a".repeat(64), revision: 7 });
    assert.deepEqual(seen.map((o) => [o.version, o.role, o.scored?.logOdds, o.answered?.logOdds]), [[1, "answer", 10, undefined], [2, "shadow", 20, 10], [3, "shadow", 30, 10]]);
  });

  it("neither hold the answer up nor fail it", async () => {
    const seen: Observation[] = [];
    const scoring = new ShadowScoring({ now: () => start, observe: (o) => void seen.push(o) });
    const gate = Promise.withResolvers<Scored>();
    const answer = await scoring.answer(route, (v) => {
      if (v === 2) throw new Error("broken at once");
      return v === 3 ? gate.promise : Promise.resolve(scored(1));
    });
    assert.equal(answer.logOdds, 1);
    gate.reject(new Error("broken later"));
    await scoring.idle();
    assert.deepEqual(seen.map((o) => [o.version, o.scored === undefined]), [[1, false], [2, true], [3, true]]);
  });

  it("are left out when the answer fails, and when too many are under way", async () => {
    const seen: Observation[] = [];
    const gate = Promise.withResolvers<Scored>();
    const scoring = new ShadowScoring({ now: () => start, observe: (o) => void seen.push(o), maxPending: 3 });
    const run = (answer: () => Promise<Scored>): Promise<unknown> => scoring.answer(route, (v) => (v === 1 ? answer() : gate.promise));
    const failed = await run(() => Promise.reject(new Error("no"))).then(() => "answered", (e: Error) => e.message);
    assert.equal(failed, "no");
    for (let i = 0; i < 3; i++) await run(() => Promise.resolve(scored(0)));
    assert.equal(scoring.skipped, 3);
    gate.resolve(scored(5));
    await scoring.idle();
    assert.equal(seen.filter((o) => o.role === "shadow").length, 3);
    await run(() => Promise.resolve(scored(0)));
    await scoring.idle();
    assert.equal(seen.filter((o) => o.role === "shadow").length, 5);
  });
});

describe("statistics of versions", () => {
  it("are those of a plain count over all observations", () => {
    const draw = seededDraw(3);
    let now = start;
    const statistics = new VersionStatistics({ now: () => now });
    const pairs: [number, number, number][] = [];
    for (let i = 0; i < 5_000; i++) {
      if (i % 1_000 === 999) now += day;
      const answered = scored(draw.normal() - 2, draw.uniform() < 0.1);
      const shadow = scored(answered.logOdds + 0.5 * draw.normal());
      const milliseconds = Math.exp(1 + draw.normal());
      statistics.observe({ version: 1, role: "answer", milliseconds, scored: answered });
      statistics.observe({ version: 2, role: "shadow", milliseconds: 1, scored: i % 10 === 0 ? undefined : shadow, answered });
      pairs.push([answered.logOdds, shadow.logOdds, milliseconds]);
    }
    const [one, two] = statistics.summaries();
    const mean = pairs.reduce((s, [a]) => s + a, 0) / 5_000;
    assert.deepInclude(one, { version: 1, role: "answer", days: 6, scored: 5_000, failed: 0 });
    assert.approximately(one?.mean ?? 0, mean, 1e-9);
    assert.approximately(one?.deviation ?? 0, Math.sqrt(pairs.reduce((s, [a]) => s + (a - mean) ** 2, 0) / 5_000), 1e-6);
    const times = pairs.map(([, , t]) => t).toSorted((a, b) => a - b);
    for (const [found, exact] of [[one?.p50, times[2_499]], [one?.p99, times[4_949]]] as const) {
      assert.isAtLeast((found ?? 0) / (exact ?? 1), 1 - 1e-9);
      assert.isBelow((found ?? 0) / (exact ?? 1), 1.1893);
    }
    const counted = pairs.filter((_, i) => i % 10 !== 0);
    const of = (f: (d: number) => number): number => counted.reduce((s, [a, b]) => s + f(b - a), 0) / counted.length;
    assert.deepInclude(two, { version: 2, role: "shadow", scored: 4_500, failed: 500 });
    assert.equal(two?.compared?.pairs, 4_500);
    assert.approximately(two?.compared?.meanDifference ?? 0, of((d) => d), 1e-9);
    assert.approximately(two?.compared?.meanDistance ?? 0, of(Math.abs), 1e-9);
    assert.approximately(two?.compared?.rootMeanSquare ?? 0, Math.sqrt(of((d) => d * d)), 1e-9);
    assert.approximately(two?.compared?.apartRate ?? 0, of((d) => (Math.abs(d) > Math.LN2 ? 1 : 0)), 1e-9);
    assert.equal(statistics.summaries(1)[0]?.scored, 1);
  });

  it("forget old days, and take no more versions than they have room for", () => {
    let now = start;
    const statistics = new VersionStatistics({ now: () => now, days: 3, perDay: 2 });
    for (let d = 0; d < 100; d++) {
      for (const version of [1, 2, 3]) statistics.observe({ version, role: "answer", milliseconds: 1, scored: scored(version) });
      now += day;
    }
    now -= day;
    assert.deepEqual(statistics.summaries().map((s) => [s.version, s.days, s.scored]), [[1, 3, 3], [2, 3, 3]]);
    assert.equal(statistics.leftOut, 100);
  });

  it("tell two score distributions apart", () => {
    const draw = seededDraw(5);
    const statistics = new VersionStatistics({ now: () => start });
    assert.isUndefined(statistics.stability({ version: 1, role: "answer" }, { version: 2, role: "shadow" }));
    for (let i = 0; i < 4_000; i++) {
      statistics.observe({ version: 1, role: "answer", milliseconds: 1, scored: scored(draw.normal()) });
      statistics.observe({ version: 2, role: "shadow", milliseconds: 1, scored: scored(draw.normal()) });
      statistics.observe({ version: 3, role: "shadow", milliseconds: 1, scored: scored(draw.normal() + 1) });
      statistics.observe({ version: 4, role: "shadow", milliseconds: 1, scored: scored(Number.NaN) });
      statistics.observe({ version: 5, role: "shadow", milliseconds: 1, scored: scored(1e9) });
    }
    const psi = (version: number): number | undefined => statistics.stability({ version: 1, role: "answer" }, { version, role: "shadow" });
    assert.isBelow(psi(2) ?? 1, 0.02);
    // Two normal distributions one deviation apart: the symmetric Kullback-Leibler divergence is 1.
    assert.approximately(psi(3) ?? 0, 1, 0.2);
    assert.isUndefined(psi(4));
    assert.isAbove(psi(5) ?? 0, 2);
  });
});
