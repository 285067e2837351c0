// `yunei watch`: monitoring of borrowers. `yunei alerts`: what came of it, opened with the institution's key.
import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option, type Command } from "commander";
import { alertIdSchema, monitoringEndpoints as e, type AlertView } from "../../api/contract/monitoring.ts";
import { mostListed, openedAlertSchema, watchAnswerSchema, type OpenedAlert, type WatchEntry, type WatchRequest, type WatchServiceAnswer } from "../../api/contract/watch.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError, errorTable, type Code } from "../../core/errors.ts";
import { isUscc } from "../../core/uscc.ts";
import { jobRequestSchema } from "../../federation/plan-schema.ts";
import { watchJobSchema, type WatchJobInput } from "../../federation/watch/params.ts";
import { declareTriggers } from "../../monitoring/triggers/declare.ts";
import { publishedTriggers } from "../../monitoring/triggers/published.ts";
import { severities, triggerSchema, type Severity, type Trigger } from "../../monitoring/triggers/schema.ts";
import { existingFile, explained, jobName, parseJson, partyNames, readJson, wholeNumber } from "../arguments.ts";
import { openSealed, type InstitutionKey } from "../institution-key.ts";
import { profileAddress } from "../profile.ts";
import { ServiceClient } from "../service-client.ts";
import { printJson, printLines, type Language } from "../terminal.ts";
import { common, run, type Common } from "./job.ts";

export function addWatch(program: Command): void {
  const watch = program.command("watch").description("monitoring of borrowers: only alerts leave the providers / 贷后动态监测，仅预警出域");
  common(watch.command("triggers").description("triggers to begin with, as JSON / 可直接使用的触发规则")).action(() => printJson(publishedTriggers.map((t) => triggerSchema.parse(t))));
  common(watch.command("start").description("submit a monitoring service; it runs once every party has approved / 提交监测服务，各方批准后运行")
    .requiredOption("--host <party...>", "data providers", partyNames)
    .option("--trigger <id...>", "published triggers that every one of them watches (`yunei watch triggers`)")
    .option("--params <file>", "JSON file: triggers by provider, days, companies, alertsPerDay, jointScore")
    .option("--score-service <job>", "also have every borrower scored anew by this service of the bank (purpose post-loan-monitoring; of a deployment the champion answers), and tell drops of the whole score / 由本行评分服务定期重新评分，评分下降即预警", jobName)
    .option("--score-drop <points>", "with --score-service: points from which on a drop is told", wholeNumber(1, 10_000))
    .option("--score-days <days>", "with --score-service: everybody is scored once in so many days (30)", wholeNumber(1, 366))
    .addOption(new Option("--score-severity <severity>", "with --score-service: of its alerts (major)").choices(severities))
    .option("--key <text>", "idempotency key: the same key gives the same service"))
    .action(start);
  const byId = (name: string, description: string): Command => common(watch.command(name).argument("<service>", "id of its job", jobName).description(description));
  for (const [name, words] of [["add", "watch these companies, under their consents to be monitored / 登记企业"], ["remove", "do not watch them any longer / 移除企业"]] as const) {
    byId(name, words).option("--company <code...>", "credit codes", companyCodes).option("--file <file>", "text file with one credit code in each line", existingFile)
      .action((id: JobId, o: ChangeOptions) => run(o, ({ api, json, language }) => change(new Watch(o, api, id), { ...o, do: name }, { json, language })));
  }
  byId("list", "the companies on the list, and what each provider says to that / 监测名单").action((id: JobId, o: Common) => run(o, async ({ api, json, language }) => {
    const entries = await new Watch(o, api, id).list();
    if (json) printJson(entries);
    else printLines(entries.length === 0 ? [language === "zh" ? "名单为空" : "nobody is on the list"] : entries.map(lineOf));
  }));
  alertOptions(byId("alerts", "alerts of this service, opened / 本服务的预警")).action((id: JobId, o: AlertOptions) => alerts({ ...o, service: id }));
}

export function addAlerts(program: Command): void {
  const command = program.command("alerts").description("alerts about watched borrowers / 借款企业预警");
  alertOptions(common(command.command("list", { isDefault: true }).description("newest first, opened with the profile's key / 列出并解封预警")))
    .option("--service <job>", "of one monitoring service alone", jobName).action(alerts);
  common(command.command("acknowledge").argument("<alert...>", "ids", alertNames).description("say that somebody has seen to them / 确认已处理"))
    .action((ids: readonly string[], o: Common) => run(o, async ({ api, json }) => {
      const views: AlertView[] = [];
      for (const alert of ids) views.push(await api.call(e.acknowledgeMonitoringAlert, { params: { alert }, body: {} }));
      if (json) printJson(views);
      else printLines(views.map((view) => `${view.id}  ${view.acknowledgedAt ?? ""}  ${view.acknowledgedBy ?? ""}`));
    }));
}

const alertOptions = (command: Command): Command => command.addOption(new Option("--state <state>", "open ones, or those that somebody has acknowledged").choices(["open", "acknowledged"]));

function companyCodes(text: string, before: readonly string[] = []): readonly string[] {
  if (!isUscc(text)) throw new InvalidArgumentError("A credit code has 18 characters; its last one is a check character.");
  return [...before, text];
}

function alertNames(text: string, before: readonly string[] = []): readonly string[] {
  if (!alertIdSchema.safeParse(text).success) throw new InvalidArgumentError("An alert's id looks like alert_0123456789abcdef0123456789abcdef.");
  return [...before, text];
}

type StartOptions = Common & {
  host: readonly PartyId[]; trigger?: readonly string[]; params?: string; key?: string; scoreService?: JobId; scoreDrop?: number; scoreDays?: number; scoreSeverity?: Severity;
};

function start(o: StartOptions): Promise<void> {
  return run(o, async ({ api, guest, json }) => {
    const given = o.params === undefined ? {} : (readJson(o.params) as Record<string, unknown>);
    const named = (o.trigger ?? []).map((id) => publishedTriggers.find((t) => t.id === id) ?? unknownTrigger(id));
    const triggers = named.length === 0 ? {} : { triggers: Object.fromEntries(o.host.map((host) => [host, named])) };
    const params = watchJobSchema.safeParse({ ...triggers, ...given, ...jointScore(o) });
    if (!params.success) throw explained("JOB_PARAMS", params.error.issues.map((i) => `${i.path.join(".")}: ${i.code}`).join(", "));
    for (const own of Object.values(params.data.triggers)) check(own);
    const view = await api.submit(jobRequestSchema.parse({ kind: "watch", guest, hosts: o.host, purpose: "post-loan-monitoring", params: params.data }), o.key);
    if (json) printJson(view);
    else printLines([view.id]);
  });
}

function jointScore({ scoreService, scoreDrop, scoreDays, scoreSeverity }: StartOptions): { jointScore?: WatchJobInput["jointScore"] } {
  if (scoreService === undefined && scoreDrop === undefined && scoreDays === undefined && scoreSeverity === undefined) return {};
  if (scoreService === undefined || scoreDrop === undefined) throw explained("CLI_ARGUMENT", "--score-service and --score-drop go together");
  return { jointScore: { service: scoreService, drop: scoreDrop, ...(scoreDays !== undefined && { everyDays: scoreDays }), ...(scoreSeverity !== undefined && { severity: scoreSeverity }) } };
}

function unknownTrigger(id: string): never {
  throw explained("CLI_ARGUMENT", `--trigger ${id}: not among ${publishedTriggers.map((t) => t.id).join(", ")}`);
}

/** What can be said without the providers: which items a model reads, they know alone. */
function check(triggers: readonly Trigger[]): void {
  const local = triggers.filter((t) => t.kind !== "score-drop");
  if (local.length > 0) declareTriggers(local);
}

type ChangeOptions = Common & { company?: readonly string[]; file?: string };

/** One monitoring service, opened when it is asked for the first time. */
class Watch {
  readonly #open: () => Promise<ServiceClient>;
  #client: Promise<ServiceClient> | undefined;

  constructor(o: Common, api: Parameters<typeof ServiceClient.open>[0], id: JobId) {
    this.#open = () => ServiceClient.open(api, { service: id, ca: profileAddress(o.profile).ca, now: Date.now() });
  }

  async ask(ask: WatchRequest["ask"]): Promise<Exclude<WatchServiceAnswer, { status: "refused" }>> {
    this.#client ??= this.#open();
    const answer = await (await this.#client).exchange({ ask }, watchAnswerSchema);
    if (answer.status !== "refused") return answer;
    throw new AppError(Object.hasOwn(errorTable, answer.code) ? (answer.code as Code) : "PLATFORM_INTERNAL");
  }

  async list(): Promise<WatchEntry[]> {
    const entries: WatchEntry[] = [];
    for (let after: string | undefined; ;) {
      const page = await this.ask({ do: "list", ...(after !== undefined && { after }) });
      if (page.status !== "list") throw new AppError("CLI_SEAL");
      entries.push(...page.entries);
      if (page.next === null) return entries;
      after = page.next;
    }
  }
}

async function change(watch: Watch, o: ChangeOptions & { do: "add" | "remove" }, { json, language }: { json: boolean; language: Language }): Promise<void> {
  const lines = o.file === undefined ? [] : readFileSync(o.file, "utf8").split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  const wrong = lines.findIndex((line) => !isUscc(line));
  if (wrong >= 0) throw explained("CLI_ARGUMENT", `--file: entry ${wrong + 1} is no credit code`);
  const companies = [...new Set([...(o.company ?? []), ...lines])];
  if (companies.length === 0) throw explained("CLI_ARGUMENT", "--company or --file");
  let changed = 0;
  for (let i = 0; i < companies.length; i += mostListed) changed += (await watch.ask({ do: o.do, companies: companies.slice(i, i + mostListed) })).companies;
  if (json) printJson({ companies: companies.length, changed });
  else if (o.do === "add") printLines([language === "zh" ? `${companies.length} 家，其中新登记 ${changed} 家` : `${companies.length} companies, ${changed} of them new on the list`]);
  else printLines([language === "zh" ? `${companies.length} 家，其中移除 ${changed} 家` : `${companies.length} companies, ${changed} of them were on the list`]);
}

function lineOf({ company, providers, score }: WatchEntry): string {
  const scored = score === undefined ? [] : [`score: ${score.at ?? "-"}${score.code === null ? "" : ` (${score.code})`}`];
  return `${company}  ${[...providers.map(({ party, state, code }) => `${party}: ${state}${code === null ? "" : ` (${code})`}`), ...scored].join("  ")}`;
}

type AlertOptions = Common & { service?: JobId; state?: "open" | "acknowledged" };
type Opened = Omit<AlertView, "sealed"> & { readonly alert: OpenedAlert };

function alerts(o: AlertOptions): Promise<void> {
  return run(o, async ({ api, key, json, language }) => {
    const all: Opened[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const query = { limit: "100", ...(o.service !== undefined && { service: o.service }), ...(o.state !== undefined && { state: o.state }), ...(cursor !== undefined && { cursor }) };
      const page = await api.call(e.listMonitoringAlerts, { query });
      for (const { sealed, ...view } of page.items) all.push({ ...view, alert: await opened(sealed, key) });
      cursor = page.next;
    }
    if (json) printJson(all);
    else printLines(all.length === 0 ? [language === "zh" ? "没有预警" : "no alerts"] : all.map((one) => alertLine(one, language)));
  });
}

async function opened(sealed: string, key: InstitutionKey): Promise<OpenedAlert> {
  const alert = openedAlertSchema.safeParse(parseJson(await openSealed(sealed, key), "an opened alert"));
  if (!alert.success) throw new AppError("CLI_SEAL");
  return alert.data;
}

function alertLine({ id, at, acknowledgedAt, alert }: Opened, language: Language): string {
  const what = "ended" in alert ? errorTable[alert.ended][language] : `${alert.severity}  ${alert.text[language]}${"drop" in alert ? `: ${alert.drop}` : ""}  (${alert.trigger}, ${alert.asOf})`;
  return `${id}  ${at}  ${alert.company}  ${alert.party}  ${what}${acknowledgedAt === null ? "" : "  ✓"}`;
}
