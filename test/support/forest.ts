// Halves of boosted trees with given cuts and leaves, as a training of the federation would have left them in the enclaves and at the platform.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { enclavePaths } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { scoreFractionBits } from "../../models/trees/model.ts";
import { defaultTreeParams } from "../../models/trees/params.ts";
import type { Topology } from "./topology.ts";

/** columns: the bank's first, then each provider's. A row goes right where the value is at least the edge; without one it goes left. */
export type Planted = {
  readonly model: string; readonly base: number;
  readonly columns: readonly { readonly party: string; readonly name: string; readonly edge: number }[];
  /** features: the column of each level; leaves: log odds. */
  readonly trees: readonly { readonly features: readonly number[]; readonly leaves: readonly number[] }[];
};
export type Forest = { readonly model: string; readonly halves: Readonly<Record<string, object>>; odds(valueOf: (party: string, name: string) => number): number };

export function forestOf({ model, base, columns, trees }: Planted): Forest {
  const definition = (edge: number): object => ({ kind: "numeric", edges: [edge], special: [], missing: 2, fallback: 2, bins: 3, orderedBins: 2 });
  const cut = (feature: number): object => ({ feature, left: [0, 2, 255] });
  const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
  const hosts = [...new Set(columns.map((c) => c.party))].filter((p) => p !== "bank");
  const ownOf = (party: string) => columns.flatMap(({ party: p, name, edge }, feature) => (p === party ? [{ name, edge, feature }] : []));
  const hostHalf = (party: string): object => {
    const own = ownOf(party);
    const placeOf = new Map(own.map(({ feature }, i) => [feature, i]));
    const uses = trees.flatMap(({ features }, tree) => features.flatMap((f, level) => (placeOf.has(f) ? [{ tree, level, cut: placeOf.get(f) }] : [])));
    return { version: 1, kind: "gbdt", model, digest: "d".repeat(64), guest: "bank", hosts, uses, features: own.map(({ name, edge }) => ({ name, definition: definition(edge) })), cuts: own.map((_, i) => cut(i)) };
  };
  const bank = {
    version: 1, kind: "gbdt", model, scaling: { points: 600, odds: 50, pdo: 20 }, own: ownOf("bank").map(({ name, edge }) => ({ name, definition: definition(edge) })),
    hosts: hosts.map((party) => ({ party, cuts: ownOf(party).map(({ feature }) => cut(feature)) })),
    trees: {
      kind: "gbdt", base: Math.round(base * 2 ** scoreFractionBits), params: defaultTreeParams(),
      features: columns.map(({ party, name }) => ({ party, name, kind: "numeric", bins: 3, orderedBins: 2, missingBin: 2 })),
      trees: trees.map(({ features, leaves }) => ({
        cuts: features.map(cut), leaves: leaves.map((l) => Math.round(l * 2 ** scoreFractionBits)), gains: zeros(features.length), covers: zeros(features.length), leafCovers: zeros(leaves.length),
      })),
    },
  };
  return {
    model, halves: { bank, ...Object.fromEntries(hosts.map((h) => [h, hostHalf(h)])) },
    odds: (valueOf) => trees.reduce((sum, { features, leaves }) => sum + (leaves[features.reduce((leaf, f, level) => {
      const { party, name, edge } = columns[f] ?? { party: "", name: "", edge: 0 };
      return leaf | (Number(valueOf(party, name) >= edge) << level);
    }, 0)] ?? 0), base),
  };
}

/** Into the states of the parties and the platform's list, of which the first institution is the bank. */
export function plantModel(topology: Topology, { model, halves }: Forest): void {
  for (const [name, half] of Object.entries(halves)) {
    using db = new StateDatabase(enclavePaths(topology.folder(name as Parameters<Topology["folder"]>[0])).state);
    db.run("insert into models (model, job, created_at, kind, half, version, digests) values (?, 'job_0123456789abcdef', 1, ?, ?, 1, '{}')", model, name === "bank" ? "gbdt-guest" : "gbdt-host", JSON.stringify(half));
  }
  using platform = new DatabaseSync(join(topology.platformFolder, "platform.db"), { timeout: 10_000 });
  platform.prepare("insert into Model (id, jobId, institutionId, kind, state, digests, createdAt) select ?, 'job_0123456789abcdef', id, 'gbdt', 'active', '{}', ? from Institution limit 1").run(model, new Date().toISOString());
}
