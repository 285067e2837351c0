// `yunei sandbox`: anybody's CSV files through the whole topology on one machine.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { challengerDigest } from "../../enclave/challenger.ts";
import type { TrainingKind } from "../../federation/plan-schema.ts";
import { summarise } from "../../report/text.ts";
import { existingFile, explained, languageOption, mostHosts, networkLimits, type NetworkLimits, partyName, wholeNumber } from "../arguments.ts";
import { modelKinds, modelRequest } from "../model-request.ts";
import { fileParty, type SandboxParty } from "../sandbox/parties.ts";
import { runSandbox } from "../sandbox/run.ts";
import { languageOf, printJson, Progress } from "../terminal.ts";

type HostFile = { readonly name: PartyId; readonly file: string };
type Options = {
  guest: string; id: string; label: string; host: readonly HostFile[]; split?: string; out: string; json?: boolean; keep?: boolean;
  params?: string; idKind: "uscc" | "opaque"; lang?: string; seed: number; model: TrainingKind; acceptLeakage?: boolean; liftFloors?: boolean; feedback?: boolean;
  export?: boolean; challenger?: string; network?: NetworkLimits;
};

const guestName = partyId("bank");

export function addSandbox(program: Command): void {
  program.command("sandbox")
    .description("run a joint job on CSV or Parquet files of this machine, in real processes / 在本机以真实进程运行联合任务")
    .requiredOption("--guest <file>", "the bank's file, with ids, label and own columns")
    .requiredOption("--id <column>", "name of the id column in all files")
    .requiredOption("--label <column>", "the bank's label column, 1 = bad")
    .requiredOption("--host <name=file>", "a data provider's file; repeat for more", hostFile)
    .option("--split <file>", "CSV `id,part` with train/test; without it a seeded stratified 70/30")
    .option("--seed <number>", "seed of the split without a file", wholeNumber(0, 2 ** 31), 42)
    .addOption(new Option("--model <kind>", "kind of model").choices([...modelKinds]).default("scorecard"))
    .option("--accept-leakage", "for --model gbdt: its bitmaps tell the bank part of every company's values; the plan says how much / 接受已声明的泄露")
    .option("--lift-floors", "for --model gbdt: no noise, caps or floors, for experiments on one machine / 解除噪声与下限，仅供实验")
    .option("--feedback", "tell each provider the class of information value of its features and the gain in AUC / 向数据方反馈信息价值等级与 AUC 提升")
    .option("--export", "write the whole model to OUT/model: ONNX and XGBoost JSON, a scorecard as ONNX and PMML / 导出完整模型文件")
    .option("--challenger <onnx>", "the bank's own model, measured on the same companies / 本行模型，同样本对照")
    .option("--params <json>", "parameters of the model as JSON, e.g. '{\"binning\":{\"trend\":\"auto\"}}' or '{\"trees\":50}'")
    .option("--network <latency/rate>", "measure over a slower network, e.g. 20ms/100mbit, between every process and the platform", networkLimits)
    .addOption(new Option("--id-kind <kind>", "opaque, or uscc for unified social credit codes").choices(["opaque", "uscc"]).default("opaque"))
    .option("--out <dir>", "where report.json, report.html and scores.csv go", "out")
    .option("--keep", "keep the work folder with all parties' state and logs")
    .option("--json", "print the report as JSON on stdout")
    .addOption(languageOption())
    .action((options: Options) => sandbox(options));
}

function hostFile(text: string, before: readonly HostFile[] | undefined): readonly HostFile[] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError("It is NAME=FILE.");
  const host = { name: partyName(text.slice(0, at)), file: text.slice(at + 1) };
  const all = [...(before ?? []), host];
  if (host.name === guestName || new Set(all.map((h) => h.name)).size !== all.length) {
    throw new InvalidArgumentError(`Each provider has a name of its own, and none is called ${guestName}.`);
  }
  if (all.length > mostHosts) throw new InvalidArgumentError(`At most ${mostHosts} providers.`);
  return all;
}

async function sandbox(options: Options): Promise<void> {
  const language = languageOf(options.lang);
  const { idKind } = options;
  const split = options.split === undefined ? { kind: "stratified" as const, testShare: 0.3, seed: options.seed } : { kind: "file" as const };
  if (options.export === true && options.model === "crossboost") throw new AppError("JOB_EXPORT_KIND");
  const challenger = options.challenger === undefined ? undefined : existingFile(options.challenger);
  const model = modelRequest({ ...options, split, challenger: challenger === undefined ? undefined : await challengerDigest(challenger) });
  const own = fileParty(guestName, existingFile(options.guest), options.id, { label: options.label, idKind });
  const hosts = options.host.map(({ name, file }) => fileParty(name, existingFile(file), options.id, { idKind }));
  const progress = new Progress(language, own.name);
  const staged = options.split === undefined ? undefined : stageSplit(own, existingFile(options.split), options.id);
  try {
    const result = await runSandbox({
      guest: staged?.party ?? own, hosts, out: options.out, keep: options.keep ?? false, workers: Math.min(2, availableParallelism()),
      model, network: options.network, export: options.export === true, ...(challenger === undefined ? {} : { challenger }), say: (event) => (event.kind === "step" ? progress.step(event) : progress.job(event.event)),
    });
    if (options.json === true) printJson(result.report);
    else {
      process.stdout.write(`${summarise(result.report, { lang: language, colour: process.stdout.isTTY })}\n`);
      process.stdout.write(`${result.out}: ${["report.json report.html scores.csv", ...result.exported.map((name) => `model/${name}`)].join(" ")}  (${result.wallSeconds.toFixed(1)} s)\n`);
    }
  } finally {
    staged?.remove();
  }
}

/** The guest's folder must hold both of its files: when they lie apart, copies go to a folder of their own. */
function stageSplit(party: SandboxParty, split: string, idColumn: string): { party: SandboxParty; remove: () => void } {
  const path = resolve(split);
  if (dirname(path) === party.dataFolder) return { party: { ...party, splitFile: basename(path), splitIdColumn: idColumn }, remove: () => undefined };
  const folder = mkdtempSync(join(tmpdir(), "yunei-split-"));
  if (!("features" in party.definition)) throw explained("CLI_ARGUMENT", "--split goes with a feature table");
  const { file } = party.definition.features;
  copyFileSync(join(party.dataFolder, file), join(folder, file));
  copyFileSync(path, join(folder, "split.csv"));
  return { party: { ...party, dataFolder: folder, splitFile: "split.csv", splitIdColumn: idColumn }, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
