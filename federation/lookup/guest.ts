// Oblivious table lookups, guest: it has small tables of its own for every row, hosts know which entry is meant. By 1-of-N
// transfers (federation/ot) the entry comes out at one host under a mask of the guest; hosts add up, mask pairwise, and only the
// sum over all of them is opened, 8 bits of it. README.md has the protocol and why it hides what it hides.
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { OtSender } from "../ot/sender.ts";
import type { Party } from "../party.ts";
import { receiveTotals } from "../totals/guest.ts";
import { blocksOf, entriesOf, parts, placesOf, segments, type Block, type GroupShape } from "./shape.ts";

export type LookupGroup = Pick<GroupShape, "hosts"> & {
  /** Its number: what messages name it by. Groups of one host count up. */
  readonly group: number;
  /** Each writes its entries of rows [first, last) to `out`, all entries of a row together, the last host's choice fastest. Called
   *  block after block (`rowsPerBlock`). */
  readonly tables: readonly ((first: number, last: number, out: Int16Array) => void)[];
};
export type LookupGuestInput = {
  readonly rows: number; readonly label: string; readonly round: number;
  /** Hosts of the total, also those without a table. */
  readonly hosts: readonly PartyId[];
  readonly groups: readonly LookupGroup[];
};

/** The total of each row over all groups and tables, in units of the entries, known to within a step of 256: that is the 8 bits.
 *  The sum of a row's entries must fit 16 bits signed, or it wraps around. */
export async function lookupGuest(party: Party, input: LookupGuestInput): Promise<Int16Array> {
  const { rows, hosts, label } = input;
  const masks = new Uint16Array(rows);
  await using transfers = new AsyncDisposableStack();
  const senders = new Map<PartyId, OtSender>();
  const used = hosts.filter((host) => input.groups.some((g) => g.hosts.some((h) => h.host === host)));
  await Promise.all(used.map(async (host) => senders.set(host, transfers.use(await OtSender.open(party, host, { label: `lookup/${label}`, session: `lookup/${label}` })))));
  // A group waits for the groups before it that share a host, so that every channel keeps its order and hosts work at once.
  const last = new Map<PartyId, Promise<void>>(hosts.map((host) => [host, Promise.resolve()]));
  const all: Promise<void>[] = [];
  const shifts = input.groups.map((group) => shiftStreams(party, label, group));
  for (const block of blocksOf(rows)) {
    for (const [g, group] of input.groups.entries()) {
      const before = Promise.all(group.hosts.map(async (h) => last.get(h.host)));
      const done = before.then(() => sendGroup(party, { block, group, senders, masks, shifts: shifts[g] ?? [] }));
      for (const { host } of group.hosts) last.set(host, done);
      all.push(done);
    }
    // One block at a time: its tables are what lies in memory.
    await Promise.all(all.splice(0));
    party.progress(block.first + block.rows, rows);
  }
  const opened = await receiveTotals(party, hosts, input.round, rows);
  const totals = new Int16Array(rows);
  // Each host drops the low 8 bits of its share, which are uniform: 127.5 on average.
  const dropped = Math.round(127.5 * hosts.length);
  for (let row = 0; row < rows; row++) totals[row] = 256 * (opened[row] ?? 0) + dropped - (masks[row] ?? 0);
  return totals;
}

/** What moves a host's choice in the tables, so that the last host, who sees the place, does not see the choice. */
function shiftStreams(party: Party, label: string, { hosts, group }: LookupGroup): (Rng | undefined)[] {
  return hosts.map(({ host }, h) => (h === hosts.length - 1 ? undefined : party.sharedRng(host, `${label}/shift/${group}`)));
}

type Work = {
  readonly block: Block; readonly group: LookupGroup; readonly senders: ReadonlyMap<PartyId, OtSender>;
  readonly masks: Uint16Array; readonly shifts: readonly (Rng | undefined)[];
};

async function sendGroup(party: Party, { block, group, senders, masks, shifts }: Work): Promise<void> {
  const shape = { hosts: group.hosts, tables: group.tables.length };
  const entries = entriesOf(shape);
  const places = group.hosts.map((_, h) => placesOf(shape, h));
  const evaluator = group.hosts.length - 1;
  for (const { index, from, to } of parts(block, shape)) {
    const n = to - from;
    const plain = new Int16Array(n * entries);
    for (const s of segments(block, from, to)) {
      const end = s.at + s.last - s.first;
      group.tables[s.table]?.(s.first, s.last, plain.subarray(s.at * entries, end * entries));
    }
    const pads = await Promise.all(group.hosts.map(async ({ host, choices }) => {
      const sender = senders.get(host);
      return words(await (sender as OtSender).pads(n, choices, (2 * entries) / choices));
    }));
    const moves = shifts.map((rng, h) => shiftsOf(rng, n, group.hosts[h]?.choices ?? 1));
    const sealed = seal({ n, entries, plain, pads, moves, places, choices: group.hosts.map((h) => h.choices) });
    for (const s of segments(block, from, to)) {
      for (let row = s.first; row < s.last; row++) masks[row] = (masks[row] ?? 0) + (sealed.masks[s.at + row - s.first] ?? 0);
    }
    await party.send(group.hosts[evaluator]?.host as PartyId, "lookup/tables", { group: group.group, block: block.block, index, bytes: new Uint8Array(sealed.bytes.buffer) });
  }
}

type SealInput = {
  readonly n: number; readonly entries: number; readonly plain: Int16Array; readonly pads: readonly Uint16Array[];
  readonly moves: readonly Uint8Array[]; readonly places: readonly ReturnType<typeof placesOf>[]; readonly choices: readonly number[];
};

/** Every entry under the mask of its table and one pad of each host. The mask is such that the first place is 0 and need not be sent. */
function seal({ n, entries, plain, pads, moves, places, choices }: SealInput): { bytes: Uint16Array<ArrayBuffer>; masks: Uint16Array } {
  const bytes = new Uint16Array(n * (entries - 1));
  const masks = new Uint16Array(n);
  const hosts = choices.length;
  for (let i = 0; i < n; i++) {
    let mask = 0;
    for (let e = 0; e < entries; e++) {
      // The entry that stands in place e: each host's choice is its place, moved back.
      let entry = 0;
      let pad = 0;
      for (let h = 0; h < hosts; h++) {
        const N = choices[h] as number;
        const place = (places[h] as SealInput["places"][number]).own[e] as number;
        const choice = (place + N - ((moves[h] as Uint8Array)[i] as number)) % N;
        entry = entry * N + choice;
        const width = entries / N;
        pad += (pads[h] as Uint16Array)[(i * N + choice) * width + ((places[h] as SealInput["places"][number]).others[e] as number)] as number;
      }
      const value = (plain[i * entries + entry] as number) + pad;
      if (e === 0) {
        mask = -value;
        masks[i] = mask;
      } else bytes[i * (entries - 1) + e - 1] = value + mask;
    }
  }
  return { bytes, masks };
}

/** Uniform numbers below `choices`: by rejection from bytes. */
export function shiftsOf(rng: Rng | undefined, n: number, choices: number): Uint8Array {
  const shifts = new Uint8Array(n);
  if (rng === undefined) return shifts;
  const limit = 256 - (256 % choices);
  for (let i = 0; i < n;) for (const byte of rng(n - i)) if (byte < limit) shifts[i++] = byte % choices;
  return shifts;
}

/** 16-bit words from bytes, whatever their alignment. */
export function words(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}
