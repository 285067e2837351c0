// bench/results.json: sections with their figures, each with the time and the machine of its own run, so that a run of some sections
// leaves the others as they were, visibly older.
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { z } from "zod";
import { figureSchema, isMissed } from "./figures.ts";

const machineSchema = z.strictObject({
  cores: z.int().min(1), model: z.string(), memoryGb: z.number(), platform: z.string(), node: z.string(),
});
const sectionSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/), title: z.string().min(1),
  /** What is measured and how, for a reader. */
  about: z.string().min(1),
  at: z.iso.datetime(), machine: machineSchema, loadAtStart: z.number(),
  /** Repeats whose medians these are; wall seconds of the whole section. */
  runs: z.int().min(1), tookSeconds: z.number(),
  /** Also the sizes that take minutes. */
  full: z.boolean(),
  figures: z.array(figureSchema),
  /** Remarks of the run: baselines that were not there, leakage in words. */
  notes: z.array(z.string()),
});
/** A section that the last run asked for and could not measure. */
const notRunSchema = z.strictObject({ name: z.string(), title: z.string(), at: z.iso.datetime(), reason: z.string().min(1) });
export const resultsSchema = z.strictObject({ version: z.literal(2), sections: z.array(sectionSchema), notRun: z.array(notRunSchema) });
export type Results = z.output<typeof resultsSchema>;
export type SectionResult = z.output<typeof sectionSchema>;
export type NotRun = z.output<typeof notRunSchema>;
export type Machine = z.output<typeof machineSchema>;

export function machineFacts(): Machine {
  return {
    cores: availableParallelism(), model: cpus()[0]?.model.trim() ?? "unknown", memoryGb: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`, node: process.versions.node,
  };
}

export function loadNow(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}

/** The stored results; none when the file is not there or of another version. */
export function readResults(path: string): Results {
  try {
    const parsed = resultsSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (parsed.success) return parsed.data;
  } catch {
    // No file yet, or one that a person broke: this run writes a new one.
  }
  return { version: 2, sections: [], notRun: [] };
}

/** Results after a run: what was measured replaces the section of that name, the rest stays as it was. In the order of `known`; sections
 *  that are no longer known go. */
export function merged(before: Results, run: { readonly sections: readonly SectionResult[]; readonly notRun: readonly NotRun[] }, known: readonly string[]): Results {
  const measured = (name: string): boolean => run.sections.some((s) => s.name === name);
  const asked = (name: string): boolean => measured(name) || run.notRun.some((s) => s.name === name);
  const sections = [...run.sections, ...before.sections.filter((s) => !measured(s.name))];
  const notRun = [...run.notRun, ...before.notRun.filter((s) => !asked(s.name))];
  const inOrder = <T extends { readonly name: string }>(all: readonly T[]): T[] => known.flatMap((name) => all.filter((s) => s.name === name));
  return { version: 2, sections: inOrder(sections), notRun: inOrder(notRun) };
}

export function writeResults(path: string, results: Results): void {
  writeFileSync(path, `${JSON.stringify(resultsSchema.parse(results), undefined, 1)}\n`);
}

/** Bars kept and missed over all sections. */
export function verdict(sections: readonly Pick<SectionResult, "title" | "figures">[]): { readonly bars: number; readonly missed: readonly string[] } {
  const barred = sections.flatMap(({ title, figures }) => figures.filter((f) => f.bar !== undefined).map((figure) => ({ title, figure })));
  return { bars: barred.length, missed: barred.filter((b) => isMissed(b.figure)).map((b) => `${b.title}: ${b.figure.name}`) };
}
