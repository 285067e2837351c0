// The command line `yunei`.
import { CommanderError } from "commander";
import { AppError } from "../core/errors.ts";
import { buildProgram } from "./program.ts";
import { languageOf, sayError } from "./terminal.ts";

// A reader that has seen enough (`yunei job list | head`) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const program = await buildProgram(process.argv[2]);

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
