// How results are shown: tables of equal columns for a terminal, Markdown for the repository. A pure function of results.json.
import { isMissed, ratioOf, type Figure } from "./figures.ts";
import { verdict, type Results, type SectionResult } from "./results.ts";

const columns = ["figure", "value", "wall", "CPU", "baseline", "against it", "bar", ""] as const;
/** Columns of numbers stand to the right. */
const isRight = (i: number): boolean => i >= 1 && i <= 3;

/** A number in at most three or four significant digits. */
export function short(x: number): string {
  if (Number.isInteger(x)) return Math.abs(x) >= 10_000 ? x.toLocaleString("en-US") : String(x);
  const size = Math.abs(x);
  if (size < 0.1) return x.toPrecision(2);
  return size >= 1000 ? Math.round(x).toLocaleString("en-US") : size >= 100 ? x.toFixed(0) : size >= 10 ? x.toFixed(1) : x.toFixed(2);
}

function inUnit(x: number, unit: string): string {
  if (unit === "AUC") return x.toFixed(4);
  if (unit === "s" && x > 0 && x < 0.1) return x < 1e-4 ? inUnit(x * 1e6, "us") : inUnit(x * 1e3, "ms");
  return unit === "" ? short(x) : `${short(x)} ${unit}`;
}

/** "12 x less", "3.1 x more", "+0.0020". */
export function comparison(figure: Figure): string {
  const { baseline, value } = figure;
  if (baseline === undefined) return "";
  if (figure.compare === "difference") return `${value < baseline.value ? "-" : "+"}${Math.abs(value - baseline.value).toFixed(4)}`;
  const ratio = ratioOf(figure);
  if (ratio === undefined) return "";
  return ratio >= 1 ? `${short(ratio)} x less` : `${short(1 / ratio)} x more`;
}

export function cells(figure: Figure): string[] {
  const { bar, baseline, unit } = figure;
  const seconds = (x: number | undefined): string => (x === undefined ? "" : inUnit(x, "s"));
  const source = baseline === undefined || baseline.source === "measured" ? "" : `, ${baseline.source}`;
  return [
    figure.extrapolated === undefined ? figure.name : `${figure.name} (extrapolated)`,
    inUnit(figure.value, unit), seconds(figure.wallSeconds), seconds(figure.cpuSeconds),
    baseline === undefined ? "" : `${inUnit(baseline.value, unit)}: ${baseline.name}${source}`, comparison(figure),
    bar === undefined ? "" : "atMost" in bar ? `<= ${inUnit(bar.atMost, unit)}` : `>= ${inUnit(bar.atLeast, unit)}`,
    bar === undefined ? "" : isMissed(figure) ? "MISSED" : "ok",
  ];
}

/** Rows of a table without the columns that nobody uses. */
function table(figures: readonly Figure[]): { readonly rows: readonly string[][]; readonly right: readonly boolean[] } {
  const all = [[...columns], ...figures.map(cells)];
  const used = columns.map((_, i) => all.slice(1).some((row) => (row[i] ?? "") !== ""));
  const keep = <T>(row: readonly T[]): T[] => row.filter((__, i) => used[i] === true);
  return { rows: all.map(keep), right: keep(columns.map((_, i) => isRight(i))) };
}

/** Lines of equal columns. */
export function textTable(figures: readonly Figure[]): string {
  const { rows, right } = table(figures);
  const widths = right.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, i: number): string => (right[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0));
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}

export function markdownTable(figures: readonly Figure[]): string {
  const { rows, right } = table(figures);
  const line = (row: readonly string[]): string => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const [head = [], ...body] = rows.map(line);
  return [head, line(right.map((isNumber) => (isNumber ? "---:" : "---"))), ...body].join("\n");
}

/** How the extrapolated numbers of a section came about, each way once. */
function extrapolations(figures: readonly Figure[]): string[] {
  const notes = figures.flatMap((f) => [
    ...(f.extrapolated === undefined ? [] : [`${f.name}: ${f.extrapolated}`]),
    ...(f.baseline?.source === "extrapolated" && f.baseline.note !== undefined ? [`${f.baseline.name}: ${f.baseline.note}`] : []),
  ]);
  return [...new Set(notes)];
}

function remarks(section: SectionResult): string[] {
  return [...extrapolations(section.figures), ...section.notes];
}

/** When, where and how often a section was measured. */
export function circumstances({ at, machine, loadAtStart, runs, full }: SectionResult): string {
  const repeats = runs === 1 ? "one run" : `medians of ${runs} runs`;
  return `Measured ${at.slice(0, 16).replace("T", " ")} UTC: ${repeats}${full ? ", full sizes" : ""}; ${machine.cores} cores (${machine.model}), `
    + `${machine.memoryGb} GB, ${machine.platform}, Node ${machine.node}, load ${loadAtStart} at the start.`;
}

export function verdictLine(sections: readonly SectionResult[]): string {
  const { bars, missed } = verdict(sections);
  return missed.length === 0 ? `Bars kept: ${bars} of ${bars}.` : `Bars MISSED: ${missed.length} of ${bars}: ${missed.join("; ")}.`;
}

/** One section for a terminal. */
export function sectionText(section: SectionResult): string {
  const notes = remarks(section).map((note) => `  * ${note}`);
  return [`${section.title}  [${section.name}]`, textTable(section.figures), ...notes].join("\n");
}

/** bench/RESULTS.md. */
export function markdown(results: Results): string {
  const newest = results.sections.map((s) => s.at.slice(0, 10)).sort().at(-1) ?? "";
  const older = results.sections.filter((s) => s.at.slice(0, 10) < newest);
  const stale = older.length === 0 ? "" : ` Older than the last run: ${older.map((s) => `${s.title} (${s.at.slice(0, 10)})`).join(", ")}.`;
  const barred = results.sections.flatMap(({ title, figures }) =>
    figures.filter((f) => f.bar !== undefined).map((f) => ({ ...f, name: `${title}: ${f.name}` })));
  const missing = results.notRun.map(({ title, at, reason }) => `- ${title} (${at.slice(0, 10)}): ${reason}`);
  return [
    "# Speed, beside the rivals",
    "Written by `make bench` from `bench/results.json`; not edited by hand.",
    `**${verdictLine(results.sections)}**${stale}`,
    "CPU is that of all threads and processes of the measured thing together, and what to compare: wall times include whatever else the machine "
    + "did. \"x less\" is baseline over value. A baseline is measured in the same run unless it says otherwise; what is extrapolated says from what.",
    ...(barred.length === 0 ? [] : ["## Bars", markdownTable(barred)]),
    ...results.sections.flatMap((section) => [
      `## ${section.title}`, section.about, circumstances(section), markdownTable(section.figures),
      ...(remarks(section).length === 0 ? [] : [remarks(section).map((note) => `- ${note}`).join("\n")]),
    ]),
    ...(missing.length === 0 ? [] : ["## Not measured", missing.join("\n")]),
  ].join("\n\n").concat("\n");
}
