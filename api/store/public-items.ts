// Rows of public items: sources, batches, records with their history. Every change takes the next number of the counter "public" under its
// lock, so that numbers become visible in their order and a subscription misses nothing.
import type { PartyId } from "../../core/brand.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { BatchOutcome } from "../contract/public-credit.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { sectionCodes, type Section } from "../../public-credit/places.ts";
import type { Value } from "../../public-credit/values.ts";
import { isTaken, type Database, type Tx } from "./database.ts";

const counter = { name: "public" };
/** Rows and parameters of one statement: SQLite and PostgreSQL take at most 32,766 parameters. */
export const pageRows = 500;
/** Rows that are read at a time for a report: one may have 64 KiB. */
const reportRows = 20;

export type PublicRow = {
  readonly id: string; readonly partyId: string; readonly item: string; readonly subject: string; readonly recordKey: string; readonly region: string;
  readonly sector: string | null; readonly values: string | null; readonly digest: string; readonly asOf: string; readonly until: string | null; readonly version: number;
  readonly batch: string; readonly change: number; readonly publishedAt: Date; readonly changedAt: Date; readonly withdrawnAt: Date | null; readonly reason: string | null;
};
const columns = {
  id: true, partyId: true, item: true, subject: true, recordKey: true, region: true, sector: true, values: true, digest: true, asOf: true, until: true, version: true, batch: true,
  change: true, publishedAt: true, changedAt: true, withdrawnAt: true, reason: true,
} as const;

/** Makes the counter if it is not there; before a transaction, so that nobody does it in the middle of a race. */
export async function ensurePublicCounter(db: Database): Promise<void> {
  if ((await db.read.counter.findUnique({ where: counter, select: { value: true } })) !== null) return;
  try {
    await db.write((tx) => tx.counter.upsert({ where: counter, create: { ...counter, value: 0 }, update: {}, select: { value: true } }));
  } catch (error) {
    if (!isTaken(error)) throw error; // another request was faster
  }
}

/** Takes the lock under which public items change; returns the last number given. Call it first in the transaction. */
export async function lockPublic(tx: Tx): Promise<number> {
  return (await tx.counter.update({ where: counter, data: { value: { increment: 0 } }, select: { value: true } })).value;
}

export async function setPublicChange(tx: Tx, value: number): Promise<void> {
  await tx.counter.update({ where: counter, data: { value }, select: { value: true } });
}

/** The last number that is visible. */
export async function publicHead(tx: Tx): Promise<number> {
  return (await tx.counter.findUnique({ where: counter, select: { value: true } }))?.value ?? 0;
}

export async function isSource(tx: Tx, partyId: string, item: string): Promise<boolean> {
  return (await tx.publicSource.count({ where: { partyId, item } })) > 0;
}

export async function listSources(tx: Tx, partyId?: string): Promise<{ party: PartyId; item: string }[]> {
  const rows = await tx.publicSource.findMany({ where: partyId === undefined ? {} : { partyId }, orderBy: [{ partyId: "asc" }, { item: "asc" }], select: { partyId: true, item: true } });
  return rows.map((row) => ({ party: partyIdSchema.parse(row.partyId), item: row.item }));
}

/** Replaces the items that a party may publish. */
export async function setSources(tx: Tx, partyId: string, items: readonly string[], now: Date): Promise<void> {
  await tx.publicSource.deleteMany({ where: { partyId } });
  await tx.publicSource.createMany({ data: items.map((item) => ({ partyId, item, createdAt: now })) });
}

export async function addBatch(tx: Tx, outcome: BatchOutcome, rest: { readonly bytes: number; readonly statement: string }): Promise<void> {
  const { party, receivedAt, ...own } = outcome;
  await tx.publicBatch.create({ data: { ...own, ...rest, partyId: party, receivedAt: new Date(receivedAt) }, select: { digest: true } });
}

export async function findBatch(tx: Tx, digest: string): Promise<BatchOutcome | undefined> {
  const row = await tx.publicBatch.findUnique({ where: { digest } });
  if (row === null) return undefined;
  const { partyId, item, receivedAt, bytes: _bytes, statement: _statement, ...rest } = row;
  return { ...rest, party: partyIdSchema.parse(partyId), item: itemIdSchema.parse(item), receivedAt: receivedAt.toISOString() };
}

export async function findPublicRows(tx: Tx, ids: readonly string[]): Promise<PublicRow[]> {
  const found: PublicRow[] = [];
  for (const page of pagesOf(ids)) found.push(...(await tx.publicItem.findMany({ where: { id: { in: page } }, select: columns })));
  return found;
}

/** Live records of these companies, of all sources. */
export async function findRowsOfSubjects(tx: Tx, subjects: readonly string[]): Promise<PublicRow[]> {
  const found: PublicRow[] = [];
  for (const page of pagesOf(subjects)) found.push(...(await tx.publicItem.findMany({ where: { subject: { in: page }, withdrawnAt: null }, select: columns })));
  return found;
}

/** Where a company is and what it does, as its live records of the classifying item say. */
export async function findClassification(tx: Tx, subjects: readonly string[], item: string): Promise<Map<string, { region: string; sector: string | null }>> {
  const found = new Map<string, { region: string; sector: string | null }>();
  for (const page of pagesOf(subjects)) {
    const rows = await tx.publicItem.findMany({ where: { subject: { in: page }, item, withdrawnAt: null }, orderBy: { change: "asc" }, select: { subject: true, region: true, sector: true } });
    for (const { subject, region, sector } of rows) found.set(subject, { region, sector });
  }
  return found;
}

/** Puts records in the place of those of the same ids; what was there goes into the history. */
export async function replacePublicRows(tx: Tx, before: readonly PublicRow[], after: readonly PublicRow[]): Promise<void> {
  for (const page of pagesOf(before)) {
    await tx.publicItemVersion.createMany({
      data: page.map(({ id, version, values, digest, asOf, batch, change, changedAt }) => ({ recordId: id, version, values, digest, asOf, batch, change, changedAt })),
    });
    await tx.publicItem.deleteMany({ where: { id: { in: page.map((row) => row.id) } } });
  }
  for (const page of pagesOf(after)) await tx.publicItem.createMany({ data: page });
}

/** Forgets the values of withdrawn records, and their digests, from which short values could be guessed. */
export async function eraseHistory(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const page of pagesOf(ids)) await tx.publicItemVersion.updateMany({ where: { recordId: { in: page } }, data: { values: null, digest: "" } });
}

/** Live records whose term ended before this day. */
export function findOverdue(tx: Tx, day: string, limit: number): Promise<PublicRow[]> {
  return tx.publicItem.findMany({ where: { withdrawnAt: null, until: { lt: day } }, take: limit, orderBy: { change: "asc" }, select: columns });
}

/** Live records of one company, newest first: of each item at most so many, and no more once their values have so many bytes. more: how many further ones there are. */
export async function findRecordsOf(tx: Tx, subject: string, day: string, most: { readonly rows: number; readonly bytes: number }): Promise<{ rows: PublicRow[]; more: Map<string, number> }> {
  const where = { subject, withdrawnAt: null, OR: [{ until: null }, { until: { gte: day } }] };
  const rows: PublicRow[] = [];
  const more = new Map<string, number>();
  for (const { item } of await tx.publicItem.groupBy({ by: ["item"], where, orderBy: { item: "asc" } })) {
    const own: PublicRow[] = [];
    for (let bytes = 0; own.length < most.rows && bytes <= most.bytes; ) {
      const take = Math.min(reportRows, most.rows - own.length);
      const page = await tx.publicItem.findMany({ where: { ...where, item }, orderBy: [{ asOf: "desc" }, { change: "desc" }], skip: own.length, take, select: columns });
      own.push(...page);
      bytes += page.reduce((sum, row) => sum + Buffer.byteLength(row.values ?? ""), 0);
      if (page.length < take) break;
    }
    rows.push(...own);
    more.set(item, Math.max(0, (await tx.publicItem.count({ where: { ...where, item } })) - own.length));
  }
  return { rows, more };
}

/** All records of a company in the order of their last change, withdrawn ones too, after change number `after`. */
export function listRecordsOf(tx: Tx, subject: string, after: number, limit: number): Promise<PublicRow[]> {
  return tx.publicItem.findMany({ where: { subject, change: { gt: after } }, orderBy: { change: "asc" }, take: limit, select: columns });
}

export type FeedFilter = { readonly items: readonly string[]; readonly regions: readonly string[]; readonly sectors: readonly string[] };

type Range = { readonly after: number; readonly upTo: number; readonly limit: number };

/** Records that changed in (after, upTo] and fit, in the order of their changes. */
export function followPublic(tx: Tx, filter: FeedFilter, { after, upTo, limit }: Range): Promise<PublicRow[]> {
  return tx.publicItem.findMany({
    where: { change: { gt: after, lte: upTo }, item: { in: [...filter.items] }, ...placeOf(filter) }, orderBy: { change: "asc" }, take: limit, select: columns,
  });
}

/** Records that changed in (after, upTo] and are of other places or sections than the filter's: such a record may have been of its own once. */
export async function followElsewhere(tx: Tx, filter: FeedFilter, { after, upTo, limit }: Range): Promise<PublicRow[]> {
  if (filter.regions.length === 0 && filter.sectors.length === 0) return [];
  return tx.publicItem.findMany({
    where: { change: { gt: after, lte: upTo }, item: { in: [...filter.items] }, version: { gt: 1 }, NOT: placeOf(filter) }, orderBy: { change: "asc" }, take: limit, select: columns,
  });
}

function placeOf({ regions, sectors }: FeedFilter) {
  return {
    ...(regions.length === 0 ? {} : { OR: regions.map((prefix) => ({ region: { startsWith: prefix } })) }), ...(sectors.length === 0 ? {} : { sector: { in: [...sectors] } }),
  };
}

export function valuesOf(row: PublicRow): Readonly<Record<string, Value>> {
  return row.values === null ? {} : (JSON.parse(row.values) as Record<string, Value>);
}

export function sectionOf(code: string | null): Section | null {
  return sectionCodes.find((c) => c === code) ?? null;
}

/** In pieces of a statement's size. */
export function* pagesOf<T>(all: readonly T[]): Generator<T[]> {
  for (let at = 0; at < all.length; at += pageRows) yield all.slice(at, at + pageRows);
}
