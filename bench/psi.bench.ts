// Set intersections: the align phase of real jobs on tables of nothing but ids (platform, enclave processes and sockets; the protocol
// that the parties choose at that size), the elliptic-curve protocol alone in one process, and @openmined/psi.js.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EntityId } from "../core/brand.ts";
import { CurvePool } from "../federation/psi/curve-pool.ts";
import { ecdhIntersection } from "../federation/psi/ecdh.ts";
import { createWorld } from "../test/support/world.ts";
import { psiJsCpuSecondsAt100k } from "./baselines/published.ts";
import { psiJs, type PsiJsRun } from "./baselines/psi-js.ts";
import type { Baseline, Figure } from "./figures.ts";
import { repeated } from "./job.bench.ts";
import { timed } from "./measure.ts";
import { orNothing } from "./not-measured.ts";
import { cpuOf, phasesOf, peaksOf, runJob } from "./sandbox.ts";
import { writeIdTables } from "./wide-data.ts";

type Size = { readonly ids: number; readonly atMostCpuSeconds?: number };
const sizes: readonly Size[] = [{ ids: 10_000 }, { ids: 100_000, atMostCpuSeconds: 2 }, { ids: 1_000_000, atMostCpuSeconds: 12 }];
const curveSize = 10_000;
const psiJsSizes = { quick: [10_000], full: [10_000, 100_000] } as const;

/** `full`: psi.js at 100,000 too. `largest`: no larger sets of our own. */
export type PsiOptions = { readonly runs: number; readonly full: boolean; readonly largest: number; readonly note: (text: string) => void };

/** Every set shares half of its ids with the other. */
export async function psiBench({ runs, full, largest, note }: PsiOptions): Promise<Figure[]> {
  const rivals = new Map<number, PsiJsRun>();
  for (const ids of psiJsSizes[full ? "full" : "quick"]) {
    const [own, other] = halfShared(ids);
    const run = await orNothing(() => psiJs(own, other), note);
    if (run !== undefined) rivals.set(ids, run);
  }
  const figures: Figure[] = [];
  for (const size of sizes) {
    if (size.ids <= largest) figures.push(...(await repeated(size.ids > 100_000 ? 1 : runs, () => throughProcesses(size, rivals))));
  }
  figures.push(...(await repeated(runs, () => curveAlone(curveSize, rivals))));
  for (const [ids, { bytes }] of rivals) figures.push({ name: `psi.js, ${named(ids)}: bytes between parties`, value: bytes / 1e6, unit: "MB" });
  return figures;
}

const named = (ids: number): string => `${ids.toLocaleString("en-US")} ids a side`;

function halfShared(size: number): readonly [EntityId[], EntityId[]] {
  const idsFrom = (first: number): EntityId[] => Array.from({ length: size }, (_, i) => String(1_000_000_000 + first + i) as EntityId);
  return [idsFrom(0), idsFrom(Math.floor(size / 2))];
}

/** psi.js at `ids`: as measured, or linearly from the largest that was; and as measured elsewhere at 100,000 when it is not installed. */
function rivalAt(ids: number, rivals: ReadonlyMap<number, PsiJsRun>): Baseline {
  const measured = rivals.get(ids);
  if (measured !== undefined) return { name: "psi.js", value: measured.spent.cpuSeconds, source: "measured" };
  const [from, run] = [...rivals].at(-1) ?? [];
  if (from === undefined || run === undefined) {
    return { name: "psi.js, linear from 158 CPU-s at 100,000 on another day", value: (psiJsCpuSecondsAt100k * ids) / 100_000, source: "published" };
  }
  return {
    name: "psi.js", value: (run.spent.cpuSeconds * ids) / from, source: "extrapolated",
    note: `extrapolated linearly from ${from.toLocaleString("en-US")} ids a side in this run`,
  };
}

/** The align phase of a job: both parties' CPU by their own clocks, and what the platform's relay adds for the whole job. */
async function throughProcesses({ ids, atMostCpuSeconds }: Size, rivals: ReadonlyMap<number, PsiJsRun>): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "yunei-bench-"));
  try {
    const { guest, host } = writeIdTables(folder, ids);
    const job = await runJob({ id: "ent_id", guest, hosts: { provider: host } }, { model: "scorecard" });
    const align = phasesOf(job.report).find((p) => p.name === "align");
    if (align === undefined) throw new Error("the report has no align phase");
    const matched = job.report.alignedByHost["provider"]?.matched;
    if (matched !== ids - Math.floor(ids / 2)) throw new Error(`${matched} ids matched of ${ids}`);
    const of = `${named(ids)}, align phase through processes and sockets`;
    const bytes = job.report.traffic.reduce((sum, line) => sum + line.bytes, 0);
    return [
      {
        name: `${of}: CPU of both parties`, value: align.cpuSeconds, unit: "s", wallSeconds: align.wallSeconds, baseline: rivalAt(ids, rivals),
        ...(atMostCpuSeconds === undefined ? {} : { bar: { atMost: atMostCpuSeconds } }),
      },
      { name: `${of}: CPU for one id at both parties`, value: (align.cpuSeconds / ids) * 1e6, unit: "us" },
      { name: `${named(ids)}: whole job on one column a side`, value: job.watched.wallSeconds, unit: "s", cpuSeconds: cpuOf(job) },
      { name: `${named(ids)}: CPU of the platform, whole job`, value: job.watched.cpuSeconds["platform"] ?? 0, unit: "s" },
      { name: `${named(ids)}: traffic of the whole job`, value: bytes / 1e6, unit: "MB" },
      { name: `${named(ids)}: largest process of the whole job`, value: Math.max(...Object.values(peaksOf(job))), unit: "MB" },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** ECDH without sockets and files, the curve work on two threads. */
async function curveAlone(size: number, rivals: ReadonlyMap<number, PsiJsRun>): Promise<Figure[]> {
  const [guestIds, hostIds] = halfShared(size);
  await using curve = new CurvePool({ workers: 2 });
  const psi = ecdhIntersection(curve);
  const world = createWorld({ parties: ["bank", "host"], seed: size });
  const [guest, host] = world.names;
  if (guest === undefined || host === undefined) throw new Error("two parties");
  const { result, spent } = await timed(() => world.run({
    bank: (party) => psi.guest(party, host, guestIds, { setSecret: new Uint8Array(32).fill(7) }),
    host: (party) => psi.host(party, guest, hostIds, { admit: () => {} }),
  }));
  const known = new Set(hostIds);
  const common = guestIds.filter((id) => known.has(id)).length;
  const matched = result.bank.matched.reduce((sum, at) => sum + (at < 0 ? 0 : 1), 0);
  if (matched !== common) throw new Error(`${matched} ids matched instead of ${common}`);
  const of = `${named(size)}, curve protocol alone in one process`;
  return [{ name: `${of}: CPU of both parties`, value: spent.cpuSeconds, unit: "s", wallSeconds: spent.wallSeconds, baseline: rivalAt(size, rivals) }];
}
