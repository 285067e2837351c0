// The baseline of a job: the same scorecard in plaintext on the pooled table, in one thread, as a program without any privacy would
// make it (models/oracle.ts).
import { silentLog } from "../core/env.ts";
import type { SandboxParty } from "../cli/sandbox/parties.ts";
import { loadDataset, type LoadedDataset } from "../enclave/data/load.ts";
import { readSplit } from "../enclave/split.ts";
import { alignFeature } from "../federation/rows/align.ts";
import { stratified } from "../federation/align/split.ts";
import { scorecardJobSchema } from "../federation/scorecard/params.ts";
import type { FeatureTable } from "../models/features.ts";
import { pooledScorecard } from "../models/oracle.ts";

export type Pooled = { readonly loadCpuSeconds: number; readonly fitCpuSeconds: number; readonly testAuc: number };

/** Loads all parties' files, joins them to the guest's companies and fits with the default parameters. */
export async function pooled(guest: SandboxParty, hosts: readonly SandboxParty[]): Promise<Pooled> {
  const start = process.cpuUsage();
  const load = (party: SandboxParty): Promise<LoadedDataset> => loadDataset(party.definition, { directory: party.dataFolder, log: silentLog });
  const own = await load(guest);
  const others: LoadedDataset[] = [];
  for (const host of hosts) others.push(await load(host));
  const { label } = own;
  if (label === undefined) throw new Error("the guest has the label");
  const { scorecard: params, split } = scorecardJobSchema.parse({});
  const trainOf = guest.splitFile === undefined ? stratified(label, split) : await readSplit(guest.splitFile, own.ids, {
    directory: guest.dataFolder, idColumn: guest.splitIdColumn ?? "id", idKind: "opaque", log: silentLog,
  });
  const loadCpuSeconds = seconds(start);

  const began = process.cpuUsage();
  const part = (of: number): number[] => [...trainOf.keys()].filter((record) => trainOf[record] === of);
  const rows = Int32Array.from([...part(1), ...part(0)]);
  const tableOf = (data: LoadedDataset): FeatureTable => {
    const at = new Map(data.ids.map((id, record) => [id, record]));
    const rowOf = rows.map((record) => at.get(own.ids[record] ?? ("" as never)) ?? -1);
    return { rows: rows.length, features: data.features.map((f) => alignFeature(f, rowOf)) };
  };
  const { metrics } = pooledScorecard({
    label: Uint8Array.from(rows, (record) => label[record] ?? 0), trainRows: trainOf.reduce((sum, x) => sum + x, 0), params,
    guest: { name: guest.name, table: tableOf(own) }, hosts: hosts.map((h, i) => ({ name: h.name, table: tableOf(others[i] ?? own) })),
  });
  return { loadCpuSeconds, fitCpuSeconds: seconds(began), testAuc: metrics.test?.auc ?? Number.NaN };
}

function seconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}
