// Batch scoring by boosted trees, guest: its own bits narrow every tree to a table over the hosts' bits; one total per company is
// opened, 8 bits of it. Hosts that are away go the missing way.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { applyFine } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { scoreFractionBits } from "../../models/trees/model.ts";
import { alignBatch, type MatchInput } from "../align/guest.ts";
import { collectReceipts } from "../finish/end.ts";
import { lookupGuest, type LookupGroup } from "../lookup/guest.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import type { BatchScores } from "../score/guest.ts";
import { alignFeature } from "../rows/align.ts";
import type { GbdtGuestHalf } from "./half.ts";
import { groupsOf, hostBits, knownBits, rangesOf, tableGroups, type Range, type TableGroup } from "./tables.ts";

export type ScoreTreesGuestInput = {
  /** Hosts of this job: those of the model that are there. */
  readonly hosts: readonly PartyId[]; readonly half: GbdtGuestHalf;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly setSecret: (host: PartyId) => Uint8Array; readonly intersection: SetIntersection; readonly consents?: MatchInput["consents"];
};
/** Largest sum of entries of a row: with the rounding of each table and the bits that each host drops it stays inside 16 bits. */
function totalLimit(hosts: number, tables: number): number {
  return 2 ** 15 - 1 - 128 * (hosts + 1) - Math.ceil(tables / 2);
}

export async function scoreTreesGuest(party: Party, input: ScoreTreesGuestInput): Promise<BatchScores> {
  const { hosts, ids, half } = input;
  const { rows, byHost, refused } = await party.phase("align", () => alignBatch(party, input));
  return party.phase("score", async () => {
    const codes = ownCodes(half, input.features, rows);
    const tables = narrow(half, hosts, codes, rows.length);
    await Promise.all(hosts.map((host) => party.send(host, "lookup/groups", { groups: groupsOf(tables.groups, host) })));
    const totals = await lookupGuest(party, { rows: rows.length, label: "score", round: 0, hosts, groups: tables.lookups });
    const receipts = await collectReceipts(party, hosts);
    const odds = new Float64Array(ids.length).fill(Number.NaN);
    for (const [row, record] of rows.entries()) odds[record] = ((tables.known[row] ?? 0) + tables.unit * (totals[row] ?? 0)) / 2 ** scoreFractionBits;
    const isUsed = new Set(half.trees.trees.flatMap((t) => t.cuts.map((c) => half.trees.features[c.feature]?.party)));
    const away = half.hosts.map((h) => h.party).filter((h) => isUsed.has(h) && !hosts.some((present) => present === h));
    return { odds, refused, away, byHost, receipts };
  });
}

/** Fine bins of the own features over the job's rows, by place in the model's list. */
export function ownCodes(half: GbdtGuestHalf, features: readonly Feature[], rows: Int32Array): Uint8Array[] {
  return half.own.map(({ name, definition }) => {
    const feature = features.find((f) => f.name === name);
    if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    return applyFine(definition, alignFeature(feature, rows));
  });
}

type Narrowed = {
  readonly groups: readonly TableGroup[]; readonly lookups: readonly LookupGroup[];
  /** What is known of every row's score without the hosts, in units of 2^-20: the middle of what is open. */
  readonly known: Float64Array;
  /** Score units of one unit of the opened total. */
  readonly unit: number;
};

function narrow(half: GbdtGuestHalf, hosts: readonly PartyId[], codes: readonly Uint8Array[], rows: number): Narrowed {
  const model = half.trees;
  const present = new Set<string>(hosts);
  const groups = tableGroups(model, hosts);
  const open = new Set(groups.flatMap((g) => g.tables.map((t) => t.tree)));
  const known = new Float64Array(rows).fill(model.base);
  const widths = new Float64Array(rows);
  const bitsOf = new Map(groups.flatMap((g) => g.tables.map((t) => [t.tree, hostBits(t)] as const)));
  const ownBits = model.trees.map((tree, t) => {
    const bits = knownBits(model, tree, present, codes, rows);
    const ranges = rangesOf(tree.leaves, bitsOf.get(t) ?? new Uint8Array(1));
    for (let row = 0; row < rows; row++) {
      const { middle, halfWidth } = ranges[bits[row] as number] as Range;
      known[row] = (known[row] as number) + middle;
      widths[row] = (widths[row] as number) + halfWidth;
    }
    return { bits, ranges };
  });
  const unit = Math.max(1, Math.ceil(widths.reduce((a, b) => Math.max(a, b), 0) / totalLimit(hosts.length, open.size)));
  const lookups = groups.map((g, group): LookupGroup => ({
    group,
    hosts: g.hosts,
    tables: g.tables.filter((t) => open.has(t.tree)).map(({ tree }) => {
      const leaves = model.trees[tree]?.leaves ?? [];
      const bits = bitsOf.get(tree) as Uint8Array;
      const own = ownBits[tree] as { bits: Uint8Array; ranges: readonly Range[] };
      return (first, last, out) => {
        for (let row = first, at = 0; row < last; row++) {
          const base = own.bits[row] as number;
          const { middle } = own.ranges[base] as Range;
          for (const more of bits) out[at++] = Math.round(((leaves[base | more] as number) - middle) / unit);
        }
      };
    }),
  }));
  return { groups, lookups, known, unit };
}
