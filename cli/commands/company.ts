// `yunei company`: a company's login by real name, its consents, its uses, its objections, and everything that is held on it.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { InvalidArgumentError, Option, type Command } from "commander";
import { consentEndpoints as c, grantSchema } from "../../api/contract/consents.ts";
import { objectionGrounds, objectionKinds, subjectEndpoints as s } from "../../api/contract/subject.ts";
import { currentNotice } from "../../consent/notice.ts";
import { consentKinds } from "../../consent/statement.ts";
import type { PartyId } from "../../core/brand.ts";
import { writeDurably } from "../../core/files.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { systemRng } from "../../core/rng.ts";
import type { ApiClient } from "../api-client.ts";
import { existingFile, explained, httpsUrl, languageOption, partyName, problemsOf, wholeNumber } from "../arguments.ts";
import { defaultAccess, logIn, openCompany } from "../company.ts";
import { readOwnKey, signOwn } from "../company-key.ts";
import { lookAtUses } from "../company-uses.ts";
import { refuseExisting } from "../profile.ts";
import { consentLines, objectionDetail, objectionLines, useLines } from "../show-company.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";
import { addCompanyKey } from "./company-key.ts";
import { addCompanyPublic } from "./company-public.ts";
import { companyCode } from "./verify.ts";

const dayMs = 86_400_000;
const chinaMs = 8 * 3_600_000;
type Common = { file: string; json?: boolean; lang?: string };
type Tools = { readonly api: ApiClient; readonly json: boolean; readonly language: Language };
type GrantOptions = Common & {
  to: PartyId; toCode: string; item: string[]; purpose: (typeof financingPurposes)[number]; kind: (typeof consentKinds)[number][]; days: number; atMost?: number; repeated?: boolean;
  acknowledge?: string; key?: string; ownKey?: string;
};

function common(command: Command): Command {
  return command.option("--file <file>", "file of the company's session", defaultAccess).option("--json", "print JSON").addOption(languageOption());
}

async function run(o: Common, work: (tools: Tools) => Promise<void>): Promise<void> {
  await using api = openCompany(o.file);
  await work({ api, json: o.json === true, language: languageOf(o.lang) });
}

export function addCompany(program: Command): void {
  const company = program.command("company").description("a company's consents, uses and rights / 企业：授权、使用查询与权利");
  common(company.command("login").description("log in by real name; prints the address to open in a browser / 实名登录"))
    .requiredOption("--url <url>", "https://host:port of the platform's API", httpsUrl)
    .requiredOption("--ca <file>", "certificate of the platform's authority (ca.pem)", existingFile)
    .option("--wait <seconds>", "how long to wait for the browser", wholeNumber(1, 600), 300).action(login);
  common(company.command("logout").description("end this session / 退出登录").option("--all", "all sessions of the company"))
    .action((o: Common & { all?: boolean }) => run(o, async ({ api, json }) => {
      const ended = await api.call(s.logout, { body: { all: o.all === true } });
      if (json) printJson(ended);
      else printLines([String(ended.ended)]);
    }));
  addConsents(company);
  addObjections(company);
  addCompanyPublic<Common>(company, { common, run });
  addCompanyKey<Common>(company, { common, run });
  common(company.command("notices").description("what the platform has told the company: decisions, written consents in its name / 平台致企业的通知"))
    .action((o: Common) => run(o, async ({ api, json }) => {
      const items = (await api.call(s.exportSubject)).notices;
      if (json) printJson({ items });
      else printLines(items.map((notice) => `${notice.at.slice(0, 19)}Z  ${notice.type}  ${notice.about}`));
    }));
  common(company.command("uses").description("every use of the company's data, from all enclaves, with receipts that `yunei verify` checks / 查询全部使用及回执"))
    .option("--out <folder>", "folder for the receipts", "uses").option("--wait <seconds>", "how long to wait for answers", wholeNumber(0, 3600), 30)
    .option("--answers <number>", "stop waiting when so many have answered; all that are connected unless given", wholeNumber(1, 1000), 1000).action(uses);
  common(company.command("export").description("everything that the platform holds on the company, as JSON / 导出平台持有的本企业全部信息"))
    .requiredOption("--out <file>", "file to write").action((o: Common & { out: string }) => run(o, async ({ api, json }) => {
      refuseExisting(o.out);
      const all = await api.call(s.exportSubject);
      writeDurably(o.out, `${JSON.stringify(all, undefined, 2)}\n`);
      if (json) printJson({ out: o.out, consents: all.consents.length, objections: all.objections.length });
      else printLines([o.out]);
    }));
}

async function login(o: Common & { url: string; ca: string; wait: number }): Promise<void> {
  const language = languageOf(o.lang);
  const show = (address: string): void => remark(language, { en: `Open this address in a browser:\n${address}`, zh: `请在浏览器中打开：\n${address}` });
  const access = await logIn({ url: o.url, ca: readFileSync(o.ca, "utf8"), file: o.file, waitMs: o.wait * 1000, show });
  if (o.json === true) printJson({ file: o.file, subject: access.subject, expiresAt: access.expiresAt });
  else printLines([`${access.subject}  ${access.expiresAt}`]);
}

function addConsents(company: Command): void {
  const consents = company.command("consents").description("grant, list and withdraw consents / 授权管理");
  common(consents.command("notice").description("the risk notice that is acknowledged with a consent / 风险告知书")).action((o: Common) => {
    const { notice, digest } = currentNotice();
    if (o.json === true) printJson({ ...notice, digest });
    else printLines([notice.version, notice[languageOf(o.lang)]]);
  });
  common(consents.command("list").description("all consents with where they stand / 列出全部授权")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const all = (await api.call(s.exportSubject)).consents;
    if (json) printJson({ items: all });
    else printLines(consentLines(all, language));
  }));
  common(consents.command("grant").description("consent, after reading the notice / 在线授权"))
    .requiredOption("--to <party>", "the institution's name at the platform", partyName).requiredOption("--to-code <code>", "its credit code", companyCode)
    .requiredOption("--item <item...>", "items of the sharing catalogue, e.g. tax.payment")
    .addOption(new Option("--purpose <purpose>", "what for").choices([...financingPurposes]).makeOptionMandatory())
    .addOption(new Option("--kind <kind...>", "what may be computed").choices([...consentKinds]).default(["score"]))
    .option("--days <number>", "how long it holds; it ends with the day, in China", wholeNumber(1, 1095), 90).option("--repeated", "more than one use").option("--at-most <number>", "most uses; means --repeated", wholeNumber(2, 100_000))
    .option("--acknowledge <version>", "version of the notice that was read (`consents notice`)").option("--key <text>", "idempotency key: the same key gives the same consent", idempotency)
    .option("--own-key <file>", "sign it here with the company's own key (`company key register`)", existingFile)
    .action((o: GrantOptions) => run(o, (tools) => grant(tools, o)));
  common(consents.command("withdraw <id>").description("withdraw; nothing is used after that / 撤回授权"))
    .action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
      const view = await api.call(c.withdrawConsent, { params: { id } });
      if (json) printJson(view);
      else printLines(consentLines([view], language));
    }));
}

async function grant({ api, json, language }: Tools, o: GrantOptions): Promise<void> {
  const { version, digest } = await api.call(c.consentNotice);
  const known = currentNotice();
  if (o.acknowledge !== version || digest !== known.digest) {
    remark(language, { en: `Read the notice, then say --acknowledge ${version}:\n${known.notice.en}`, zh: `请阅读风险告知书，然后使用 --acknowledge ${version} 确认：\n${known.notice.zh}` });
    throw explained("CONSENT_NOTICE", `--acknowledge ${version}`);
  }
  const single = o.repeated !== true && o.atMost === undefined;
  const body = {
    grantee: { party: o.to, uscc: o.toCode }, items: [...new Set(o.item)].sort(), purpose: o.purpose, kinds: [...new Set(o.kind)].sort(),
    notAfter: endOfDay(Date.now() + o.days * dayMs), notice: { version, digest },
    use: single ? { kind: "single" } : { kind: "repeated", ...(o.atMost === undefined ? {} : { atMost: o.atMost }) },
  };
  if (o.ownKey !== undefined && o.key !== undefined) throw explained("CLI_ARGUMENT", "--key does not go with --own-key: each signature is a consent of its own");
  const view = o.ownKey === undefined
    ? await api.call(c.grantConsent, { body, headers: { "idempotency-key": o.key ?? randomUUID() } })
    : await api.call(c.lodgeConsent, { body: { jws: signedHere(o.ownKey, body) } });
  if (json) printJson(view);
  else printLines(consentLines([view], language));
}

/** Throws CLI_ARGUMENT for a file that holds no key, CONSENT_SCHEMA for terms that are none. */
function signedHere(file: string, body: object): string {
  const request = grantSchema.safeParse(body);
  if (!request.success) throw explained("CONSENT_SCHEMA", problemsOf(request.error));
  return signOwn(readOwnKey(file), request.data, { rng: systemRng, now: Date.now });
}

/** Midnight in China after a time (ms): the same command with the same key asks for the same, all day. */
function endOfDay(ms: number): string {
  const midnight = (Math.floor((ms + chinaMs) / dayMs) + 1) * dayMs - chinaMs;
  return `${new Date(midnight).toISOString().slice(0, 19)}Z`;
}

function addObjections(company: Command): void {
  const objections = company.command("objections").description("object to an item or a score, or apply for credit repair / 异议申诉与信用修复");
  common(objections.command("list").description("newest first / 列出")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const items = (await api.call(s.exportSubject)).objections;
    if (json) printJson({ items });
    else printLines(objectionLines(items, language));
  }));
  common(objections.command("show <id>").description("with all steps / 查看步骤")).action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
    const view = await api.call(s.getObjection, { params: { id } });
    if (json) printJson(view);
    else printLines(objectionDetail(view, language));
  }));
  common(objections.command("lodge").description("lodge one; the evidence itself goes to the party that decides / 提交异议或修复申请"))
    .addOption(new Option("--kind <kind>", "objection, or credit repair").choices([...objectionKinds]).default("objection"))
    .requiredOption("--against <party>", "who decides: the provider of the item, or the institution that made the score", partyName)
    .option("--item <item>", "item of the sharing catalogue; without it, the institution's score")
    .addOption(new Option("--ground <ground>", "why").choices([...objectionGrounds]).makeOptionMandatory())
    .option("--evidence <digest>", "SHA-256 of the evidence", evidenceDigest).option("--key <text>", "idempotency key", idempotency)
    .action((o: Common & { kind: string; against: PartyId; item?: string; ground: string; evidence?: string; key?: string }) => run(o, async ({ api, json, language }) => {
      const body = {
        kind: o.kind, target: o.item === undefined ? "score" : "item", party: o.against, ground: o.ground,
        ...(o.item === undefined ? {} : { item: o.item }), ...(o.evidence === undefined ? {} : { evidence: o.evidence }),
      };
      const view = await api.call(s.lodgeObjection, { body, headers: { "idempotency-key": o.key ?? randomUUID() } });
      if (json) printJson(view);
      else printLines(objectionDetail(view, language));
    }));
  common(objections.command("withdraw <id>").description("take it back / 撤回")).action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
    const view = await api.call(s.withdrawObjection, { params: { id } });
    if (json) printJson(view);
    else printLines(objectionDetail(view, language));
  }));
}

function uses(o: Common & { out: string; wait: number; answers: number }): Promise<void> {
  return run(o, async ({ api, json, language }) => {
    const say = (answered: number, asked: number): void => {
      if (!json) remark(language, { en: `${answered} of ${asked} enclaves have answered`, zh: `已应答节点：${answered} / ${asked}` });
    };
    const found = await lookAtUses(api, { waitMs: o.wait * 1000, atLeast: o.answers, out: o.out, say });
    if (json) printJson(found);
    else {
      printLines(useLines(found.uses, language));
      const answered = found.answered.join(" ") || "-";
      remark(language, { en: `answered: ${answered}; receipts are in ${o.out}`, zh: `已应答：${answered}；回执位于 ${o.out}` });
      if (found.unread.length > 0) remark(language, { en: `could not be read: ${found.unread.join(" ")}`, zh: `无法读取：${found.unread.join(" ")}` });
      if (found.omitted > 0) remark(language, { en: `older uses that found no room: ${found.omitted}`, zh: `因篇幅未列出的较早使用：${found.omitted}` });
      remark(language, { en: "reports and subscriptions of public records: `yunei company public reports`, `yunei company public deliveries`", zh: "公开信息的报告查询与订阅推送：`yunei company public reports`、`yunei company public deliveries`" });
    }
  });
}

function evidenceDigest(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError("It is a SHA-256 in 64 lower-case hex digits (sha256sum FILE).");
  return text;
}

function idempotency(text: string): string {
  if (!/^[A-Za-z0-9_-]{8,64}$/.test(text)) throw new InvalidArgumentError("8 to 64 characters of A-Z, a-z, 0-9, _ and -.");
  return text;
}
