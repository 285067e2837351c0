// `yunei score`: a batch of companies scored with a trained model. Run by the bank on the machine of its own enclave.
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { stageBatch } from "../../enclave/batch.ts";
import { readConfig } from "../../enclave/config.ts";
import { explanationsFile } from "../../enclave/job/explain.ts";
import { writeDurably } from "../../core/files.ts";
import { mostReasons } from "../../federation/score/messages.ts";
import { existingFile, explained, parseJson, partyNames, wholeNumber } from "../arguments.ts";
import { openSealed } from "../institution-key.ts";
import { asOperator } from "../operated.ts";
import { scorable } from "../scorable.ts";
import { copyExplanations, scoreWithFallback } from "../score.ts";
import { printJson, printLines, Progress } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

export function addScore(program: Command): void {
  common(program.command("score").description("score a batch of companies with a trained model / 用已训练模型批量评分")
    .requiredOption("--model <id>", "model id, from the report or `yunei enclave status`")
    .requiredOption("--file <csv>", "companies with the bank's own columns, no label")
    .requiredOption("--dir <folder>", "the bank's own enclave folder on this machine").addOption(purposeOption("loan-approval"))
    .option("--wait <seconds>", "how long hosts may take to approve before they are left out", wholeNumber(0, 86_400), 30)
    .option("--explain <reasons>", "tell each score by its parts, with at most so many reasons, in explanations.ndjson / 评分解释", wholeNumber(1, mostReasons))
    .option("--explain-host <party...>", "providers that shall tell their own part of each score; their policies must allow it", partyNames)
    .option("--out <dir>", "folder to write to", "out"))
    .action(score);
}

type Options = Common & {
  model: string; file: string; dir: string; purpose: string; wait: number; out: string; explain?: number; explainHost?: readonly PartyId[];
};

async function score(o: Options): Promise<void> {
  const folder = resolve(o.dir);
  const out = resolve(o.out);
  const file = existingFile(o.file);
  const config = readConfig(folder);
  const { hosts, shape } = scorable(folder, o.model);
  const explain = explainOf(o, hosts);
  await run(o, ({ api, key, guest, language, json }) => asOperator(folder, { word: "score", objects: { model: o.model } }, async () => {
    const staged = await stageBatch(folder, file, config.dataset, silentLog);
    const progress = new Progress(language, guest);
    const job = await scoreWithFallback(api, {
      guest, hosts, model: o.model, purpose: o.purpose, params: { ...staged, shape }, explain, waitSeconds: o.wait, say: (event) => progress.job(event),
    });
    const summary = parseJson(await openSealed(await api.result(job, "report"), key), "the opened summary");
    writeDurably(join(out, "scores.csv"), await openSealed(await api.result(job, "scores"), key));
    writeDurably(join(out, "score.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
    if (explain !== undefined) copyExplanations(folder, job, out);
    if (json) printJson(summary);
    else printLines([`${out}: scores.csv score.json${explain === undefined ? "" : ` ${explanationsFile}`}`]);
  }));
}

/** Throws CLI_ARGUMENT for providers that cannot explain. */
function explainOf(o: Options, hosts: readonly string[]): { reasons: number; hosts: readonly PartyId[] } | undefined {
  const telling = o.explainHost ?? [];
  if (o.explain === undefined && telling.length > 0) throw explained("CLI_ARGUMENT", "--explain-host goes with --explain");
  if (telling.some((h) => !hosts.includes(h)) || new Set(telling).size !== telling.length) {
    throw explained("CLI_ARGUMENT", "--explain-host names providers of the model, each once");
  }
  return o.explain === undefined ? undefined : { reasons: o.explain, hosts: telling };
}
