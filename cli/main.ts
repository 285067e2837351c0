// The command line `yunei`.
import { Command } from "commander";
import { packageVersion } from "../enclave/version.ts";
import { addSandbox } from "./commands/sandbox.ts";
import { languageOf, sayError } from "./terminal.ts";

const program = new Command("yunei")
  .description("Joint credit modelling on data that never leaves its domain / 数据不出域的联合信用建模")
  .version(packageVersion())
  .showHelpAfterError();
addSandbox(program);

try {
  await program.parseAsync();
} catch (error) {
  const flags = process.argv.slice(2);
  process.exitCode = sayError(error, languageOf(flags[flags.indexOf("--lang") + 1]), flags.includes("--json"));
}
