// The whole evaluation on the generated world: parts in each provider's domain, added under nothing but addition, against an oracle of its
// own over the pooled plain values.
import { readFileSync } from "node:fs";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { providerIndicators } from "../../demo/datasets.ts";
import { providers } from "../../demo/generate.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { addParts, evaluate, gradeAt, type Evaluation } from "../../evaluation/combine.ts";
import { distribution } from "../../evaluation/distribution.ts";
import type { Basis } from "../../evaluation/load.ts";
import { assign, evaluatePart } from "../../evaluation/part.ts";
import { parseSubscriptions, planPushes } from "../../evaluation/pushes.ts";
import { stability } from "../../evaluation/stability.ts";
import type { Feature } from "../../models/features.ts";
import { ranking } from "../../models/metrics/ranking.ts";
import { demoWorld, loadParty, readTable, type World } from "../demo/support.ts";
import { cards } from "./support.ts";

type Entry = { indicator: string; scope: string; edges: number[]; points: number[] };
const published = JSON.parse(readFileSync(new URL("../../evaluation/scorecards/baseline.json", import.meta.url), "utf8")) as {
  base: number; minCoverage: number; grades: { grade: string; from: number }[]; entries: Entry[];
};
const range = (e: Entry): number => Math.max(...e.points) - Math.min(...e.points);

describe("full-coverage evaluation of the generated world", () => {
  let world: World;
  const data = new Map<string, LoadedDataset>();
  let ids: string[] = [];
  let bad = new Map<string, number>();
  let sectors: (string | undefined)[] = [];
  before(async () => {
    world = await demoWorld({ companies: 900, seed: 11 });
    for (const provider of providers) if (providerIndicators(provider).length > 0) data.set(provider.folder, await loadParty(world.directory, provider.folder));
    const register = new Map((await readTable(world.directory, "registry_courts", "registrations")).map((row) => [row["uscc"] ?? "", row["sector"]]));
    ids = [...new Set([...data.values()].flatMap((d) => d.ids as readonly string[]))].sort();
    sectors = ids.map((id) => register.get(id));
    const loans = await loadParty(world.directory, "bank");
    bad = new Map(loans.ids.map((id, row) => [id as string, loans.label?.[row] ?? 0]));
  });
  after(() => world[Symbol.asyncDispose]());

  const parties = (without: readonly string[]): [string, LoadedDataset][] => [...data].filter(([name]) => !without.includes(name));

  function run(basis: Basis, without: readonly string[] = [], asOf = "2025-01-01"): Evaluation {
    const card = cards[basis];
    const present = parties(without);
    const assignment = assign(card, new Map(present.map(([name, d]) => [name, d.features.map((f) => f.name)])));
    const parts = [...assignment.parties].map(([name, indicators]) => {
      const { ids: own, features } = data.get(name) as LoadedDataset;
      const rowOf = new Map((own as readonly string[]).map((id, row) => [id, row]));
      const aligned = features.flatMap((f): Feature[] => (f.kind !== "numeric" ? [] : [{
        ...f, values: Float64Array.from(ids, (id) => f.values[rowOf.get(id) ?? -1] ?? Number.NaN),
      }]));
      return evaluatePart(card, indicators, aligned, ids.length);
    });
    return evaluate(card, assignment, addParts(parts), asOf);
  }

  /** Straight from the published file and the pooled values, a company at a time. */
  function oracle(basis: Basis, without: readonly string[] = []): { score: number; coverage: number; grade: string | null }[] {
    const pooled = new Map(ids.map((id) => [id, new Map<string, number>()]));
    for (const [, d] of parties(without)) {
      for (const f of d.features) {
        if (f.kind === "numeric") for (const [row, id] of d.ids.entries()) pooled.get(id)?.set(f.name, f.values[row] ?? Number.NaN);
      }
    }
    const used = published.entries.filter((e) => cards[basis].entries.some((c) => c.indicator === e.indicator));
    const whole = used.filter((e) => e.scope === "every").map(range).reduce((a, b) => a + b, 0);
    return ids.map((id) => {
      let score = published.base;
      let known = 0;
      for (const e of used) {
        const value = pooled.get(id)?.get(e.indicator) ?? Number.NaN;
        if (Number.isNaN(value)) continue;
        score += e.points[e.edges.filter((edge) => value >= edge).length] ?? 0;
        if (e.scope === "every") known += range(e);
      }
      score = Math.min(1000, Math.max(0, score));
      const grade = known / whole >= published.minCoverage ? published.grades.find((g) => score >= g.from)?.grade ?? null : null;
      return { score, coverage: Math.floor((known / whole) * 1000 + 1e-9), grade };
    });
  }

  for (const [name, basis, without] of [
    ["from public items alone", "open", []],
    ["from all items", "full", []],
    ["without tax and utilities", "full", ["tax", "utilities"]],
    ["with the registry and the housing fund alone", "full", ["tax", "social_insurance", "utilities", "administrative", "registry_details", "customs", "environment"]],
  ] as const) {
    it(`${name} is what the oracle finds, for every company`, () => {
      const found = run(basis, without);
      const expected = oracle(basis, without);
      assert.strictEqual(found.scores.length, ids.length);
      for (const [row, e] of expected.entries()) {
        // No value of a company in a message, also of a made-up one: the habit stays.
        assert.isTrue(found.scores[row] === e.score && found.coverage[row] === e.coverage && gradeAt(found, row) === e.grade, `row ${row}`);
      }
      assert.isAbove(new Set(found.scores).size, 20);
    });
  }

  it("gives nearly every company a grade when all providers are there, and all grades occur", () => {
    const { grades, partial, absent } = run("full");
    assert.isFalse(partial);
    assert.deepEqual([...absent], []);
    const count = Map.groupBy(grades, (g) => g);
    assert.isBelow(count.get(255)?.length ?? 0, 0.05 * ids.length);
    for (const grade of [0, 1, 2, 3]) assert.isAbove(count.get(grade)?.length ?? 0, 0.03 * ids.length, `grade ${grade}`);
    const open = run("open");
    assert.isAbove(open.grades.filter((g) => g !== 255).length, 0.9 * ids.length);
    assert.notInclude([...open.grades], 0, "the best grade is not given for public records alone");
  });

  it("with providers away is partial, says which indicators it lacked, covers less and grades fewer", () => {
    const [all, some, few] = [run("full"), run("full", ["utilities"]), run("full", ["tax", "social_insurance", "utilities", "housing_fund"])];
    assert.isTrue(some.partial);
    assert.sameMembers([...some.absent], cards.full.entries.map((e) => e.indicator).filter((id) => id.startsWith("ut_")));
    for (const row of ids.keys()) assert.isAtMost(some.coverage[row] ?? 0, all.coverage[row] ?? 0);
    const graded = (e: Evaluation): number => e.grades.filter((g) => g !== 255).length;
    assert.isAbove(graded(some), 0.8 * ids.length);
    assert.strictEqual(graded(few), 0, "with public records alone nobody has a grade of the full basis");
    assert.isTrue(few.scores.every((s) => s >= 0 && s <= 1000));
  });

  it("puts companies that default below those that do not", () => {
    const rows = ids.flatMap((id, row) => (bad.has(id) ? [row] : []));
    const label = Uint8Array.from(rows, (row) => bad.get(ids[row] ?? "") ?? 0);
    for (const [basis, bound] of [["full", 0.65], ["open", 0.55]] as const) {
      const { scores } = run(basis);
      const mean = (kind: number): number => {
        const own = rows.filter((_, i) => label[i] === kind).map((row) => scores[row] ?? 0);
        return own.reduce((a, b) => a + b, 0) / own.length;
      };
      assert.isBelow(mean(1), mean(0) - 5, basis);
      const { auc, events } = ranking(Float64Array.from(rows, (row) => -(scores[row] ?? 0)), label);
      assert.isAbove(events, 30);
      assert.isAbove(auc, bound, basis);
    }
  });

  it("is distributed, compared and pushed", () => {
    const usccs = ids;
    const [full, open] = [run("full"), run("open")];
    const { provinceByGrade, sectorByGrade, provinceBySector } = distribution(full, { usccs, sectors });
    for (const table of [provinceByGrade, sectorByGrade, provinceBySector]) {
      assert.closeTo(table?.total ?? 0, ids.length, 3);
      assert.isAbove(table?.hidden.primary ?? 0, 0, "a table of 900 companies has small cells");
      assert.isTrue(table?.cells.flat().every((n) => n === null || n === 0 || n >= 20));
    }
    assert.includeDeepMembers([...(provinceByGrade?.rows ?? [])], [["33"], ["44"]]);
    const next = run("full", ["tax"], "2025-02-01");
    const change = stability({ evaluation: full, usccs }, { evaluation: next, usccs });
    assert.isTrue(change.otherAbsent.every((id) => id.startsWith("tax_")) && change.otherAbsent.length === 8);
    assert.notStrictEqual(change.verdict, "stable", "a lost provider shows");
    const subscriptions = parseSubscriptions([{ institution: "bank", name: "zhejiang-industry", purpose: "credit-evaluation", provinces: ["33"], sectors: ["C"] }]);
    const authorised = new Set(usccs.filter((id) => bad.has(id)));
    const companies = { usccs, sectors };
    const [push] = planPushes({ runs: { open: { card: cards.open, evaluation: open, companies }, full: { card: cards.full, evaluation: full, companies } }, subscriptions,
      mayReceive: (_institution, _purpose, uscc) => authorised.has(uscc) });
    const meant = usccs.filter((id, row) => id.startsWith("33", 2) && sectors[row] === "C");
    assert.isAbove(meant.length, 10);
    assert.deepEqual([...(push?.rows.full ?? [])].map((row) => usccs[row]), meant.filter((id) => authorised.has(id)));
    assert.lengthOf(push?.rows.open ?? [], 0, "the section of the others is not told");
    assert.strictEqual(push?.withheld, meant.length - (push?.rows.full.length ?? 0));
  });
});
