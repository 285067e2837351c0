// The data set that a command is about: that of an enclave's folder, or a definition beside its files before there is an enclave.
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { readConfig, type EnclaveConfig } from "../enclave/config.ts";
import { definitionProblems, parseDefinition, type DatasetDefinition } from "../enclave/data/definition.ts";
import { existingFile, existingFolder, explained, languageOption, readJson } from "./arguments.ts";

export type DatasetOptions = { dir?: string; data?: string; dataset?: string; json?: boolean; lang?: string };

export function datasetOptions(command: Command): Command {
  return command.option("--dir <folder>", "folder of this enclave").option("--data <folder>", "folder with the data files")
    .option("--dataset <file>", "dataset.json").option("--json", "print JSON").addOption(languageOption());
}

/** Throws CLI_ARGUMENT unless it is one of the two, and what reading them throws. `ownData` is known of an enclave alone. */
export function datasetOf(o: DatasetOptions): Pick<EnclaveConfig, "dataset" | "dataFolder" | "ownData"> {
  if (o.dir !== undefined && o.data === undefined && o.dataset === undefined) return readConfig(resolve(o.dir));
  if (o.dir !== undefined || o.dataset === undefined) throw explained("CLI_ARGUMENT", "either --dir, or --dataset with --data");
  const dataset = readDefinition(existingFile(o.dataset));
  return { dataset, dataFolder: existingFolder(o.data ?? dirname(o.dataset)) };
}

/** A definition in a file; what is wrong with it is said on stderr, field by field. Throws DATA_DEFINITION. */
export function readDefinition(file: string): DatasetDefinition {
  const raw = readJson(file);
  for (const problem of definitionProblems(raw)) process.stderr.write(`  ${problem}\n`);
  return parseDefinition(raw);
}
