// A demo world in a temporary folder, its tables as plain arrays, and a small plaintext WOE-logistic model of its own:
// the yardstick here must not be the code that the demo data is meant to exercise.
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../core/env.ts";
import type { DemoOptions, DemoSummary } from "../../demo/generate.ts";
import { generateDemo } from "../../demo/generate.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { loadDataset } from "../../enclave/data/load.ts";

export type World = AsyncDisposable & { readonly directory: string; readonly summary: DemoSummary };

export async function temporaryFolder(): Promise<AsyncDisposable & { readonly directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), "yunei-demo-"));
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

export async function demoWorld(options: Omit<DemoOptions, "directory">): Promise<World> {
  const folder = await temporaryFolder();
  const summary = await generateDemo({ ...options, directory: folder.directory });
  return { ...folder, summary };
}

/** Rows of a CSV file as records. */
export async function readTable(directory: string, folder: string, table: string): Promise<Record<string, string>[]> {
  const [header = "", ...lines] = (await readFile(join(directory, folder, `${table}.csv`), "utf8")).trimEnd().split("\n");
  const names = header.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    if (cells.length !== names.length) throw new Error(`${table}: ${cells.length} cells, ${names.length} columns`);
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]));
  });
}

/** One SHA-256 over all files of a folder, or those of these paths, names included. */
export async function digestOfFolder(directory: string, isMeant: (path: string) => boolean = () => true): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name)).sort().filter((path) => isMeant(path.slice(directory.length + 1)));
  const hash = createHash("sha256");
  for (const path of paths) {
    const bytes = await readFile(path);
    hash.update(`${path.slice(directory.length)} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** A party's data as its enclave would load it. */
export async function loadParty(directory: string, folder: string): Promise<LoadedDataset> {
  const definition: unknown = JSON.parse(await readFile(join(directory, folder, "dataset.json"), "utf8"));
  return loadDataset(parseDefinition(definition), { directory: join(directory, folder), log: silentLog });
}

/** WOE-coded columns of a party on the given rows (ids); bins and WOE are learnt on `train` only. */
export function woeColumns(data: LoadedDataset, ids: readonly string[], label: Uint8Array, train: Uint8Array): Float64Array[] {
  const rowOf = new Map(data.ids.map((id, row) => [id as string, row]));
  return data.features.flatMap((feature) => {
    const values = ids.map((id) => {
      const row = rowOf.get(id);
      if (row === undefined) return Number.NaN;
      return feature.kind === "numeric" ? feature.values[row] ?? Number.NaN : feature.codes[row] ?? -1;
    });
    const bins = feature.kind === "numeric" ? binNumbers(values, train) : values.map((v) => (Number.isNaN(v) ? 0 : v + 2));
    const coded = weightOfEvidence(bins, label, train);
    return coded.iv >= 0.02 ? [coded.woe] : [];
  });
}

/** Bins 1.. by deciles of the training values; values that hold a large share of the rows get bins of their own. 0 = missing. */
function binNumbers(values: readonly number[], train: Uint8Array): number[] {
  const sorted = Float64Array.from(values.filter((v, i) => train[i] === 1 && !Number.isNaN(v))).sort();
  const edges = new Set<number>();
  for (let k = 0; k < 20; k += 1) {
    const at = sorted[Math.floor((k * sorted.length) / 20)] ?? 0;
    const next = sorted.find((v) => v > at);
    // The edge and, where the value repeats, the first value above it, so that "none" is apart from "some".
    if (k % 2 === 0) edges.add(at);
    if (k % 2 === 0 && next !== undefined && at === sorted[Math.floor(((k + 1) * sorted.length) / 20)]) edges.add(next);
  }
  const starts = [...edges].sort((a, b) => a - b);
  return values.map((v) => (Number.isNaN(v) ? 0 : 1 + starts.filter((edge) => v >= edge).length));
}

function weightOfEvidence(bins: readonly number[], label: Uint8Array, train: Uint8Array): { woe: Float64Array; iv: number } {
  const counts = new Map<number, [good: number, bad: number]>();
  const total: [number, number] = [0, 0];
  for (const [i, bin] of bins.entries()) {
    if (train[i] !== 1) continue;
    const cell = counts.get(bin) ?? [0, 0];
    cell[label[i] === 1 ? 1 : 0] += 1;
    total[label[i] === 1 ? 1 : 0] += 1;
    counts.set(bin, cell);
  }
  const woe = (good: number, bad: number): number => Math.log((bad + 0.5) / total[1]) - Math.log((good + 0.5) / total[0]);
  const woeOf = new Map([...counts].map(([bin, [good, bad]]) => [bin, woe(good, bad)]));
  const iv = [...counts].reduce((sum, [bin, [good, bad]]) => sum + (bad / total[1] - good / total[0]) * (woeOf.get(bin) ?? 0), 0);
  return { woe: Float64Array.from(bins, (bin) => woeOf.get(bin) ?? 0), iv };
}

/** Ridge logistic regression by Newton steps on the training rows; returns the linear score of all rows. */
export function logisticScores(columns: readonly Float64Array[], label: Uint8Array, train: Uint8Array, ridge: number): Float64Array {
  const all = [new Float64Array(label.length).fill(1), ...columns];
  const width = all.length;
  const weights = new Float64Array(width);
  const score = (i: number): number => all.reduce((sum, column, j) => sum + (column[i] ?? 0) * (weights[j] ?? 0), 0);
  for (let round = 0; round < 8; round += 1) {
    const system = Array.from({ length: width }, (_, j) => {
      const row = new Float64Array(width + 1);
      row[j] = j === 0 ? 1e-9 : ridge;
      row[width] = j === 0 ? 0 : -ridge * (weights[j] ?? 0);
      return row;
    });
    const x = new Float64Array(width);
    for (let i = 0; i < label.length; i += 1) {
      if (train[i] !== 1) continue;
      const p = 1 / (1 + Math.exp(-score(i)));
      for (let j = 0; j < width; j += 1) x[j] = all[j]?.[i] ?? 0;
      for (const [j, row] of system.entries()) {
        const scaled = p * (1 - p) * (x[j] ?? 0);
        for (let k = 0; k < width; k += 1) row[k] = (row[k] ?? 0) + scaled * (x[k] ?? 0);
        row[width] = (row[width] ?? 0) + ((label[i] ?? 0) - p) * (x[j] ?? 0);
      }
    }
    for (const [j, step] of solve(system).entries()) weights[j] = (weights[j] ?? 0) + step;
  }
  return Float64Array.from(label, (_, i) => score(i));
}

/** Gaussian elimination with pivoting on an augmented matrix. */
function solve(system: Float64Array[]): number[] {
  const n = system.length;
  const at = (r: number, c: number): number => system[r]?.[c] ?? 0;
  for (let c = 0; c < n; c += 1) {
    let pivot = c;
    for (let r = c + 1; r < n; r += 1) if (Math.abs(at(r, c)) > Math.abs(at(pivot, c))) pivot = r;
    [system[c], system[pivot]] = [system[pivot] as Float64Array, system[c] as Float64Array];
    for (let r = 0; r < n; r += 1) {
      if (r === c) continue;
      const factor = at(r, c) / at(c, c);
      const row = system[r] as Float64Array;
      for (let k = c; k <= n; k += 1) row[k] = (row[k] ?? 0) - factor * at(c, k);
    }
  }
  return system.map((row, r) => (row[n] ?? 0) / (row[r] ?? 1));
}

/** Area under the ROC curve over the rows with `part` = `which`; ties count one half. */
export function auc(scores: Float64Array, label: Uint8Array, part: Uint8Array, which: number): number {
  const rows = [...scores.keys()].filter((i) => part[i] === which).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let ranks = 0;
  let bads = 0;
  for (let from = 0; from < rows.length; ) {
    let to = from;
    while (to < rows.length && scores[rows[to] ?? 0] === scores[rows[from] ?? 0]) to += 1;
    for (let k = from; k < to; k += 1) {
      if (label[rows[k] ?? 0] !== 1) continue;
      bads += 1;
      ranks += (from + to + 1) / 2;
    }
    from = to;
  }
  return (ranks - (bads * (bads + 1)) / 2) / (bads * (rows.length - bads));
}
