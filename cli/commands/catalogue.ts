// `yunei catalogue`: the sharing catalogue, from this program's own copy; no platform is asked.
import { Argument, InvalidArgumentError, Option, type Command } from "commander";
import { documents } from "../../catalogue/clauses.ts";
import { gradeTable } from "../../catalogue/grades.ts";
import { catalogueAt, officialCatalogue } from "../../catalogue/load.ts";
import { allows, uses, type Use } from "../../catalogue/modes.ts";
import { departmentNames, departmentSchema, grades, levels, sharingModes } from "../../catalogue/schema.ts";
import type { Catalogue, CatalogueItem, Department, Grade, Level, SharingMode, Way } from "../../catalogue/schema.ts";
import { findItem, listItems, searchItems } from "../../catalogue/search.ts";
import { padded } from "../../report/format.ts";
import { explained, languageOption } from "../arguments.ts";
import { languageOf, printJson, printLines, type Language } from "../terminal.ts";

type Options = {
  version?: Catalogue; category?: string; department?: Department; mode?: SharingMode; level?: Level; grade?: Grade; use?: Use; json?: boolean; lang?: string;
};

export function addCatalogue(program: Command): void {
  program.command("catalogue").description("the official sharing lists: list, search TEXT, show ITEM / 信用信息共享目录：浏览、检索、查看")
    .addArgument(new Argument("[what]", "list (default), search or show").choices(["list", "search", "show"]).default("list"))
    .argument("[text...]", "words to search for, or the item to show (its id, or its name in a list)")
    .option("--version <version>", "the catalogue as it stood with this list, e.g. 2021-52", versionOf)
    .addOption(new Option("--category <category>", "of this category").choices(officialCatalogue.categories.map((c) => c.id)))
    .addOption(new Option("--department <department>", "this department is responsible").choices(departmentSchema.options))
    .addOption(new Option("--mode <mode>", "shared in this way").choices(sharingModes)).addOption(new Option("--level <level>", "shared at this level").choices(levels))
    .addOption(new Option("--grade <grade>", "of this grade").choices(grades)).addOption(new Option("--use <use>", "may be used so").choices(uses))
    .option("--json", "print JSON").addOption(languageOption())
    .action((what: "list" | "search" | "show", text: string[], o: Options) => run(what, text.join(" "), o));
}

function versionOf(text: string): Catalogue {
  if (!officialCatalogue.versions.includes(text)) throw new InvalidArgumentError(`There is ${officialCatalogue.versions.join(", ")}.`);
  return catalogueAt(text);
}

function run(what: "list" | "search" | "show", text: string, o: Options): void {
  const catalogue = o.version ?? officialCatalogue;
  const language = languageOf(o.lang);
  if (what === "show") show(findItem(text, catalogue), o, language);
  else {
    if ((what === "search") !== (text !== "")) throw explained("CLI_ARGUMENT", what === "search" ? "say what to search for" : "`list` takes no words; `search` does");
    const { category, department, mode, level, grade, use } = o;
    const filter = { category, department, mode, level, grade, use };
    const items = what === "search" ? searchItems(text, filter, catalogue).map((hit) => hit.item) : listItems(filter, catalogue);
    if (o.json === true) printJson({ version: catalogue.versions.at(-1), total: items.length, items });
    else printLines([...items.map((item) => line(item, language)), language === "zh" ? `共 ${items.length} 项` : `${items.length} item(s)`]);
  }
}

const modeWords: Readonly<Record<SharingMode, { zh: string; en: string }>> = {
  "physical-collection": { zh: "物理归集", en: "physical collection" }, "interface-call": { zh: "接口调用", en: "interface call" },
  "data-verification": { zh: "数据核验", en: "verification only" },
};
const levelWords: Readonly<Record<Level, { zh: string; en: string }>> = { national: { zh: "全国", en: "national" }, local: { zh: "地方", en: "local" } };

function wayText(way: Way, language: Language): string {
  const at = way.levels.map((l) => levelWords[l][language]).join("/");
  const authorised = way.authorisation ? { zh: "经授权", en: "authorised" }[language] : "";
  return [modeWords[way.mode][language], at, authorised, way.part === undefined ? "" : `(${way.part[language]})`].filter((s) => s !== "").join(" ");
}

function line(item: CatalogueItem, language: Language): string {
  return `${padded(item.id, 42)} ${padded(gradeTable[item.grade][language], language === "zh" ? 8 : 11)} ${item[language]}  [${item.ways.map((w) => wayText(w, language)).join("; ")}]`;
}

function show(item: CatalogueItem, o: Options, language: Language): void {
  const verdicts = uses.map((use) => ({ use, ...allows(item, use) }));
  if (o.json === true) {
    printJson({ item, uses: verdicts });
    return;
  }
  const say = (zh: string, en: string): string => (language === "zh" ? zh : en);
  printLines([
    `${item.id}  ${item.zh}  ${item.en}`,
    `${say("级别", "grade")}: ${gradeTable[item.grade][language]}  ${say("版本", "versions")}: ${item.versions.join(", ")}`,
    `${say("共享方式", "shared")}: ${item.ways.map((w) => wayText(w, language)).join("; ")}`,
    ...(item.departments.length === 0 ? [] : [`${say("责任单位", "departments")}: ${item.departments.map((d) => departmentNames[d][language]).join("、")}`]),
    ...item.listings.map((l) => `${l.version} ${l.number}.${l.position}  ${l.zh}: ${l.sharing.zh}`),
    say("数据项:", "fields:"),
    ...item.fields.map((f) => `  ${padded(f.id, 38)} ${padded(gradeTable[f.grade][language], language === "zh" ? 8 : 11)} ${f.type}${f.unit === undefined ? "" : ` (${f.unit})`}  ${f[language]}`),
    say("用途:", "uses:"),
    ...verdicts.map((v) => `  ${padded(v.use, 18)} ${v.allowed ? (v.authorisation ? say("须授权", "with authorisation") : say("可以", "yes")) : say("不可以", "no")}  `
      + `${documents[v.clause.document].short}${v.clause.article}: ${language === "zh" ? v.clause.text : v.clause.en}`),
  ]);
}
