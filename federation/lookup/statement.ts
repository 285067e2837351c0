// What oblivious lookups may send, for the leakage statement.
import type { PartyId } from "../../core/brand.ts";
import { openingTraffic, transferTraffic } from "../ot/traffic.ts";
import { chunks, type Add } from "../statement.ts";
import { rowsPerChunk } from "../totals/messages.ts";
import { entriesOf, rowsPerBlock, tablesPerMessage, type GroupShape } from "./shape.ts";

/** One total of all hosts per row, and before it the lookups in which each host takes part, whatever tables of at most these shapes they are in.
 *  `groups`: for each host how many groups it may be in, and tables in all, each of at most `entries` entries of which it picks among `choices`. */
export type LookupSize = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly rows: number;
  readonly of: (host: PartyId) => { readonly groups: number; readonly tables: number; readonly entries: number; readonly choices: number };
  /** Whether tables of several hosts occur. */
  readonly joint: boolean;
};

export function addLookups(add: Add, { guest, hosts, rows, of, joint }: LookupSize): void {
  for (const host of hosts) {
    const { groups, tables, entries, choices } = of(host);
    if (groups > 0) {
      const all = rows * tables;
      const perMessage = Math.max(1, Math.min(tablesPerMessage({ hosts: [{ host, choices: 2 }], tables: 1 }), tablesOf(entries)));
      const messages = groups * chunks(rows, rowsPerBlock) + chunks(all, perMessage);
      for (const t of openingTraffic()) add(...(t.from === "asker" ? [host, guest] as const : [guest, host] as const), t.type, t.messages, t.bytes, 0);
      // The pads of each message come in a call of their own, whose last chunk may be short.
      const whole = transferTraffic(all, choices, (2 * entries) / choices);
      const short = transferTraffic(1, choices, (2 * entries) / choices);
      add(host, guest, whole.type, whole.messages + messages, whole.bytes + messages * short.bytes, 0);
      add(guest, host, "lookup/tables", messages, all * 2 * (entries - 1), 0);
      if (joint) for (const other of hosts) if (other !== host) add(host, other, "lookup/shares", messages, all * (1 + (2 * entries) / 2), 0);
    }
    add(host, guest, "totals/masked", chunks(rows, rowsPerChunk), rows, rows);
  }
}

function tablesOf(entries: number): number {
  const shape: GroupShape = { hosts: [{ host: "any" as PartyId, choices: Math.min(254, Math.max(2, entries)) }], tables: 1 };
  return Math.max(1, Math.floor((tablesPerMessage(shape) * entriesOf(shape)) / Math.max(entriesOf(shape), entries)));
}
