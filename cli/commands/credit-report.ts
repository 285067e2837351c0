// `yunei credit-report`: the standard credit report of a company from public information, for an institution.
import { InvalidArgumentError, Option, type Command } from "commander";
import { writeDurably } from "../../core/files.ts";
import { financingPurposes, type FinancingPurpose } from "../../core/purposes.ts";
import { isUscc, normaliseUscc } from "../../core/uscc.ts";
import { languageOption } from "../arguments.ts";
import { defaultProfile, openProfile, refuseExisting } from "../profile.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

const formats = ["json", "html", "pdf"] as const;
type Options = { purpose: FinancingPurpose; format: (typeof formats)[number]; out?: string; profile: string; json?: boolean; lang?: string };

export function addCreditReport(program: Command): void {
  program.command("credit-report").argument("<uscc>", "unified social credit code of the company", code)
    .description("credit report of a company from public information; the question and its purpose are recorded, and the company can see them / 查询企业公共信用信息报告")
    .addOption(new Option("--purpose <purpose>", "what it is for").choices(financingPurposes).makeOptionMandatory())
    .addOption(new Option("--format <format>", "of the file").choices(formats).default("pdf"))
    .option("--out <file>", "file to write; the report's number and the format by default")
    .option("--profile <file>", "the institution's profile", defaultProfile).option("--json", "print the whole answer as JSON and write no file").addOption(languageOption())
    .action(report);
}

function code(text: string): string {
  const uscc = normaliseUscc(text);
  if (!isUscc(uscc)) throw new InvalidArgumentError("It has 18 characters, the last of which checks the others.");
  return uscc;
}

async function report(uscc: string, o: Options): Promise<void> {
  if (o.out !== undefined && o.json !== true) refuseExisting(o.out);
  const { api } = openProfile(o.profile);
  await using client = api;
  const made = await client.creditReport(uscc, o.purpose);
  if (o.json === true) {
    printJson(made);
    return;
  }
  const out = o.out ?? `${made.number}.${o.format}`;
  writeDurably(out, o.format === "json" ? `${JSON.stringify(made, undefined, 2)}\n` : await client.creditReportFile(made.number, o.format));
  const { records, items } = made.report.counts;
  const language = languageOf(o.lang);
  remark(language, { en: `${records} record(s) of ${items} item(s). Written: ${out}`, zh: `${items} 个信息项，${records} 条记录。已写入 ${out}` });
  printLines([`${made.number}  sha256 ${made.digest}`]);
}
