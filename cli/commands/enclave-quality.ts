// `yunei enclave quality …` and `yunei enclave usage`: what a provider's operator sees and does about the quality and the use of its data.
import { resolve } from "node:path";
import { Option, type Command } from "commander";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { checkNow, readSettings } from "../../enclave/quality/service.ts";
import { QualityStore } from "../../enclave/quality/store.ts";
import { ReportLedger } from "../../enclave/reports.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { itemUsage, usageOf, type ItemUsage, type JobUsage } from "../../enclave/usage.ts";
import { accepted, assigned, corrected, maxAcceptDays, type Issue } from "../../quality/issues.ts";
import type { Publication } from "../../quality/publication.ts";
import { acceptReasons, isLive, isOverdue, issueStateNames, type AcceptReason } from "../../quality/states.ts";
import { languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { rateLine } from "../show-quality.ts";
import { languageOf, printJson, printLines, type Language } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };

function common(command: Command): Command {
  return command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
}

const issueNumber = wholeNumber(1, 2_000_000_000);

export function addQuality(enclave: Command): void {
  const quality = enclave.command("quality").description("data quality: checks, and issues until they are closed / 数据质量检查与问题跟踪");
  common(quality.command("run").description("check the data now; can run beside the enclave / 立即检查")).action(run);
  common(quality.command("rates").description("counts of the latest run, which stay here / 最近一次检查的计数（不出域）")).action(rates);
  common(quality.command("told").description("what was told to the platform, and the ledger of these reports / 已报送平台的内容与出域台账")).action(told);
  common(quality.command("issues").description("open issues with their due days / 列出问题与修正期限")).option("--all", "closed ones too").action(issues);
  common(quality.command("show").argument("<issue>", "number", issueNumber).description("one issue with its history / 查看问题及其经过"))
    .action((id: number, o: Common) => withStore(o, (store) => tell(o, store.issue(id), store)));
  common(quality.command("assign").argument("<issue>", "number", issueNumber).description("give it to a person or a department / 分派给人员或部门"))
    .requiredOption("--to <name>", "who corrects it; kept here").option("--note <text>", "kept here")
    .action((id: number, o: Common & { to: string; note?: string }) => step(o, "quality-assign", id, () => (issue) => assigned(issue, o.to)));
  common(quality.command("corrected").argument("<issue>", "number", issueNumber).description("say that the data are right now: the running enclave checks again at once / 报告已修正，由节点立即复核"))
    .option("--note <text>", "kept here").action((id: number, o: Common & { note?: string }) => step(o, "quality-corrected", id, () => corrected));
  common(quality.command("accept").argument("<issue>", "number", issueNumber).description("let it stay for a reason and a time / 说明原因后接受"))
    .addOption(new Option("--reason <word>", "why").choices([...acceptReasons]).makeOptionMandatory())
    .option("--days <number>", "for how long", wholeNumber(1, maxAcceptDays), 180).option("--note <text>", "kept here")
    .action((id: number, o: Common & { reason: AcceptReason; days: number; note?: string }) => step(o, "quality-accept", id, (now) => (issue) => accepted(issue, o.reason, o.days, now)));
}

export function addUsage(enclave: Command): void {
  common(enclave.command("usage").description("how this provider's items were used: jobs, institutions, purposes, indicators, gains / 本方数据的使用情况")).action(usage);
}

async function withStore<T>(o: Common, work: (store: QualityStore, db: StateDatabase) => T): Promise<Awaited<T>> {
  // A folder that is no enclave's gets no database.
  readConfig(resolve(o.dir));
  using db = new StateDatabase(enclavePaths(resolve(o.dir)).state);
  return await work(new QualityStore(db), db);
}

/** An operator's step, in the enclave's audit log too. */
function step(o: Common & { note?: string }, word: string, id: number, change: (now: number) => (issue: Issue) => Issue): Promise<void> {
  return withStore(o, (store) => asOperator(resolve(o.dir), { word, facts: { issue: id } }, () => {
    const now = Date.now();
    tell(o, store.step(id, now, change(now), o.note), store);
  }));
}

async function run(o: Common): Promise<void> {
  const folder = resolve(o.dir);
  const config = readConfig(folder);
  using db = new StateDatabase(enclavePaths(folder).state);
  const store = new QualityStore(db);
  const found = await asOperator(folder, { word: "quality-run" }, () => checkNow({ folder, config, env: { rng: systemRng, now: Date.now, log: silentLog }, store }, "operator"));
  const live = store.issues().filter((i) => isLive(i.state)).length;
  const { digest } = readSettings(folder);
  if (o.json === true) printJson({ ...found, issues: live, settings: digest });
  else printLines([languageOf(o.lang) === "zh" ? `检查 ${found.checks} 项，新增问题 ${found.opened}，关闭 ${found.closed}，未关闭 ${live}` : `${found.checks} checks, ${found.opened} issues opened, ${found.closed} closed, ${live} not closed`]);
}

function rates(o: Common): Promise<void> {
  return withStore(o, (store) => {
    const last = store.lastRun();
    const results = last === undefined ? [] : store.results(last.id);
    if (o.json === true) printJson({ run: last ?? null, results });
    else printLines(results.map((r) => `${r.key}  ${r.checked === null ? "-" : `${r.failed} / ${r.checked}`}`));
  });
}

function issues(o: Common & { all?: boolean }): Promise<void> {
  return withStore(o, (store) => {
    const now = Date.now();
    const shown = store.issues().filter((i) => o.all === true || isLive(i.state));
    if (o.json === true) printJson({ issues: shown.map((i) => view(i, now)) });
    else printLines(shown.length === 0 ? [languageOf(o.lang) === "zh" ? "没有问题" : "no issues"] : shown.map((i) => issueLine(i, now, languageOf(o.lang))));
  });
}

const shownTimes = 20;

function told(o: Common): Promise<void> {
  return withStore(o, (store, db) => {
    const publication = store.publication() ?? null;
    const reports = new ReportLedger(db).lines(shownTimes).map((r) => ({ ...r, at: iso(r.at) }));
    if (o.json === true) printJson({ publication, reports });
    else {
      const language = languageOf(o.lang);
      printLines([...(publication === null ? [] : publicationLines(publication, language)), ...reports.map((r) => `${r.at}  ${r.kind}  ${r.bytes}  ${r.digest}  ${r.acknowledged ? (language === "zh" ? "已送达" : "taken") : (language === "zh" ? "待送达" : "waits")}`)]);
    }
  });
}

function publicationLines({ rates: list, issues: open }: Publication, language: Language): string[] {
  return [...list.map((r) => rateLine(r, language)), ...open.map((i) => `#${i.issue}  ${issueStateNames[i.state][language]}  ${i.rule}  ${i.item ?? "-"}  ${(i.permille / 10).toFixed(1)} %`)];
}

const view = (issue: Issue, now: number) => ({
  issue: issue.id, check: issue.key, item: issue.item, severity: issue.severity, state: issue.state, assignee: issue.assignee, overdue: isOverdue(issue.state, issue.dueAt, now), permille: issue.permille, told: issue.told, limit: issue.limit,
  openedAt: iso(issue.openedAt), dueAt: iso(issue.dueAt), closedAt: issue.closedAt === null ? null : iso(issue.closedAt), reason: issue.reason,
  acceptedUntil: issue.acceptedUntil === null ? null : iso(issue.acceptedUntil),
});

function issueLine(issue: Issue, now: number, language: Language): string {
  const late = isOverdue(issue.state, issue.dueAt, now) ? (language === "zh" ? " 已逾期" : " OVERDUE") : "";
  return `#${issue.id}  ${issueStateNames[issue.state][language]}${late}  ${issue.severity}  ${(issue.permille / 10).toFixed(1)} % > ${(issue.limit / 10).toFixed(1)} %  ${iso(issue.dueAt).slice(0, 10)}  ${issue.key}${issue.item === null ? "" : `  ${issue.item}`}${issue.assignee === null ? "" : `  → ${issue.assignee}`}`;
}

function tell(o: Common, issue: Issue, store: QualityStore): void {
  const now = Date.now();
  const steps = store.steps(issue.id);
  if (o.json === true) printJson({ ...view(issue, now), steps: steps.map((s) => ({ ...s, at: iso(s.at) })) });
  else printLines([issueLine(issue, now, languageOf(o.lang)), ...steps.map((s) => `  ${iso(s.at)}  ${s.state}  ${s.by}${s.assignee === null ? "" : `  → ${s.assignee}`}${s.reason === null ? "" : `  ${s.reason}`}${s.note === null ? "" : `  ${s.note}`}`)]);
}

async function usage(o: Common): Promise<void> {
  const config = readConfig(resolve(o.dir));
  await withStore(o, (_store, db) => {
    const jobs = usageOf(db, config);
    const items = itemUsage(jobs);
    if (o.json === true) printJson({ party: config.party, items, jobs });
    else printLines([...items.flatMap((i) => itemLines(i, languageOf(o.lang))), ...jobs.map((j) => jobLine(j, languageOf(o.lang)))]);
  });
}

function itemLines(used: ItemUsage, language: Language): string[] {
  const none = language === "zh" ? "（未对应目录项）" : "(no item)";
  const words = language === "zh" ? ["任务", "机构", "企业次", "用途"] : ["jobs", "institutions", "companies", "purposes"];
  const purposes = Object.entries(used.purposes).map(([p, n]) => `${p} ${n}`).join(", ");
  const bands = Object.entries(used.bands).filter(([, n]) => n > 0).map(([band, n]) => `${band} ${n}`).join(", ");
  return [
    `${used.item ?? none}  ${words[0]} ${used.jobs}  ${words[1]} ${used.institutions.join(", ")}  ${words[2]} ${used.companies}  ${words[3]} ${purposes}${bands === "" ? "" : `  IV: ${bands}`}`,
    `  ${used.indicators.join(", ")}`,
  ];
}

function jobLine(job: JobUsage, language: Language): string {
  const gain = job.uplift === null ? "" : `  AUC ${job.uplift >= 0 ? "+" : ""}${(job.uplift / 100).toFixed(2)}`;
  const bands = job.items.flatMap((i) => i.indicators).filter((i) => i.band !== null).map((i) => `${i.name} ${i.band}`);
  const companies = language === "zh" ? `${job.companies} 家` : `${job.companies} companies`;
  return `${job.endedAt.slice(0, 19)}  ${job.job}  ${job.kind}  ${job.guest}  ${job.purpose}  ${companies}${gain}${bands.length === 0 ? "" : `  ${[...new Set(bands)].join(", ")}`}`;
}

const iso = (ms: number): string => new Date(ms).toISOString();
