// Subscriptions of institutions to public items by region and section (P21 (六): 按照区域、行业等维度批量推送), pulled with a cursor.
import { AppError } from "../../core/errors.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { partyIdSchema } from "../../core/names.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { requireNecessary } from "../../catalogue/purposes.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { publicItem } from "../../public-credit/publishable.ts";
import { dayAt } from "../../public-credit/places.ts";
import { deliveredSchema, type Delivered, type SubscriptionView } from "../contract/public-credit.ts";
import { parseReply } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { followElsewhere, followPublic, publicHead, sectionOf, valuesOf, type PublicRow } from "../store/public-items.ts";
import {
  addDelivery, addSubscription, countActive, endSubscription, findDelivered, findSubscription, listSubscriptions, recordDelivered, type DeliveredVersion, type SubscriptionRow,
} from "../store/public-subscriptions.ts";

const activePerInstitution = 32;
const listed = 200;
/** Records and bytes of one delivery. */
const maxRecords = 1000;
const maxBytes = 4 * 1024 * 1024;
/** Changes looked through for one delivery: a narrow subscription does not scan the whole table in one request. */
const windowSize = 20_000;
const windows = 10;
/** Rows in memory at a time: one may have 64 KiB. */
const rowsRead = 250;
const statementType = "yunei-delivery+jws";

export type NewSubscription = { readonly purpose: FinancingPurpose; readonly items: readonly string[]; readonly regions: readonly string[]; readonly sectors: readonly string[] };

/** Throws SUBSCRIPTION_LIMIT, CATALOGUE_UNKNOWN_ITEM, CATALOGUE_MODE (an item that is not public), CATALOGUE_UNNECESSARY (not needed for the purpose). */
export async function subscribe(platform: Platform, institution: string, given: NewSubscription): Promise<SubscriptionView> {
  const { db, env } = platform;
  for (const item of given.items) publicItem(item);
  const items = requireNecessary(given.purpose, given.items);
  const id = `sub_${Buffer.from(env.rng(12)).toString("hex")}`;
  return db.write(async (tx) => {
    if ((await countActive(tx, institution)) >= activePerInstitution) throw new AppError("SUBSCRIPTION_LIMIT", { limit: activePerInstitution });
    const { purpose, regions, sectors } = given;
    return viewOf(await addSubscription(tx, { id, institution, purpose, items, regions: [...new Set(regions)].sort(), sectors: [...new Set(sectors)].sort() }, new Date(env.now())));
  });
}

export async function subscriptionsOf(platform: Platform, institution: string): Promise<SubscriptionView[]> {
  return (await listSubscriptions(platform.db.read, institution, listed)).map(viewOf);
}

/** Ending an ended one changes nothing. Throws SUBSCRIPTION_NOT_FOUND. */
export async function unsubscribe(platform: Platform, institution: string, id: string): Promise<SubscriptionView> {
  await ownSubscription(platform, institution, id);
  await platform.db.write((tx) => endSubscription(tx, id, new Date(platform.env.now())));
  return viewOf(await ownSubscription(platform, institution, id));
}

export type Delivery = { readonly body: Buffer; readonly digest: string; readonly next: number; readonly more: boolean; readonly statement: string };

/** What changed after the cursor; written down for the companies concerned before it goes out. Throws SUBSCRIPTION_NOT_FOUND, SUBSCRIPTION_ENDED, SUBSCRIPTION_CURSOR. */
export async function deliver(platform: Platform, institution: string, id: string, cursor: number): Promise<Delivery> {
  const { db, env } = platform;
  const subscription = await ownSubscription(platform, institution, id);
  if (subscription.state !== "active") throw new AppError("SUBSCRIPTION_ENDED");
  const head = await publicHead(db.read);
  if (cursor > head) throw new AppError("SUBSCRIPTION_CURSOR");
  const { lines, given, last } = await collect(platform, subscription, cursor, head);
  const body = Buffer.from(lines.map((line) => `${line}\n`).join(""), "utf8");
  const digest = sha256Hex(body);
  const record = { first: cursor, last, head, records: lines.length, digest };
  if (lines.length > 0) {
    const at = new Date(env.now());
    await db.write(async (tx) => {
      if ((await addDelivery(tx, id, record, at)) === undefined) throw new AppError("SUBSCRIPTION_ENDED");
      await recordDelivered(tx, id, given, at);
    });
  }
  const statement = await platform.attester.sign(statementType, { subscription: id, ...record, at: new Date(env.now()).toISOString() });
  return { body, digest, next: last, more: last < head, statement };
}

type Collected = { lines: string[]; given: DeliveredVersion[]; last: number };

/** Lines until the bounds of a delivery, and the change up to which nothing was left out. */
async function collect(platform: Platform, subscription: SubscriptionRow, cursor: number, head: number): Promise<Collected> {
  const found: Collected = { lines: [], given: [], last: cursor };
  let bytes = 0;
  for (let window = 0; window < windows && found.last < head; window += 1) {
    const { rows, upTo } = await windowOf(platform, subscription, { after: found.last, upTo: Math.min(head, found.last + windowSize), limit: rowsRead });
    for (const { row, line } of rows) {
      const text = JSON.stringify(parseReply(deliveredSchema, line));
      const size = Buffer.byteLength(text) + 1;
      if (found.lines.length === maxRecords || (found.lines.length > 0 && bytes + size > maxBytes)) return found;
      found.lines.push(text);
      if (line.op === "put") found.given.push({ recordId: row.id, version: row.version, subject: row.subject });
      bytes += size;
      found.last = row.change;
    }
    found.last = upTo;
  }
  return found;
}

/** What is to be told of the changes in a range, in their order, complete up to the change `upTo` that it gives back. */
async function windowOf(platform: Platform, subscription: SubscriptionRow, range: { after: number; upTo: number; limit: number }): Promise<{ rows: { row: PublicRow; line: Delivered }[]; upTo: number }> {
  const { read } = platform.db;
  const fitting = await followPublic(read, subscription, range);
  const end = fitting.length < range.limit ? range.upTo : (fitting.at(-1)?.change ?? range.upTo);
  const elsewhere = await followElsewhere(read, subscription, { ...range, upTo: end });
  const upTo = elsewhere.length < range.limit ? end : (elsewhere.at(-1)?.change ?? end);
  // Of what was withdrawn, or has moved away, those are told who were given a version. Nobody else learns that there was one.
  const had = await findDelivered(read, subscription.id, [...fitting.filter((row) => row.withdrawnAt !== null), ...elsewhere].map((row) => row.id));
  const today = dayAt(platform.env.now());
  const isOver = (row: PublicRow): boolean => row.withdrawnAt === null && row.until !== null && row.until < today;
  const rows = [
    ...fitting.filter((row) => (row.withdrawnAt === null ? !isOver(row) : had.has(row.id))).map((row) => ({ row, line: lineOf(row) })),
    ...elsewhere.filter((row) => had.has(row.id)).map((row) => ({ row, line: row.withdrawnAt === null ? { ...headOf(row), op: "leave" as const } : lineOf(row) })),
  ];
  return { rows: rows.filter(({ row }) => row.change <= upTo).sort((a, b) => a.row.change - b.row.change), upTo };
}

function headOf(row: PublicRow) {
  return { item: itemIdSchema.parse(row.item), uscc: row.subject, key: row.recordKey, source: partyIdSchema.parse(row.partyId), changedAt: row.changedAt.toISOString() };
}

function lineOf(row: PublicRow): Delivered {
  if (row.withdrawnAt !== null) return { op: "withdraw", ...headOf(row) };
  const { region, asOf, until, version } = row;
  return { op: "put", ...headOf(row), region, sector: sectionOf(row.sector), asOf, until, version, publishedAt: row.publishedAt.toISOString(), values: valuesOf(row) };
}

async function ownSubscription(platform: Platform, institution: string, id: string): Promise<SubscriptionRow> {
  const row = await findSubscription(platform.db.read, id);
  if (row === undefined || row.institution !== institution) throw new AppError("SUBSCRIPTION_NOT_FOUND");
  return row;
}

function viewOf({ institution: _institution, ...view }: SubscriptionRow): SubscriptionView {
  return view;
}
