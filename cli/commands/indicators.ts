// `yunei indicators`: the published indicators, all of an area, or one with its formula.
import type { Command } from "commander";
import { officialCatalogue } from "../../catalogue/load.ts";
import { publishedSystem } from "../../indicators/load.ts";
import type { PublishedIndicator } from "../../indicators/schema.ts";
import { areaOf, findIndicator, listIndicators, useOf } from "../../indicators/select.ts";
import { AppError } from "../../core/errors.ts";
import { explained, languageOption } from "../arguments.ts";
import { languageOf, printJson, printLines, type Language } from "../terminal.ts";

type Options = { area?: string; item?: string; json?: boolean; lang?: string };

export function addIndicators(program: Command): void {
  const group = program.command("indicators")
    .description("list the published credit-evaluation indicators / 列出已发布的信用评价指标")
    .option("--area <area>", `one of: ${publishedSystem.areas.map((a) => a.area).join(", ")}`)
    .option("--item <item>", "id of an item of the sharing catalogue that they are computed from")
    .option("--json", "print the list as JSON").addOption(languageOption())
    .action(list);
  group.command("show <id>")
    .description("definition, formula and source of one indicator / 显示一项指标的定义、公式与来源")
    .option("--json", "print the indicator as JSON").addOption(languageOption())
    // The group has the same options and takes them wherever they stand.
    .action((id: string, _: Options, command: Command) => show(id, command.optsWithGlobals<Options>()));
}

function list(options: Options): void {
  const found = listIndicators({ area: options.area, item: options.item });
  if (found.length === 0 && options.item !== undefined) throw new AppError("INDICATOR_AREA");
  if (options.json === true) return printJson(found.map(asJson));
  const language = languageOf(options.lang);
  const width = Math.max(...publishedSystem.indicators.map((i) => i.id.length));
  const lines = publishedSystem.areas.flatMap((area) => {
    const own = found.filter((i) => area.indicators.includes(i));
    if (own.length === 0) return options.area === area.area ? [area[language], ...area.without.map((w) => `  ${w.item}: ${w[language]}`)] : [];
    return [`${area[language]} (${area.area}, ${own.length})`, ...own.map((i) => `  ${i.id.padEnd(width)}  ${i[language]}`)];
  });
  printLines(lines);
}

/** Throws CLI_ARGUMENT for options of the list: they choose nothing here. */
function show(id: string, options: Options): void {
  if (options.area !== undefined || options.item !== undefined) throw explained("CLI_ARGUMENT", "--area and --item choose from the list; one indicator is shown by its id alone");
  const indicator = findIndicator(id);
  if (options.json === true) return printJson(asJson(indicator));
  printLines(describe(indicator, languageOf(options.lang)));
}

function asJson(indicator: PublishedIndicator): object {
  return { area: areaOf(indicator.id).area, ...indicator, uses: usesOf(indicator) };
}

/** For modelling and scoring: refused, free, or with each company's authorisation. */
function usesOf(indicator: PublishedIndicator): Record<"joint-modelling" | "scoring", "no" | "yes" | "authorised"> {
  const word = (use: "joint-modelling" | "scoring"): "no" | "yes" | "authorised" => {
    const { allowed, authorisation } = useOf(indicator, use);
    return allowed ? (authorisation ? "authorised" : "yes") : "no";
  };
  return { "joint-modelling": word("joint-modelling"), scoring: word("scoring") };
}

const words = {
  en: {
    area: "area", definition: "definition", unit: "unit", direction: "direction", window: "window", frequency: "updated", items: "source items",
    uses: "may be used", reads: "reads", formula: "formula", "higher-better": "higher is better", "lower-better": "lower is better", none: "neither way",
    daily: "daily", monthly: "monthly", quarterly: "quarterly", yearly: "yearly",
    no: "no", yes: "yes", authorised: "with each company's authorisation", "joint-modelling": "joint modelling", scoring: "scoring",
  },
  zh: {
    area: "领域", definition: "定义", unit: "单位", direction: "方向", window: "窗口", frequency: "更新频率", items: "来源信息项",
    uses: "可用于", reads: "读取", formula: "公式", "higher-better": "越高越好", "lower-better": "越低越好", none: "不分高低",
    daily: "每日", monthly: "每月", quarterly: "每季", yearly: "每年",
    no: "否", yes: "是", authorised: "须经企业授权", "joint-modelling": "联合建模", scoring: "评分",
  },
} as const;

function describe(indicator: PublishedIndicator, language: Language): string[] {
  const say = words[language];
  const area = areaOf(indicator.id);
  const items = indicator.items.map((id) => `${id} ${officialCatalogue.find(id)?.[language] ?? ""}`);
  const reads = Object.entries(indicator.reads).map(([table, columns]) => `${table} (${columns.join(", ")})`);
  const uses = usesOf(indicator);
  const rows: [string, string][] = [
    [say.area, `${area[language]} (${area.area})`], [say.definition, indicator.definition[language]], [say.unit, indicator.unit[language]],
    [say.direction, say[indicator.direction]], [say.window, indicator.window], [say.frequency, say[indicator.frequency]],
    [say.items, items.join("; ")], [say.uses, (["joint-modelling", "scoring"] as const).map((use) => `${say[use]}: ${say[uses[use]]}`).join("; ")],
    [say.reads, reads.join("; ")], [say.formula, `${indicator.table === undefined ? "" : `${indicator.table}: `}${indicator.formula}`],
  ];
  return [`${indicator.id}  ${indicator[language]}`, ...rows.map(([name, text]) => `  ${name}: ${text}`)];
}
