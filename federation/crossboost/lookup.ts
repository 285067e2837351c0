// The joint total of crossboost: the tables of models/crossboost as oblivious lookups (federation/lookup), a block of rows at a time.
import type { PartyId } from "../../core/brand.ts";
import { rowEntries, slotsOf, totalOf, type Lookup, type RowCentres, type RowEntries } from "../../models/crossboost/total.ts";
import { lookupGuest, type LookupGroup } from "../lookup/guest.ts";
import type { LookupHostGroup } from "../lookup/host.ts";
import { rowsPerBlock } from "../lookup/shape.ts";
import type { Party } from "../party.ts";

/** What both ends know of a host's columns: entries that it picks from, one more than its bins for a row without a bin. */
export type PickedColumns = { readonly host: PartyId; readonly choices: readonly number[] };
/** Columns of one host with the same number of choices; `columns`: their places. */
export type ColumnGroup = { readonly host: PartyId; readonly choices: number; readonly columns: readonly number[] };

/** In the order of the hosts, then of the number of choices: the same at guest and host. */
export function columnGroups(hosts: readonly PickedColumns[]): ColumnGroup[] {
  return hosts.flatMap(({ host, choices }) => {
    const widths = [...new Set(choices)].sort((a, b) => a - b);
    return widths.map((width) => ({ host, choices: width, columns: choices.flatMap((c, j) => (c === width ? [j] : [])) }));
  });
}

/** Host: its own groups; the guest numbers groups host by host, so each host counts from 0. */
export function ownGroups(host: PartyId, choices: readonly number[], picked: readonly Uint8Array[]): LookupHostGroup[] {
  return columnGroups([{ host, choices }]).map((g, group) => (
    { group, hosts: [{ host, choices: g.choices }], tables: g.columns.length, picked: g.columns.map((j) => picked[j] ?? new Uint8Array(0)) }));
}

export type LookupTotalInput = {
  /** Hosts of the total: those of the lookup that are there. */
  readonly hosts: readonly PartyId[]; readonly lookup: Lookup;
  /** Places in the lookup of hosts that are away: the guest adds what a company without anything known would give. */
  readonly absent?: readonly number[];
  readonly cellOf: readonly Uint8Array[]; readonly setOf: Uint8Array; readonly round: number;
};

/** Opens one total per row; log odds. */
export async function lookupTotal(party: Party, input: LookupTotalInput): Promise<Float64Array> {
  const { lookup, cellOf, setOf, round, hosts, absent = [] } = input;
  const rows = setOf.length;
  const there = lookup.hosts.flatMap((h, place) => (absent.includes(place) ? [] : [{ ...h, place }]));
  const blocks = new Blocks(lookup, cellOf, setOf);
  const groups = there.flatMap(({ columns, place }, h): LookupGroup[] => {
    const host = hosts[h] as PartyId;
    const choices = columns.map((c) => c.shape.bins + 1);
    const slots = slotsOf(columns);
    const firstSlot = choices.map((_, j) => choices.slice(0, j).reduce((a, b) => a + b, 0));
    return columnGroups([{ host, choices }]).map((g, group) => ({
      group, hosts: [{ host, choices: g.choices }],
      tables: g.columns.map((j) => (first, last, out) => {
        const { from, entries } = blocks.at(first);
        const of = entries.entries[place] as Int16Array;
        for (let row = first; row < last; row++) {
          const at = (row - from) * slots + (firstSlot[j] as number);
          out.set(of.subarray(at, at + g.choices), (row - first) * g.choices);
        }
      }),
    }));
  });
  const sums = await lookupGuest(party, { rows, label: `total/${round}`, round, hosts, groups });
  return totalOf(lookup, sums, blocks.centres(), absent);
}

/** The entries of one block of rows at a time; the centres of all. */
class Blocks {
  readonly #lookup: Lookup;
  readonly #cellOf: readonly Uint8Array[];
  readonly #setOf: Uint8Array;
  #now: { readonly from: number; readonly entries: RowEntries } | undefined;
  readonly #centre: Int32Array;
  readonly #shrink: Float64Array;
  readonly #away: readonly Int32Array[];

  constructor(lookup: Lookup, cellOf: readonly Uint8Array[], setOf: Uint8Array) {
    this.#lookup = lookup;
    this.#cellOf = cellOf;
    this.#setOf = setOf;
    this.#centre = new Int32Array(setOf.length);
    this.#shrink = new Float64Array(setOf.length).fill(1);
    this.#away = lookup.hosts.map(() => new Int32Array(setOf.length));
  }

  at(row: number): { readonly from: number; readonly entries: RowEntries } {
    const from = row - (row % rowsPerBlock);
    if (this.#now?.from === from) return this.#now;
    const entries = rowEntries(this.#lookup, this.#cellOf, this.#setOf, from, Math.min(from + rowsPerBlock, this.#setOf.length));
    this.#centre.set(entries.centres.centre, from);
    this.#shrink.set(entries.centres.shrink, from);
    for (const [h, away] of entries.centres.away.entries()) this.#away[h]?.set(away, from);
    this.#now = { from, entries };
    return this.#now;
  }

  /** Of all rows; blocks that no lookup asked for are made here. */
  centres(): RowCentres {
    if (this.#now === undefined) for (let row = 0; row < this.#setOf.length; row += rowsPerBlock) this.at(row);
    return { centre: this.#centre, shrink: this.#shrink, away: this.#away };
  }
}
