// `yunei enclave outcomes …`: what became of a bank's loans, in its own enclave: imported, reported on, made into labels; counts leave when a person says so.
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { writeDurably } from "../../core/files.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { memoryKeyOf } from "../../enclave/data/own.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { OutcomeDesk, type AboutModel } from "../../enclave/outcomes/desk.ts";
import { importsOf } from "../../enclave/outcomes/import.ts";
import { toldCounts } from "../../enclave/outcomes/told.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { ServingStore } from "../../enclave/serving/store.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { rejectMethods, type RejectMethod } from "../../models/outcomes/reject.ts";
import { replay, versionOf } from "../../serving/registry/machine.ts";
import { existingFile, languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { comparisonLines, countLines, importLines, importLine, labelLines, reportLines } from "../show-outcomes.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type About = Common & { model?: string; asOf?: string; daysPastDue: string; window: number; indeterminate?: string; cohort: "month" | "quarter"; development?: string };
type ExportOptions = Common & Pick<About, "model" | "asOf" | "daysPastDue" | "window" | "indeterminate"> & { out: string; rejects: RejectMethod; badRateFactor: number; testFrom?: string; features?: boolean };

const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
const defined = (command: Command): Command => common(command)
  .addOption(new Option("--days-past-due <days>", "a loan is bad from so many days past due, or charged off").choices(["30", "60", "90"]).default("90"))
  .option("--window <months>", "within so many months on book", wholeNumber(1, 60), 12)
  .addOption(new Option("--indeterminate <days>", "leave out loans that were so late without being bad").choices(["30", "60"]))
  .option("--as-of <month>", "the last reported month, e.g. 2026-03; default: the latest of any row", month);
const about = (command: Command): Command => defined(command)
  .option("--development <file>", "CSV of probability and label that the version was judged on; default: the test part of its training job")
  .addOption(new Option("--cohort <length>", "loans of a month or a quarter together").choices(["month", "quarter"]).default("month"));
const version = "id or digest of the model version";

export function addOutcomes(enclave: Command): void {
  const outcomes = enclave.command("outcomes").description("what became of the bank's loans; rows stay here / 贷款表现回传与回测（数据不出域）");
  common(outcomes.command("import").argument("<file>", "CSV, Parquet or NDJSON: loan, originated, month, status, and as far as known company, amount, model, score", existingFile)
    .description("take in rows, one per loan and month; refused ones are counted and change nothing / 导入贷款表现"))
    .option("--column <names...>", "take these columns and no others; name=field where the names differ", columns)
    .option("--correct", "rows that contradict earlier ones replace them").action(importFile);
  common(outcomes.command("list").description("imports, newest first, and how many loans there are / 列出导入记录")).action(list);
  about(outcomes.command("report").description("vintages, calibration, ranking, stability, reject inference and verdicts of a model version on its loans; exit status 0 whatever the verdict / 模型版本表现报告"))
    .addOption(new Option("--model <model>", `${version}; default: the one of most loans`).conflicts("deployment"))
    .option("--deployment <name>", "of the champion of this deployment (`yunei enclave models`)").option("--out <file>", "write the report there as JSON, too").action(report);
  about(outcomes.command("back-test").description("a version on loans that another one granted: which ranks better, on the same loans / 回测：与现任版本比较"))
    .requiredOption("--model <model>", version).requiredOption("--against <model>", `${version} that granted the loans`)
    .option("--job <job>", "a batch in which the model scored these companies; default: what it gave as a shadow").option("--out <file>", "write the comparison there as JSON, too").action(backTest);
  defined(outcomes.command("export-labels").description("labels for a new training job, one company a row, with what was left out and why / 导出新训练任务的标签"))
    .requiredOption("--out <folder>", "where labels.csv and labels.json are written")
    .addOption(new Option("--rejects <method>", "what applications that were turned down are taken for").choices([...rejectMethods]).default("none"))
    .option("--bad-rate-factor <factor>", "bad rate of turned-down over that of accepted applicants of the same score, 1 to 20", factor, 1)
    .option("--model <model>", `${version} whose scores place them; default: the one of most loans`)
    .option("--test-from <month>", "loans made from this month on are the test part (split.csv)", month)
    .option("--features", "write the bank's ready-made table with these labels, too: a data set for an enclave").action(exportLabels);
  about(outcomes.command("tell").description("let counts of finished loans leave, where the policy allows it; the running enclave brings them to the platform / 报送计数"))
    .option("--model <model>", `${version}; default: the one of most loans`).option("--check", "show what would leave, and let nothing leave").action(tell);
  common(outcomes.command("told").description("what was let out, and whether the platform has it / 已报送的计数")).action(told);
}

function month(text: string): string {
  if (!/^(19|20)\d{2}-(0[1-9]|1[0-2])$/.test(text)) throw new InvalidArgumentError("It looks like 2026-03.");
  return text;
}

function factor(text: string): number {
  const value = Number(text);
  if (!(value >= 1 && value <= 20)) throw new InvalidArgumentError("It is a number from 1 to 20.");
  return value;
}

function columns(text: string, before: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> {
  const [name = "", field = name] = text.split("=", 2);
  return new Map([...(before ?? []), [name, field]]);
}

async function withDesk<T>(o: Common, work: (desk: OutcomeDesk, db: StateDatabase, folder: string) => T): Promise<Awaited<T>> {
  const folder = resolve(o.dir);
  const config = readConfig(folder);
  const paths = enclavePaths(folder);
  using db = new StateDatabase(paths.state);
  const box = SecretBox.open(paths.box, systemRng);
  return await work(new OutcomeDesk({ folder, config, db, box, memoryKey: memoryKeyOf(paths.box), env: { rng: systemRng, now: Date.now, log: silentLog } }), db, folder);
}

function aboutOf(o: About): AboutModel {
  return { ...definitionOf(o), model: o.model, asOf: o.asOf, development: o.development === undefined ? undefined : existingFile(o.development), settings: { cohort: o.cohort } };
}

function definitionOf(o: Pick<About, "daysPastDue" | "window" | "indeterminate">): Required<Pick<AboutModel, "definition">> {
  return { definition: { daysPastDue: Number(o.daysPastDue) as 30 | 60 | 90, windowMonths: o.window, indeterminateFrom: o.indeterminate === undefined ? null : (Number(o.indeterminate) as 30 | 60) } };
}

const everyRows = 50_000;

function importFile(file: string, o: Common & { column?: ReadonlyMap<string, string>; correct?: boolean }): Promise<void> {
  return withDesk(o, async (desk, _db, folder) => {
    const language = languageOf(o.lang);
    let said = 0;
    const progress = (rows: number): void => {
      if (rows - said < everyRows) return;
      said = rows;
      remark(language, { en: `  ${rows} rows`, zh: `  ${rows} 行` });
    };
    const result = await asOperator(folder, { word: "outcomes-import", facts: { correct: o.correct === true } }, () => desk.importFile({ file, columns: o.column, correct: o.correct, progress }));
    if (o.json === true) printJson(result);
    else printLines(importLines(result, language));
    if (Object.keys(result.refused).length > 0) process.exitCode = 1;
  });
}

const shownImports = 20;

function list(o: Common): Promise<void> {
  return withDesk(o, (desk, db) => {
    const imports = importsOf(db, shownImports).map((i) => ({ ...i, at: new Date(i.at).toISOString() }));
    if (o.json === true) printJson({ loans: desk.loans.count, imports });
    else printLines([languageOf(o.lang) === "zh" ? `${desk.loans.count} 笔贷款与申请` : `${desk.loans.count} loans and applications`, ...imports.map((i) => importLine(i, languageOf(o.lang)))]);
  });
}

function report(o: About & { out?: string; deployment?: string }): Promise<void> {
  return withDesk(o, async (desk, db, folder) => {
    const model = o.deployment === undefined ? o.model : championOf(db, o.deployment);
    const made = await asOperator(folder, { word: "outcomes-report" }, () => desk.report({ ...aboutOf(o), model }));
    if (o.out !== undefined) writeDurably(resolve(o.out), `${JSON.stringify(made, undefined, 2)}\n`);
    if (o.json === true) printJson(made);
    else printLines(reportLines(made, languageOf(o.lang)));
  });
}

/** Digest of the champion. Throws SERVING_UNKNOWN, SERVING_NO_CHAMPION, SERVING_HISTORY. */
function championOf(db: StateDatabase, name: string): string {
  const deployment = replay(new ServingStore(db).events(name));
  if (deployment === undefined) throw new AppError("SERVING_UNKNOWN");
  if (deployment.champion === null) throw new AppError("SERVING_NO_CHAMPION");
  return versionOf(deployment, deployment.champion).model;
}

function backTest(o: About & { model: string; against: string; job?: string; out?: string }): Promise<void> {
  return withDesk(o, async (desk, _db, folder) => {
    const made = await asOperator(folder, { word: "outcomes-back-test" }, () => desk.compare({ ...aboutOf(o), model: o.model, against: o.against, job: o.job }));
    if (o.out !== undefined) writeDurably(resolve(o.out), `${JSON.stringify(made, undefined, 2)}\n`);
    if (o.json === true) printJson(made);
    else printLines(comparisonLines(made, languageOf(o.lang)));
  });
}

function exportLabels(o: ExportOptions): Promise<void> {
  return withDesk(o, async (desk, _db, folder) => {
    const out = resolve(o.out);
    mkdirSync(out, { recursive: true, mode: 0o700 });
    const made = await asOperator(folder, { word: "outcomes-export-labels", facts: { rejects: o.rejects, window: o.window } }, () => desk.exportLabels({
      ...definitionOf(o), asOf: o.asOf, model: o.model, out, method: o.rejects, badRateFactor: o.badRateFactor, testFrom: o.testFrom, withFeatures: o.features === true,
    }));
    if (o.json === true) printJson({ out, ...made });
    else printLines(labelLines(made, languageOf(o.lang)));
  });
}

function tell(o: About & { check?: boolean }): Promise<void> {
  return withDesk(o, async (desk, _db, folder) => {
    const next = o.check === true ? await desk.counts(aboutOf(o)) : await asOperator(folder, { word: "outcomes-tell" }, () => desk.tell(aboutOf(o), readPolicy(enclavePaths(folder).policy)));
    if (o.json === true) printJson({ ...next, told: o.check !== true && next.isNew });
    else printLines(countLines(next.counts, { isNew: next.isNew, language: languageOf(o.lang) }));
  });
}

function told(o: Common): Promise<void> {
  return withDesk(o, (_desk, db) => {
    const all = toldCounts(db).map((t) => ({ ...t, at: new Date(t.at).toISOString() }));
    if (o.json === true) printJson({ told: all });
    else printLines(all.flatMap((t) => [`${t.at}  ${t.isSent ? "✓" : "…"}`, ...countLines(t.counts, { isNew: true, language: languageOf(o.lang) })]));
  });
}
