// `yunei audit join`: exports of several domains held against each other, offline: what each says of a job, and whether each still has the
// entries whose head another one has kept.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { HeadClaims } from "../../audit/heads.ts";
import { JobJoin, type Contradiction, type Joined } from "../../audit/join.ts";
import { verifyExport, type Verified } from "../../audit/verify.ts";
import type { JobId } from "../../core/brand.ts";
import { existingFile, jobName, languageOption } from "../arguments.ts";
import { languageOf, printJson, printLines, type Language } from "../terminal.ts";

type Options = { job?: JobId; ca?: string; json?: boolean; lang?: string };

export function addAuditJoin(audit: Command): void {
  audit.command("join").argument("<files...>", "exports of the platform and of enclaves", (file: string, before: string[] | undefined) => [...(before ?? []), existingFile(file)])
    .option("--job <job>", "a job: shown in order of time, and what the logs say of it compared", jobName).option("--ca <file>", "certificate of the platform's authority", existingFile)
    .option("--json", "print JSON").addOption(languageOption())
    .description("do several logs contradict each other? of one job, and of the heads that they have exchanged; exit status 1 if so / 多方日志比对").action(joinFiles);
}

async function joinFiles(files: readonly string[], o: Options): Promise<void> {
  const job = o.job === undefined ? undefined : new JobJoin(o.job);
  const heads = new HeadClaims();
  const ca = o.ca === undefined ? undefined : await readFile(o.ca, "utf8");
  const logs: Verified[] = [];
  for (const file of files) {
    logs.push(await verifyExport(createReadStream(file), { ca, onEntry: (entry, domain) => {
      job?.take(domain, entry);
      heads.take(domain, entry);
    } }));
  }
  // What one has seen of another is known when all were read.
  for (const [i, file] of files.entries()) {
    const { domain = "" } = logs[i] ?? {};
    if (!heads.isKnown(domain)) continue;
    heads.end(domain, await verifyExport(createReadStream(file), { onEntry: (entry) => heads.compare(domain, entry) }));
  }
  const contradictions: Contradiction[] = [
    ...(job?.contradictions() ?? []), ...heads.found.map(({ domain, by, size }): Contradiction => ({ kind: "head", domains: [by, domain], facts: { size } })),
  ];
  const timeline = job?.timeline() ?? [];
  const broken = logs.filter(({ problems }) => problems.length > 0).map(({ domain }) => domain);
  if (o.json === true) printJson({ job: o.job ?? null, ok: contradictions.length === 0 && broken.length === 0, broken, contradictions, entries: timeline });
  else printLines(joinedLines(timeline, contradictions, broken, languageOf(o.lang)));
  if (contradictions.length > 0 || broken.length > 0) process.exitCode = 1;
}

const words: Readonly<Record<Contradiction["kind"], { readonly en: string; readonly zh: string }>> = {
  plan: { en: "different plans of one job", zh: "同一任务的计划不一致" },
  receipt: { en: "a receipt was checked that its party has not made", zh: "核验过的回执未见于出具方日志" },
  messages: { en: "one sent what the other has not taken", zh: "一方所发与另一方所收不一致" },
  relayed: { en: "the platform relayed another number of messages", zh: "平台中继的消息数不一致" },
  request: { en: "a request stands in one of the two logs only", zh: "同一请求只见于一方日志" },
  head: { en: "the second log no longer has what the first has seen of it", zh: "后者日志已不含前者所留存的链头" },
  absent: { en: "the log knows nothing of the job", zh: "该日志未记载此任务" },
};

function joinedLines(entries: readonly Joined[], contradictions: readonly Contradiction[], broken: readonly string[], language: Language): string[] {
  const lines = entries.map(({ domain, entry }) => `${entry.at}  ${domain.padEnd(12)} ${entry.action.padEnd(18)} ${[entry.route, entry.objects?.party, ...Object.entries(entry.facts ?? {}).map(([k, v]) => `${k}=${String(v)}`)].filter((t) => t !== undefined).join(" ")}  ${entry.outcome}`);
  const zh = language === "zh";
  const bad = [
    ...broken.map((domain) => (zh ? `${domain}：链条不成立，见 yunei audit verify` : `${domain}: its chain does not hold, see yunei audit verify`)),
    ...contradictions.map(({ kind, domains, facts }) => `${zh ? "矛盾" : "contradiction"}: ${kind}  ${domains.join(", ")}  ${Object.entries(facts).map(([k, v]) => `${k}=${v}`).join(" ")}  ${words[kind][language]}`),
  ];
  return [...lines, ...(bad.length > 0 ? bad : [zh ? "各方日志一致" : "the logs agree"])];
}
