// The command line `yunei`.
import { Command, CommanderError } from "commander";
import { AppError } from "../core/errors.ts";
import { packageVersion } from "../enclave/version.ts";
import { languageOf, sayError } from "./terminal.ts";

type AddCommand = (program: Command) => void;
// Loaded by need: charts, database and data engine together take longer to load than most commands take to run.
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  demo: async () => (await import("./commands/demo.ts")).addDemo,
  "demo-data": async () => (await import("./commands/demo-data.ts")).addDemoData,
  sandbox: async () => (await import("./commands/sandbox.ts")).addSandbox,
  platform: async () => (await import("./commands/platform.ts")).addPlatform,
  enclave: async () => (await import("./commands/enclave.ts")).addEnclave,
  profile: async () => (await import("./commands/profile.ts")).addProfile,
  job: async () => (await import("./commands/job.ts")).addJob,
  model: async () => (await import("./commands/model.ts")).addModel,
  score: async () => (await import("./commands/score.ts")).addScore,
};

// A reader that has seen enough (`yunei job list | head`) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const program = new Command("yunei")
  .description("Joint credit modelling on data that never leaves its domain / 数据不出域的联合信用建模")
  .version(packageVersion())
  .exitOverride();
const named = commands[process.argv[2] ?? ""];
for (const load of named === undefined ? Object.values(commands) : [named]) (await load())(program);

try {
  await program.parseAsync();
} catch (error) {
  const flags = process.argv.slice(2);
  // Commander has printed help, version, or a sentence that names the option; `help` without a command is a wrong call too.
  const shown = error instanceof CommanderError && (error.exitCode === 0 || error.code === "commander.help");
  if (shown) process.exitCode = error.exitCode;
  else {
    const told = error instanceof CommanderError ? new AppError("CLI_ARGUMENT") : error;
    process.exitCode = sayError(told, languageOf(languageFlag(flags)), flags.includes("--json"));
  }
}

/** `--lang zh` or `--lang=zh`, also when the rest of the line could not be read. */
function languageFlag(flags: readonly string[]): string | undefined {
  const at = flags.indexOf("--lang");
  return at >= 0 ? flags[at + 1] : flags.find((flag) => flag.startsWith("--lang="))?.slice("--lang=".length);
}
