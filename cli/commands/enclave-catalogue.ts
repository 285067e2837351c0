// `yunei enclave catalogue`: what this enclave's tables hold in the words of the sharing catalogue, and what may be computed with it.
import type { Command } from "commander";
import { findClause } from "../../catalogue/clauses.ts";
import { gradeTable } from "../../catalogue/grades.ts";
import { uses, type Use } from "../../catalogue/modes.ts";
import { describeError } from "../../core/errors.ts";
import { requireDeclaration } from "../../enclave/data/own.ts";
import { viewCatalogue, type CatalogueView } from "../../enclave/data/inspect.ts";
import { datasetOf, datasetOptions, type DatasetOptions } from "../dataset.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";

const useNames: Readonly<Record<Use, { readonly en: string; readonly zh: string }>> = {
  "joint-modelling": { en: "joint modelling", zh: "联合建模" }, scoring: { en: "scoring", zh: "评分" }, verification: { en: "verification", zh: "核验" },
  report: { en: "report", zh: "报告" }, "store-at-platform": { en: "store at the platform", zh: "归集到平台" }, statistics: { en: "statistics", zh: "统计" },
};
const answers = {
  yes: { en: "yes", zh: "可" }, authorised: { en: "with the company's consent", zh: "经企业授权" }, no: { en: "no", zh: "不可" },
} as const;

export function addEnclaveCatalogue(enclave: Command): void {
  datasetOptions(enclave.command("catalogue")
    .description("items of the sharing catalogue that the tables hold, what each may be used for, and every problem with its clause; --dir, or --data and --dataset before init / 数据表所含信息项、可用范围、问题与依据条款"))
    .action(catalogue);
}

async function catalogue(o: DatasetOptions): Promise<void> {
  const config = datasetOf(o);
  const language = languageOf(o.lang);
  const view = await viewCatalogue(config.dataset, config.dataFolder);
  if (o.json === true) printJson(asJson(view));
  else printLines(linesOf(view, language));
  if (view.version === undefined) {
    requireDeclaration(config);
    remark(language, { en: "This data set declares no item of the sharing catalogue, and needs none.", zh: "该数据集未声明共享目录信息项，且无需声明。" });
  }
  if (view.problems.length > 0) process.exitCode = 1;
}

function asJson({ version, items, features, problems }: CatalogueView): object {
  return {
    version: version ?? null, features, problems,
    items: items.map(({ item: { id, zh, en, grade }, uses: of }) => ({ id, zh, en, grade, uses: of })),
  };
}

function linesOf({ version, items, features, problems }: CatalogueView, language: Language): string[] {
  const zh = language === "zh";
  const word = (text: { readonly en: string; readonly zh: string }): string => (zh ? text.zh : text.en);
  const allowed = (use: Use, answer: keyof typeof answers): string => `${word(useNames[use])}: ${word(answers[answer])}`;
  const lines = version === undefined ? [] : [zh ? `目录版本 ${version}，${items.length} 个信息项，${features.length} 个特征` : `catalogue ${version}: ${items.length} items, ${features.length} features`];
  for (const { item, uses: of } of items) {
    lines.push(`${item.id}  ${zh ? item.zh : item.en}  [${word(gradeTable[item.grade])}]`);
    lines.push(`    ${uses.map((use) => allowed(use, of[use].allowed ? (of[use].authorisation ? "authorised" : "yes") : "no")).join("; ")}`);
  }
  for (const { name, items: from, uses: of } of features) lines.push(`${name} <- ${from.join(" + ")}  ${allowed("joint-modelling", of["joint-modelling"])}; ${allowed("scoring", of.scoring)}`);
  for (const { at, code, facts } of problems) {
    const clause = typeof facts["clause"] === "string" ? findClause(facts["clause"]) : undefined;
    const item = typeof facts["item"] === "string" ? ` ${facts["item"]}` : "";
    lines.push(`! ${at}${item}: ${code}: ${word(describeError(code))}${clause === undefined ? "" : ` (${clause.id}: ${zh ? clause.text : clause.en})`}`);
  }
  return lines;
}
