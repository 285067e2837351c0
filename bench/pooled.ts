// The baselines of a job in the clear, on the pooled table and in one thread, as a program without any privacy would make them: the same
// scorecard (models/oracle.ts), and XGBoost-style trees on the same fine bins (baselines/plain-histogram.ts).
import { basename } from "node:path";
import { silentLog } from "../core/env.ts";
import { fileParty, type SandboxParty } from "../cli/sandbox/parties.ts";
import { loadDataset, type LoadedDataset } from "../enclave/data/load.ts";
import { readSplit } from "../enclave/split.ts";
import { stratified } from "../federation/align/split.ts";
import { alignFeature } from "../federation/rows/align.ts";
import { scorecardJobSchema } from "../federation/scorecard/params.ts";
import { fineBin } from "../models/binning/fine.ts";
import type { FeatureTable } from "../models/features.ts";
import { ranking } from "../models/metrics/ranking.ts";
import { pooledScorecard } from "../models/oracle.ts";
import { plainTrain, type PlainParams } from "./baselines/plain-histogram.ts";
import type { Files } from "./cases.ts";
import { timed } from "./measure.ts";

/** All parties' columns over the guest's companies: training rows first. */
export type PooledTable = {
  readonly label: Uint8Array; readonly trainRows: number; readonly guest: { readonly name: string; readonly table: FeatureTable };
  readonly hosts: readonly { readonly name: string; readonly table: FeatureTable }[]; readonly loadCpuSeconds: number;
};
export type ClearFit = { readonly fitCpuSeconds: number; readonly testAuc: number };

/** Loads all parties' files and joins them to the guest's companies, with the split of a job on the same files (the split file beside the guest's). */
export async function loadPooled(files: Files): Promise<PooledTable> {
  const own = fileParty("bank", files.guest, files.id, { label: "y", idKind: "opaque" });
  const guest: SandboxParty = files.split === undefined ? own : { ...own, splitFile: basename(files.split), splitIdColumn: files.id };
  const hosts = Object.entries(files.hosts).map(([name, file]) => fileParty(name, file, files.id, { idKind: "opaque" }));
  const { result, spent } = await timed(() => join(guest, hosts));
  return { ...result, loadCpuSeconds: spent.cpuSeconds };
}

async function join(guest: SandboxParty, hosts: readonly SandboxParty[]): Promise<Omit<PooledTable, "loadCpuSeconds">> {
  const load = (party: SandboxParty): Promise<LoadedDataset> => loadDataset(party.definition, { directory: party.dataFolder, log: silentLog });
  const own = await load(guest);
  const { label } = own;
  if (label === undefined) throw new Error("the guest has the label");
  const trainOf = guest.splitFile === undefined ? stratified(label, scorecardJobSchema.parse({}).split) : await readSplit(guest.splitFile, own.ids, {
    directory: guest.dataFolder, idColumn: guest.splitIdColumn ?? "id", idKind: "opaque", log: silentLog,
  });
  const part = (of: number): number[] => [...trainOf.keys()].filter((record) => trainOf[record] === of);
  const rows = Int32Array.from([...part(1), ...part(0)]);
  const tableOf = (data: LoadedDataset): FeatureTable => {
    const at = new Map(data.ids.map((id, record) => [id, record]));
    const rowOf = rows.map((record) => at.get(own.ids[record] ?? ("" as never)) ?? -1);
    return { rows: rows.length, features: data.features.map((f) => alignFeature(f, rowOf)) };
  };
  const others: { name: string; table: FeatureTable }[] = [];
  for (const host of hosts) others.push({ name: host.name, table: tableOf(await load(host)) });
  return {
    label: Uint8Array.from(rows, (record) => label[record] ?? 0), trainRows: trainOf.reduce((sum, x) => sum + x, 0),
    guest: { name: guest.name, table: tableOf(own) }, hosts: others,
  };
}

/** The scorecard with the default parameters. */
export async function clearScorecard({ label, trainRows, guest, hosts }: PooledTable): Promise<ClearFit> {
  const { scorecard: params } = scorecardJobSchema.parse({});
  const { result, spent } = await timed(() => pooledScorecard({ label, trainRows, params, guest, hosts }));
  return { fitCpuSeconds: spent.cpuSeconds, testAuc: result.metrics.test?.auc ?? Number.NaN };
}

/** XGBoost-style trees on all parties' columns, each in at most `maxBins` fine bins of at least `minRows` rows. */
export async function clearTrees(table: PooledTable, params: PlainParams, bins: { readonly maxBins: number; readonly minRows: number }): Promise<ClearFit> {
  const { label, trainRows } = table;
  const { result: score, spent } = await timed(() => {
    const features = [table.guest, ...table.hosts].flatMap((party) => party.table.features.map((feature) => {
      const { binOf, shape } = fineBin(feature, { trainRows, ...bins });
      // A test row that no bin of the training covers goes with the first bin: there is one more nowhere.
      return { binOf: binOf.map((b) => (b < shape.bins ? b : 0)), bins: shape.bins, isOrdered: shape.kind === "numeric", missingBin: shape.missingBin };
    }));
    return plainTrain(features, label, trainRows, params).score;
  });
  return { fitCpuSeconds: spent.cpuSeconds, testAuc: ranking(score, label, trainRows).auc };
}
