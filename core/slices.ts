// Loops and sorts over very many items on the event loop, in slices between which other work of the process has its turn. Few items are done at once.
import { setImmediate } from "node:timers/promises";

/** Calls `work` with neighbouring ranges [from, to) that cover 0 to `count`. atOnce: items of some milliseconds. */
export async function inSlices(count: number, work: (from: number, to: number) => void, atOnce = 8_192): Promise<void> {
  for (let from = 0; from < count; from += atOnce) {
    if (from > 0) await setImmediate();
    work(from, Math.min(count, from + atOnce));
  }
}

/** The texts in ascending order of their code units, as `toSorted` gives them. */
export async function sortedInSlices(texts: readonly string[], atOnce = 16_384): Promise<readonly string[]> {
  let runs: (readonly string[])[] = [];
  await inSlices(texts.length, (from, to) => runs.push(texts.slice(from, to).sort()), atOnce);
  while (runs.length > 1) {
    const merged: (readonly string[])[] = [];
    for (let i = 0; i < runs.length; i += 2) merged.push(await merge(runs[i] ?? [], runs[i + 1] ?? [], atOnce));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge(a: readonly string[], b: readonly string[], atOnce: number): Promise<readonly string[]> {
  if (b.length === 0) return a;
  const all: string[] = [];
  let [i, j] = [0, 0];
  await inSlices(a.length + b.length, (from, to) => {
    for (let n = from; n < to; n++) {
      const isFirst = j >= b.length || (i < a.length && (a[i] as string) <= (b[j] as string));
      all.push((isFirst ? a[i++] : b[j++]) as string);
    }
  }, atOnce);
  return all;
}
