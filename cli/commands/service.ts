// `yunei service`: standing services that score one company per request.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { errorTable, type Code, AppError } from "../../core/errors.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import { jobRequestSchema } from "../../federation/plan-schema.ts";
import { existingFile, explained, jobName, partyName, readJson } from "../arguments.ts";
import { forOnnxAlone, ownModelRequest } from "../own-model.ts";
import { profileAddress } from "../profile.ts";
import { scorable } from "../scorable.ts";
import { ServiceClient, type Asked, type ServiceView } from "../service-client.ts";
import { printJson, printLines } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

export function addService(program: Command): void {
  const service = program.command("service").description("standing services: a score per request / 在线服务：逐笔评分");
  common(service.command("start").description("submit a service; it runs once every party has approved / 提交服务，各方批准后运行")
    .option("--model <id>", "model id of a scorecard, or of trees (then by joint trees: --params with questionsPerCompany)").option("--own-model <id>", "in place of it: a model of `yunei enclave own-models`")
    .option("--provider <party>", "of an ONNX model: where it runs", partyName).option("--inputs <names...>", "of an ONNX model: its inputs in order")
    .option("--columns <names...>", "of these: the bank's own columns, which go along with each request").requiredOption("--dir <folder>", "the bank's own enclave folder on this machine")
    .addOption(purposeOption("loan-approval")).option("--params <file>", "JSON file: days, timeoutMs, fallback, setsPerCompany, requestsPerDay, …")
    .option("--key <text>", "idempotency key: the same key gives the same service"))
    .action(start);
  const byId = (name: string, description: string): Command => common(service.command(name).argument("<service>", "id of its job", jobName).description(description));
  byId("show", "end, which enclaves are connected, requests of the last minutes / 查看期限、已连接节点与近期请求").action((id: JobId, o: Common) => run(o, async (tools) => {
    const { view } = await open(o, tools.api, id);
    if (tools.json) printJson(view);
    else printLines(shown(view, tools.language));
  }));
  byId("stop", "end the service for all parties; its receipts stay / 停止服务，凭证保留").action((id: JobId, o: Common) => run(o, async (tools) => {
    const view = await tools.api.cancel(id);
    if (tools.json) printJson(view);
    else printLines([`${view.id}  ${view.state}`]);
  }));
  byId("score", "score one company / 为一家企业评分").requiredOption("--company <id>", "its name in the data, a USCC as a rule")
    .option("--consent <file>", "a consent of the company, where the bank's enclave does not have it yet")
    .option("--columns <file>", "JSON file: the bank's own columns about it, in place of those in its enclave")
    .option("--key <text>", "idempotency key").action(score);
}

type StartOptions = Common & { model?: string; ownModel?: string; provider?: PartyId; inputs?: string[]; columns?: string[]; dir: string; purpose: string; params?: string; key?: string };

/** Providers and protection of what is to be served. */
function served(o: StartOptions): { readonly hosts: readonly PartyId[]; readonly params: Readonly<Record<string, unknown>> } {
  const folder = resolve(o.dir);
  if ((o.model === undefined) === (o.ownModel === undefined)) throw explained("CLI_ARGUMENT", "--model or --own-model");
  if (o.ownModel !== undefined) return ownModelRequest(folder, { ...o, ownModel: o.ownModel });
  forOnnxAlone(o);
  const { hosts, shape } = scorable(folder, o.model ?? "");
  // Services of a total each: one that opens two, or none, is for batches.
  if (shape.kind === "crossboost" && shape.totals !== 1) throw new AppError("SERVICE_TREES", { totals: shape.totals });
  return { hosts, params: shape.kind === "scorecard" ? {} : { protection: "joint-trees" } };
}

function start(o: StartOptions): Promise<void> {
  return run(o, async ({ api, guest, json }) => {
    const { hosts, params: own } = served(o);
    const params = serveJobSchema.safeParse(Object.assign({}, o.params === undefined ? undefined : readJson(o.params), own));
    if (!params.success) throw explained("JOB_PARAMS", params.error.issues.map((i) => `${i.path.join(".")}: ${i.code}`).join(", "));
    const view = await api.submit(jobRequestSchema.parse({ kind: "serve", guest, hosts, purpose: o.purpose, ...(o.model !== undefined && { model: o.model }), params: params.data }), o.key);
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
      throw new AppError(code, { ...(answer.party !== undefined && { party: answer.party }), ...(answer.retryAfter !== undefined && { retryAfter: answer.retryAfter }) });
    }
    if (json) return;
    const away = answer.partial ? [`  ${language === "zh" ? "缺失的数据方" : "away"}: ${answer.away.join(" ")}`] : [];
    const by = answer.served === undefined ? [] : [`  ${answer.served.deployment} v${answer.served.version} ${answer.served.role}  ${answer.served.by}`];
    const reasons = (answer.reasons ?? []).map((r) => `  ${r.rank}. ${r[language]}  ${r.points.toFixed(2)}`);
    const { requests, companies } = answer.remaining ?? {};
    const left = requests === undefined ? [] : [language === "zh" ? `  剩余：当日请求 ${requests}，当月企业 ${companies}` : `  left: ${requests} requests of the day, ${companies} companies of the month`];
    printLines([`${answer.score.toFixed(2)}  ${answer.probability.toFixed(6)}  ${answer.model}  ${answer.at}`, ...by, ...reasons, ...away, ...left, `  ${answer.receipt.batch} ${answer.receipt.use}`]);
  });
}

function shown({ id, guest, expiresAt, connected, away, health }: ServiceView, language: "en" | "zh"): string[] {
  const word = (en: string, zh: string): string => (language === "zh" ? zh : en);
  const { minutes, answered, refused, p50Ms, p99Ms } = health;
  const times = p50Ms === null || p99Ms === null ? "" : `, ${word("half within", "一半在")} ${p50Ms} ms, ${word("99 of 100 within", "99% 在")} ${p99Ms} ms`;
  return [
    `${id}  ${guest}  ${expiresAt}`,
    `  ${word("connected", "已连接")}: ${connected.join(" ")}${away.length === 0 ? "" : `  ${word("away", "未连接")}: ${away.join(" ")}`}`,
    `  ${word(`last ${minutes} minutes`, `近 ${minutes} 分钟`)}: ${answered} ${word("answered", "已应答")}${times}${Object.entries(refused).map(([code, n]) => `, ${n} ${code}`).join("")}`,
  ];
}

function open(o: Common, api: Parameters<typeof ServiceClient.open>[0], id: JobId): Promise<ServiceClient> {
  return ServiceClient.open(api, { service: id, ca: profileAddress(o.profile).ca, now: Date.now() });
}
