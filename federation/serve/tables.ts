// Online scores by joint trees: small tables over the choices of one or more providers, of which the bank knows the entries and each provider its own choice. What
// the last provider of a table is to pick depends on the others' choices: they move theirs by a secret that only they and that one have, and tell the bank the place. So
// the bank can turn each table into one over what the last provider knows: its own choice, and how the others' were moved. Pure; README.md says what it hides.
import { createHmac } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";
import { maxEntries, maxTotal, mostTableProviders, totalBits } from "../../kernels/linear/params.ts";
import { shiftsOf } from "../lookup/guest.ts";
import { entriesOf } from "../lookup/shape.ts";
import type { TypedBody } from "../messages.ts";
import type { MaskedAsk } from "./masks.ts";

/** hosts: who picks, in ascending order, and among how many. */
export type JointTable = { readonly table: number; readonly hosts: readonly { readonly host: PartyId; readonly choices: number }[] };
/** entries: the last host's choice fastest. */
export type FilledTable = JointTable & { readonly entries: Int32Array };
type KeyOf = (peer: PartyId) => Uint8Array;

/** Tables of one model that are open at once: half a unit of each goes into rounding. */
export const mostTables = 2000;

const lastOf = (table: JointTable): PartyId | undefined => table.hosts.at(-1)?.host;
const sizeOf = ({ hosts }: JointTable): number => entriesOf({ hosts, tables: 1 });

/** What is left of the tables among these hosts, in the order of their numbers. */
export function tablesAmong(tables: readonly JointTable[], present: readonly PartyId[]): JointTable[] {
  return tables.flatMap(({ table, hosts }) => {
    const left = hosts.filter(({ host }) => present.includes(host));
    return left.length === 0 ? [] : [{ table, hosts: left }];
  });
}

/** Tables of which this host picks the entries, and those of which it tells its place, both of tables among those present. */
export function partsOf(tables: readonly JointTable[], host: PartyId): { readonly picks: readonly JointTable[]; readonly places: readonly JointTable[] } {
  const own = tables.filter(({ hosts }) => hosts.some((h) => h.host === host));
  return { picks: own.filter((t) => lastOf(t) === host), places: own.filter((t) => lastOf(t) !== host) };
}

/** Throws SERVICE_TREES for a model that does not fit: too many tables, entries of one provider beyond one text whoever is away, a table over more choices than
 *  there may be, or more providers than the floods leave room for. */
export function requireFits(tables: readonly JointTable[], hosts: readonly PartyId[]): void {
  // Each table counts whole wherever it may be picked.
  const entries = Math.max(0, ...hosts.map((host) => tables.reduce((sum, t) => sum + (t.hosts.some((h) => h.host === host) ? sizeOf(t) - 1 : 0), 0)));
  if (tables.length === 0 || tables.length > mostTables || entries > maxEntries || hosts.length > mostTableProviders) throw new AppError("SERVICE_TREES", { tables: tables.length, entries, hosts: hosts.length });
}

/** By table, how much `from` moves its choice for the host that picks: uniform, and used once. keyOf: 32 secret bytes that only they have. */
export function movesOf(from: PartyId, to: PartyId, asked: { readonly service: JobId; readonly ask: MaskedAsk; readonly key: Uint8Array; readonly tables: readonly JointTable[] }): ReadonlyMap<number, number> {
  const { service, ask: { n, present, company }, key, tables } = asked;
  const seed = createHmac("sha256", key).update(JSON.stringify(["yunei/serve/moves/v1", service, from, to, n, present, company])).digest();
  const rng = seededRng(seed, "moves");
  return new Map(tables.flatMap(({ table, hosts }) => {
    const own = hosts.find(({ host }) => host === from);
    return own === undefined || lastOf({ table, hosts }) !== to ? [] : [[table, shiftsOf(rng, 1, own.choices)[0] ?? 0] as const];
  }));
}

export type HostQuestion = {
  readonly self: PartyId; readonly service: JobId; readonly ask: MaskedAsk; readonly keyOf: KeyOf;
  /** Of this host's model, whoever is present. */
  readonly tables: readonly JointTable[];
  /** By table, what this host picks there. */
  readonly choices: ReadonlyMap<number, number>;
};

/** A provider: the places that it tells the bank, in the order of its tables, and the entries that it picks of the text that follows. */
export function answerOf({ self, service, ask, keyOf, tables, choices }: HostQuestion): { readonly places: Uint8Array; readonly picks: readonly number[] } {
  const open = tablesAmong(tables, ask.present);
  const own = partsOf(open, self);
  const peers = new Set(open.flatMap(({ hosts }) => hosts.map((h) => h.host)));
  const moves = new Map([...peers].flatMap((peer) => {
    if (peer === self) return [];
    const [from, to] = self < peer ? [self, peer] : [peer, self];
    return [[peer, movesOf(from, to, { service, ask, key: keyOf(peer), tables: open })] as const];
  }));
  const places = Uint8Array.from(own.places, (t) => {
    const choice = choices.get(t.table) ?? 0;
    const size = t.hosts.find((h) => h.host === self)?.choices ?? 1;
    return (choice + (moves.get(lastOf(t) ?? self)?.get(t.table) ?? 0)) % size;
  });
  let at = 0;
  const picks = own.picks.flatMap((t) => {
    const entry = t.hosts.reduce((index, { host, choices: size }) => index * size + (host === self ? (choices.get(t.table) ?? 0) : (moves.get(host)?.get(t.table) ?? 0)), 0);
    const first = at;
    at += sizeOf(t) - 1;
    // The first entry of each table is 0, and in no text.
    return entry === 0 ? [] : [first + entry - 1];
  });
  return { places, picks };
}

export type Sealable = {
  /** By host, the entries of its text. */
  readonly entries: ReadonlyMap<PartyId, Int32Array>;
  /** What all first entries together are: the total is that much more. */
  readonly first: number;
};

/** The bank: each table as its last host can pick from it. places: by host, what it told. Throws PROTOCOL_WRONG_SHAPE for places that the tables do not have. */
export function sealable(tables: readonly FilledTable[], places: ReadonlyMap<PartyId, Uint8Array>): Sealable {
  const told = new Map<PartyId, ReadonlyMap<number, number>>();
  for (const [host, bytes] of places) {
    const asked = partsOf(tables, host).places;
    const fits = bytes.length === asked.length && asked.every((t, i) => (bytes[i] ?? 0) < (t.hosts.find((h) => h.host === host)?.choices ?? 0));
    if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, places: bytes.length, expected: asked.length });
    told.set(host, new Map(asked.map((t, i) => [t.table, bytes[i] ?? 0])));
  }
  let first = 0;
  const entries = new Map([...places.keys()].map((host) => {
    const texts = tables.filter((t) => lastOf(t) === host).map((t) => turned(t, t.hosts.slice(0, -1).map((h) => told.get(h.host)?.get(t.table) ?? 0)));
    for (const [zero = 0] of texts) first += zero;
    return [host, Int32Array.from(texts.flatMap(([zero = 0, ...others]) => others.map((e) => e - zero)))] as const;
  }));
  return { entries, first };
}

/** The table over how the others moved (the place is theirs already) and the last host's choice. */
function turned({ hosts, entries }: FilledTable, places: readonly number[]): Int32Array {
  const sizes = hosts.map((h) => h.choices);
  return Int32Array.from(entries, (_, index) => {
    let rest = index;
    let unit = 1;
    let entry = 0;
    for (let h = sizes.length - 1; h >= 0; h--) {
      const size = sizes[h] ?? 1;
      const digit = rest % size;
      rest = (rest - digit) / size;
      entry += unit * (h === sizes.length - 1 ? digit : ((places[h] ?? 0) + size - digit) % size);
      unit *= size;
    }
    return entries[entry] ?? 0;
  });
}

/** The total in units, from what the providers' texts gave together, modulo 2^12. */
export function totalOf(opened: number, { first }: Pick<Sealable, "first">): number {
  const unused = 32 - totalBits;
  return ((opened + first) << unused) >> unused;
}

/** Values of tables as small integers: around the middle of each, in a unit with which no choices leave 12 bits. middle: of all, in units of the values. */
export function quantised(tables: readonly (JointTable & { readonly values: ArrayLike<number> })[]): { readonly tables: readonly FilledTable[]; readonly unit: number; readonly middle: number } {
  const middles = tables.map(({ values }) => {
    const all = Array.from(values);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    return { middle: (low + high) / 2, halfWidth: (high - low) / 2 };
  });
  const reach = middles.reduce((sum, m) => sum + m.halfWidth, 0);
  const unit = Math.max(Number.MIN_VALUE, reach / (maxTotal - Math.ceil(tables.length / 2)));
  return {
    unit, middle: middles.reduce((sum, m) => sum + m.middle, 0),
    tables: tables.map(({ table, hosts, values }, i) => ({ table, hosts, entries: reach === 0 ? new Int32Array(values.length) : Int32Array.from(values, (v) => Math.round((v - (middles[i]?.middle ?? 0)) / unit)) })),
  };
}

/** Tables as a host is told of them, in groups of one shape. */
export function groupsOfTables(tables: readonly JointTable[], host: PartyId): TypedBody<"serve/trees">["groups"] {
  const groups = new Map<string, TypedBody<"serve/trees">["groups"][number]>();
  for (const { table, hosts } of tables) {
    if (!hosts.some((h) => h.host === host)) continue;
    const key = JSON.stringify(hosts);
    const group = groups.get(key) ?? { group: groups.size, hosts: hosts.map((h) => ({ ...h })), tables: [] };
    group.tables.push(table);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The other way round, in the order of the tables' numbers. */
export function tablesOfGroups(groups: TypedBody<"serve/trees">["groups"]): JointTable[] {
  return groups.flatMap(({ hosts, tables }) => tables.map((table) => ({ table, hosts }))).sort((a, b) => a.table - b.table);
}
