// `yunei sandbox`: anybody's CSV files through the whole topology on one machine.
import { basename, dirname, join, resolve } from "node:path";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { AppError } from "../../core/errors.ts";
import { scorecardJobSchema } from "../../federation/scorecard/params.ts";
import { summarise } from "../../report/text.ts";
import { fileParty, type SandboxParty } from "../sandbox/parties.ts";
import { runSandbox } from "../sandbox/run.ts";
import { languageOf, Progress } from "../terminal.ts";

type Options = {
  guest: string; id: string; label: string; host: string[]; split?: string; model: string; out: string; json?: boolean; keep?: boolean;
  params?: string; idKind: "uscc" | "opaque"; lang?: string; seed: string;
};

export function addSandbox(program: Command): void {
  program.command("sandbox")
    .summary("run a joint job on CSV or Parquet files of this machine, in real processes / 在本机以真实进程运行联合任务")
    .requiredOption("--guest <file>", "the bank's file, with ids, label and own columns")
    .requiredOption("--id <column>", "name of the id column in all files")
    .requiredOption("--label <column>", "the bank's label column, 1 = bad")
    .requiredOption("--host <name=file>", "a data provider's file; repeat for more", collect, [])
    .option("--split <file>", "CSV `id,part` with train/test; without it a seeded stratified 70/30")
    .option("--seed <number>", "seed of the split without a file", "42")
    .option("--model <kind>", "scorecard", "scorecard")
    .option("--params <json>", "parameters of the scorecard as JSON, e.g. '{\"binning\":{\"trend\":\"auto\"}}'")
    .option("--id-kind <kind>", "opaque, or uscc for unified social credit codes", "opaque")
    .option("--out <dir>", "where report.json, report.html and scores.csv go", "out")
    .option("--keep", "keep the work folder with all parties' state and logs")
    .option("--json", "print the report as JSON on stdout")
    .option("--lang <en|zh>", "language of the output")
    .action((options: Options) => sandbox(options));
}

const collect = (value: string, all: string[]): string[] => [...all, value];

async function sandbox(options: Options): Promise<void> {
  const language = languageOf(options.lang);
  if (options.model !== "scorecard" || (options.idKind !== "opaque" && options.idKind !== "uscc")) throw new AppError("CLI_ARGUMENT");
  const { idKind } = options;
  const own = fileParty("bank", options.guest, options.id, { label: options.label, idKind });
  const hosts = options.host.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new AppError("CLI_ARGUMENT");
    return fileParty(text.slice(0, at), text.slice(at + 1), options.id, { idKind });
  });
  const progress = new Progress(language, own.name);
  const staged = options.split === undefined ? undefined : stageSplit(own, options.split, options.id);
  try {
    const result = await runSandbox({
      guest: staged?.party ?? own, hosts, out: options.out, keep: options.keep ?? false, workers: Math.min(2, availableParallelism()),
      params: jobParams(options),
      say: (event) => (event.kind === "step" ? progress.step(event) : progress.job(event.event)),
    });
    if (options.json === true) process.stdout.write(`${JSON.stringify(result.report)}\n`);
    else {
      process.stdout.write(`${summarise(result.report, { lang: language, colour: process.stdout.isTTY })}\n`);
      process.stdout.write(`${result.out}: report.json report.html scores.csv  (${result.wallSeconds.toFixed(1)} s)\n`);
    }
  } finally {
    staged?.remove();
  }
}

function jobParams(options: Options): Record<string, unknown> {
  let scorecard: unknown = {};
  try {
    if (options.params !== undefined) scorecard = JSON.parse(options.params);
  } catch (cause) {
    throw new AppError("CLI_ARGUMENT", {}, { cause });
  }
  const split = options.split === undefined ? { kind: "stratified", testShare: 0.3, seed: Number(options.seed) } : { kind: "file" };
  const parsed = scorecardJobSchema.safeParse({ split, scorecard });
  if (!parsed.success) throw new AppError("JOB_PARAMS", { problems: parsed.error.issues.length });
  return parsed.data;
}

/** The guest's folder must hold both of its files: when they lie apart, copies go to a folder of their own. */
function stageSplit(party: SandboxParty, split: string, idColumn: string): { party: SandboxParty; remove: () => void } {
  const path = resolve(split);
  if (dirname(path) === party.dataFolder) return { party: { ...party, splitFile: basename(path), splitIdColumn: idColumn }, remove: () => undefined };
  const folder = mkdtempSync(join(tmpdir(), "yunei-split-"));
  if (!("features" in party.definition)) throw new AppError("CLI_ARGUMENT");
  const { file } = party.definition.features;
  copyFileSync(join(party.dataFolder, file), join(folder, file));
  copyFileSync(path, join(folder, "split.csv"));
  return { party: { ...party, dataFolder: folder, splitFile: "split.csv", splitIdColumn: idColumn }, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
