// The published scorecard as Markdown, for README.md: `scripts/evaluation-table.ts` writes it there, a test holds the two together.
import { publishedSystem } from "../indicators/load.ts";
import { areaOf, findIndicator, useOf } from "../indicators/select.ts";
import { stakeOf } from "./part.ts";
import type { Entry, Scorecard } from "./schema.ts";

/** Around the generated part of README.md. */
export const tableMarks = ["<!-- scorecard: begin -->", "<!-- scorecard: end -->"] as const;

/** Grades, then every entry with its bands, points, source and reason. */
export function scorecardMarkdown(scorecard: Scorecard): string {
  const grades = scorecard.grades.map((g) => `| ${g.grade} | ${g.from} | ${g.zh} / ${g.en} |`);
  return [
    `\`${scorecard.id}\` ${scorecard.version}: base ${scorecard.base}, ${scorecard.entries.length} indicators, a grade from ${Math.round(scorecard.minCoverage * 100)} % of coverage.`,
    ["| grade | from | |", "|---|---|---|", ...grades].join("\n"),
    ["| indicator | area | points by band | stake | for | source | reason |", "|---|---|---|---|---|---|---|", ...scorecard.entries.map(row)].join("\n"),
  ].join("\n\n");
}

function row(entry: Entry): string {
  const { indicator: id, items, zh, en, scope } = entry;
  const indicator = findIndicator(id);
  const open = useOf(indicator, "scoring", publishedSystem).authorisation ? "" : ", open";
  const { edges, points } = entry;
  const band = (i: number): string => (i === 0 ? `< ${edges[0]}` : `≥ ${edges[i - 1]}`);
  const bands = points.map((p, i) => `${band(i)}: ${p > 0 ? "+" : ""}${p}`).join("; ");
  return `| \`${id}\` ${indicator.zh} | ${areaOf(id).zh} | ${bands} | ${stakeOf(entry)} | ${scope}${open} | ${items.map((i) => `\`${i}\``).join(", ")} | ${zh} / ${en} |`;
}
