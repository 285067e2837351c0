// Every published indicator runs in the real data door on the generated data of its provider; many are computed again by other means.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { standardName } from "../../demo/provider.ts";
import { providers } from "../../demo/generate.ts";
import { providerIndicators } from "../../demo/datasets.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { publishedSystem } from "../../indicators/load.ts";
import { findIndicator } from "../../indicators/select.ts";
import type { Feature } from "../../models/features.ts";
import { demoWorld, loadParty, readTable, type World } from "../demo/support.ts";
import { oracles, type Row, type Value } from "./oracle.ts";

type Cell = number | string | null;

function cellsOf(feature: Feature): Cell[] {
  if (feature.kind === "numeric") return [...feature.values].map((v) => (Number.isNaN(v) ? null : v));
  return Array.from(feature.codes, (code) => (code < 0 ? null : feature.levels[code] ?? null));
}

/** Smallest and largest value by unit; without an upper bound where none is natural. */
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  share: [0, 1], flag: [0, 1], "A=5 B=4 M=3 C=2 D=1": [1, 5], "advanced=3 registered=2 dishonest=1": [1, 3], percent: [5, 12],
  "green=5 blue=4 yellow=3 red=2 black=1": [1, 5], "special=4 first=3 second=2 third=1": [1, 4],
};
/** Indicators that most companies of their provider have no value for: not everybody has gas, a patent or a licence of that trade. */
const rare: Readonly<Record<string, number>> = { ut_gas: 0.9, en_emissions: 0.8, en_quota: 0.8, ip_pledged: 0.97, ip_software: 0.6, qu_: 0.97, ad_days_since: 0.9, mi_: 0.75 };
const counts = new Set(["count", "rights", "classes", "kinds", "licences", "qualifications", "flag"]);

describe("the published indicators on generated data", () => {
  let world: World;
  const data = new Map<string, LoadedDataset>();
  const tables = new Map<string, Map<string, Row[]>>();
  before(async () => {
    world = await demoWorld({ companies: 6000, seed: 7 });
    for (const provider of providers) {
      if (providerIndicators(provider).length > 0) data.set(provider.folder, await loadParty(world.directory, provider.folder));
      for (const table of Object.keys(provider.tables)) {
        const byCompany = new Map<string, Row[]>();
        for (const row of await readTable(world.directory, provider.folder, table)) {
          const rows = byCompany.get(row["uscc"] ?? "") ?? [];
          rows.push(row);
          byCompany.set(row["uscc"] ?? "", rows);
        }
        tables.set(standardName(provider, table), byCompany);
      }
    }
  });
  after(() => world[Symbol.asyncDispose]());

  const featureOf = (id: string): { feature: Feature; ids: readonly string[] } => {
    for (const dataset of data.values()) {
      const feature = dataset.features.find((f) => f.name === id);
      if (feature !== undefined) return { feature, ids: dataset.ids };
    }
    return assert.fail(`${id} was not computed`);
  };

  it("are computed, all of them, each at one provider", () => {
    assert.sameMembers([...data.values()].flatMap((d) => d.features.map((f) => f.name)), publishedSystem.indicators.map((i) => i.id));
  });

  for (const { id, unit } of publishedSystem.indicators) {
    it(`${id} has its type and range, varies, and is there for enough companies`, () => {
      const { feature } = featureOf(id);
      const cells = cellsOf(feature);
      const isCategory = ["category", "size or legal form", "section of GB/T 4754"].includes(unit.en);
      assert.strictEqual(feature.kind, isCategory ? "categorical" : "numeric");
      const present = cells.filter((c) => c !== null);
      const [, limit = 0.45] = Object.entries(rare).find(([prefix]) => id.startsWith(prefix)) ?? [];
      assert.isBelow(1 - present.length / cells.length, limit, "missing");
      assert.isAtLeast(new Set(present).size, 2);
      const most = Math.max(...[...Map.groupBy(present, (c) => c).values()].map((c) => c.length));
      assert.isAtLeast(present.length - most, 5, "companies that differ from the most frequent value");
      if (isCategory) return;
      const numbers = present as number[];
      const [from, to] = ranges[unit.en] ?? [/growth|change|return|left/.test(id) ? -Infinity : 0, Infinity];
      assert.isTrue(numbers.every((n) => Number.isFinite(n) && n >= from && n <= to), `${Math.min(...numbers)} to ${Math.max(...numbers)}`);
      if (counts.has(unit.en)) assert.isTrue(numbers.every((n) => Number.isInteger(n)), "whole numbers");
      if (/growth/.test(id)) assert.isTrue(numbers.every((n) => n >= -1), "nothing shrinks by more than all");
    });
  }

  it("are checked by an oracle in every area", () => {
    assert.isAtLeast(Object.keys(oracles).length, 50);
    for (const area of publishedSystem.areas) {
      if (area.indicators.length > 0) assert.isAtLeast(area.indicators.filter((i) => Object.hasOwn(oracles, i.id)).length, 1, area.area);
    }
  });

  for (const [id, oracle] of Object.entries(oracles)) {
    it(`${id} is what its definition says, for every company`, () => {
      const { feature, ids } = featureOf(id);
      const cells = cellsOf(feature);
      const reads = Object.keys(findIndicator(id).reads);
      let checked = 0;
      for (const [row, uscc] of ids.entries()) {
        const expected: Value = oracle((name) => {
          assert.include(reads, name, "the oracle reads what the indicator says that it reads");
          return tables.get(name)?.get(uscc) ?? [];
        });
        const found = cells[row] ?? null;
        const isSame = typeof expected === "number" && typeof found === "number"
          ? Math.abs(expected - found) <= 1e-9 * Math.max(1, Math.abs(expected)) : (expected ?? null) === found;
        // No value of a company in a message, also of a made-up one: the habit stays.
        assert.isTrue(isSame, `row ${row}`);
        if (found !== null) checked += 1;
      }
      assert.isAbove(checked, 30);
    });
  }
});
