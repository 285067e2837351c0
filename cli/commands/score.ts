// `yunei score`: a batch of companies scored with a trained model. Run by the bank on the machine of its own enclave. `yunei scores`: the results of
// a scoring that was not waited for.
import { resolve } from "node:path";
import { Option, type Command } from "commander";
import type { JobId, PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { LineReport } from "../../enclave/batch/lines.ts";
import { stageBatch, stageOptions } from "../../enclave/batch/stage.ts";
import { explanationsFile } from "../../enclave/job/explain.ts";
import { mostReasons } from "../../federation/score/messages.ts";
import { existingFile, explained, Explanation, jobName, partyName, partyNames, wholeNumber } from "../arguments.ts";
import { failureOf } from "../api-client.ts";
import { asOperator } from "../operated.ts";
import { forOnnxAlone, ownBatch } from "../own-model.ts";
import { scorable, type Scorable } from "../scorable.ts";
import { copyExplanations, scoreRequest, scoreWithFallback } from "../score.ts";
import { scoreFormats, writeScores, type ScoreFormat } from "../scores-file.ts";
import { printJson, printLines, Progress, remark } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

const formatOption = (): Option => new Option("--format <format>", "of the scores").choices([...scoreFormats]).default("csv");

export function addScore(program: Command): void {
  common(program.command("score").description("score a batch of companies with a trained model / 用已训练模型批量评分")
    .option("--model <id>", "model id, from the report or `yunei enclave status`").option("--own-model <id>", "in place of it: a model of `yunei enclave own-models`")
    .option("--provider <party>", "of an ONNX model: where it runs", partyName).option("--inputs <names...>", "of an ONNX model: its inputs in order")
    .requiredOption("--file <file>", "companies with the bank's own columns, no label: CSV or NDJSON; - reads standard input")
    .requiredOption("--dir <folder>", "the bank's own enclave folder on this machine").addOption(purposeOption("loan-approval"))
    .option("--wait <seconds>", "how long hosts may take to approve before they are left out", wholeNumber(0, 86_400), 30)
    .option("--no-wait", "submit, print the job's id and end; providers that are away are waited for, none is left out (`yunei scores get`, webhook job.done)")
    .option("--key <text>", "with --no-wait: idempotency key: the same key gives the same job")
    .option("--explain <reasons>", "tell each score by its parts, with at most so many reasons, in explanations.ndjson / 评分解释", wholeNumber(1, mostReasons))
    .option("--explain-host <party...>", "providers that shall tell their own part of each score; their policies must allow it", partyNames)
    .addOption(formatOption()).option("--out <dir>", "folder to write to", "out"))
    .action(score);
}

export function addScores(program: Command): void {
  const scores = program.command("scores").description("results of scorings / 批量评分结果");
  common(scores.command("get").argument("<job>", "id of the scoring job", jobName).description("fetch, open and write the scores of a job that is done / 获取评分结果")
    .option("--dir <folder>", "the bank's own enclave folder, for explanations").addOption(formatOption()).option("--out <dir>", "folder to write to", "out"))
    .action(get);
}

type Options = Common & {
  model?: string; ownModel?: string; provider?: PartyId; inputs?: string[]; file: string; dir: string; purpose: string; wait: number | boolean; key?: string; out: string; format: ScoreFormat; explain?: number; explainHost?: readonly PartyId[];
};

async function score(o: Options, command: Command): Promise<void> {
  const isGiven = (name: string): boolean => command.getOptionValueSource(name) === "cli";
  if (typeof o.wait === "boolean" && (isGiven("out") || isGiven("format"))) throw explained("CLI_ARGUMENT", "--no-wait writes no scores: give --out and --format to `yunei scores get`");
  if (o.key !== undefined && typeof o.wait !== "boolean") throw explained("CLI_ARGUMENT", "--key goes with --no-wait: a scoring that is waited for may take several jobs");
  const folder = resolve(o.dir);
  const out = resolve(o.out);
  const source = o.file === "-" ? process.stdin : existingFile(o.file);
  const { hosts, shape, expected } = servedBy(folder, o);
  const explain = explainOf(o, hosts);
  await run(o, ({ api, key, guest, language, json }) => asOperator(folder, { word: "score", objects: { model: o.model ?? o.ownModel ?? "" } }, async () => {
    const staged = await stageBatch(source, stageOptions(folder, { log: silentLog, now: Date.now }, expected)).catch(tellLines);
    const request = { guest, hosts, model: o.model, purpose: o.purpose, params: { ...staged, shape }, explain };
    if (typeof o.wait === "boolean") {
      const { id, state } = await api.submit(scoreRequest(request, hosts), o.key);
      if (json) printJson({ job: id, state, rows: staged.rows });
      else printLines([id]);
      remark(language, { en: "Fetch the scores with: yunei scores get (or register a webhook for job.done)", zh: "完成后用 yunei scores get 获取结果（或登记 job.done 回调）" });
      return;
    }
    const progress = new Progress(language, guest);
    const job = await scoreWithFallback(api, { ...request, waitSeconds: o.wait, say: (event) => progress.job(event) });
    const summary = await writeScores(api, key, job, { out, format: o.format });
    if (explain !== undefined) copyExplanations(folder, job, out);
    if (json) printJson(summary);
    else printLines([`${out}: scores.${o.format} score.json${explain === undefined ? "" : ` ${explanationsFile}`}`]);
  }));
}

function get(id: JobId, o: Common & { dir?: string; format: ScoreFormat; out: string }): Promise<void> {
  return run(o, async ({ api, key, json }) => {
    const view = await api.job(id);
    if (view.kind !== "score") throw explained("CLI_ARGUMENT", `a job of kind ${view.kind}: only scorings have scores of a batch`);
    if (view.failure !== null) throw failureOf(view.failure);
    if (view.state === "cancelled") throw new AppError("JOB_CANCELLED");
    const out = resolve(o.out);
    // A provider may still be about to say that it is done: the results are whole when they are there.
    const summary = await writeScores(api, key, id, { out, format: o.format });
    if (o.dir !== undefined && summary["explanations"] !== undefined) copyExplanations(resolve(o.dir), id, out);
    if (json) printJson(summary);
    else printLines([`${out}: scores.${o.format} score.json`]);
  });
}

/** Throws CLI_ARGUMENT, JOB_MODEL_UNKNOWN, MODEL_OWN. */
function servedBy(folder: string, o: Options): Scorable {
  if ((o.model === undefined) === (o.ownModel === undefined)) throw explained("CLI_ARGUMENT", "--model or --own-model");
  if (o.ownModel === undefined) forOnnxAlone(o);
  return o.ownModel === undefined ? scorable(folder, o.model ?? "") : ownBatch(folder, { ...o, ownModel: o.ownModel });
}

/** Which lines are wrong, on the bank's own screen: kinds and line numbers, no value. */
function tellLines(error: unknown): never {
  if (!isAppError(error) || !(error.cause instanceof LineReport)) throw error;
  const lines = error.cause.faults.map(({ fault, count, first }) => `  ${fault}: ${count} line(s): ${first.join(", ")}${count > first.length ? ", …" : ""}`);
  throw new AppError(error.code, error.facts, { cause: new Explanation(lines.join("\n")) });
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
