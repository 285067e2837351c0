// `yunei enclave budgets show|set`: what is used and left of the budgets of an enclave, and the part of its policy that sets them.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { readBytes, writeDurably } from "../../core/files.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { standardBudgets, type BudgetsPolicy } from "../../enclave/charges/policy.ts";
import { budgetsView, type BudgetsView } from "../../enclave/charges/view.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { policySchema, readPolicy } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { languageOption, partyName, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type Set = Common & {
  limit?: readonly (readonly [string, number])[]; institution?: string; probing?: BudgetsPolicy["probing"]["action"]; epsilonPerYear?: number; delta?: number;
  mechanism?: "laplace" | "gaussian"; releasesPerYear?: number; privacy?: boolean;
};

export function addBudgets(enclave: Command): void {
  const budgets = enclave.command("budgets").description("quotas of questions, signs of probing, privacy of released figures / 询问额度、探测迹象与发布统计的隐私预算");
  const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
  common(budgets.command("show").description("what is used and left; can run beside the enclave / 已用与剩余额度")).action(show);
  common(budgets.command("set").description("write amounts into policy.json; they count within a second, also in running services / 修改策略中的预算，一秒内生效"))
    .option("--limit <name=amount...>", "amount of a quota, by its name", namedAmount)
    .option("--institution <party>", "for this bank alone, instead of all", partyName)
    .addOption(new Option("--probing <action>", "the most that is done about signs of probing").choices(["alert", "slow", "refuse"]))
    .option("--epsilon-per-year <number>", "noise on released counts: budget of a calendar year", fraction(0.01, 100))
    .option("--delta <number>", "with gaussian noise; default 1e-9", fraction(1e-30, 1e-3))
    .addOption(new Option("--mechanism <name>", "default gaussian").choices(["laplace", "gaussian"]))
    .option("--releases-per-year <number>", "that the year's budget is shared among; default 60", wholeNumber(1, 10_000))
    .option("--no-privacy", "release exact counts again")
    .action(set);
}

function fraction(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9.]{1,20}(e-?[0-9]{1,3})?$/i.test(text) || !(value >= least && value <= most)) throw new InvalidArgumentError(`It is a number from ${least} to ${most}.`);
    return value;
  };
}

function namedAmount(text: string, before: readonly (readonly [string, number])[] = []): readonly (readonly [string, number])[] {
  const found = /^([a-z][a-z0-9-]{0,47})=([0-9]{1,13})$/.exec(text);
  if (found === null) throw new InvalidArgumentError("It looks like companies-a-month=20000.");
  return [...before, [found[1] ?? "", Number(found[2])]];
}

function show(o: Common): void {
  const view = viewOf(resolve(o.dir));
  if (o.json === true) printJson(view);
  else printLines(linesOf(view, languageOf(o.lang)));
}

function viewOf(folder: string): BudgetsView {
  // A folder that is no enclave's gets no database.
  readConfig(folder);
  const { state, policy: file } = enclavePaths(folder);
  const policy = readPolicy(file);
  using db = new StateDatabase(state);
  return budgetsView(db, { env: { now: Date.now, rng: systemRng }, policy: policy?.budgets ?? standardBudgets, parties: policy?.allow.map((rule) => rule.guest) ?? [] });
}

/** Throws ENCLAVE_CONFIG for a policy that cannot be read, BUDGET_POLICY for one that would not hold; then nothing is changed. */
async function set(o: Set): Promise<void> {
  const folder = resolve(o.dir);
  readConfig(folder);
  const { policy: file } = enclavePaths(folder);
  readPolicy(file);
  // As it stands there: what is not about budgets is not touched.
  const present = existsSync(file) ? JSON.parse(Buffer.from(readBytes(file)).toString("utf8")) as Record<string, unknown> : { version: 1 };
  const next = { ...present, budgets: changed(present["budgets"] ?? {}, o) };
  if (!policySchema.safeParse(next).success) throw new AppError("BUDGET_POLICY");
  await asOperator(folder, { word: "budgets-set" }, () => writeDurably(file, `${JSON.stringify(next, undefined, 2)}\n`));
  if (o.json === true) printJson(viewOf(folder));
  else remark(languageOf(o.lang), { en: "The policy is written; running services follow it within a second.", zh: "策略已写入，运行中的服务一秒内生效。" });
}

function changed(present: Partial<BudgetsPolicy>, o: Set): unknown {
  const { quotas, probing, privacy } = present;
  const amounts = Object.fromEntries(o.limit ?? []);
  const own = o.institution === undefined ? undefined : quotas?.institutions?.[o.institution as keyof BudgetsPolicy["quotas"]["institutions"]];
  const nextQuotas = o.institution === undefined
    ? { ...quotas, limits: { ...quotas?.limits, ...amounts } }
    : { ...quotas, institutions: { ...quotas?.institutions, [o.institution]: { ...own, ...amounts } } };
  const given = { epsilonPerYear: o.epsilonPerYear, delta: o.delta, mechanism: o.mechanism, releasesPerYear: o.releasesPerYear };
  const wanted = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { privacy: _before, ...rest } = present;
  const nextPrivacy = o.privacy === false ? undefined : Object.keys(wanted).length > 0 ? { ...privacy, ...wanted } : privacy;
  return {
    ...rest, ...(o.limit === undefined ? {} : { quotas: nextQuotas }), ...(o.probing === undefined ? {} : { probing: { ...probing, action: o.probing } }),
    ...(nextPrivacy === undefined ? {} : { privacy: nextPrivacy }),
  };
}

const countWords: Readonly<Record<string, { readonly en: string; readonly zh: string }>> = {
  requests: { en: "requests", zh: "请求" }, companies: { en: "companies", zh: "企业" }, claims: { en: "claims", zh: "申报值" }, bits: { en: "bits", zh: "比特" },
};
const perWords: Readonly<Record<string, { readonly en: string; readonly zh: string }>> = {
  institution: { en: "institution", zh: "机构" }, company: { en: "company", zh: "企业" }, item: { en: "item", zh: "数据项" },
};

function linesOf(view: BudgetsView, language: Language): string[] {
  const zh = language === "zh";
  const word = (counts: string): string => countWords[counts]?.[language] ?? counts;
  const lines: string[] = [];
  for (const { institution, quotas, each } of view.institutions) {
    lines.push(institution);
    for (const q of quotas) {
      const left = Math.max(0, q.limit - q.used);
      lines.push(`  ${q.name}  ${word(q.counts)} ${q.used} / ${q.limit}  ${zh ? "剩余" : "left"} ${left}${q.freeAt === null ? "" : `  ${zh ? "恢复" : "free"} ${q.freeAt.slice(0, 16)}Z`}`);
    }
    for (const e of each) lines.push(`  ${e.name}  ${word(e.counts)} ${e.limit}  ${zh ? "按" : "for each"} ${e.per.map((p) => perWords[p]?.[language] ?? p).join(zh ? "、" : ", ")}`);
  }
  for (const s of view.services) lines.push(`${zh ? "服务" : "service"} ${s.scope}  ${s.period}  ${word(s.counts)} ${s.used}`);
  for (const j of view.jobs) lines.push(`${zh ? "任务" : "jobs"} ${j.budget} ${j.party}${j.period === null ? "" : ` ${j.period}`}  ${j.used}`);
  const { privacy } = view;
  if (privacy === null) lines.push(zh ? "隐私预算：未启用（发布精确计数）" : "privacy: off (counts are released as they are)");
  else {
    const left = Math.max(0, privacy.limit - privacy.spent);
    lines.push(`${zh ? "隐私预算" : "privacy"}  epsilon ${privacy.spent.toFixed(4)} / ${privacy.limit}  ${zh ? "剩余" : "left"} ${left.toFixed(4)}${privacy.delta === null ? "" : `  delta ${privacy.delta}`}  ${zh ? "至" : "until"} ${privacy.until.slice(0, 10)}`);
  }
  lines.push(zh ? `探测迹象（处置上限：${view.probing}）：${view.signs.length}` : `signs of probing (at most: ${view.probing}): ${view.signs.length}`);
  for (const s of view.signs) {
    lines.push(`  ${new Date(s.at).toISOString().slice(0, 19)}  ${s.institution}  ${s.signal}  ${s.verdict}  ${Math.round(s.measured * 100) / 100}  ${s.model}  ${s.company.slice(0, 8)}…  ${s.isTold ? (zh ? "已报平台" : "told") : (zh ? "待报" : "waits")}`);
  }
  return lines;
}
