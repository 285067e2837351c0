// `yunei enclave objections`: what companies object to at this enclave, the operator's decision, and the scores that rest on it. Works beside a
// running enclave, which brings the decision to the platform.
import { join, resolve } from "node:path";
import { mkdirSync } from "node:fs";
import { Option, type Command } from "commander";
import { objectionOutcomes, objectionReasons, reasonsOf, type ObjectionAnswer } from "../../api/contract/subject.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig, type EnclaveConfig } from "../../enclave/config.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { loadIdentity } from "../../enclave/keys/identity.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { affectedScores } from "../../enclave/subject/affected.ts";
import { marksOf, type ScoreMark } from "../../enclave/subject/marks.ts";
import { ObjectionBook, type KeptObjection } from "../../enclave/subject/objections.ts";
import { usersOf } from "../../enclave/subject/uses.ts";
import { explained, languageOption } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type Opened = { readonly folder: string; readonly db: StateDatabase; readonly book: ObjectionBook; readonly receipts: ReceiptBook; readonly config: EnclaveConfig };

export function addEnclaveObjections(enclave: Command): void {
  const objections = enclave.command("objections").description("objections of companies: decide them, and find the scores that rest on them / 企业异议的办理");
  const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
  common(objections.command("list").description("what to decide, and what to mark; latest first / 列出")).action(list);
  common(objections.command("answer <id>").description("decide one; the running enclave brings it to the platform / 作出结论"))
    .addOption(new Option("--outcome <outcome>", "what was found").choices([...objectionOutcomes]).makeOptionMandatory())
    .addOption(new Option("--reason <reason>", "why").choices([...objectionReasons]).makeOptionMandatory())
    .option("--reply <digest>", "SHA-256 of the written reply to the company", digest).action(answer);
  common(objections.command("affected <id>").description("the bank's own batches in which the company was scored, and what scores it again / 列出受影响的评分"))
    .option("--out <folder>", "write a batch and a request for each, for `yunei score`").action(affected);
}

async function within<T>(dir: string, work: (opened: Opened) => T | Promise<T>): Promise<T> {
  const folder = resolve(dir);
  const config = readConfig(folder);
  const paths = enclavePaths(folder);
  using db = new StateDatabase(paths.state);
  const box = SecretBox.open(paths.box, systemRng);
  const receipts = new ReceiptBook({ db, box, rng: systemRng, key: loadIdentity(paths.keys, config.party).signKey });
  return await work({ folder, db, book: new ObjectionBook({ db, box }), receipts, config });
}

function list(o: Common): Promise<void> {
  return within(o.dir, ({ book }) => {
    const items = book.list();
    if (o.json === true) printJson({ items });
    else printLines(items.length === 0 ? [languageOf(o.lang) === "zh" ? "没有异议" : "no objections"] : items.map((item) => lineOf(item, languageOf(o.lang))));
  });
}

function lineOf(o: KeptObjection, language: Language): string {
  const waits = { en: "answer waits to be sent", zh: "结论待送达" };
  const decided = o.refused ?? (o.answer === undefined || !["accepted", "examining"].includes(o.state) ? "" : waits[language]);
  return `${o.id}  ${o.role}  ${o.state}  ${o.kind}  ${o.subject}  ${o.item ?? o.target}  ${o.party}  ${o.ground}  ${language === "zh" ? "期限" : "due"} ${o.dueAt.slice(0, 10)}${decided === "" ? "" : `  ${decided}`}`;
}

async function answer(id: string, o: Common & ObjectionAnswer): Promise<void> {
  const fitting: readonly string[] = reasonsOf[o.outcome];
  if (!fitting.includes(o.reason)) throw explained("CLI_ARGUMENT", `--outcome ${o.outcome} goes with --reason ${fitting.join(", ")}`);
  let given: ObjectionAnswer = { outcome: o.outcome, reason: o.reason, ...(o.reply === undefined ? {} : { reply: o.reply }) };
  await within(o.dir, async ({ folder, db, book, receipts }) => {
    const { item, subject } = book.toDecide(id);
    // Who used what was found right has nothing to do, and the platform need not learn of it.
    if (item !== null && given.outcome !== "rejected") given = { ...given, users: await usersOf({ db, book: receipts }, subject, item) };
    await asOperator(folder, { word: "objection", company: subject }, () => book.decide(id, given));
  });
  if (o.json === true) printJson({ id, ...given });
  else printLines([`${id}  ${given.outcome}  ${given.reason}`]);
}

async function affected(id: string, o: Common & { out?: string }): Promise<void> {
  const language = languageOf(o.lang);
  await within(o.dir, async ({ folder, db, book, config }) => {
    const objection = book.list().find((item) => item.id === id);
    if (objection === undefined) throw new AppError("OBJECTION_NOT_FOUND");
    const provider = objection.target === "item" ? objection.party : undefined;
    const found = await asOperator(folder, { word: "affected-scores", company: objection.subject }, () => affectedScores({ db, folder, results: enclavePaths(folder).results, idColumn: config.dataset.idColumn }, objection.subject, provider));
    const items = found.map(({ job, model, hosts, at, again }) => {
      const files = o.out === undefined || again === undefined ? undefined : write(o.out, job, again);
      const mark = marksOf(enclavePaths(folder).results, job).find((m) => m.objection === id)?.state ?? null;
      return { job, model: model ?? null, hosts, at, mark, ...(files === undefined ? {} : files) };
    });
    if (o.json === true) printJson({ items });
    else {
      printLines(items.length === 0 ? [language === "zh" ? "没有受影响的评分" : "no scores are affected"] : items.map((i) => `${i.job}  ${i.at.slice(0, 19)}Z  ${i.model ?? "-"}  ${i.hosts.join(" ")}  ${markOf(i.mark, language)}  ${"batch" in i ? i.batch : ""}`));
      for (const i of items) if ("batch" in i) remark(language, { en: `score again: yunei score --model ${i.model} --file ${i.batch} --dir ${o.dir}`, zh: `重新评分：yunei score --model ${i.model} --file ${i.batch} --dir ${o.dir}` });
    }
  });
}

/** What the mark on a score says to its reader. */
function markOf(mark: ScoreMark["state"] | null, language: Language): string {
  const zh = language === "zh";
  if (mark === null) return zh ? "无标注（异议办结后所作）" : "no mark (made after the end)";
  if (mark === "corrected") return zh ? "数据已更正，应重新评分" : "the data were corrected: score again";
  return ["accepted", "examining", "unconfirmed"].includes(mark) ? (zh ? "有异议" : "under objection") : (zh ? "异议已终结，评分有效" : "the objection has ended, the score stands");
}

function write(out: string, job: string, again: { request: object; batch: string }): { batch: string; request: string } {
  mkdirSync(out, { recursive: true, mode: 0o700 });
  const [batch, request] = [join(out, `${job}.csv`), join(out, `${job}.json`)];
  writeDurably(batch, again.batch);
  writeDurably(request, `${JSON.stringify(again.request, undefined, 2)}\n`);
  return { batch, request };
}

function digest(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw explained("CLI_ARGUMENT", "--reply is a SHA-256 in 64 lower-case hex digits");
  return text;
}
