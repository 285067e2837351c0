// What boosted trees give away on a real data set at the shipped floors and with them taken off, one after the other: AUC, what the bitmaps
// say of each company, and what sums and bitmaps let a guest name.
import { seededRng } from "../core/rng.ts";
import { treeLimits } from "../federation/gbdt/floors.ts";
import { fineBin } from "../models/binning/fine.ts";
import { ranking } from "../models/metrics/ranking.ts";
import { liftFloors, treeParamsSchema, type TreeParams } from "../models/trees/params.ts";
import type { PlainInput } from "../models/trees/plain.ts";
import { fromAll, fromSums, hostColumns, knownFromBits, shuffled, type KnownBits, type Recovered } from "../test/support/attacks/tree-attacks.ts";
import { watchTrees } from "../test/support/attacks/tree-view.ts";
import { realFiles, type RealName } from "./cases.ts";
import { loadPooled, type PooledTable } from "./pooled.ts";

export type Setting = { readonly name: string; readonly params: TreeParams; readonly liftFloors: boolean; readonly rareBins: boolean };
export type AttackRow = {
  readonly setting: string; readonly auc: number; readonly trees: number; readonly queries: number; readonly queriesPerRow: number; readonly cuts: number;
  /** Bits per company over all hosts' columns: what the bitmaps say, what the hosts' books charge for it, what the table holds. */
  readonly bits: number; readonly charged: number; readonly entropy: number; readonly bitsOfWidest: number;
  /** Means over the attacked columns; `worst`: most points (of 1) above its base rate of any of them. */
  readonly base: number; readonly sumsOnly: number; readonly worst: number; readonly both: number;
  readonly attacked: readonly string[];
};

/** Columns that are attacked: those of most bits, of all hosts. */
const attackedColumns = 3;
/** Nodes whose sums join the bitmaps: more of them take minutes where every tree asks. The figure is a lower bound then. */
const nodesWithBits = 600;

/** The shipped parameters, and the same with noise, caps and floors off. */
export function settingsOf(change: Partial<TreeParams> = {}): Setting[] {
  const params = treeParamsSchema.parse(change);
  const lifted = liftFloors(params);
  return [
    { name: "shipped floors", params, liftFloors: false, rareBins: false },
    { name: "caps, no noise", params: { ...params, noise: false }, liftFloors: true, rareBins: false },
    { name: "noise, no caps", params: { ...lifted, noise: true }, liftFloors: true, rareBins: true },
    { name: "floors lifted", params: lifted, liftFloors: true, rareBins: true },
  ];
}

/** One row per setting. Throws NotMeasured when the data are not beside the repository, FLOOR_ROWS for a set below 5,000 training rows. */
export async function attackTable(dataset: RealName, settings: readonly Setting[] = settingsOf()): Promise<AttackRow[]> {
  const table = await loadPooled(realFiles(dataset));
  return settings.map((setting) => attackSetting(table, setting));
}

/** Trains with a setting and attacks. */
export function attackSetting(table: PooledTable, setting: Setting): AttackRow {
  const { label, trainRows } = table;
  const features = featuresOf(table, setting);
  const view = watchTrees({
    features, guest: table.guest.name, label, rows: label.length, trainRows, params: setting.params, liftFloors: setting.liftFloors,
    rng: seededRng(new Uint8Array(32), `attacks/${setting.name}`),
  });
  const columns = hostColumns(features, table.guest.name).map((column) => ({ ...column, known: knownFromBits(view, column) }));
  const all = (of: (k: KnownBits) => number): number => columns.reduce((sum, c) => sum + of(c.known), 0);
  const attacked = columns.filter((c) => c.bins > 1).sort((a, b) => b.known.entropy - a.known.entropy).slice(0, attackedColumns);
  const sums = fromSums(view, attacked, shuffled(trainRows, 5));
  const both = attacked.map((c) => fromAll(view, c, c, nodesWithBits));
  const mean = (found: readonly Recovered[], of: "right" | "base"): number => found.reduce((sum, f) => sum + f[of], 0) / found.length;
  return {
    setting: setting.name, auc: ranking(view.grown.scores, label, trainRows).auc, trees: view.grown.added, queries: 2 * view.nodes.length,
    queriesPerRow: (2 * view.nodes.length) / trainRows, cuts: view.cuts.length,
    bits: all((k) => k.bits), charged: all((k) => k.charged), entropy: all((k) => k.entropy), bitsOfWidest: Math.max(...columns.map((c) => c.known.bits)),
    base: mean(sums, "base"), sumsOnly: mean(sums, "right"), worst: Math.max(...sums.map((f) => f.right - f.base)), both: mean(both, "right"),
    attacked: attacked.map((c) => c.name),
  };
}

type Features = PlainInput["features"];

/** All parties' columns in the bins that a job of the setting would make. */
function featuresOf({ guest, hosts, trainRows }: PooledTable, { params, rareBins }: Setting): Features {
  const { minBinRows } = treeLimits({ trainRows, params: rareBins ? params : treeParamsSchema.parse({}), liftFloors: rareBins });
  return [guest, ...hosts].flatMap((party) => party.table.features.map((feature) => {
    const { shape, binOf } = fineBin(feature, { trainRows, maxBins: params.bins, minRows: party === guest ? 20 : minBinRows });
    return { party: party.name, name: feature.name, ...shape, binOf };
  }));
}
