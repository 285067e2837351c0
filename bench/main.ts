// `make bench`: how fast it is, beside rivals and baselines of the same run and beside the bars. Prints tables; writes bench/results.json
// and bench/RESULTS.md, in which a run of some sections leaves the others as they were. Exit status 0 also when a bar is missed: a loaded
// machine is no failure. Status 1 when a section broke.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NotMeasured } from "./not-measured.ts";
import { markdown, sectionText, verdictLine } from "./render.ts";
import { loadNow, machineFacts, merged, readResults, writeResults, type NotRun, type SectionResult } from "./results.ts";
import { sections, type Section } from "./sections.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true }, full: { type: "boolean", default: false }, runs: { type: "string" },
    largest: { type: "string" },
    json: { type: "boolean", default: false }, dry: { type: "boolean", default: false }, help: { type: "boolean", default: false },
  },
});
const names = sections.map((s) => s.name);
const only = (values.only ?? []).flatMap((part) => part.split(",")).filter((name) => name !== "");
/** A name stands for itself and for all that begin with it and a dash: `scorecard`, `gbdt`. */
const isAsked = (name: string): boolean => only.length === 0 || only.some((o) => name === o || name.startsWith(`${o}-`));
const unknown = only.filter((o) => !names.some((name) => name === o || name.startsWith(`${o}-`)));
const runs = values.runs === undefined ? undefined : Number(values.runs);
const largest = values.largest === undefined ? Infinity : Number(values.largest);
const isCount = (x: number): boolean => Number.isInteger(x) && x >= 1;
if (values.help || unknown.length > 0 || (runs !== undefined && !isCount(runs)) || (values.largest !== undefined && !isCount(largest))) {
  process.stderr.write(`bench [--only NAME[,NAME..]]... [--runs N] [--full] [--largest IDS] [--json] [--dry]\n  --full: also the sizes that take minutes\n`
    + `  --largest: no set intersections of more ids\n  --dry: results.json and RESULTS.md stay as they are\n  sections: ${names.join(", ")}\n`);
  process.exit(values.help ? 0 : 2);
}

const machine = machineFacts();
process.stderr.write(`${machine.cores} cores (${machine.model}), ${machine.memoryGb} GB, ${machine.platform}, Node ${machine.node}, load ${loadNow()}\n`);
const found: SectionResult[] = [];
const notRun: NotRun[] = [];
let broken = 0;
for (const section of sections.filter((s) => isAsked(s.name))) {
  process.stderr.write(`${section.name} ...\n`);
  try {
    const result = await run(section);
    found.push(result);
    if (!values.json) process.stdout.write(`\n${sectionText(result)}\n`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof NotMeasured)) broken++;
    notRun.push({ name: section.name, title: section.title, at: now(), reason: reason.split("\n")[0] ?? reason });
    process.stderr.write(`${section.name}: ${error instanceof NotMeasured ? "not measured" : "BROKEN"}: ${reason}\n`);
  }
  // After each section: a run that is stopped keeps what it has.
  if (!values.dry) store();
}
if (values.json) process.stdout.write(`${JSON.stringify({ sections: found, notRun })}\n`);
else process.stdout.write(`\n${verdictLine(found)}\n`);
process.exitCode = broken === 0 ? 0 : 1;

async function run(section: Section): Promise<SectionResult> {
  const notes: string[] = [];
  const at = now();
  const loadAtStart = loadNow();
  const began = performance.now();
  const { name, title, about } = section;
  const repeats = runs ?? section.runs;
  const note = (text: string): void => {
    if (!notes.includes(text)) notes.push(text);
  };
  const figures = await section.measure({ runs: repeats, full: values.full, largest, note });
  const wrong = figures.find((f) => !Number.isFinite(f.value));
  if (wrong !== undefined) throw new Error(`${wrong.name} is no number`);
  return { name, title, about, at, machine, loadAtStart, runs: repeats, tookSeconds: Math.round((performance.now() - began) / 100) / 10, full: values.full, figures, notes };
}

function store(): void {
  const path = join(import.meta.dirname, "results.json");
  const results = merged(readResults(path), { sections: found, notRun }, names);
  writeResults(path, results);
  writeFileSync(join(import.meta.dirname, "RESULTS.md"), markdown(results));
}

function now(): string {
  return new Date().toISOString();
}
