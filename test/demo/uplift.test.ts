// What the demo data is for: the providers' indicators must add to the bank's own columns, clearly but not trivially.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { mainProviders as providers } from "../../demo/generate.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import type { World } from "./support.ts";
import { auc, demoWorld, loadParty, logisticScores, woeColumns } from "./support.ts";

describe("the demo's providers", () => {
  let world: World;
  let loans: LoadedDataset;
  const hosts = new Map<string, LoadedDataset>();
  before(async () => {
    world = await demoWorld({ companies: 6000, seed: 3 });
    loans = await loadParty(world.directory, "bank");
    for (const { folder } of providers) hosts.set(folder, await loadParty(world.directory, folder));
  });
  after(() => world[Symbol.asyncDispose]());

  it("have indicators that the data door computes for every company they know", () => {
    for (const { folder, companies, indicators } of world.summary.providers.filter((p) => hosts.has(p.folder))) {
      assert.strictEqual(hosts.get(folder)?.rows, companies);
      assert.strictEqual(hosts.get(folder)?.features.length, indicators);
    }
    assert.strictEqual(loans.rows, world.summary.loans);
    assert.strictEqual(loans.features.length, 11);
  });

  it("have indicators that vary, and are not mostly missing", () => {
    for (const data of [loans, ...hosts.values()]) {
      for (const feature of data.features) {
        const cells: number[] = feature.kind === "numeric" ? [...feature.values] : [...feature.codes];
        const present = cells.filter((v) => (feature.kind === "numeric" ? !Number.isNaN(v) : v >= 0));
        const limit = feature.name.startsWith("ut_gas") ? 0.1 : 0.5;
        assert.isAbove(present.length / data.rows, limit, feature.name);
        assert.isAtLeast(new Set(present).size, 2, feature.name);
        // The rarest is a flag of a few companies; a constant in practice would be useless.
        const counts = new Map<number, number>();
        for (const v of present) counts.set(v, (counts.get(v) ?? 0) + 1);
        assert.isAtLeast(present.length - Math.max(...counts.values()), 20, feature.name);
      }
    }
  });

  it("add at least 0.03 of AUC on held-out loans, each one something, over a bank that is neither blind nor all-knowing", () => {
    const label = loans.label as Uint8Array;
    // Two halves, each tested on a model of the other: twice the defaults behind every figure.
    const test = (columns: (train: Uint8Array) => Float64Array[]): number => {
      const folds = [0, 1].map((fold) => {
        const train = Uint8Array.from(label, (_, i) => ((i * 7) % 10 < 5 ? fold : 1 - fold));
        return auc(logisticScores(columns(train), label, train, 20), label, train, 0);
      });
      return ((folds[0] ?? 0) + (folds[1] ?? 0)) / 2;
    };
    const own = (train: Uint8Array): Float64Array[] => woeColumns(loans, loans.ids, label, train);
    const from = (folder: string, train: Uint8Array): Float64Array[] =>
      woeColumns(hosts.get(folder) as LoadedDataset, loans.ids, label, train);
    const bankOnly = test(own);
    const joint = test((train) => [...own(train), ...providers.flatMap(({ folder }) => from(folder, train))]);
    assert.isTrue(bankOnly > 0.6 && bankOnly < 0.78, `bank only ${bankOnly}`);
    assert.isTrue(joint > 0.72 && joint < 0.88, `joint ${joint}`);
    assert.isAbove(joint - bankOnly, 0.03, `${bankOnly} -> ${joint}`);
    for (const { folder } of providers) {
      const alone = test((train) => from(folder, train));
      assert.isAbove(alone, 0.54, `${folder} alone ${alone}`);
    }
  });
});
