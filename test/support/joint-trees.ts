// Halves of models of trees and of cross-party tables, from jobs in memory, and what the pooled columns say of a company.
import type { PartyId } from "../../core/brand.ts";
import type { CrossboostGuestResult } from "../../federation/crossboost/guest.ts";
import type { CrossboostGuestHalf, CrossboostHostHalf } from "../../federation/crossboost/half.ts";
import type { CrossboostHostResult } from "../../federation/crossboost/host.ts";
import type { GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import { gbdtGuestHalf, gbdtHostHalf, type GbdtGuestHalf, type GbdtHostHalf } from "../../federation/gbdt/half.ts";
import type { GbdtHostResult } from "../../federation/gbdt/host.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import type { OpenModel } from "../../federation/serve/trees-guest.ts";
import type { Kernels } from "../../kernels/api.ts";
import { applyFine, fineBin } from "../../models/binning/fine.ts";
import { guestFineOptions } from "../../models/crossboost/host.ts";
import type { Feature } from "../../models/features.ts";
import { rightOfCode } from "../../models/trees/model.ts";
import { cellsParams, cellsPrograms } from "./crossboost.ts";
import { bank, namesOf, ownBins, smallTrees, treeParams, treePrograms, treeTables, type TreeTables } from "./gbdt.ts";
import { createWorld } from "./world.ts";

export type TreeHalves = { readonly tables: TreeTables; readonly hosts: readonly PartyId[]; readonly half: GbdtGuestHalf; readonly halves: Readonly<Record<string, GbdtHostHalf>>; readonly fine: ReadonlyMap<string, GbdtHostResult["fine"]> };

/** The same halves of hosts that are called otherwise, in the same order. */
export function renamed(made: TreeHalves, names: readonly PartyId[]): TreeHalves {
  const change = <T>(value: T): T => JSON.parse(made.hosts.reduce((text, host, i) => text.replaceAll(`"${host}"`, `"${names[i] ?? host}"`), JSON.stringify(value))) as T;
  const nameOf = (host: string): string => names[made.hosts.findIndex((h) => h === host)] ?? host;
  return {
    hosts: [...names], half: change(made.half), fine: new Map([...made.fine].map(([h, fine]) => [nameOf(h), fine])),
    halves: Object.fromEntries(Object.entries(made.halves).map(([h, half]) => [nameOf(h), change(half)])),
    tables: { ...made.tables, hosts: made.tables.hosts.map((h, i) => ({ ...h, name: names[i] ?? h.name })) },
  };
}

/** shape: numeric features of each host. Some companies are unknown to some hosts. */
export async function trainTrees(kernels: Kernels, shape: readonly number[]): Promise<TreeHalves> {
  const tables = treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: shape, absent: 0.15 });
  const params = { ...smallTrees, trees: 10 };
  const results = await createWorld({ parties: namesOf(tables), seed: 1, kernels }).run(treePrograms(tables, { params }));
  const hosts = tables.hosts.map((h) => h.name);
  const half = gbdtGuestHalf({ model: "model_0", input: { hosts, own: ownBins(tables, treeParams({ params })), trainRows: tables.trainRows }, result: results[bank] as GbdtGuestResult, scaling: { points: 600, odds: 50, pdo: 20 } });
  const made = hosts.map((h) => [h, results[h] as GbdtHostResult] as const);
  return {
    tables, hosts, half, fine: new Map(made.map(([h, { fine }]) => [h as string, fine])),
    halves: Object.fromEntries(made.map(([h, result]) => [h, gbdtHostHalf({ model: "model_0", digest: "d".repeat(64), guest: bank, hosts, result })])),
  };
}

/** The leaf of each tree for a row of the pooled table; hosts that are away have no value. */
export function leavesOf({ tables, half, fine, hosts }: TreeHalves, row: number, present: readonly PartyId[]): number[] {
  const own = half.own.map(({ name, definition }) => applyFine(definition, alignFeature(tables.own.find((f) => f.name === name) as Feature, Int32Array.of(row)))[0] ?? 255);
  const others = hosts.flatMap((host) => {
    const { features, rowOf } = tables.hosts.find((h) => h.name === host) as TreeTables["hosts"][number];
    const record = present.includes(host) ? (rowOf[row] ?? -1) : -2;
    return (fine.get(host) ?? []).map(({ name, fine: f }) => (record === -2 ? 255 : (applyFine(f.definition, alignFeature(features.find((x) => x.name === name) as Feature, Int32Array.of(record)))[0] ?? 255)));
  });
  const codes = [...own, ...others];
  return half.trees.trees.map(({ cuts, leaves }) => leaves[cuts.reduce((leaf, cut, level) => leaf | ((rightOfCode(cut)[codes[cut.feature] ?? 255] ?? 0) << level), 0)] ?? 0);
}

/** What the tables of an open model are in the clear for these choices, and their log odds. */
export function plainOdds(open: OpenModel, choices: (host: PartyId, table: number) => number): number {
  return open.odds(open.tables.reduce((sum, { table, hosts, entries }) => sum + (entries[hosts.reduce((index, h) => index * h.choices + choices(h.host, table), 0)] ?? Number.NaN), 0));
}

export type CellHalves = { readonly tables: TreeTables; readonly half: CrossboostGuestHalf; readonly halves: Readonly<Record<string, CrossboostHostHalf>> };

export async function trainCells(kernels: Kernels): Promise<CellHalves> {
  const tables = treeTables({ rows: 1300, trainRows: 1000, seed: 5, own: 2, hosts: [2, 1] });
  const params = cellsParams();
  const results = await createWorld({ parties: namesOf(tables), seed: 3, kernels }).run(cellsPrograms(tables));
  const guest = results[bank] as CrossboostGuestResult;
  const own = tables.own.map((f) => ({ name: f.name, definition: fineBin(f, guestFineOptions(tables.trainRows, params)).definition }));
  const half: CrossboostGuestHalf = { version: 1, kind: "crossboost", model: "model_1", hosts: guest.offers.map((o) => o.host), own, joint: guest.model, scaling: { points: 600, odds: 50, pdo: 20 } };
  const halves = Object.fromEntries(tables.hosts.map(({ name }) => {
    const made = results[name] as CrossboostHostResult;
    return [name, {
      version: 1 as const, kind: "crossboost" as const, model: half.model, digest: "0".repeat(64), guest: bank, hosts: half.hosts,
      columns: made.fine.map((f) => ({ name: f.name, definition: f.fine.definition })), totals: made.totals,
    }];
  }));
  return { tables, half, halves };
}
