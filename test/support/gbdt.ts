// Jobs of boosted trees in memory: tables with every kind of feature, the two roles over them, and the plaintext reference.
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { opaqueName } from "../../federation/binning/guest.ts";
import { treeLimits } from "../../federation/gbdt/floors.ts";
import { gbdtGuest, type GbdtGuestInput, type GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import { gbdtHost, type GbdtHostInput, type GbdtHostResult } from "../../federation/gbdt/host.ts";
import type { Party } from "../../federation/party.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import type { HintSource, Kernels, QuerySecret } from "../../kernels/api.ts";
import { fineBin, type FineBinning } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import type { CellSums, Grown } from "../../models/trees/grow.ts";
import { treeParamsSchema, type TreeParams, type TreeParamsInput } from "../../models/trees/params.ts";
import { plainTrees, type PlainInput } from "../../models/trees/plain.ts";
import { seededDraw } from "./draw.ts";
import { partyWith, type Program } from "./world.ts";

export const jointSeed = new Uint8Array(32).fill(7);
export const bank = partyId("bank");

export type TreeTables = {
  readonly rows: number; readonly trainRows: number; readonly label: Uint8Array; readonly own: readonly Feature[];
  readonly hosts: readonly { readonly name: PartyId; readonly features: readonly Feature[]; readonly rowOf: Int32Array }[];
};
export type TreeOptions = {
  readonly params?: TreeParamsInput; readonly liftFloors?: boolean; readonly from?: GbdtGuestInput["from"];
  readonly hostGuard?: (host: string) => GbdtHostInput["guard"]; readonly guestGuard?: GbdtGuestInput["guard"];
  readonly wrap?: (party: Party) => Party;
};

/** Small trees on few rows: floors lifted, exact sums. */
export const smallTrees: TreeParamsInput = {
  trees: 5, depth: 3, bins: 8, learningRate: 0.3, lambda: 1, colsample: 1,
  minNodeRows: 20, minChildRows: 5, maxCutsPerHostFeature: 0, askedTrees: 0, noise: false,
};
export const openGuard: GbdtHostInput["guard"] = { chargeQueries() {}, chargeBits() {} };

/** Tables whose label hangs on all parties together, not additively. Each party: numeric features with missing values, one of them with a
 *  special value, and a categorical one. `hosts`: numeric features of each; `absent`: share of the companies that a host does not hold. */
export function treeTables(t: {
  rows: number; trainRows: number; seed: number; own?: number; hosts: readonly number[]; absent?: number; bads?: number;
}): TreeTables {
  const draw = seededDraw(t.seed);
  const normals = (): Float64Array => Float64Array.from({ length: t.rows }, () => draw.normal());
  const qualities = [t.own ?? 2, ...t.hosts].map(normals);
  const label = Uint8Array.from({ length: t.rows }, (_, row) => {
    const [first = 0, ...others] = qualities.map((q) => q[row] ?? 0);
    const odds = (t.bads ?? -0.7) + 0.8 * first + others.reduce((sum, q) => sum + 0.7 * q + (q > 0.5 && first < 0 ? 1.2 : 0), 0);
    return draw.uniform() < 1 / (1 + Math.exp(-odds)) ? 1 : 0;
  });
  const features = (party: number, count: number): Feature[] => {
    const quality = qualities[party] ?? new Float64Array(t.rows);
    const numeric = Array.from({ length: count }, (_, k): Feature => {
      const special = k === 0 ? [-999] : [];
      const values = quality.map((q) => {
        const u = draw.uniform();
        return u < 0.06 ? Number.NaN : u < 0.12 && k === 0 ? -999 : q + 0.4 * (k + 1) * draw.normal();
      });
      return { kind: "numeric", name: `x${party}_${k}`, values, special };
    });
    if (count === 0) return numeric;
    const levels = ["a", "b", "c", "d", "e"];
    // Levels whose order has nothing to do with their risk.
    const levelOf = (q: number): number => [2, 0, 4, 1, 3][Math.max(0, Math.min(4, Math.round(q + 2 + draw.normal() / 2)))] ?? 0;
    const codes = Int32Array.from(quality, (q) => (draw.uniform() < 0.05 ? -1 : levelOf(q)));
    return [...numeric, { kind: "categorical", name: `c${party}`, codes, levels }];
  };
  return {
    rows: t.rows, trainRows: t.trainRows, label, own: features(0, t.own ?? 2),
    hosts: t.hosts.map((count, h) => ({
      name: partyId(`host_${"abcd"[h]}`), features: features(h + 1, count),
      rowOf: Int32Array.from({ length: t.rows }, (_, row) => (draw.uniform() < (t.absent ?? 0.1) ? -1 : row)),
    })),
  };
}

export function treeParams(options: TreeOptions): TreeParams {
  return treeParamsSchema.parse(options.params ?? smallTrees);
}

/** The guest's own features with bins. */
export function ownBins(tables: TreeTables, params: TreeParams): { name: string; fine: FineBinning }[] {
  return tables.own.map((f) => ({ name: f.name, fine: fineBin(f, { trainRows: tables.trainRows, maxBins: params.bins, minRows: 5 }) }));
}

/** One program per party. */
export function treePrograms(tables: TreeTables, options: TreeOptions = {}): Record<string, Program<unknown>> {
  const params = treeParams(options);
  const liftFloors = options.liftFloors ?? true;
  const { rows, trainRows, label } = tables;
  const hosts = tables.hosts.map((h) => h.name);
  const wrap = options.wrap ?? ((party: Party): Party => party);
  const guest: Program<GbdtGuestResult> = (party) => gbdtGuest(wrap(party), {
    hosts, jointSeed, rows, trainRows, label, own: ownBins(tables, params), params, liftFloors, from: options.from,
    guard: options.guestGuard ?? { chargeLabelRank() {} },
  });
  const hostOf = (h: TreeTables["hosts"][number]): Program<GbdtHostResult> => (party) => gbdtHost(wrap(party), {
    guest: bank, jointSeed, features: h.features, rowOf: h.rowOf, trainRows, params, liftFloors, guard: options.hostGuard?.(h.name) ?? openGuard,
  });
  return { [bank]: guest, ...Object.fromEntries(tables.hosts.map((h) => [h.name, hostOf(h)])) };
}

export const namesOf = (tables: TreeTables): string[] => [bank, ...tables.hosts.map((h) => h.name)];

/** All features of all parties with their bins over the job's rows, as the oracle takes them. */
export function pooledFeatures(tables: TreeTables, options: TreeOptions = {}): PlainInput["features"] {
  const params = treeParams(options);
  const { minBinRows } = treeLimits({ trainRows: tables.trainRows, params, liftFloors: options.liftFloors ?? true });
  const hosts = tables.hosts.flatMap((h) => h.features.map((f, i) => {
    const fine = fineBin(alignFeature(f, h.rowOf), { trainRows: tables.trainRows, maxBins: params.bins, minRows: minBinRows });
    return { party: h.name, name: opaqueName(i), ...fine.shape, binOf: fine.binOf };
  }));
  return [...ownBins(tables, params).map(({ name, fine }) => ({ party: bank, name, ...fine.shape, binOf: fine.binOf })), ...hosts];
}

/** The same training on the pooled tables. */
export function plainRun(tables: TreeTables, options: TreeOptions = {}, more: Pick<PlainInput, "noise" | "onAsked"> = {}): Grown {
  const { rows, trainRows, label } = tables;
  return plainTrees({ features: pooledFeatures(tables, options), guest: bank, label, rows, trainRows,
    params: treeLimits({ trainRows, params: treeParams(options), liftFloors: options.liftFloors ?? true }).params, from: options.from, ...more });
}

/** What the guest's kernel opened: sums per host, by query. */
export type Opened = { readonly vectors: Int32Array[]; readonly sums: BigInt64Array[][] };

/** A guest's kernels that also write down every vector and every opened sum. */
export function watchedKernels(kernels: Kernels, opened: Opened): Kernels {
  return {
    ...kernels,
    querier: async (options) => {
      const querier = await kernels.querier(options);
      const queryOf = new Map<QuerySecret, number>();
      const hostOf = new Map<HintSource, number>();
      return {
        rows: querier.rows,
        keep: (cells) => {
          const keeper = querier.keep(cells);
          hostOf.set(keeper, hostOf.size);
          return keeper;
        },
        opening: (cells, secrets) => querier.opening(cells, secrets),
        query: async (vectors, asked) => {
          const made = await querier.query(vectors, asked);
          made.secrets.forEach((secret, v) => {
            queryOf.set(secret, opened.vectors.length);
            opened.vectors.push(Int32Array.from(vectors[v] ?? []));
          });
          return made;
        },
        open: async (answers, hint, secrets, masked) => {
          const sums = await querier.open(answers, hint, secrets, masked);
          secrets.forEach((secret, v) => {
            const query = queryOf.get(secret) ?? -1;
            (opened.sums[query] ??= [])[hostOf.get(hint) ?? -1] = sums[v] ?? new BigInt64Array(0);
          });
          return sums;
        },
        [Symbol.asyncDispose]: () => querier[Symbol.asyncDispose](),
      };
    },
  };
}

/** The noise of every query over the cells of all hosts' features (those of one bin have none): what was opened less what is true. */
export function noiseIn(tables: TreeTables, options: TreeOptions, opened: Opened): Float64Array[] {
  const features = pooledFeatures(tables, options).filter((f) => f.party !== bank);
  const active = tables.hosts.filter((h) => features.some((f) => f.party === h.name && f.bins > 1)).map((h) => h.name);
  return opened.vectors.map((vector, query) => {
    const noise: number[] = [];
    const next = new Map(active.map((host) => [host, 0]));
    for (const f of features) {
      for (let bin = 0; bin < f.bins; bin++) {
        const cell = next.get(f.party as PartyId) ?? 0;
        if (f.bins === 1) {
          noise.push(0);
          continue;
        }
        next.set(f.party as PartyId, cell + 1);
        let exact = 0;
        for (let row = 0; row < vector.length; row++) if (f.binOf[row] === bin) exact += vector[row] ?? 0;
        noise.push(Number(opened.sums[query]?.[active.indexOf(f.party as PartyId)]?.[cell]) - exact);
      }
    }
    return Float64Array.from(noise);
  });
}

/** The oracle's noise: that of the federated run. */
export function sameNoise(noise: readonly Float64Array[]): (sums: CellSums, query: number) => CellSums {
  const add = (sums: Float64Array, by: Float64Array | undefined): Float64Array => sums.map((x, cell) => x + (by?.[cell] ?? Number.NaN));
  return (sums, query) => ({ g: add(sums.g, noise[2 * query]), h: add(sums.h, noise[2 * query + 1]) });
}

/** A party whose messages leave late, by so many turns of the event loop: another order of arrival at the others. */
export function late(party: Party, turns: (to: PartyId, type: string) => number): Party {
  return partyWith(party, {
    send: async (to, type, body) => {
      for (let turn = turns(to, type); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      await party.send(to, type, body);
    },
  });
}
