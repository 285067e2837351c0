// Time of a piece of work: wall, and CPU of the whole process with all its threads, which a loaded machine changes little.
import { median } from "./figures.ts";

export type Spent = { readonly wallSeconds: number; readonly cpuSeconds: number };

/** The result of `work` and what it took. */
export async function timed<T>(work: () => Promise<T> | T): Promise<{ readonly result: T; readonly spent: Spent }> {
  const before = process.cpuUsage();
  const began = performance.now();
  const result = await work();
  const wallSeconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { result, spent: { wallSeconds, cpuSeconds: (user + system) / 1e6 } };
}

/** Median of `times` runs after `warm` others. */
export async function typical(work: () => Promise<unknown> | void, { times, warm }: { readonly times: number; readonly warm: number }): Promise<Spent> {
  const runs: Spent[] = [];
  for (let i = 0; i < warm + times; i++) {
    const { spent } = await timed(work);
    if (i >= warm) runs.push(spent);
  }
  return { wallSeconds: median(runs.map((r) => r.wallSeconds)), cpuSeconds: median(runs.map((r) => r.cpuSeconds)) };
}

/** The sum of several pieces of work. */
export function sumOf(...parts: readonly Spent[]): Spent {
  return {
    wallSeconds: parts.reduce((sum, p) => sum + p.wallSeconds, 0), cpuSeconds: parts.reduce((sum, p) => sum + p.cpuSeconds, 0),
  };
}

/** The same work `factor` times. */
export function scaled(spent: Spent, factor: number): Spent {
  return { wallSeconds: spent.wallSeconds * factor, cpuSeconds: spent.cpuSeconds * factor };
}
