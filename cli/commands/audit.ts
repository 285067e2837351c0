// `yunei audit`: exports of audit logs verified and joined offline, and, for supervisors, exports and alerts of the platform.
import { createReadStream } from "node:fs";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Option, type Command } from "commander";
import { Agent, request, type Dispatcher } from "undici";
import { z } from "zod";
import { alertSchema, alertsFile, readAlerts, type Alert } from "../../audit/alerts/book.ts";
import { auditFolder } from "../../audit/disk.ts";
import { exportLines } from "../../audit/export.ts";
import { platformDomain } from "../../audit/head.ts";
import { readAuditSettings } from "../../audit/settings.ts";
import { leave, operated, spoolOf } from "../../audit/spool.ts";
import { verifyExport, verifyFolder, type Verified } from "../../audit/verify.ts";
import { auditPaths, auditSigner } from "../../api/audit/open.ts";
import { auditEndpoints } from "../../api/contract/audit.ts";
import { pathOf, problemSchema, type Endpoint } from "../../api/contract/endpoint.ts";
import { openAuthority } from "../../api/data-dir.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { existingFile, existingFolder, httpsUrl, languageOption, timeText } from "../arguments.ts";
import { refuseExisting } from "../profile.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";
import { addAuditJoin } from "./audit-join.ts";

type Shown = { json?: boolean; lang?: string };
type Reach = { url?: string; ca?: string; data?: string };
const env = { rng: systemRng, now: Date.now, log: silentLog };

export function addAudit(program: Command): void {
  const audit = program.command("audit").description("audit logs of the platform and of enclaves / 审计日志");
  const shown = (command: Command): Command => command.option("--json", "print JSON").addOption(languageOption());
  shown(audit.command("verify").argument("<file>", "an export, or the audit folder of a platform", existing)
    .description("is anything altered, removed, moved, put in or cut off? offline; exit status 1 if so / 离线核验审计日志"))
    .option("--ca <file>", "certificate of the platform's authority (ca.pem): then the signer is held to it", existingFile)
    .option("--earlier <file>", "an earlier export of the same log, which this one must continue", existingFile).action(verify);
  reachable(shown(audit.command("export").description("the platform's log as a file that verifies on its own / 导出平台审计日志")))
    .option("--from <time>", "e.g. 2026-01-31T00:00:00Z", timeText).option("--to <time>", "the same form", timeText)
    .requiredOption("--out <file>", "file to write").action(exportPlatform);
  addAuditJoin(audit);
  reachable(shown(audit.command("alerts").description("alerts of the platform / 平台告警"))).option("--acknowledge <alert>", "say that somebody has seen it").action(alerts);
}

function reachable(command: Command): Command {
  return command.addOption(new Option("--url <url>", "the platform's API, with a supervisor's key in YUNEI_KEY").argParser(httpsUrl))
    .option("--ca <file>", "certificate of the platform's authority, for --url", existingFile)
    .option("--data <folder>", "on the platform's own machine: its data folder, in place of --url", existingFolder);
}

function existing(path: string): string {
  try {
    return existingFolder(path);
  } catch {
    return existingFile(path);
  }
}

async function verify(path: string, o: Shown & { ca?: string; earlier?: string }): Promise<void> {
  const ca = o.ca === undefined ? undefined : await readFile(o.ca, "utf8");
  const earlier = o.earlier === undefined ? undefined : (await verifyExport(createReadStream(o.earlier), { ca })).head;
  const isFolder = await open(path).then(async (file) => {
    const isFound = (await file.stat()).isDirectory();
    await file.close();
    return isFound;
  });
  const found = isFolder ? await verifyFolder(auditFolder(path), platformDomain, { ca, earlier }) : await verifyExport(createReadStream(path), { ca, earlier });
  showVerified(found, o);
}

/** Prints what was found; exit status 1 when the chain does not hold. */
export function showVerified(found: Verified, o: Shown): void {
  const { problems, domain, entries, first, size, heads, signedAt, to, isSignerKnown } = found;
  if (o.json === true) printJson({ ok: problems.length === 0, domain, entries, first, size, heads, signedAt: signedAt ?? null, to: to ?? null, isSignerKnown, problems });
  else printLines(verifiedLines(found, languageOf(o.lang)));
  if (problems.length > 0) process.exitCode = 1;
}

const problemWords = {
  form: { en: "a line that is no entry", zh: "不是合法条目" }, missing: { en: "entries are missing from here", zh: "自此缺少条目" }, order: { en: "moved, repeated or put in", zh: "被移动、重复或插入" },
  altered: { en: "altered, or what was before it was", zh: "被篡改，或其前一条被篡改" }, signature: { en: "a signature of another key", zh: "签名不符" },
  removal: { en: "the beginning is missing and no removal is noted", zh: "缺少开头且无删除记录" }, truncated: { en: "the end was cut off", zh: "结尾被截断" }, head: { en: "another history than an earlier head", zh: "与此前签名的链头不一致" },
} as const;

function verifiedLines({ problems, domain, entries, first, size, signedAt, to, isSignerKnown }: Verified, language: Language): string[] {
  const zh = language === "zh";
  const signer = isSignerKnown ? (zh ? "签名方已核验" : "signer verified") : zh ? "未核验签名方（加 --ca）" : "signer not held to an authority (give --ca)";
  const part = to === undefined ? "" : zh ? `  仅至 ${to} 的部分` : `  a part, to ${to}`;
  const head = `${domain}  ${first}-${size - 1}  ${entries} ${zh ? "条" : "entries"}  ${signedAt ?? "-"}  ${signer}${part}`;
  if (problems.length === 0) return [head, zh ? "完好：链条成立" : "ok: the chain holds"];
  return [head, ...problems.slice(0, 50).map(({ kind, seq }) => `  ${seq}  ${kind}  ${problemWords[kind][language]}`), `${problems.length} ${zh ? "处问题" : "problems"}`];
}

/** Writes an export; a file that is not whole is not left behind. */
export async function writeExport(chunks: AsyncIterable<string | Uint8Array>, out: string): Promise<void> {
  refuseExisting(out);
  const temp = `${out}.part`;
  const file = await open(temp, "wx", 0o600);
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(temp, { force: true });
    throw error;
  }
  await file.close();
  await rename(temp, out);
}

async function exportPlatform(o: Shown & Reach & { from?: string; to?: string; out: string }): Promise<void> {
  let ca: string | undefined;
  if (o.data === undefined) {
    const reply = await ask(o, auditEndpoints.exportAudit, { ...(o.from === undefined ? {} : { from: o.from }), ...(o.to === undefined ? {} : { to: o.to }) });
    await writeExport(reply.body, o.out);
    ca = o.ca === undefined ? undefined : await readFile(o.ca, "utf8");
  } else {
    const authority = await openAuthority(o.data, env);
    ca = authority.certificatePem;
    const signer = await auditSigner(o.data, authority);
    const paths = auditPaths(o.data);
    readAuditSettings(paths.settings);
    const range = { from: o.from === undefined ? undefined : Date.parse(o.from), to: o.to === undefined ? undefined : Date.parse(o.to) };
    await operated(spoolOf(paths.folder), env, { word: "audit-export" }, () => writeExport(exportLines({
      disk: auditFolder(paths.folder), domain: platformDomain, range, until: Infinity, signer, now: env.now,
    }), o.out));
  }
  showVerified(await verifyExport(createReadStream(o.out), { ca }), o);
}

/** Throws CLI_ARGUMENT without an address or key, CLI_UNREACHABLE, and the platform's own code. */
async function ask(o: Reach, endpoint: Endpoint, query: Record<string, string> = {}, params: Record<string, string> = {}): Promise<Dispatcher.ResponseData> {
  const key = process.env["YUNEI_KEY"];
  if (o.url === undefined || o.ca === undefined || key === undefined) throw new AppError("CLI_ARGUMENT");
  const text = new URLSearchParams(query).toString();
  const dispatcher = new Agent({ connect: { ca: await readFile(o.ca, "utf8"), minVersion: "TLSv1.3" } });
  let reply: Dispatcher.ResponseData;
  try {
    reply = await request(new URL(pathOf(endpoint, params) + (text === "" ? "" : `?${text}`), o.url), {
      method: endpoint.method.toUpperCase(), dispatcher, headers: { authorization: `Bearer ${key}` }, bodyTimeout: 0,
    });
  } catch (cause) {
    throw new AppError("CLI_UNREACHABLE", {}, { cause });
  }
  if (reply.statusCode < 400) return reply;
  const problem = problemSchema.safeParse(await reply.body.json().catch(() => undefined));
  throw problem.success ? new AppError(problem.data.code, { status: reply.statusCode }) : new AppError("PLATFORM_REFUSED", { status: reply.statusCode });
}

async function alerts(o: Shown & Reach & { acknowledge?: string }): Promise<void> {
  if (o.data !== undefined) {
    const { folder } = auditPaths(o.data);
    showAlerts(readAlerts(join(folder, alertsFile)), folder, o);
    return;
  }
  if (o.acknowledge !== undefined) await (await ask(o, auditEndpoints.acknowledgeAlert, {}, { id: o.acknowledge })).body.dump();
  const reply = z.strictObject({ alerts: z.array(alertSchema) }).parse(await (await ask(o, auditEndpoints.listAlerts)).body.json());
  printAlerts(reply.alerts, o);
}

/** Lists the alerts beside a log; with `acknowledge` the running process notes it. Throws ALERT_UNKNOWN. */
export function showAlerts(found: readonly Alert[], folder: string, o: Shown & { acknowledge?: string }): void {
  const { acknowledge } = o;
  if (acknowledge !== undefined) {
    if (!found.some(({ id }) => id === acknowledge)) throw new AppError("ALERT_UNKNOWN");
    leave(spoolOf(folder), { actor: { role: "operator" }, action: "alert.acknowledged", objects: { alert: acknowledge } }, env);
    remark(languageOf(o.lang), { en: "noted; the running process takes it in within seconds", zh: "已记录，运行中的进程将在数秒内写入日志" });
  }
  printAlerts(found, o);
}

function printAlerts(found: readonly Alert[], o: Shown): void {
  if (o.json === true) printJson({ alerts: found });
  else printLines(found.length === 0 ? [languageOf(o.lang) === "zh" ? "没有告警" : "no alerts"] : found.map(({ id, at, kind, about, count, acknowledged }) => `${at}  ${acknowledged === null ? "*" : " "} ${kind.padEnd(22)} ${about}  ${count}  ${id}`));
}
