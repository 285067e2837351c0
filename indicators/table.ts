// The published system as Markdown, for README.md: `scripts/indicators-table.ts` writes it there, a test holds the two together.
import { publishedSystem, type IndicatorSystem } from "./load.ts";
import type { Area } from "./schema.ts";
import { useOf } from "./select.ts";

/** Around the generated part of README.md. */
export const tableMarks = ["<!-- indicators: begin -->", "<!-- indicators: end -->"] as const;

const arrows = { "higher-better": "↑", "lower-better": "↓", none: "–" } as const;

/** All areas: indicators, shape of the tables, items without an indicator. */
export function systemMarkdown(system: IndicatorSystem = publishedSystem): string {
  return system.areas.map((area) => areaMarkdown(area, system)).join("\n\n");
}

function areaMarkdown(area: Area, system: IndicatorSystem): string {
  const title = `### ${area.zh} / ${area.en} (\`${area.area}\`, ${area.indicators.length})`;
  const rows = area.indicators.map((i) => {
    const scoring = useOf(i, "scoring", system).authorisation ? "authorised" : "yes";
    const cells = [`\`${i.id}\``, `${i.zh} / ${i.en}`, `${i.unit.zh} / ${i.unit.en}`, arrows[i.direction], i.window, i.frequency, i.items.map((id) => `\`${id}\``).join(", "), scoring];
    return `| ${cells.join(" | ")} |`;
  });
  const list = rows.length === 0 ? [] : [["| id | 名称 / name | 单位 / unit | | window | updated | items | scoring |", "|---|---|---|---|---|---|---|---|", ...rows].join("\n")];
  const tables = Object.entries(area.tables).map(([name, table]) => `- \`${name}\` (${table.zh} / ${table.en}): ${Object.keys(table.columns).map((c) => `\`${c}\``).join(", ")}`);
  const without = area.without.map((w) => `- \`${w.item}\`: ${w.zh} / ${w.en}`);
  return [
    title, ...list, ["Tables:", ...tables].join("\n"), ...(without.length === 0 ? [] : [["No indicator from:", ...without].join("\n")]),
  ].join("\n\n");
}

/** `text` with the part between the marks replaced. Throws a RangeError when the marks are not there. */
export function withTable(text: string, table: string, marks: readonly [string, string] = tableMarks): string {
  const [begin, end] = marks;
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new RangeError("no marks for the table");
  return `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`;
}
