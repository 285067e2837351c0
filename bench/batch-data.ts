// Tables for batch scoring: a bank that has a labelled history of a part of the companies, providers that hold all of them, and a batch with every
// company. Values come from hashes of row and column: a million rows are written in seconds, the same each time.
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

export type BatchShape = { readonly companies: number; readonly history: number; readonly guestColumns: number; readonly hostColumns: number; readonly hosts: readonly string[] };
export type BatchFiles = { readonly id: string; readonly guest: string; readonly batch: string; readonly hosts: Readonly<Record<string, string>> };

const linesPerWrite = 20_000;
/** Of every so many cells one is missing. */
const missingEvery = 29;
const levels = 6;

/** Writes the files into `folder`. */
export function writeBatchData(folder: string, shape: BatchShape): BatchFiles {
  mkdirSync(folder, { recursive: true });
  const { companies, history, guestColumns, hostColumns, hosts } = shape;
  const cells = (row: number, party: number, columns: number): string => Array.from({ length: columns }, (_, i) => cellOf(row, 64 * party + i)).join(",");
  const head = (columns: number): string => Array.from({ length: columns }, (_, i) => `x${i + 1}`).join(",");
  const guest = join(folder, "guest.csv");
  writeLines(guest, `ent_id,y,${head(guestColumns)}`, history, (row) => `${idOf(row)},${mixed(row, 999) < 0.4 * riskOf(row) ? 1 : 0},${cells(row, 0, guestColumns)}`);
  const batch = join(folder, "batch.csv");
  writeLines(batch, `ent_id,${head(guestColumns)}`, companies, (row) => `${idOf(row)},${cells(row, 0, guestColumns)}`);
  const files = hosts.map((name, k) => {
    const path = join(folder, `${name}.csv`);
    // 7919 is prime: another order of the same companies unless it divides their number.
    writeLines(path, `ent_id,${head(hostColumns)}`, companies, (i) => {
      const row = (i * 7919 + 17 * (k + 1)) % companies;
      return `${idOf(row)},${cells(row, k + 1, hostColumns)}`;
    });
    return [name, path] as const;
  });
  return { id: "ent_id", guest, batch, hosts: Object.fromEntries(files) };
}

const idOf = (row: number): string => `E${1_000_000_007 + row * 13}`;

/** A number in [0, 1) that looks random (the finaliser of MurmurHash3). */
function mixed(row: number, column: number): number {
  let h = Math.imul(row, 0x9e3779b1) ^ Math.imul(column + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}

const riskOf = (row: number): number => mixed(row, 998);

/** Amounts, shares and one level in six; all of them lean on the company's risk. */
function cellOf(row: number, column: number): string {
  const own = mixed(row, column);
  if (Math.floor(own * 1e6) % missingEvery === 0) return "";
  const x = riskOf(row) + own;
  if (column % 6 === 5) return `L${Math.floor((x / 2) * levels)}`;
  return column % 2 === 0 ? String(Math.round(1e5 * x) / 100) : String(Math.round(1000 * x) / 1000);
}

function writeLines(path: string, head: string, rows: number, lineOf: (row: number) => string): void {
  const file = openSync(path, "w");
  try {
    let lines = [head];
    for (let row = 0; row < rows; row++) {
      lines.push(lineOf(row));
      if (lines.length < linesPerWrite && row + 1 < rows) continue;
      writeSync(file, `${lines.join("\n")}\n`);
      lines = [];
    }
  } finally {
    closeSync(file);
  }
}
