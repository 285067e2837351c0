// The bank's half of a model of boosted trees or of cross-party tables, opened for one company at a time: what it knows by itself, and tables over the choices of
// the providers that are there. Pure.
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { cellsOfRows } from "../../models/crossboost/cells.ts";
import { lookupOf } from "../../models/crossboost/model.ts";
import { startScoring, withTotal } from "../../models/crossboost/predict.ts";
import { rowEntries, totalOf } from "../../models/crossboost/total.ts";
import type { Feature } from "../../models/features.ts";
import type { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { scoreFractionBits } from "../../models/trees/model.ts";
import type { z } from "zod";
import { binsOf, type CrossboostGuestHalf } from "../crossboost/half.ts";
import type { GbdtGuestHalf } from "../gbdt/half.ts";
import { ownCodes } from "../gbdt/score-guest.ts";
import { hostBits, knownBits, tableGroups, type TreeTable } from "../gbdt/tables.ts";
import { quantised, requireFits, tablesAmong, type FilledTable, type JointTable } from "./tables.ts";

/** One company. odds: log odds of an event by the total of the tables, in their units. */
export type OpenModel = { readonly tables: readonly FilledTable[]; odds(total: number): number };
export type JointGuest = {
  readonly model: string; readonly digest: string; readonly scaling: Pick<z.output<typeof scalingParamsSchema>, "points" | "odds" | "pdo">;
  /** The bank's own columns, and how many free numbers its part has over them. */
  readonly own: { readonly names: readonly string[]; readonly degreesOfFreedom: number };
  /** Providers with a part in it. */
  readonly used: readonly PartyId[];
  /** Over the choices of all of its providers. */
  readonly tables: readonly JointTable[];
  /** features: the own columns, one record each. present: providers that are asked, in ascending order; the others go the missing way. */
  open(features: readonly Feature[], present: readonly PartyId[]): OpenModel;
};

const oneRow = Int32Array.of(0);

/** hosts: of the service. Throws SERVICE_TREES for a model that does not fit. */
export function gbdtJoint(half: GbdtGuestHalf, hosts: readonly PartyId[]): JointGuest {
  const model = half.trees;
  const all = treesAmong(half, [...hosts].sort());
  const tables = all.map(({ shape }) => shape);
  requireFits(tables, hosts);
  const used = new Set(model.trees.flatMap((t) => t.cuts.map((c) => model.features[c.feature]?.party)));
  // The providers of nearly all questions are the same.
  let last = { key: [...hosts].sort().join(), trees: all };
  const among = (present: readonly PartyId[]): typeof all => {
    const key = present.join();
    if (last.key !== key) last = { key, trees: treesAmong(half, present) };
    return last.trees;
  };
  const ownCuts = model.trees.flatMap((t) => t.cuts.filter((c) => c.feature < half.own.length).map((c) => `${c.feature}:${c.left.join()}`));
  return {
    model: half.model, digest: digestOf(half), scaling: half.scaling, tables,
    own: { names: half.own.map((o) => o.name), degreesOfFreedom: Math.max(1, new Set(ownCuts).size) },
    used: half.hosts.map((h) => h.party).filter((h) => used.has(h)),
    open(features, present) {
      const codes = ownCodes(half, features, oneRow);
      const asked = new Set<string>(present);
      const known = model.trees.map((tree) => knownBits(model, tree, asked, codes, 1)[0] ?? 0);
      const open = among(present);
      const isOpen = new Set(open.map(({ shape }) => shape.table));
      const { tables: filled, unit, middle } = quantised(open.map(({ shape, bits }) => {
        const leaves = model.trees[shape.table]?.leaves ?? [];
        return { ...shape, values: Array.from(bits, (more) => leaves[(known[shape.table] ?? 0) | more] ?? 0) };
      }));
      const closed = model.trees.reduce((sum, { leaves }, tree) => (isOpen.has(tree) ? sum : sum + (leaves[known[tree] ?? 0] ?? 0)), model.base);
      return { tables: filled, odds: (total) => (closed + middle + unit * total) / 2 ** scoreFractionBits };
    },
  };
}

/** Trees with cuts of those who are present, in order, and the bits of the leaf that each entry of their tables gives. */
function treesAmong({ trees }: GbdtGuestHalf, present: readonly PartyId[]): { readonly shape: JointTable; readonly bits: Uint8Array }[] {
  const tables: readonly TreeTable[] = tableGroups(trees, present).flatMap((g) => g.tables).sort((a, b) => a.tree - b.tree);
  return tables.map((t) => ({ shape: { table: t.tree, hosts: t.hosts.map(({ host, levels }) => ({ host, choices: 2 ** levels.length })) }, bits: hostBits(t) }));
}

/** Throws SERVICE_TREES for a model that opens no total, or two. */
export function crossboostJoint(half: CrossboostGuestHalf, hosts: readonly PartyId[]): JointGuest {
  const { joint } = half;
  const lookup = lookupOf(joint, 0);
  if (lookup === undefined || joint.stages.length !== 1) throw new AppError("SERVICE_TREES", { totals: joint.stages.length });
  const columns = half.hosts.flatMap((host, place) => (lookup.hosts[place]?.columns ?? []).map((column, j) => ({ host, place, j, choices: column.shape.bins + 1 })));
  const tables = columns.map(({ host, choices }, table): JointTable => ({ table, hosts: [{ host, choices }] })).filter(({ hosts: [h] }) => h !== undefined && hosts.includes(h.host));
  requireFits(tables, hosts);
  const firstSlot = columns.map(({ place, j }) => columns.reduce((sum, c) => (c.place === place && c.j < j ? sum + c.choices : sum), 0));
  return {
    model: half.model, digest: digestOf(half), scaling: half.scaling, tables, used: half.hosts,
    own: { names: half.own.map((o) => o.name), degreesOfFreedom: Math.max(1, half.own.reduce((sum, o) => sum + o.definition.bins - 1, 0)) },
    open(features, present) {
      const scoring = startScoring(joint, binsOf(half.own, features), 1);
      const { entries, centres } = rowEntries(lookup, lookup.cells.columns.map((column) => cellsOfRows(column, scoring)), new Uint8Array(1));
      const { tables: filled, unit, middle } = quantised(tablesAmong(tables, present).map((t) => {
        const { place = 0, choices = 0 } = columns[t.table] ?? {};
        const at = firstSlot[t.table] ?? 0;
        return { ...t, values: entries[place]?.subarray(at, at + choices) ?? [] };
      }));
      const absent = half.hosts.flatMap((h, place) => (present.includes(h) ? [] : [place]));
      return { tables: filled, odds: (total) => withTotal(joint, scoring, totalOf(lookup, Int16Array.of(Math.round(middle + unit * total)), centres, absent)).odds[0] ?? Number.NaN };
    },
  };
}
