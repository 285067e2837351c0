// `yunei score`: a batch of companies scored with a trained model. Run by the bank on the machine of its own enclave.
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { stageBatch } from "../../enclave/batch.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { writeDurably } from "../../core/files.ts";
import { guestHalfSchema } from "../../federation/scorecard/finish.ts";
import { existingFile, parseJson, wholeNumber } from "../arguments.ts";
import { openSealed } from "../institution-key.ts";
import { scoreWithFallback } from "../score.ts";
import { printJson, printLines, Progress } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

export function addScore(program: Command): void {
  common(program.command("score").description("score a batch of companies with a trained model / 用已训练模型批量评分")
    .requiredOption("--model <id>", "model id, from the report or `yunei enclave status`")
    .requiredOption("--file <csv>", "companies with the bank's own columns, no label")
    .requiredOption("--dir <folder>", "the bank's own enclave folder on this machine").addOption(purposeOption("loan-approval"))
    .option("--wait <seconds>", "how long hosts may take to approve before they are left out", wholeNumber(0, 86_400), 30)
    .option("--out <dir>", "folder to write to", "out"))
    .action(score);
}

async function score(o: Common & { model: string; file: string; dir: string; purpose: string; wait: number; out: string }): Promise<void> {
  const folder = resolve(o.dir);
  const out = resolve(o.out);
  const file = existingFile(o.file);
  const config = readConfig(folder);
  const hosts = modelHosts(folder, o.model);
  await run(o, async ({ api, key, guest, language, json }) => {
    const staged = await stageBatch(folder, file, config.dataset, silentLog);
    const progress = new Progress(language, guest);
    const job = await scoreWithFallback(api, {
      guest, hosts: hosts.map(partyId), model: o.model, purpose: o.purpose, params: staged, waitSeconds: o.wait, say: (event) => progress.job(event),
    });
    const summary = parseJson(await openSealed(await api.result(job, "report"), key), "the opened summary");
    writeDurably(join(out, "scores.csv"), await openSealed(await api.result(job, "scores"), key));
    writeDurably(join(out, "score.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
    if (json) printJson(summary);
    else printLines([`${out}: scores.csv score.json`]);
  });
}

/** The hosts of a model, from the guest's own half. Throws JOB_MODEL_UNKNOWN. */
function modelHosts(folder: string, model: string): string[] {
  using db = new StateDatabase(enclavePaths(folder).state);
  const half = db.get("select half from models where model = ? and kind = 'scorecard-guest'", model)?.["half"];
  if (typeof half !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return guestHalfSchema.parse(JSON.parse(half)).hosts;
}
