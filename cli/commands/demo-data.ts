// `yunei demo-data`: companies, raw tables of every kind of provider and a bank's loans from one seed.
import type { Command } from "commander";
import { generateDemo } from "../../demo/generate.ts";
import { languageOption, wholeNumber } from "../arguments.ts";
import { languageOf, printJson, printLines, type Language } from "../terminal.ts";

type Options = { out: string; companies: number; seed: number; months: number; force?: boolean; json?: boolean; lang?: string };

export function addDemoData(program: Command): void {
  program.command("demo-data")
    .description("write generated demo data: a bank and every kind of provider / 生成演示数据：一家银行与各类数据方")
    .option("--out <dir>", "folder to write to", "demo-data")
    .option("--companies <number>", "number of companies", wholeNumber(500, 5_000_000), 20_000)
    .option("--seed <number>", "the same seed gives the same bytes", wholeNumber(0, 2 ** 31), 1)
    .option("--months <number>", "months of history", wholeNumber(12, 60), 24)
    .option("--force", "overwrite the files of an earlier run")
    .option("--json", "print the summary as JSON")
    .addOption(languageOption())
    .action(demoData);
}

async function demoData(options: Options): Promise<void> {
  const language = languageOf(options.lang);
  const summary = await generateDemo({
    companies: options.companies, seed: options.seed, months: options.months, directory: options.out, force: options.force ?? false,
    onProgress: ({ done, total }) => {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K  ${done}/${total}${done === total ? "\n" : ""}`);
    },
  });
  if (options.json === true) printJson(summary);
  else printLines(describe(summary, language, options.out));
}

function describe(summary: Awaited<ReturnType<typeof generateDemo>>, language: Language, out: string): string[] {
  const rate = (100 * summary.defaultRate).toFixed(1);
  const head = language === "zh"
    ? `${summary.companies} 家企业，${summary.loans} 笔贷款，违约率 ${rate}%，写入 ${out}`
    : `${summary.companies} companies, ${summary.loans} loans, ${rate} % defaulted, written to ${out}`;
  return [head, ...summary.providers.map((p) => `  ${p.folder}: ${p.companies} (${(100 * p.coverage).toFixed(0)} %), ${p.indicators} ${language === "zh" ? "项指标" : "indicators"}`)];
}
