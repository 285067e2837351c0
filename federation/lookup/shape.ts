// How lookups are cut into messages, and where an entry of a table of several hosts stands: the same at all ends, from public
// numbers alone.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { maxChoices, maxLookupBytes } from "./messages.ts";

/** Tables of one shape, the same number for every row: who picks, and among how many. The last host decodes the entry. */
export type GroupShape = { readonly hosts: readonly { readonly host: PartyId; readonly choices: number }[]; readonly tables: number };

/** Entries of one table. Throws PROTOCOL_WRONG_SHAPE for a shape that no lookup can have. */
export function entriesOf({ hosts }: GroupShape): number {
  const entries = hosts.reduce((product, h) => product * h.choices, 1);
  const fits = hosts.length > 0 && hosts.every((h) => Number.isInteger(h.choices) && h.choices >= 2 && h.choices <= maxChoices) && entries <= 4096;
  if (!fits || new Set(hosts.map((h) => h.host)).size !== hosts.length) throw new AppError("PROTOCOL_WRONG_SHAPE", { hosts: hosts.length, entries });
  return entries;
}

/** Tables of one message: what a host gets and what it passes on to the last host both stay below the bound. */
export function tablesPerMessage(shape: GroupShape): number {
  return Math.max(1, Math.min(1 << 16, Math.floor(maxLookupBytes / (2 * Math.max(1, entriesOf(shape))))));
}

/** Rows that are worked on together: what a caller has in memory of its tables at a time. */
export const rowsPerBlock = 16_384;

export type Block = { readonly block: number; readonly first: number; readonly rows: number };
export function blocksOf(rows: number): Block[] {
  return Array.from({ length: Math.ceil(rows / rowsPerBlock) }, (_, block) => (
    { block, first: block * rowsPerBlock, rows: Math.min(rowsPerBlock, rows - block * rowsPerBlock) }));
}

/** Messages of a block: parts [from, to) of the tables of its rows, in order: table by table, its rows one after the other. `index` counts
 *  the messages of a block. */
export function* parts({ rows }: Block, shape: GroupShape): Generator<{ readonly index: number; readonly from: number; readonly to: number }> {
  const step = tablesPerMessage(shape);
  const all = rows * shape.tables;
  for (let from = 0, index = 0; from < all; from += step, index++) yield { index, from, to: Math.min(from + step, all) };
}

/** The rows of the job, of each table, that a part touches. */
export function* segments(block: Block, from: number, to: number): Generator<{ readonly table: number; readonly first: number; readonly last: number; readonly at: number }> {
  const { rows } = block;
  for (let at = from; at < to;) {
    const table = Math.floor(at / rows);
    const last = Math.min(rows, to - table * rows);
    yield { table, first: block.first + at - table * rows, last: block.first + last, at: at - from };
    at = table * rows + last;
  }
}

/** For each entry (last host's choice fastest): the place of host `h`, and the index over the places of all others. */
export function placesOf(shape: GroupShape, h: number): { readonly own: Uint16Array; readonly others: Uint16Array } {
  const entries = entriesOf(shape);
  const own = new Uint16Array(entries);
  const others = new Uint16Array(entries);
  for (let e = 0; e < entries; e++) {
    let rest = e;
    let index = 0;
    let unit = 1;
    for (let i = shape.hosts.length - 1; i >= 0; i--) {
      const choices = shape.hosts[i]?.choices ?? 1;
      const place = rest % choices;
      rest = (rest - place) / choices;
      if (i === h) own[e] = place;
      else {
        index += unit * place;
        unit *= choices;
      }
    }
    others[e] = index;
  }
  return { own, others };
}
