// Scoring by trees over domains: of each tree the guest knows the leaves and its own bits, the hosts know theirs. What is left open
// is a small table over the hosts' bits: tables of one shape make a group (federation/lookup). Pure.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { neutralBin } from "../../models/binning/fine.ts";
import { rightOfCode, type SymmetricTree, type TreeModel } from "../../models/trees/model.ts";

/** A tree as a table: levels decided by the guest's codes or by nobody (owner away), and the hosts' levels. */
export type TreeTable = {
  readonly tree: number;
  /** In the plan's order; a host's choice has the bit of its first level lowest. */
  readonly hosts: readonly { readonly host: PartyId; readonly levels: readonly number[] }[];
};
export type TableGroup = { readonly hosts: readonly { readonly host: PartyId; readonly choices: number }[]; readonly tables: readonly TreeTable[] };

/** The groups of a model's trees, in the order of their first tree. `present`: hosts of the job. */
export function tableGroups(model: TreeModel, present: readonly PartyId[]): TableGroup[] {
  const groups = new Map<string, { hosts: TableGroup["hosts"]; tables: TreeTable[] }>();
  for (const [tree, { cuts }] of model.trees.entries()) {
    const hosts = present.flatMap((host) => {
      const levels = cuts.flatMap((cut, level) => (model.features[cut.feature]?.party === host ? [level] : []));
      return levels.length === 0 ? [] : [{ host, levels }];
    });
    if (hosts.length === 0) continue;
    const shape = hosts.map((h) => ({ host: h.host, choices: 2 ** h.levels.length }));
    const key = JSON.stringify(shape);
    const group = groups.get(key) ?? { hosts: shape, tables: [] };
    group.tables.push({ tree, hosts });
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Per entry of a table (last host's choice fastest) the bits that the hosts' levels give to the leaf. */
export function hostBits(table: TreeTable): Uint8Array {
  const choices = table.hosts.map((h) => 2 ** h.levels.length);
  const bits = new Uint8Array(choices.reduce((a, b) => a * b, 1));
  for (let entry = 0; entry < bits.length; entry++) {
    let rest = entry;
    for (let h = choices.length - 1; h >= 0; h--) {
      const choice = rest % (choices[h] as number);
      rest = (rest - choice) / (choices[h] as number);
      for (const [i, level] of (table.hosts[h]?.levels ?? []).entries()) bits[entry] = (bits[entry] as number) | (((choice >> i) & 1) << level);
    }
  }
  return bits;
}

/** Per row, the bits of the levels that no present host decides: the guest's own, and those of hosts that are away, which follow the
 *  missing direction. `codes`: fine bins of the guest's features, by place in the model's list. */
export function knownBits(model: TreeModel, tree: SymmetricTree, present: ReadonlySet<string>, codes: readonly (Uint8Array | undefined)[], rows: number): Uint8Array {
  const bits = new Uint8Array(rows);
  for (const [level, cut] of tree.cuts.entries()) {
    const owner = model.features[cut.feature]?.party;
    if (owner === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    if (present.has(owner)) continue;
    const right = rightOfCode(cut);
    const column = codes[cut.feature];
    for (let row = 0; row < rows; row++) bits[row] = (bits[row] as number) | ((right[column === undefined ? neutralBin : (column[row] as number)] as number) << level);
  }
  return bits;
}

export type Range = { readonly middle: number; readonly halfWidth: number };

/** By the bits that are known, what the open ones leave of the leaf's value. */
export function rangesOf(leaves: readonly number[], open: Uint8Array): Range[] {
  return leaves.map((_, known) => {
    let least = Infinity;
    let most = -Infinity;
    for (const more of open) {
      const leaf = leaves[known | more] as number;
      least = Math.min(least, leaf);
      most = Math.max(most, leaf);
    }
    return { middle: (least + most) / 2, halfWidth: (most - least) / 2 };
  });
}

/** What a host must know of the groups that it takes part in. */
export function groupsOf(groups: readonly TableGroup[], host: PartyId) {
  return groups.flatMap((g, group) => (g.hosts.some((h) => h.host === host) ? [{ group, hosts: g.hosts.map((h) => ({ ...h })), tables: g.tables.map((t) => t.tree) }] : []));
}
