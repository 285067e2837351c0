// A run as the evaluating enclave keeps it in its own folder of results: what it was, and a line for each company. The next run is compared with it.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { gradeAt, ungraded, type Evaluation } from "../../evaluation/combine.ts";
import { bases } from "../../evaluation/load.ts";
import { gradeLetters, type Grade } from "../../evaluation/schema.ts";
import type { Run } from "../../evaluation/stability.ts";

export const runFile = "evaluation.json";
const rowsFile = "evaluations.csv";
const header = "uscc,score,grade,coverage";

const headSchema = z.strictObject({
  version: z.literal(1), card: z.strictObject({ id: z.string(), version: z.string(), digest: z.string() }), basis: z.enum(bases), asOf: z.iso.date(),
  absent: z.array(z.string()), partial: z.boolean(), companies: z.int().min(0),
});

const readText = (path: string): string => Buffer.from(readBytes(path)).toString("utf8");

/** The head comes last: without it the run is not there. */
export function writeRun(folder: string, evaluation: Evaluation, usccs: readonly string[]): void {
  const { card, basis, asOf, absent, partial, scores, coverage } = evaluation;
  const lines = usccs.map((uscc, row) => `${uscc},${scores[row]},${gradeAt(evaluation, row) ?? ""},${coverage[row]}`);
  writeDurably(join(folder, rowsFile), `${header}\n${lines.join("\n")}\n`);
  writeDurably(join(folder, runFile), `${JSON.stringify({ version: 1, card, basis, asOf, absent, partial, companies: usccs.length })}\n`);
}

/** Throws EVALUATION_RUNS when a file is not as it was written. */
export function readRun(folder: string): Run {
  const head = headOf(folder);
  const lines = readText(join(folder, rowsFile)).trimEnd().split("\n");
  if (head === undefined || lines.shift() !== header || lines.length !== head.companies) throw new AppError("EVALUATION_RUNS", { kept: false });
  const usccs: string[] = [];
  const scores = new Int16Array(lines.length);
  const coverage = new Int16Array(lines.length);
  const grades = new Uint8Array(lines.length).fill(ungraded);
  for (const [row, line] of lines.entries()) {
    const [uscc = "", score, grade = "", covered] = line.split(",");
    usccs.push(uscc);
    scores[row] = Number(score);
    coverage[row] = Number(covered);
    if (grade !== "") grades[row] = gradeLetters.indexOf(grade as Grade);
  }
  const { card, basis, asOf, absent, partial } = head;
  return { usccs, evaluation: { card, basis, asOf, absent, partial, scores, coverage, grades } };
}

/** The folder's head; undefined when there is no run in it that can be read. */
function headOf(folder: string): z.output<typeof headSchema> | undefined {
  const path = join(folder, runFile);
  if (!existsSync(path)) return undefined;
  try {
    return headSchema.parse(JSON.parse(readText(path)));
  } catch {
    return undefined;
  }
}

/** The job of the last run before this day on the same scale, among the folders of results; undefined when there is none. */
export function lastRun(results: string, { card, basis, asOf }: Pick<Evaluation, "card" | "basis" | "asOf">): string | undefined {
  const major = (version: string): string | undefined => version.split(".")[0];
  const earlier = existsSync(results) ? readdirSync(results).flatMap((job) => {
    const head = headOf(join(results, job));
    const fits = head !== undefined && head.card.id === card.id && major(head.card.version) === major(card.version) && head.basis === basis && head.asOf < asOf;
    return fits ? [{ job, asOf: head.asOf }] : [];
  }) : [];
  return earlier.sort((a, b) => (a.asOf === b.asOf ? (a.job < b.job ? 1 : -1) : a.asOf < b.asOf ? 1 : -1))[0]?.job;
}
