// The generated table of the large case: one bank with few columns and a label, one provider with many, the same companies in
// another order. Latent factors drive label and columns; skewed amounts, counts, shares with many zeros, categories, missing cells.
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { seededRng } from "../core/rng.ts";

/** `testRows`: so many of the rows are the test part, by a split file; without it there is none. */
export type WideShape = { readonly rows: number; readonly guestColumns: number; readonly hostColumns: number; readonly testRows?: number };
export type WideFiles = { readonly guest: string; readonly host: string; readonly split?: string };

const factors = 8;
const factorsPerColumn = 3;
const rowsPerWrite = 500;
/** Columns with missing cells, and the largest share of them. */
const missingColumns = 0.3;
const missingMost = 0.4;
const badShift = -2.3;

type Kind = "amount" | "count" | "share" | "category";
type Column = {
  readonly kind: Kind; readonly loadings: readonly (readonly [factor: number, weight: number])[]; readonly noise: number;
  readonly levels: number; readonly missing: number;
};
/** Numbers from 0 to 1, and normal ones; both from a seeded stream. */
type Draws = { uniform(): number; normal(): number };

/** Writes both files into `folder`. The same seed and shape give the same bytes. */
export function writeWideData(folder: string, shape: WideShape, seed: string): WideFiles {
  mkdirSync(folder, { recursive: true });
  const stream = (label: string): Draws => draws(new TextEncoder().encode(seed.padEnd(32, ".")), label);
  const latent = stream("latent");
  const factorsOf = Float64Array.from({ length: shape.rows * factors }, () => latent.normal());
  const files = { guest: join(folder, "guest.csv"), host: join(folder, "host.csv") };
  const labels = stream("label");
  const labelOf = Uint8Array.from({ length: shape.rows }, (_, row) => {
    const at = row * factors;
    const risk = Array.from({ length: factors }, (__, k) => (factorsOf[at + k] ?? 0) / (k + 2)).reduce((a, b) => a + b, 0);
    return labels.uniform() < 1 / (1 + Math.exp(-(badShift + risk))) ? 1 : 0;
  });
  const guest = columnsOf(shape.guestColumns, stream("guest/columns"));
  const host = columnsOf(shape.hostColumns, stream("host/columns"));
  writeTable(files.guest, { rows: shape.rows, columns: guest, factorsOf, rowAt: (i) => i, labelOf }, stream("guest/cells"));
  // 7919 is prime: another order of the same companies unless it divides their number.
  writeTable(files.host, { rows: shape.rows, columns: host, factorsOf, rowAt: (i) => (i * 7919 + 17) % shape.rows }, stream("host/cells"));
  if (shape.testRows === undefined) return files;
  const split = join(folder, "split.csv");
  const { rows, testRows } = shape;
  // Spread evenly over the rows.
  const isTest = (row: number): boolean => Math.floor(((row + 1) * testRows) / rows) > Math.floor((row * testRows) / rows);
  writeLines(split, "ent_id,part", rows, (row) => `${idOf(row)},${isTest(row) ? "test" : "train"}`);
  return { ...files, split };
}

/** Two tables of `size` companies with one column each, half of the companies in both: for the alignment alone. A company's risk shows in
 *  both columns, so that a scorecard can be made. */
export function writeIdTables(folder: string, size: number): WideFiles {
  const files = { guest: join(folder, "guest.csv"), host: join(folder, "host.csv") };
  const risk = (row: number): number => mixed(2 * row);
  const blur = (row: number, k: number): number => mixed(2 * (row + k * size) + 1);
  const cellOf = (row: number, k: number): number => Math.round(1000 * (risk(row) + blur(row, k)));
  writeLines(files.guest, "ent_id,y,x1", size, (row) => `${idOf(row)},${blur(row, 1) < 0.3 * risk(row) ? 1 : 0},${cellOf(row, 2)}`);
  const first = Math.floor(size / 2);
  writeLines(files.host, "ent_id,x1", size, (row) => `${idOf(first + row)},${cellOf(first + row, 3)}`);
  return files;
}

/** A number in [0, 1) that looks random (the finaliser of MurmurHash3). */
function mixed(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

function idOf(row: number): number {
  return 1_000_000_007 + row * 13;
}

function writeLines(path: string, head: string, rows: number, lineOf: (row: number) => string): void {
  const file = openSync(path, "w");
  try {
    let lines = [head];
    for (let row = 0; row < rows; row++) {
      lines.push(lineOf(row));
      if (lines.length < rowsPerWrite && row + 1 < rows) continue;
      writeSync(file, `${lines.join("\n")}\n`);
      lines = [];
    }
  } finally {
    closeSync(file);
  }
}

function columnsOf(count: number, draw: Draws): Column[] {
  return Array.from({ length: count }, (_, i) => ({
    kind: (["amount", "amount", "amount", "count", "share", "category"] as const)[i % 6] ?? "amount",
    loadings: Array.from({ length: factorsPerColumn }, () => [Math.floor(draw.uniform() * factors), draw.normal() * 0.5] as const),
    noise: 0.5 + draw.uniform(),
    levels: 4 + Math.floor(draw.uniform() * 26),
    missing: draw.uniform() < missingColumns ? draw.uniform() * missingMost : 0,
  }));
}

type Table = {
  readonly rows: number; readonly columns: readonly Column[]; readonly factorsOf: Float64Array; readonly rowAt: (i: number) => number;
  readonly labelOf?: Uint8Array;
};

function writeTable(path: string, table: Table, draw: Draws): void {
  const { columns, labelOf } = table;
  const head = ["ent_id", ...(labelOf === undefined ? [] : ["y"]), ...columns.map((_, i) => `x${i + 1}`)];
  writeLines(path, head.join(","), table.rows, (i) => {
    const row = table.rowAt(i);
    const cells = columns.map((column) => cell(column, table.factorsOf, row, draw));
    return `${idOf(row)},${labelOf === undefined ? "" : `${labelOf[row] ?? 0},`}${cells.join(",")}`;
  });
}

function cell(column: Column, factorsOf: Float64Array, row: number, draw: Draws): string {
  let x = column.noise * draw.normal();
  for (const [factor, weight] of column.loadings) x += weight * (factorsOf[row * factors + factor] ?? 0);
  if (column.missing > 0 && draw.uniform() < column.missing) return "";
  if (column.kind === "amount") return String(Math.round(Math.exp(x) * 10_000) / 100);
  if (column.kind === "count") return String(Math.max(0, Math.floor(2 * x + 2)));
  if (column.kind === "share") return x < 0 ? "0" : String(Math.round((1 - Math.exp(-x)) * 1000) / 1000);
  return `L${Math.min(column.levels - 1, Math.max(0, Math.floor(column.levels / 2 + 1.5 * x)))}`;
}

function draws(seed: Uint8Array, label: string): Draws {
  const rng = seededRng(seed, label);
  let words = new Uint32Array(0);
  let at = 0;
  const word = (): number => {
    if (at === words.length) {
      words = new Uint32Array(rng(65_536).buffer);
      at = 0;
    }
    return words[at++] ?? 0;
  };
  const uniform = (): number => word() / 2 ** 32;
  // Sum of four uniforms, scaled: close enough to normal for a table to measure speed on.
  return { uniform, normal: () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3) };
}
