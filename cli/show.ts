// What a person reads where a program would read `--json`: jobs, plans, parties and an enclave's state as lines of text.
import { askedFields, fieldLines } from "./claims/show.ts";
import type { AskedField } from "../federation/verify/fields.ts";
import type { HalfDigests } from "../enclave/job/halves.ts";
import type { JobView } from "../api/contract.ts";
import { describeError, type Code, type Facts } from "../core/errors.ts";
import type { JobPlan, LeakageItem } from "../federation/plan-schema.ts";
import { byteSize, integer, padded } from "../report/format.ts";
import type { Language } from "./terminal.ts";

type Bilingual = { readonly en: string; readonly zh: string };
type JobLine = Pick<JobView, "id" | "kind" | "purpose" | "guest" | "state" | "createdAt" | "failure">;

const stateWords: Readonly<Record<string, Bilingual>> = {
  submitted: { en: "waits for a second person", zh: "等待第二人批准" }, "awaiting-approval": { en: "awaiting approval", zh: "等待批准" },
  running: { en: "running", zh: "运行中" }, done: { en: "done", zh: "已完成" }, failed: { en: "failed", zh: "失败" },
  cancelled: { en: "cancelled", zh: "已取消" }, seen: { en: "waits for your decision", zh: "等待本方决定" },
  approved: { en: "approved", zh: "已批准" }, refused: { en: "refused", zh: "已拒绝" },
};

export function stateWord(state: string, language: Language): string {
  return stateWords[state]?.[language] ?? state;
}

function timeOf(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}

/** One line per job. */
export function jobLines(jobs: readonly JobLine[], language: Language): string[] {
  if (jobs.length === 0) return [language === "zh" ? "没有任务" : "no jobs"];
  return jobs.map((job) => {
    const party = job.failure === null || job.failure.party === null ? "" : ` (${job.failure.party})`;
    const failure = job.failure === null ? "" : `  ${job.failure.code}${party}`;
    const state = padded(stateWord(job.state, language), 18);
    return `${job.id}  ${padded(job.kind, 9)}  ${state}  ${timeOf(job.createdAt)}  ${job.purpose}${failure}`;
  });
}

/** A job with its parties and traffic. */
export function jobDetail(job: JobView, language: Language): string[] {
  const yes = (value: boolean): string => (value ? "✓" : "–");
  const words = language === "zh" ? { approved: "已批准", finished: "已完成" } : { approved: "approved", finished: "finished" };
  const traffic = job.traffic.map((t) => `  ${t.from} → ${t.to}  ${byteSize(t.bytes)}  ${integer(t.messages)}`);
  return [
    ...jobLines([job], language),
    ...job.parties.map((p) => `  ${padded(p.party, 20)} ${p.role}  ${words.approved} ${yes(p.approved)}  ${words.finished} ${yes(p.finished)}`),
    ...traffic,
  ];
}

/** Who would learn what at most, per receiver: the sentences and bounds of the leakage statement. */
export function leakageLines(leakage: readonly LeakageItem[], language: Language): string[] {
  const told = leakage.filter((item) => item.reveals.en !== "");
  return [...new Set(told.map((item) => item.to))].flatMap((to) => [
    language === "zh" ? `${to} 至多得知：` : `${to} learns at most:`,
    ...told.filter((item) => item.to === to).map((item) => {
      const most = integer(item.numbers);
      const bound = language === "zh" ? `（至多 ${most} 个数值）` : ` (at most ${most} numbers)`;
      return `  ${language === "zh" ? "来自" : "from"} ${item.from}: ${item.reveals[language]}${item.numbers === 0 ? "" : bound}`;
    }),
  ]);
}

/** What the measured attacks recover at this setting. */
export function attackLines(attacks: JobPlan["attacks"], language: Language): string[] {
  if (attacks.length === 0) return [];
  return [language === "zh" ? "实测攻击：" : "measured attacks:", ...attacks.map(({ name, result }) => `  ${name[language]}: ${result[language]}`)];
}

export function planLines(plan: JobPlan, digest: string, language: Language): string[] {
  const sizes = Object.entries(plan.datasets).map(([party, d]) => `  ${padded(party, 20)} ${sizeOf(d, language)}`);
  const head = [`${plan.job}  ${plan.kind}  ${plan.purpose}  ${plan.expiresAt}`, `  sha256 ${digest}`];
  return [...head, ...sizes, ...fieldLines(askedFields(plan), language).map((line) => `  ${line}`), ...leakageLines(plan.leakage, language), ...attackLines(plan.attacks, language)];
}

type Size = { readonly rows: number; readonly features: number };
export type PartyListing = { readonly party: string; readonly state: string; readonly enrolledAt: string | null; readonly dataset: Size | null };

function sizeOf({ rows, features }: Size, language: Language): string {
  return language === "zh" ? `${integer(rows)} 行，${integer(features)} 项特征` : `${integer(rows)} rows, ${integer(features)} features`;
}

export function partyLines(parties: readonly PartyListing[], language: Language): string[] {
  if (parties.length === 0) return [language === "zh" ? "没有参与方" : "no parties"];
  return parties.map((p) => {
    const none = language === "zh" ? "未发布数据集" : "no dataset published";
    const since = padded(p.enrolledAt === null ? "–" : timeOf(p.enrolledAt), 21);
    return `${padded(p.party, 20)} ${padded(p.state, 10)} ${since} ${p.dataset === null ? none : sizeOf(p.dataset, language)}`;
  });
}

/** What `yunei enclave status --json` prints. */
export type EnclaveStatus = {
  readonly party: string; readonly identity: string; readonly policyRules: number | null;
  /** When the first of its certificates ends (ISO 8601). */
  readonly certificatesUntil: string;
  /** What it was started with, or has taken since; new data that were not taken after that, and why. */
  readonly data: {
    readonly inService: { readonly rows: number; readonly snapshotDigest: string; readonly since: string } | null;
    readonly notTaken: { readonly code: Code; readonly facts: Facts; readonly at: string } | null;
  };
  readonly jobs: readonly EnclaveJobStatus[];
  readonly models: readonly { readonly model: string; readonly kind: string; readonly job: string; readonly version: number; readonly digests?: HalfDigests }[];
};
export type EnclaveJobStatus = {
  readonly job: string; readonly state: string; readonly code: Code | null; readonly kind: string; readonly guest: string; readonly purpose: string;
  readonly hosts: readonly string[];
  /** Of a verification: the fields that it asks about, at a provider its own. */
  readonly fields?: readonly AskedField[];
  /** At the guest: the key to which results would be sealed, for comparison with the institution's own. */
  readonly sealTo?: string;
  /** Only while the job waits for this enclave's operator: lines of the leakage statement from and to this party. */
  readonly othersWouldLearn?: readonly LeakageItem[]; readonly thisPartyWouldLearn?: readonly LeakageItem[];
  readonly measuredAttacks?: JobPlan["attacks"];
  /** Where the policy wants two operators: who has approved so far. */
  fourEyes?: { readonly approvedBy: readonly string[]; readonly needed: number };
};

function dataLines({ inService, notTaken }: EnclaveStatus["data"], language: Language): string[] {
  const isZh = language === "zh";
  const lines = inService === null ? [] : [`${isZh ? "使用中的数据" : "data in service"}: ${integer(inService.rows)} ${isZh ? "行" : "rows"}  ${inService.snapshotDigest.slice(0, 16)}  ${isZh ? "自" : "since"} ${timeOf(inService.since)}`];
  if (notTaken === null) return lines;
  const facts = Object.entries(notTaken.facts).map(([name, value]) => ` ${name} ${String(value)}`).join("");
  return [...lines, `  ${isZh ? "新数据未采用" : "newer data not taken"}: ${notTaken.code}${facts}  ${timeOf(notTaken.at)}`, `  ${describeError(notTaken.code)[language]}`];
}

export function statusLines(status: EnclaveStatus, language: Language): string[] {
  const say = (en: string, zh: string): string => (language === "zh" ? zh : en);
  const rules = status.policyRules === null ? say("no policy file: everything is refused", "没有策略文件：拒绝一切")
    : status.policyRules === 0 ? say("the policy has no rule: everything is refused", "策略没有规则：拒绝一切")
      : say(`${status.policyRules} policy rule(s)`, `${status.policyRules} 条策略规则`);
  return [
    `${status.party}  ${rules}`,
    `${say("identity key (for other parties' `pinned`)", "身份公钥指纹（供他方 pinned 使用）")}: ${status.identity}`,
    `${say("certificates valid until", "证书有效期至")} ${status.certificatesUntil.slice(0, 10)}${say(" (`yunei enclave renew`)", "（yunei enclave renew 更新）")}`,
    ...dataLines(status.data, language),
    ...status.jobs.flatMap((j) => jobStatusLines(j, language)),
    ...status.models.flatMap((m) => [
      `${m.model}  ${m.kind} v${m.version}  ${m.job}`,
      ...(m.digests === undefined ? [] : [`  data ${m.digests.snapshot.slice(0, 16)}  bins ${m.digests.bins.slice(0, 16)}  params ${m.digests.params.slice(0, 16)}  half ${m.digests.half.slice(0, 16)}`]),
    ]),
  ];
}

function jobStatusLines(job: EnclaveJobStatus, language: Language): string[] {
  const code = job.code === null ? "" : `  ${job.code}`;
  const head = `${job.job}  ${padded(job.kind, 9)}  ${stateWord(job.state, language)}${code}  ${job.guest}: ${job.purpose}`;
  if (job.othersWouldLearn === undefined) return [head];
  const seal = job.sealTo === undefined ? [] : [`  ${language === "zh" ? "结果将密封给" : "results would be sealed to"}: ${job.sealTo}`];
  const learnt = [
    ...[job.othersWouldLearn, job.thisPartyWouldLearn ?? []].flatMap((lines) => leakageLines(lines, language)),
    ...attackLines(job.measuredAttacks ?? [], language),
  ];
  const eyes = job.fourEyes === undefined ? [] : [`  ${language === "zh" ? "四眼原则，已批准" : "four eyes, approved by"} ${job.fourEyes.approvedBy.length}/${job.fourEyes.needed}: ${job.fourEyes.approvedBy.join(", ") || "–"}`];
  return [
    head, ...fieldLines(job.fields ?? [], language).map((line) => `  ${line}`), ...seal, ...eyes, ...learnt.map((line) => `  ${line}`),
    `  ${language === "zh" ? "批准或拒绝" : "to decide"}: yunei enclave approve|refuse ${job.job} --dir …`,
  ];
}
