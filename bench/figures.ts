// Figures with their bars, and how they are shown: a table for a person, Markdown for the repository, JSON for programs.

export type Figure = {
  readonly section: string; readonly name: string; readonly value: number; readonly unit: string;
  /** The value may be at most this. */
  readonly bar?: number;
};

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** One figure per name from the figures of several runs: the median. */
export function medians(runs: readonly (readonly Figure[])[]): Figure[] {
  return (runs[0] ?? []).map((figure) => {
    const same = runs.flatMap((run) => run.filter((f) => f.section === figure.section && f.name === figure.name));
    return { ...figure, value: median(same.map((f) => f.value)) };
  });
}

export function isMissed(figure: Figure): boolean {
  return figure.bar !== undefined && !(figure.value <= figure.bar);
}

const head = ["section", "figure", "value", "bar", "of the bar", ""] as const;

function row(figure: Figure): string[] {
  const { bar, value, unit } = figure;
  const inUnit = (x: number): string => `${short(x)}${unit === "" ? "" : ` ${unit}`}`;
  if (bar === undefined) return [figure.section, figure.name, inUnit(value), "", "", ""];
  const share = bar === 0 ? "" : `${Math.round((100 * value) / bar)} %`;
  return [figure.section, figure.name, inUnit(value), `<= ${inUnit(bar)}`, share, isMissed(figure) ? "MISSED" : "ok"];
}

function short(x: number): string {
  if (Number.isInteger(x)) return String(x);
  if (x < 0.1) return x.toPrecision(2);
  return x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2);
}

/** Lines of equal columns. */
export function textTable(figures: readonly Figure[]): string {
  const rows = [[...head], ...figures.map(row)];
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const pad = (cell: string, i: number): string => (i === 2 || i === 4 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0));
  return rows.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n");
}

export function markdownTable(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(["---", "---", "---:", "---", "---:", "---"]), ...figures.map((f) => line(row(f)))].join("\n");
}
