// The command line `yunei`.
import { Command } from "commander";
import { packageVersion } from "../enclave/version.ts";
import { addDemo } from "./commands/demo.ts";
import { addDemoData } from "./commands/demo-data.ts";
import { addEnclave } from "./commands/enclave.ts";
import { addJob } from "./commands/job.ts";
import { addPlatform } from "./commands/platform.ts";
import { addSandbox } from "./commands/sandbox.ts";
import { languageOf, sayError } from "./terminal.ts";

const program = new Command("yunei")
  .description("Joint credit modelling on data that never leaves its domain / 数据不出域的联合信用建模")
  .version(packageVersion())
  .showHelpAfterError();
for (const add of [addDemo, addDemoData, addSandbox, addPlatform, addEnclave, addJob]) add(program);

try {
  await program.parseAsync();
} catch (error) {
  const flags = process.argv.slice(2);
  process.exitCode = sayError(error, languageOf(flags[flags.indexOf("--lang") + 1]), flags.includes("--json"));
}
