// `yunei enclave batches`: the batches that lie staged in the bank's own enclave, and removing them before their time.
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { keptDays, removeBatch, stagedBatches, sweepBatches } from "../../enclave/batch/keep.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { explained, languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Options = { dir: string; json?: boolean; lang?: string };

export function addBatches(enclave: Command): void {
  const batches = enclave.command("batches").description("batches staged for scoring, in the bank's enclave / 待评分批次文件");
  const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of the bank's enclave").option("--json", "print JSON").addOption(languageOption());
  common(batches.command("list").description("what lies here, since when, and which jobs that are not over score it / 列出")).action(list);
  common(batches.command("delete").argument("[batch]", "digest, or the beginning of it (8 or more of its characters)", digest)
    .description(`remove a batch, or old ones; by itself each goes ${keptDays} days after it was staged or last scored / 删除（默认 ${keptDays} 天后自动删除）`)
    .option("--older-than <days>", "all that were not staged or scored in so many days, and that no open job names; 0: all of these", wholeNumber(0, 3_660))).action(remove);
}

function digest(text: string): string {
  if (!/^[0-9a-f]{8,64}$/.test(text)) throw new InvalidArgumentError("It is 8 to 64 characters of 0-9 and a-f.");
  return text;
}

function list(o: Options): void {
  const folder = resolve(o.dir);
  readConfig(folder);
  using db = new StateDatabase(enclavePaths(folder).state);
  const found = stagedBatches(folder, db).map(({ stagedAt, usedAt, ...rest }) => ({ ...rest, stagedAt: new Date(stagedAt).toISOString(), usedAt: new Date(usedAt).toISOString() }));
  if (o.json === true) printJson({ batches: found, keptDays });
  else printLines(found.map(({ batch, bytes, usedAt, jobs }) => `${batch.slice(0, 16)}  ${(bytes / 1e6).toFixed(1)} MB  ${usedAt}  ${jobs.join(" ")}`.trimEnd()));
}

async function remove(batch: string | undefined, o: Options & { olderThan?: number }): Promise<void> {
  if ((batch === undefined) === (o.olderThan === undefined)) throw explained("CLI_ARGUMENT", "a batch, or --older-than");
  const folder = resolve(o.dir);
  readConfig(folder);
  using db = new StateDatabase(enclavePaths(folder).state);
  const removed = await asOperator(folder, { word: "delete-batches", ...(o.olderThan === undefined ? {} : { facts: { days: o.olderThan } }) }, () => (
    batch === undefined ? sweepBatches(folder, db, { now: Date.now(), days: o.olderThan ?? keptDays }) : [removeBatch(folder, db, batch)].length));
  if (o.json === true) printJson({ removed });
  else remark(languageOf(o.lang), { en: `${removed} removed`, zh: `已删除 ${removed} 个` });
}
