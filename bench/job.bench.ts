// The whole main job as a user runs it: `yunei sandbox` in its own process, the platform and one enclave process per party, real
// sockets. Measured from outside: wall from process start to exit, CPU and largest memory of every process, phases from the report.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileParty, type SandboxParty } from "../cli/sandbox/parties.ts";
import { jointReportSchema, type JointReport } from "../report/schema.ts";
import { medians, type Figure } from "./figures.ts";
import { pooled, type Pooled } from "./pooled.ts";
import { runWatched, type Watched } from "./run-process.ts";
import { writeWideData } from "./wide-data.ts";

type Files = { readonly id: string; readonly guest: string; readonly hosts: Readonly<Record<string, string>>; readonly split?: string };
export type RealCase = Files & { readonly name: string; readonly wallBar: number };

const data = join(import.meta.dirname, "..", "..", "shared", "data");
export const realCases: readonly RealCase[] = [
  {
    name: "sba_2003_2006", id: "ent_id", guest: "bank.csv", hosts: { registry: "registry.csv", tax_social: "tax_social.csv" },
    split: "train_test.csv", wallBar: 40,
  },
  {
    name: "polish_5year", id: "ent_id", guest: "bank.csv", hosts: { tax: "tax.csv", registry: "registry.csv", invoice_utility: "invoice_utility.csv" },
    split: "train_test.csv", wallBar: 60,
  },
  {
    name: "fate_default_credit", id: "id", guest: "default_credit_hetero_guest.csv", hosts: { host: "default_credit_hetero_host.csv" },
    wallBar: 60,
  },
];

/** FATE publishes its times for this shape (100,000 companies; 30 columns at the guest, 300 at the host; 16 cores). */
export const wideShape = { rows: 100_000, guestColumns: 30, hostColumns: 300 } as const;
const wideName = "wide";
const wideSeed = "yunei-bench-1";
const wideBars = { binningSeconds: 60, fitSeconds: 20, memoryMb: 2048 } as const;

type Run = { readonly watched: Watched; readonly report: JointReport };

/** A real data set; nothing when its files are not beside the repository. */
export async function realBench(real: RealCase, runs: number): Promise<Figure[]> {
  const folder = join(data, real.name);
  if (!existsSync(folder)) return [];
  const files: Files = {
    id: real.id, guest: join(folder, real.guest),
    hosts: Object.fromEntries(Object.entries(real.hosts).map(([name, file]) => [name, join(folder, file)])),
    ...(real.split === undefined ? {} : { split: join(folder, real.split) }),
  };
  const baseline = await baselineOf(files, real.split);
  return medians(await repeated(runs, async () => {
    const run = await runOnce(files);
    return [
      { section: real.name, name: "whole run, wall", value: run.watched.wallSeconds, unit: "s", bar: real.wallBar },
      ...common(real.name, run, baseline),
    ];
  }));
}

/** The generated large case. */
export async function wideBench(runs: number): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "yunei-bench-"));
  try {
    const made = writeWideData(folder, wideShape, wideSeed);
    const files: Files = { id: "ent_id", guest: made.guest, hosts: { provider: made.host } };
    const baseline = await baselineOf(files, undefined);
    return medians(await repeated(runs, async () => {
      const run = await runOnce(files);
      const { features, phases } = run.report;
      const wall = (...names: string[]): number => phases.filter((p) => names.includes(p.name)).reduce((sum, p) => sum + p.wallSeconds, 0);
      const section = wideName;
      const binning = `binning of all ${features.length} features with its hint, wall`;
      return [
        { section, name: binning, value: wall("binning"), unit: "s", bar: wideBars.binningSeconds },
        { section, name: "moments, fit and totals, wall", value: wall("moments", "fit", "totals"), unit: "s", bar: wideBars.fitSeconds },
        { section, name: "largest process", value: Math.max(...Object.values(peaks(run))), unit: "MB", bar: wideBars.memoryMb },
        { section, name: "whole run, wall", value: run.watched.wallSeconds, unit: "s" },
        ...common(wideName, run, baseline),
      ];
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function repeated<T>(runs: number, once: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < runs; i++) results.push(await once());
  return results;
}

async function runOnce(files: Files): Promise<Run> {
  const out = mkdtempSync(join(tmpdir(), "yunei-bench-out-"));
  try {
    const hosts = Object.entries(files.hosts).flatMap(([name, file]) => ["--host", `${name}=${file}`]);
    const split = files.split === undefined ? [] : ["--split", files.split];
    const args = ["sandbox", "--guest", files.guest, "--id", files.id, "--label", "y", ...hosts, ...split, "--out", out];
    const watched = await runWatched(process.execPath, [join(import.meta.dirname, "..", "cli", "main.ts"), ...args]);
    if (watched.status !== 0) throw new Error(`the job ended with status ${watched.status}:\n${watched.stderr}`);
    return { watched, report: jointReportSchema.parse(JSON.parse(readFileSync(join(out, "report.json"), "utf8"))) };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

async function baselineOf(files: Files, split: string | undefined): Promise<Pooled> {
  const own = fileParty("bank", files.guest, files.id, { label: "y", idKind: "opaque" });
  const guest: SandboxParty = split === undefined ? own : { ...own, splitFile: split, splitIdColumn: files.id };
  return pooled(guest, Object.entries(files.hosts).map(([name, file]) => fileParty(name, file, files.id, { idKind: "opaque" })));
}

function peaks({ watched, report }: Run): Record<string, number> {
  return Object.keys(watched.peakMb).length > 0 ? watched.peakMb : report.peakRssMb;
}

function common(section: string, run: Run, baseline: Pooled): Figure[] {
  const { watched, report } = run;
  const sorted = (of: Readonly<Record<string, number>>): [string, number][] => Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1));
  const cpu = sorted(watched.cpuSeconds);
  const all = cpu.reduce((sum, [, s]) => sum + s, 0);
  const plain = baseline.loadCpuSeconds + baseline.fitCpuSeconds;
  const traffic = report.traffic.reduce((sum, line) => sum + line.bytes, 0) / 1e6;
  return [
    { section, name: "CPU of all processes", value: all, unit: "s" },
    { section, name: "the same job in the clear: load and fit of the pooled table, CPU", value: plain, unit: "s" },
    { section, name: "CPU over the job in the clear", value: all / plain, unit: "" },
    ...cpu.map(([name, value]): Figure => ({ section, name: `CPU of ${name}`, value, unit: "s" })),
    ...phasesOf(report).map(([name, value]): Figure => ({ section, name: `phase ${name}, wall`, value, unit: "s" })),
    ...sorted(peaks(run)).map(([name, value]): Figure => ({ section, name: `memory of ${name}`, value: Math.round(value), unit: "MB" })),
    { section, name: "traffic between parties", value: traffic, unit: "MB" },
    { section, name: "messages between parties", value: report.traffic.reduce((sum, line) => sum + line.messages, 0), unit: "" },
    { section, name: "test AUC less that of the job in the clear", value: Math.abs(report.metrics.test.auc - baseline.testAuc), unit: "" },
  ];
}

/** A phase may stand in the report more than once. */
function phasesOf(report: JointReport): [string, number][] {
  const sums = new Map<string, number>();
  for (const { name, wallSeconds } of report.phases) sums.set(name, (sums.get(name) ?? 0) + wallSeconds);
  return [...sums];
}
