// `yunei demo`: the whole product on generated data: six domains, one joint scorecard, a batch of new applications scored.
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { partyId } from "../../core/names.ts";
import { generateDemo, mainProviders } from "../../demo/generate.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import { scorecardJobSchema } from "../../federation/scorecard/params.ts";
import { summarise } from "../../report/text.ts";
import type { SandboxParty } from "../sandbox/parties.ts";
import { runSandbox } from "../sandbox/run.ts";
import { languageOption, wholeNumber } from "../arguments.ts";
import { languageOf, printJson, Progress } from "../terminal.ts";

type Options = { out: string; companies: number; seed: number; json?: boolean; lang?: string; keep?: boolean };

export function addDemo(program: Command): void {
  program.command("demo")
    .description("generate data for a bank and five providers and run the main job on it / 生成演示数据并运行主任务")
    .option("--out <dir>", "folder for data and report", "out/demo")
    .option("--companies <number>", "number of companies", wholeNumber(5_000, 5_000_000), 20_000)
    .option("--seed <number>", "seed of the data", wholeNumber(0, 2 ** 31), 1)
    .option("--keep", "keep the work folder with all parties' state and logs")
    .option("--json", "print the report as JSON").addOption(languageOption())
    .action(demo);
}

async function demo(options: Options): Promise<void> {
  const language = languageOf(options.lang);
  const out = resolve(options.out);
  const data = join(out, "data");
  const progress = new Progress(language, "bank");
  progress.step({ en: `generating ${options.companies} companies`, zh: `生成 ${options.companies} 家企业的数据` });
  await generateDemo({ companies: options.companies, seed: options.seed, directory: data, force: existsSync(data) });
  const party = (folder: string): SandboxParty => ({
    name: partyId(folder), dataFolder: join(data, folder), definition: parseDefinition(JSON.parse(readFileSync(join(data, folder, "dataset.json"), "utf8"))),
  });
  const result = await runSandbox({
    guest: party("bank"), hosts: mainProviders.map((p) => party(p.folder)), out, keep: options.keep ?? false,
    model: { kind: "scorecard", params: scorecardJobSchema.parse({}) }, workers: Math.min(2, availableParallelism()), batch: join(data, "bank", "applications.csv"), consents: true, reasons: 3,
    say: (event) => (event.kind === "step" ? progress.step(event) : progress.job(event.event)),
  });
  if (options.json === true) printJson(result.report);
  else {
    process.stdout.write(`${summarise(result.report, { lang: language, colour: process.stdout.isTTY })}\n`);
    process.stdout.write(`${out}: report.html report.json scores.csv batch/scores.csv batch/explanations.ndjson  (${result.wallSeconds.toFixed(1)} s)\n`);
  }
}
