// `yunei job` and `yunei score`: what a bank does through the API.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/errors.ts";
import { silentLog } from "../../core/env.ts";
import { partyId } from "../../core/names.ts";
import { stageBatch } from "../../enclave/batch.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { writeDurably } from "../../enclave/store/files.ts";
import { guestHalfSchema } from "../../federation/scorecard/finish.ts";
import { jobRequestSchema } from "../../federation/plan-schema.ts";
import { renderReport } from "../../report/html.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { summarise } from "../../report/text.ts";
import type { ApiClient } from "../api-client.ts";
import { openSealed } from "../institution-key.ts";
import { defaultProfile, openProfile } from "../profile.ts";
import { languageOf, Progress, type Language } from "../terminal.ts";
import { scoreWithFallback } from "../score.ts";

type Common = { profile: string; json?: boolean; lang?: string };

function common(command: Command): Command {
  return command.option("--profile <file>", "institution profile", defaultProfile).option("--json", "print JSON").option("--lang <en|zh>", "language of the output");
}

export function addJob(program: Command): void {
  const job = program.command("job").summary("submit, follow and read jobs / 提交、跟踪与读取任务");
  common(job.command("submit").summary("submit a training job").requiredOption("--host <party...>", "data providers")
    .option("--purpose <purpose>", "why", "model-development").option("--params <file>", "JSON file with the job's parameters").option("--key <text>", "idempotency key"))
    .action(submit);
  common(job.command("list").summary("the institution's jobs, newest first")).action(list);
  common(job.command("watch <job>").summary("follow a job until it ends")).action((id: string, o: Common) => run(o, (api, language, guest) => watch(api, id, language, guest)));
  common(job.command("plan <job>").summary("the plan with its leakage statement")).action((id: string, o: Common) => run(o, async (api) => out(await api.plan(id))));
  common(job.command("cancel <job>").summary("cancel it")).action((id: string, o: Common) => run(o, async (api) => out(await api.cancel(id))));
  common(job.command("report <job>").summary("fetch, open and write the sealed report and scores").option("--out <dir>", "folder to write to", "out")).action(report);
  common(program.command("score").summary("score a batch of companies with a trained model / 用已训练模型批量评分")
    .requiredOption("--model <id>", "model id").requiredOption("--file <csv>", "companies with the bank's own columns, no label")
    .requiredOption("--dir <folder>", "the bank's own enclave folder on this machine").option("--purpose <purpose>", "why", "loan-approval")
    .option("--wait <seconds>", "how long hosts may take to answer before they are left out", "30").option("--out <dir>", "folder to write to", "out"))
    .action(score);
}

const out = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

async function run(o: Common, work: (api: ApiClient, language: Language, guest: string) => Promise<void>): Promise<void> {
  const { api, guest } = openProfile(o.profile);
  try {
    await work(api, languageOf(o.lang), guest);
  } finally {
    await api[Symbol.asyncDispose]();
  }
}

function submit(o: Common & { host: string[]; purpose: string; params?: string; key?: string }): Promise<void> {
  return run(o, async (api, _language, guest) => {
    const params: unknown = o.params === undefined ? {} : JSON.parse(readFileSync(o.params, "utf8"));
    const request = jobRequestSchema.safeParse({ kind: "scorecard", guest, hosts: o.host, purpose: o.purpose, params });
    if (!request.success) throw new AppError("CLI_ARGUMENT", { problems: request.error.issues.length });
    out(await api.submit(request.data, o.key));
  });
}

function list(o: Common): Promise<void> {
  return run(o, async (api) => out(await api.jobs()));
}

async function watch(api: ApiClient, id: string, language: Language, guest: string): Promise<void> {
  const progress = new Progress(language, guest);
  for await (const event of api.events(id)) {
    progress.job(event);
    if (event.type === "state" && event.failure !== null) throw new AppError(event.failure.code, event.failure.party === null ? {} : { party: event.failure.party });
  }
  out(await api.job(id));
}

async function report(id: string, o: Common & { out: string }): Promise<void> {
  const { api, key } = openProfile(o.profile);
  try {
    const parsed = jointReportSchema.parse(JSON.parse(await openSealed(await api.result(id, "report"), key)));
    const folder = resolve(o.out);
    writeDurably(join(folder, "report.json"), `${JSON.stringify(parsed, undefined, 2)}\n`);
    writeDurably(join(folder, "report.html"), renderReport(parsed));
    writeDurably(join(folder, "scores.csv"), await openSealed(await api.result(id, "scores"), key));
    if (o.json === true) out(parsed);
    else process.stdout.write(`${summarise(parsed, { lang: languageOf(o.lang), colour: process.stdout.isTTY })}\n`);
  } finally {
    await api[Symbol.asyncDispose]();
  }
}

async function score(o: Common & { model: string; file: string; dir: string; purpose: string; wait: string; out: string }): Promise<void> {
  const folder = resolve(o.dir);
  const config = readConfig(folder);
  const staged = await stageBatch(folder, resolve(o.file), config.dataset, silentLog);
  const hosts = modelHosts(folder, o.model);
  const { api, key, guest } = openProfile(o.profile);
  try {
    const progress = new Progress(languageOf(o.lang), guest);
    const job = await scoreWithFallback(api, {
      guest: partyId(guest), hosts: hosts.map(partyId), model: o.model, purpose: o.purpose, params: staged, waitSeconds: Number(o.wait),
      say: (event) => progress.job(event),
    });
    const summary: unknown = JSON.parse(await openSealed(await api.result(job, "report"), key));
    writeDurably(join(resolve(o.out), "scores.csv"), await openSealed(await api.result(job, "scores"), key));
    writeDurably(join(resolve(o.out), "score.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
    out(summary);
  } finally {
    await api[Symbol.asyncDispose]();
  }
}

/** The hosts of a model, from the guest's own half. */
function modelHosts(folder: string, model: string): string[] {
  using db = new StateDatabase(enclavePaths(folder).state);
  const half = db.get("select half from models where model = ? and kind = 'scorecard-guest'", model)?.["half"];
  if (typeof half !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return guestHalfSchema.parse(JSON.parse(half)).hosts;
}
