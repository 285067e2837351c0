// Jobs of crossboost in memory: the two roles over the tables of test/support/gbdt.ts, and the plaintext oracle with the same noise.
import { crossboostGuest, type CrossboostGuestInput } from "../../federation/crossboost/guest.ts";
import { crossboostHost, type CrossboostHostInput } from "../../federation/crossboost/host.ts";
import type { Party } from "../../federation/party.ts";
import { fineBin } from "../../models/binning/fine.ts";
import { foldedCells, guestFineOptions } from "../../models/crossboost/host.ts";
import { publicFolds } from "../../models/crossboost/draws.ts";
import { oracleHost, pooledCrossboost, type OracleResult } from "../../models/crossboost/oracle.ts";
import { crossboostParamsSchema, designOf, type CrossboostParams } from "../../models/crossboost/params.ts";
import type { Feature } from "../../models/features.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { bank, jointSeed, type Opened, type TreeTables } from "./gbdt.ts";
import { partyWith, type Program } from "./world.ts";

export type CellsOptions = {
  readonly params?: Parameters<typeof crossboostParamsSchema.parse>[0];
  readonly hostGuard?: (host: string) => CrossboostHostInput["guard"];
  readonly wrap?: (party: Party) => Party;
};
/** Few steps and small trees, so that a job takes a second. */
export const quick = { steps: 15, bags: 2, guestTrees: { trees: 12 }, lastTrees: { trees: 8 }, keepBeyond: 1 };
export const openGuard: CrossboostHostInput["guard"] = { chargeQueries() {}, chargeTotals() {}, admitCompany() {} };

export function cellsParams(options: CellsOptions = {}): CrossboostParams {
  return crossboostParamsSchema.parse({ ...quick, ...(options.params as object | undefined) });
}

export function ownColumns(tables: TreeTables, params: CrossboostParams): CrossboostGuestInput["columns"] {
  return tables.own.map((feature) => {
    const { shape, binOf } = fineBin(feature, guestFineOptions(tables.trainRows, params));
    return { party: bank, name: feature.name, ...shape, binOf };
  });
}

export function cellsPrograms(tables: TreeTables, options: CellsOptions = {}): Record<string, Program<unknown>> {
  const params = cellsParams(options);
  const hosts = tables.hosts.map((h) => h.name);
  const wrap = options.wrap ?? ((party: Party): Party => party);
  const { rows, trainRows, label } = tables;
  const guest: Program<unknown> = (party) => crossboostGuest(wrap(party), { hosts, jointSeed, rows, trainRows, label, columns: ownColumns(tables, params), params });
  const host = (i: number): Program<unknown> => (party) => crossboostHost(wrap(party), {
    guest: bank, hosts, jointSeed, features: tables.hosts[i]?.features ?? [], rowOf: tables.hosts[i]?.rowOf ?? new Int32Array(0), trainRows, params,
    guard: options.hostGuard?.(hosts[i] ?? "") ?? openGuard,
  });
  return { [bank]: guest, ...Object.fromEntries(hosts.map((h, i) => [h, host(i)])) };
}

const seedOfGuest = new Uint8Array(32).fill(9);
/** The guest draws its secret seed of the tables from this, so that the oracle can draw the same. */
export function knownSeed(party: Party): Party {
  return partyWith(party, { rng: (label) => (label === "crossboost/seed" ? () => seedOfGuest.slice() : party.rng(label)) });
}

const hostFeatures = (tables: TreeTables, h: number): Feature[] => {
  const host = tables.hosts[h];
  return host === undefined ? [] : host.features.map((f) => alignFeature(f, host.rowOf));
};

/** The oracle on the pooled table, with the noise that was in the federated run: what was opened less what is true. */
export function sameOracle(tables: TreeTables, opened: Opened, options: CellsOptions = {}): OracleResult {
  const params = cellsParams(options);
  const { folds } = designOf(params, tables.trainRows);
  const foldOf = publicFolds(jointSeed, tables.trainRows, folds);
  const hosts = tables.hosts.map((_, h) => oracleHost(hostFeatures(tables, h), tables.trainRows, params));
  const active = hosts.flatMap((host, h) => (host.fine.length > 0 ? [h] : []));
  return pooledCrossboost({
    label: tables.label, trainRows: tables.trainRows, params, seed: seedOfGuest, publicSeed: jointSeed,
    guest: { name: bank, table: { rows: tables.rows, features: tables.own } },
    hosts: tables.hosts.map((host, h) => ({ name: host.name, table: { rows: tables.rows, features: hostFeatures(tables, h) } })),
    noise: (h, query, cells) => {
      const vector = opened.vectors[query] ?? new Int32Array(0);
      const sums = opened.sums[query]?.[active.indexOf(h)];
      const exact = new Float64Array(cells);
      let start = 0;
      for (const { binOf, bins } of hosts[h]?.fine ?? []) {
        const cellOf = folds === 1 ? binOf : foldedCells(binOf.subarray(0, tables.trainRows), bins, foldOf, folds);
        for (let row = 0; row < vector.length; row++) {
          const cell = start + (cellOf[row] as number);
          exact[cell] = (exact[cell] as number) + (vector[row] as number);
        }
        start += bins * folds;
      }
      return Int32Array.from(exact, (x, cell) => Number(sums?.[cell]) - x);
    },
  });
}

