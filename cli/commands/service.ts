// `yunei service`: standing services that score one company per request.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { errorTable, type Code, AppError } from "../../core/errors.ts";
import type { JobId } from "../../core/brand.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import { jobRequestSchema } from "../../federation/plan-schema.ts";
import { existingFile, explained, jobName, readJson } from "../arguments.ts";
import { profileAddress } from "../profile.ts";
import { scorable } from "../scorable.ts";
import { ServiceClient, type Asked } from "../service-client.ts";
import { printJson, printLines } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

export function addService(program: Command): void {
  const service = program.command("service").description("standing services: a score per request / 在线服务：逐笔评分");
  common(service.command("start").description("submit a service; it runs once every party has approved / 提交服务，各方批准后运行")
    .requiredOption("--model <id>", "model id of a scorecard").requiredOption("--dir <folder>", "the bank's own enclave folder on this machine")
    .addOption(purposeOption("loan-approval")).option("--params <file>", "JSON file: days, timeoutMs, fallback, setsPerCompany, requestsPerDay, …")
    .option("--key <text>", "idempotency key: the same key gives the same service"))
    .action(start);
  const byId = (name: string, description: string): Command => common(service.command(name).argument("<service>", "id of its job", jobName).description(description));
  byId("show", "end, and which enclaves are connected / 查看期限与已连接节点").action((id: JobId, o: Common) => run(o, async (tools) => {
    const { view } = await open(o, tools.api, id);
    if (tools.json) printJson(view);
    else printLines([`${view.id}  ${view.guest}  ${view.expiresAt}`, `  ${view.connected.join(" ")}`]);
  }));
  byId("score", "score one company / 为一家企业评分").requiredOption("--company <id>", "its name in the data, a USCC as a rule")
    .option("--consent <file>", "a consent of the company, where the bank's enclave does not have it yet")
    .option("--columns <file>", "JSON file: the bank's own columns about it, in place of those in its enclave")
    .option("--key <text>", "idempotency key").action(score);
}

type StartOptions = Common & { model: string; dir: string; purpose: string; params?: string; key?: string };

function start(o: StartOptions): Promise<void> {
  return run(o, async ({ api, guest, json }) => {
    const { hosts, shape } = scorable(resolve(o.dir), o.model);
    if (shape.kind !== "scorecard") throw explained("CLI_ARGUMENT", "--model: services run scorecards");
    const params = serveJobSchema.safeParse(o.params === undefined ? {} : readJson(o.params));
    if (!params.success) throw explained("JOB_PARAMS", params.error.issues.map((i) => `${i.path.join(".")}: ${i.code}`).join(", "));
    const view = await api.submit(jobRequestSchema.parse({ kind: "serve", guest, hosts, purpose: o.purpose, model: o.model, params: params.data }), o.key);
    if (json) printJson(view);
    else printLines([view.id]);
  });
}

type ScoreOptions = Common & { company: string; consent?: string; columns?: string; key?: string };

function score(id: JobId, o: ScoreOptions): Promise<void> {
  return run(o, async ({ api, json, language }) => {
    const client = await open(o, api, id);
    const answer = await client.ask({
      company: o.company, id: o.key, consent: o.consent === undefined ? undefined : readFileSync(existingFile(o.consent), "latin1").trim(),
      columns: o.columns === undefined ? undefined : (readJson(o.columns) as Asked["columns"]),
    });
    if (json) printJson(answer);
    if (answer.status === "refused") {
      const code = Object.hasOwn(errorTable, answer.code) ? (answer.code as Code) : "PLATFORM_INTERNAL";
      throw new AppError(code, answer.party === undefined ? {} : { party: answer.party });
    }
    if (json) return;
    const away = answer.partial ? [`  ${language === "zh" ? "缺失的数据方" : "away"}: ${answer.away.join(" ")}`] : [];
    printLines([`${answer.score.toFixed(2)}  ${answer.probability.toFixed(6)}  ${answer.model}  ${answer.at}`, ...away, `  ${answer.receipt.batch} ${answer.receipt.use}`]);
  });
}

function open(o: Common, api: Parameters<typeof ServiceClient.open>[0], id: JobId): Promise<ServiceClient> {
  return ServiceClient.open(api, { service: id, ca: profileAddress(o.profile).ca, now: Date.now() });
}
