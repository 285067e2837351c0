// Whole jobs as a user runs them: `yunei sandbox` in its own process, the platform and one enclave process per party, real sockets.
// Measured from outside: wall from process start to exit, CPU and largest memory of every process; phases, traffic and leakage from the
// report.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jointReportSchema, type JointReport } from "../report/schema.ts";
import type { Files } from "./cases.ts";
import type { Figure } from "./figures.ts";
import { NotMeasured } from "./not-measured.ts";
import { runWatched, type Watched } from "./run-process.ts";

export type ModelKind = "scorecard" | "crossboost" | "gbdt";
export type JobOptions = {
  readonly model: ModelKind; readonly params?: Readonly<Record<string, unknown>>;
  /** Boosted trees need the first; the second is for experiments on one machine. */
  readonly acceptLeakage?: boolean; readonly liftFloors?: boolean;
  /** e.g. "20ms/100mbit" between each process and the platform. */
  readonly network?: string;
};
export type Job = { readonly watched: Watched; readonly report: JointReport };

/** The arguments of `yunei` for a job. */
export function sandboxArguments(files: Files, options: JobOptions, out: string): string[] {
  const { model, params, network } = options;
  return [
    "sandbox", "--guest", files.guest, "--id", files.id, "--label", "y",
    ...Object.entries(files.hosts).flatMap(([name, file]) => ["--host", `${name}=${file}`]),
    ...(files.split === undefined ? [] : ["--split", files.split]),
    "--model", model, ...(params === undefined ? [] : ["--params", JSON.stringify(params)]),
    ...(options.acceptLeakage === true ? ["--accept-leakage"] : []), ...(options.liftFloors === true ? ["--lift-floors"] : []),
    ...(network === undefined ? [] : ["--network", network]), "--out", out,
  ];
}

/** Runs one job to its end. Throws Error with what it said on stderr when it fails. */
export async function runJob(files: Files, options: JobOptions): Promise<Job> {
  const out = mkdtempSync(join(tmpdir(), "yunei-bench-out-"));
  try {
    const watched = await runWatched(process.execPath, [join(import.meta.dirname, "..", "cli", "main.ts"), ...sandboxArguments(files, options, out)]);
    if (watched.status !== 0) throw failure(options, watched);
    return { watched, report: jointReportSchema.parse(JSON.parse(readFileSync(join(out, "report.json"), "utf8"))) };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** The floors refuse the job on this data: an outcome, not a failure. */
export class RefusedByFloors extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`refused by the floors: ${code}`);
    this.code = code;
  }
}

/** A command line that does not know an option yet is no failure of the job. */
function failure({ model }: JobOptions, { status, stderr }: Watched): Error {
  const said = stderr.trim().slice(-600);
  if (/unknown option|Allowed choices/.test(said)) return new NotMeasured(`the command line does not have it: ${said.split("\n")[0] ?? ""}`);
  const [, code] = /^(FLOOR_[A-Z_]+)/.exec(said.split("\n").at(-1) ?? "") ?? [];
  if (code !== undefined) return new RefusedByFloors(code);
  return new Error(`the ${model} job ended with status ${status}: ${said.split("\n").at(-1) ?? ""}`);
}

/** CPU seconds of all processes of the job. */
export function cpuOf({ watched }: Job): number {
  return Object.values(watched.cpuSeconds).reduce((sum, s) => sum + s, 0);
}

/** Largest resident set of each process, MB; from the report where the system does not tell. */
export function peaksOf({ watched, report }: Job): Record<string, number> {
  return Object.keys(watched.peakMb).length > 0 ? { ...watched.peakMb } : report.peakRssMb;
}

type PhaseTimes = { readonly name: string; readonly wallSeconds: number; readonly cpuSeconds: number; readonly rounds: number };

/** Phases of the job: wall at the guest, CPU of all parties, rounds. A phase may stand in the report more than once. */
export function phasesOf({ phases }: Pick<JointReport, "phases">): PhaseTimes[] {
  const sums = new Map<string, PhaseTimes>();
  for (const { name, wallSeconds, cpuSeconds, rounds } of phases) {
    const before = sums.get(name) ?? { name, wallSeconds: 0, cpuSeconds: 0, rounds: 0 };
    const cpu = Object.values(cpuSeconds).reduce((sum, s) => sum + s, 0);
    sums.set(name, { name, wallSeconds: before.wallSeconds + wallSeconds, cpuSeconds: before.cpuSeconds + cpu, rounds: before.rounds + (rounds ?? 0) });
  }
  return [...sums.values()];
}

/** Wall, phases, CPU and memory of each process, traffic. Names begin with `of`. */
export function jobFigures(of: string, job: Job): Figure[] {
  const { watched, report } = job;
  const sorted = (record: Readonly<Record<string, number>>): [string, number][] => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  const megabytes = report.traffic.reduce((sum, line) => sum + line.bytes, 0) / 1e6;
  const phases = phasesOf(report);
  return [
    ...phases.map(({ name, wallSeconds, cpuSeconds }): Figure => ({ name: `${of}: phase ${name}`, value: wallSeconds, unit: "s", cpuSeconds })),
    ...sorted(watched.cpuSeconds).map(([name, value]): Figure => ({ name: `${of}: CPU of ${name}`, value, unit: "s" })),
    ...sorted(peaksOf(job)).map(([name, value]): Figure => ({ name: `${of}: memory of ${name}`, value: Math.round(value), unit: "MB" })),
    { name: `${of}: traffic between parties`, value: megabytes, unit: "MB" },
    { name: `${of}: messages between parties`, value: report.traffic.reduce((sum, line) => sum + line.messages, 0), unit: "" },
    ...(report.phases.some((p) => p.rounds !== undefined)
      ? [{ name: `${of}: rounds that the guest waited for`, value: phases.reduce((sum, p) => sum + p.rounds, 0), unit: "" }] : []),
  ];
}

/** Test AUC beside another one. */
export function aucFigure(of: string, job: Job, beside?: { readonly baseline: Figure["baseline"]; readonly atLeast?: number }): Figure {
  return {
    name: `${of}: test AUC`, value: job.report.metrics.test.auc, unit: "AUC", compare: "difference",
    ...(beside?.baseline === undefined ? {} : { baseline: beside.baseline }), ...(beside?.atLeast === undefined ? {} : { bar: { atLeast: beside.atLeast } }),
  };
}

/** What the job told, in numbers and in words. */
export function leakageOf(of: string, { report }: Job): { readonly figures: Figure[]; readonly notes: string[] } {
  const guest = report.parties.find((p) => p.role === "guest")?.party ?? "";
  const count = (toGuest: boolean): number =>
    report.leakage.ledger.filter((line) => (line.to === guest) === toGuest).reduce((sum, line) => sum + line.numbers, 0);
  const { model } = report;
  const disclosed = model.kind === "gbdt" ? model.disclosed : [];
  return {
    figures: [
      { name: `${of}: numbers that the guest can compute from messages`, value: count(true), unit: "" },
      { name: `${of}: numbers that hosts can compute from messages`, value: count(false), unit: "" },
      { name: `${of}: totals opened per company`, value: report.openedTotals.opened, unit: "" },
      ...disclosed.map((d): Figure => ({ name: `${of}: bits per row that ${d.party}'s bitmaps told`, value: d.bitsPerRow, unit: "bit" })),
    ],
    notes: (report.leakage.attacks ?? []).map(({ name, result }) => `${of}: ${name.en}: ${result.en}`),
  };
}
