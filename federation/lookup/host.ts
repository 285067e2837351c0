// Oblivious table lookups, host: it picks by its own bins or cuts, gets what it picked under masks that it cannot know, adds up,
// masks the sum against the other hosts, and lets 8 bits of it out. Of a table of several hosts the last one decodes the entry.
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { OtReceiver } from "../ot/receiver.ts";
import type { Party } from "../party.ts";
import { sendMasked } from "../totals/host.ts";
import { maskShares } from "../totals/masks.ts";
import { shiftsOf, words } from "./guest.ts";
import { blocksOf, entriesOf, parts, placesOf, segments, type Block, type GroupShape } from "./shape.ts";

export type LookupHostGroup = GroupShape & {
  /** The group's number in the guest's list. */
  readonly group: number;
  /** Per table: what this host picks in each row, below its number of choices. */
  readonly picked: readonly Uint8Array[];
};
export type LookupHostInput = {
  readonly guest: PartyId; readonly rows: number; readonly label: string; readonly round: number;
  /** Hosts whose masks cancel: all of the total. */
  readonly present: readonly PartyId[];
  /** Groups in which this host picks, in the guest's order. */
  readonly groups: readonly LookupHostGroup[];
};

/** Throws PROTOCOL_OUT_OF_ORDER or PROTOCOL_WRONG_SHAPE naming the sender of what does not follow. */
export async function lookupHost(party: Party, input: LookupHostInput): Promise<void> {
  const { guest, rows, label } = input;
  const share = new Uint16Array(rows);
  if (input.groups.length > 0) {
    await using transfer = await OtReceiver.open(party, guest, { label: `lookup/${label}`, session: `lookup/${label}` });
    const shifts = input.groups.map((group) => shiftStream(party, guest, label, group));
    for (const block of blocksOf(rows)) {
      for (const [i, group] of input.groups.entries()) await receiveGroup(party, guest, { block, group, transfer, share, shift: shifts[i] });
      party.progress(block.first + block.rows, rows);
    }
  }
  const masked = maskShares(party, input.present, `${label}/totals`, share);
  // The top byte: 8 bits are what the plan lets out of a row.
  await sendMasked(party, guest, input.round, Uint8Array.from({ length: rows }, (_, row) => (masked[row] ?? 0) >> 8));
}

/** What moves this host's choices where another one decodes. */
function shiftStream(party: Party, guest: PartyId, label: string, { hosts, group }: LookupHostGroup): Rng | undefined {
  return hosts.at(-1)?.host === party.self ? undefined : party.sharedRng(guest, `${label}/shift/${group}`);
}

type Work = { readonly block: Block; readonly group: LookupHostGroup; readonly transfer: OtReceiver; readonly share: Uint16Array; readonly shift: Rng | undefined };

async function receiveGroup(party: Party, guest: PartyId, { block, group, transfer, share, shift }: Work): Promise<void> {
  const entries = entriesOf(group);
  const me = group.hosts.findIndex((h) => h.host === party.self);
  const choices = group.hosts[me]?.choices;
  if (choices === undefined) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, group: group.group });
  const evaluator = group.hosts.length - 1;
  for (const { index, from, to } of parts(block, group)) {
    const n = to - from;
    const mine = new Uint8Array(n);
    for (const s of segments(block, from, to)) mine.set((group.picked[s.table] ?? new Uint8Array(0)).subarray(s.first, s.last), s.at);
    const pads = await transfer.pads(mine, choices, (2 * entries) / choices);
    const moves = shiftsOf(shift, n, choices);
    const places = mine.map((choice, i) => (choice + (moves[i] ?? 0)) % choices);
    if (me !== evaluator) {
      await party.send(group.hosts[evaluator]?.host as PartyId, "lookup/shares", { group: group.group, block: block.block, index, places, pads });
      continue;
    }
    const others = await Promise.all(group.hosts.slice(0, -1).map((h) => receiveShares(party, h, { group, block: block.block, index, n, entries })));
    const table = await party.receive(guest, "lookup/tables");
    if (table.group !== group.group || table.block !== block.block || table.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, group: group.group, index });
    if (table.bytes.length !== 2 * n * (entries - 1)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, bytes: table.bytes.length, expected: 2 * n * (entries - 1) });
    const opened = decode({ group, n, entries, table: words(table.bytes), shares: [...others, { places, pads: words(pads) }] });
    for (const s of segments(block, from, to)) {
      for (let row = s.first; row < s.last; row++) share[row] = (share[row] ?? 0) + (opened[s.at + row - s.first] ?? 0);
    }
  }
}

type Share = { readonly places: Uint8Array; readonly pads: Uint16Array };

async function receiveShares(party: Party, from: GroupShape["hosts"][number], at: { group: LookupHostGroup; block: number; index: number; n: number; entries: number }): Promise<Share> {
  const share = await party.receive(from.host, "lookup/shares");
  if (share.group !== at.group.group || share.block !== at.block || share.index !== at.index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from.host, group: at.group.group, index: at.index });
  const fits = share.places.length === at.n && share.pads.length === (2 * at.n * at.entries) / from.choices && share.places.every((p) => p < from.choices);
  if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: from.host, places: share.places.length, expected: at.n });
  return { places: share.places, pads: words(share.pads) };
}

/** The entries at the places of all hosts, under the guest's masks only. */
function decode({ group, n, entries, table, shares }: { group: GroupShape; n: number; entries: number; table: Uint16Array; shares: readonly Share[] }): Uint16Array {
  const opened = new Uint16Array(n);
  const others = group.hosts.map((_, h) => placesOf(group, h).others);
  for (let i = 0; i < n; i++) {
    let entry = 0;
    for (const [h, { choices }] of group.hosts.entries()) entry = entry * choices + (shares[h]?.places[i] ?? 0);
    let value = entry === 0 ? 0 : (table[i * (entries - 1) + entry - 1] ?? 0);
    for (const [h, { choices }] of group.hosts.entries()) value -= shares[h]?.pads[i * (entries / choices) + (others[h]?.[entry] ?? 0)] ?? 0;
    opened[i] = value;
  }
  return opened;
}
