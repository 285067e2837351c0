// `yunei demo-consents`: consents of the made-up applicants, by a made-up registrar, for trying a deployment without a platform's own.
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Option, type Command } from "commander";
import type { PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { financingPurposes, type FinancingPurpose } from "../../core/purposes.ts";
import { systemRng } from "../../core/rng.ts";
import { parseDefinition, type DatasetDefinition } from "../../enclave/data/definition.ts";
import { loadDataset } from "../../enclave/data/load.ts";
import { existingFile, existingFolder, languageOption, partyName, readJson, wholeNumber } from "../arguments.ts";
import { itemsFor, LocalRegistrar } from "../local-registrar.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Options = { data: string; definition: string; grantee: PartyId; purpose: FinancingPurpose; withdrawn: number; out: string; json?: boolean; lang?: string };

export function addDemoConsents(program: Command): void {
  program.command("demo-consents")
    .description("consents of made-up companies, by a made-up registrar: their texts, its key for policies, its list of withdrawals / 为演示企业生成授权、登记机构公钥与撤回清单")
    .option("--data <folder>", "folder that `yunei demo-data` wrote", "demo-data")
    .option("--definition <file>", "definition of the table of companies", join("demo-data", "bank", "applications.json"))
    .requiredOption("--grantee <party>", "the bank's party name", partyName)
    .addOption(new Option("--purpose <purpose>", "what the companies agree to").choices([...financingPurposes]).default("loan-approval"))
    .option("--withdrawn <number>", "so many of them, the first of the table, have withdrawn it", wholeNumber(0, 200_000), 0)
    .option("--out <dir>", "folder to write to", "demo-consents")
    .option("--json", "print JSON").addOption(languageOption())
    .action(demoConsents);
}

async function demoConsents(o: Options): Promise<void> {
  const data = existingFolder(o.data);
  const file = existingFile(o.definition);
  const out = resolve(o.out);
  if (existsSync(join(out, "registrar.json"))) throw new AppError("CLI_EXISTS");
  const { ids } = await loadDataset(parseDefinition(readJson(file)), { directory: dirname(file), log: silentLog });
  const items = itemsFor(definitionsIn(data), o.purpose);
  const registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  writeDurably(join(out, "consents.jws"), await registrar.consents(ids, { grantee: o.grantee, items, purpose: o.purpose }));
  registrar.withdraw(ids.slice(0, o.withdrawn));
  writeDurably(join(out, "revocations.jws"), registrar.revocations());
  writeDurably(join(out, "registrar.json"), `${JSON.stringify(registrar.policy, undefined, 2)}\n`);
  if (o.json === true) printJson({ companies: ids.length, withdrawn: Math.min(o.withdrawn, ids.length), items, registrars: registrar.policy });
  else {
    printLines([`${o.out}: consents.jws (${ids.length}) revocations.jws registrar.json`]);
    remark(languageOf(o.lang), {
      en: "consents.jws goes into `consents/` of the bank's enclave folder; revocations.jws into `revocations/` of each provider's (it counts for a day), and the content of registrar.json into its policy.json as `registrars`.",
      zh: "将 consents.jws 放入银行节点目录的 consents/；将 revocations.jws 放入各数据方节点目录的 revocations/（有效一天），并将 registrar.json 的内容填入其 policy.json 的 registrars。",
    });
  }
}

function definitionsIn(data: string): DatasetDefinition[] {
  return readdirSync(data).map((name) => join(data, name, "dataset.json")).filter((path) => existsSync(path)).map((path) => parseDefinition(readJson(path)));
}
