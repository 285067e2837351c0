// `yunei job`: what a bank does through the API.
import { join, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { bankEndpoints } from "../../api/contract.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { jobRequestSchema, purposes, trainingKinds, type TrainingKind } from "../../federation/plan-schema.ts";
import { jobSchemas } from "../../federation/plan.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { summarise } from "../../report/text.ts";
import { ApiClient, refuseEnd } from "../api-client.ts";
import { explained, jobName, languageOption, parseJson, partyNames, problemsOf, readJson } from "../arguments.ts";
import { openSealed, type InstitutionKey } from "../institution-key.ts";
import { defaultProfile, openProfile, profileAddress } from "../profile.ts";
import { jobDetail, jobLines, leakageLines, planLines } from "../show.ts";
import { languageOf, printJson, printLines, Progress, remark, type Language } from "../terminal.ts";

export type Common = { profile: string; json?: boolean; lang?: string };
type Tools = { readonly api: ApiClient; readonly key: InstitutionKey; readonly guest: PartyId; readonly language: Language; readonly json: boolean };

export function common(command: Command): Command {
  return command.option("--profile <file>", "institution profile", defaultProfile).option("--json", "print JSON on stdout")
    .addOption(languageOption());
}

export function purposeOption(standard: (typeof purposes)[number]): Option {
  return new Option("--purpose <purpose>", "what the result is for; policies name the purposes that they allow").choices([...purposes]).default(standard);
}

export function addJob(program: Command): void {
  const job = program.command("job").description("submit, follow and read jobs / 提交、跟踪与读取任务");
  common(job.command("submit").description("submit a training job; prints its id / 提交训练任务")
    .requiredOption("--host <party...>", "data providers", partyNames)
    .addOption(new Option("--model <kind>", "kind of model").choices([...trainingKinds]).default("scorecard"))
    .addOption(purposeOption("model-development")).option("--params <file>", "JSON file with the job's parameters")
    .option("--key <text>", "idempotency key: the same key gives the same job"))
    .action(submit);
  common(job.command("list").description("the institution's jobs, newest first / 列出任务")).action((o: Common) => run(o, list));
  const byId = (name: string, description: string): Command => common(job.command(name).argument("<job>", "job id", jobName).description(description));
  byId("show", "state, parties and traffic of a job / 查看任务").action((id: JobId, o: Common) => run(o, async ({ api, json, language }) => {
    const view = await api.job(id);
    if (json) printJson(view);
    else printLines(jobDetail(view, language));
  }));
  byId("watch", "follow a job until it ends / 跟踪任务").action((id: JobId, o: Common) => run(o, (tools) => watch(tools, id)));
  byId("plan", "the plan with its leakage statement / 查看计划与信息披露声明")
    .action((id: JobId, o: Common) => run(o, async ({ api, json, language }) => {
    const { plan, planDigest } = await api.plan(id);
    if (json) printJson({ plan, planDigest });
    else printLines(planLines(plan, planDigest, language));
  }));
  byId("approve", "approve a submission of a colleague, with your own role key (bank-approver) in YUNEI_KEY / 批准同事的提交")
    .requiredOption("--plan <digest>", "digest of the plan that you read (`yunei job plan`)", planDigestText)
    .action((id: JobId, o: Common & { plan: string }) => approve(id, o));
  byId("cancel", "cancel it / 取消任务").action((id: JobId, o: Common) => run(o, async ({ api, json, language }) => {
    const view = await api.cancel(id);
    if (json) printJson(view);
    else printLines(jobLines([view], language));
  }));
  byId("report", "fetch, open and write the sealed report and scores / 获取并解封报告与评分").option("--out <dir>", "folder to write to", "out")
    .action((id: JobId, o: Common & { out: string }) => run(o, (tools) => report(tools, id, resolve(o.out))));
}

function planDigestText(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError("It is the sha256 that `yunei job plan` shows: 64 characters of 0-9 and a-f.");
  return text;
}

/** A second person's approval; needs no sealing key, only where the platform is. */
async function approve(id: JobId, o: Common & { plan: string }): Promise<void> {
  const apiKey = process.env["YUNEI_KEY"];
  if (apiKey === undefined || apiKey === "") throw explained("CLI_ARGUMENT", "set YUNEI_KEY to the key of your role");
  await using api = new ApiClient({ ...profileAddress(o.profile), apiKey });
  const view = await api.call(bankEndpoints.releaseJob, { params: { id }, body: { planDigest: o.plan } });
  if (o.json === true) printJson(view);
  else printLines(jobLines([view], languageOf(o.lang)));
}

/** Opens the profile, works, closes the connections. */
export async function run(o: Common, work: (tools: Tools) => Promise<void>): Promise<void> {
  const { api, key, guest } = openProfile(o.profile);
  try {
    await work({ api, key, guest, language: languageOf(o.lang), json: o.json === true });
  } finally {
    await api[Symbol.asyncDispose]();
  }
}

function submit(o: Common & { host: readonly PartyId[]; purpose: string; params?: string; key?: string; model: TrainingKind }): Promise<void> {
  return run(o, async ({ api, guest, language, json }) => {
    const params = jobSchemas[o.model].safeParse(o.params === undefined ? {} : readJson(o.params));
    if (!params.success) throw explained("JOB_PARAMS", problemsOf(params.error));
    const request = jobRequestSchema.safeParse({ kind: o.model, guest, hosts: o.host, purpose: o.purpose, params: params.data });
    if (!request.success) throw explained("CLI_ARGUMENT", problemsOf(request.error));
    const view = await api.submit(request.data, o.key);
    if (json) {
      printJson(view);
      return;
    }
    const { plan } = await api.plan(view.id);
    process.stderr.write(`${leakageLines(plan.leakage, language).join("\n")}\n`);
    if (view.state === "submitted") remark(language, { en: "A second person approves it first: yunei job approve", zh: "须先由第二人批准：yunei job approve" });
    remark(language, { en: "All parties must approve this. Follow it with: yunei job watch", zh: "须经各方批准。跟踪进度：yunei job watch" });
    printLines([view.id]);
  });
}

async function list({ api, json, language }: Tools): Promise<void> {
  const items = [];
  for (let cursor: string | undefined; ; ) {
    const page = await api.jobs(cursor);
    items.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  if (json) printJson({ items });
  else printLines(jobLines(items, language));
}

async function watch({ api, language, json, guest }: Tools, id: JobId): Promise<void> {
  const progress = new Progress(language, guest);
  for await (const event of api.events(id)) {
    progress.job(event);
    refuseEnd(event);
  }
  const view = await api.job(id);
  if (json) printJson(view);
  else printLines(jobDetail(view, language));
}

/** A training job's report and scores, a batch's summary and scores, or an export's summary. */
async function report({ api, key, language, json }: Tools, id: JobId, folder: string): Promise<void> {
  const opened = parseJson(await openSealed(await api.result(id, "report"), key), "the opened report");
  if (isExportSummary(opened)) {
    writeDurably(join(folder, "export.json"), `${JSON.stringify(opened, undefined, 2)}\n`);
    if (json) printJson(opened);
    else printLines([`${folder}: export.json`]);
    return;
  }
  if (isEvaluationSummary(opened)) {
    writeDurably(join(folder, "evaluation.json"), `${JSON.stringify(opened, undefined, 2)}\n`);
    if (json) printJson(opened);
    else printLines([`${folder}: evaluation.json`]);
    return;
  }
  const scores = await openSealed(await api.result(id, "scores"), key);
  const joint = jointReportSchema.safeParse(opened);
  if (joint.success) {
    const { renderReport } = await import("../../report/html.ts");
    writeDurably(join(folder, "report.json"), `${JSON.stringify(joint.data, undefined, 2)}\n`);
    writeDurably(join(folder, "report.html"), renderReport(joint.data));
  } else if (isBatchSummary(opened)) writeDurably(join(folder, "score.json"), `${JSON.stringify(opened, undefined, 2)}\n`);
  else throw new AppError("PROTOCOL_MALFORMED", { problems: joint.error.issues.length });
  writeDurably(join(folder, "scores.csv"), scores);
  if (json) printJson(opened);
  else if (joint.success) {
    printLines([`${folder}: report.json report.html scores.csv`, ""]);
    process.stdout.write(summarise(joint.data, { lang: language, colour: process.stdout.isTTY }));
  } else printLines([`${folder}: score.json scores.csv`]);
}

/** The files themselves are in the folder of the bank's enclave: `yunei model export` copies them. */
function isExportSummary(value: unknown): boolean {
  return typeof value === "object" && value !== null && "files" in value && "checkedRows" in value;
}

/** The companies' evaluations stay in the evaluating enclave; `yunei evaluation` shows what is published and pushed. */
function isEvaluationSummary(value: unknown): boolean {
  return typeof value === "object" && value !== null && "basis" in value && "grades" in value;
}

function isBatchSummary(value: unknown): boolean {
  return typeof value === "object" && value !== null && "rows" in value && "partial" in value && "away" in value;
}
