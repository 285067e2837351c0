// `make bench`: the speed of the kernel, of the set intersection and of the whole main job, each beside a baseline of the same run and
// beside its bar. Prints a table; writes bench/results.json and bench/RESULTS.md when all sections ran. Exit status 0 also when a bar
// is missed: a loaded machine is no failure.
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isMissed, markdownTable, textTable, type Figure } from "./figures.ts";
import { realBench, realCases, wideBench, wideShape } from "./job.bench.ts";
import { kernelBench } from "./kernel.bench.ts";
import { psiBench } from "./psi.bench.ts";

const kernelBar = 5;
const defaultRuns = 3;

type Sections = Readonly<Record<string, (runs: number) => Promise<Figure[]>>>;
const sections: Sections = {
  kernel: async () => kernelFigures(await kernelBench({ large: true })),
  psi: (runs) => psiBench(runs),
  ...Object.fromEntries(realCases.map((real) => [real.name, (runs: number) => realBench(real, runs)])),
  // Minutes each: once is enough, its figures hardly vary.
  wide: () => wideBench(1),
};

/** Of the kernel: CPU of all threads. */
const kernelNames: Readonly<Record<string, Omit<Figure, "section" | "value">>> = {
  answerOverPlainOneValue: { name: "answer over a plain histogram, 30,000 x 23 x 32, one value", unit: "", bar: kernelBar },
  wrongSums: { name: "wrong sums of 736", unit: "", bar: 0 },
  twoAnswersOverPlainTwoValues: { name: "two answers over a plain histogram of two values", unit: "" },
  answer30kx23x32: { name: "answer, 30,000 x 23 x 32", unit: "ms" },
  plainHistogramOneValue: { name: "plain histogram, one value", unit: "ms" },
  plainHistogramTwoValues: { name: "plain histogram, two values", unit: "ms" },
  query30k: { name: "query, 30,000 rows", unit: "ms" },
  open736Cells: { name: "opening of 736 cells", unit: "ms" },
  hint30kx23x32: { name: "hint, 30,000 x 23 x 32", unit: "ms" },
  hint100kx300x20Seconds: { name: "hint, 100,000 x 300 x 20", unit: "s" },
  gram100kx300: { name: "products of 300 columns, 100,000 rows", unit: "ms" },
  forwardNttMicroseconds: { name: "transform", unit: "us" },
  inverseNttMicroseconds: { name: "inverse transform", unit: "us" },
  bitColumnNttAndProductMicroseconds: { name: "transform and product of a 0/1 column", unit: "us" },
};

function kernelFigures(measured: Readonly<Record<string, number>>): Figure[] {
  const named = Object.entries(kernelNames).filter(([key]) => measured[key] !== undefined);
  return named.map(([key, figure]) => ({ section: "kernel", ...figure, value: measured[key] ?? Number.NaN }));
}

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, json: { type: "boolean" }, runs: { type: "string" }, help: { type: "boolean" } },
});
const only = values.only ?? Object.keys(sections);
const runs = Number(values.runs ?? defaultRuns);
const unknown = only.filter((name) => !Object.hasOwn(sections, name));
if (values.help === true || unknown.length > 0 || !Number.isInteger(runs) || runs < 1) {
  process.stderr.write(`bench [--only NAME]... [--runs N] [--json]   sections: ${Object.keys(sections).join(", ")}\n`);
  process.exit(values.help === true ? 0 : 2);
}

const machine = {
  cores: availableParallelism(), platform: `${process.platform} ${process.arch}`, node: process.versions.node,
  loadAtStart: Number((loadavg()[0] ?? 0).toFixed(2)),
};
const state = `${machine.cores} cores (${machine.platform}), Node ${machine.node}, load ${machine.loadAtStart} at the start`;
process.stderr.write(`${state}\n`);
const figures: Figure[] = [];
const skipped: string[] = [];
for (const name of only) {
  process.stderr.write(`${name} ...\n`);
  const found = await sections[name]?.(runs) ?? [];
  if (found.length === 0) skipped.push(name);
  figures.push(...found);
}
const missed = figures.filter(isMissed);
const barred = figures.filter((f) => f.bar !== undefined);
const missedNames = missed.map((f) => `${f.section}: ${f.name}`).join("; ");
const all = barred.length;
const verdict = missed.length === 0 ? `Bars kept: ${all} of ${all}.` : `Bars MISSED: ${missed.length} of ${all}: ${missedNames}.`;
const notMeasured = skipped.length === 0 ? "" : ` Not measured, no data beside the repository: ${skipped.join(", ")}.`;
const result = { version: 1, machine, runs, verdict, skipped, figures };

if (values.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
else process.stdout.write(`${textTable(figures)}\n\n${verdict}${notMeasured}\n`);
if (values.only === undefined) {
  writeFileSync(join(import.meta.dirname, "results.json"), `${JSON.stringify(result, undefined, 1)}\n`);
  writeFileSync(join(import.meta.dirname, "RESULTS.md"), markdown());
}

function markdown(): string {
  const { rows, guestColumns, hostColumns } = wideShape;
  return `# Speed

Written by \`make bench\`. ${state}.
**${verdict}**${notMeasured}

Wall times include whatever else the machine did; half of the CPU time is what an idle machine with two cores needs at least. A job is
the whole of \`yunei sandbox\` from process start to exit: platform and enclaves as processes, real sockets, report. Figures are medians of
${runs} runs (\`wide\`: one). Beside each stands its baseline in the clear, measured in the same run: a plain histogram, a hash set, the same
scorecard on the pooled table.

\`wide\` is a generated table of ${rows} companies with ${guestColumns} columns and the label at the bank and ${hostColumns} columns at one provider, the
shape of FATE's published benchmark. FATE states 68 s for its binning, and 136 to 294 s for one epoch of its logistic regression,
on 16 cores: another machine and other protocols, named for the order of magnitude only.

${markdownTable(barred)}

## All figures

${markdownTable(figures)}
`;
}
