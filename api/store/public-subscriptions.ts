// Rows of subscriptions and of what was delivered under them.
import { canonicalJson } from "../../core/canonical.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { subscriptionSchema, type SubscriptionView } from "../contract/public-credit.ts";
import type { Tx } from "./database.ts";
import { pagesOf } from "./public-items.ts";

export type SubscriptionRow = SubscriptionView & { readonly institution: string };
export type NewSubscription = {
  readonly id: string; readonly institution: string; readonly purpose: FinancingPurpose; readonly items: readonly string[]; readonly regions: readonly string[]; readonly sectors: readonly string[];
};
type Stored = {
  id: string; institutionId: string; purpose: string; items: string; regions: string; sectors: string; state: string; createdAt: Date; endedAt: Date | null;
};

function toRow({ institutionId, items, regions, sectors, createdAt, endedAt, ...rest }: Stored): SubscriptionRow {
  const view = subscriptionSchema.parse({
    ...rest, items: JSON.parse(items), regions: JSON.parse(regions), sectors: JSON.parse(sectors), createdAt: createdAt.toISOString(), endedAt: endedAt?.toISOString() ?? null,
  });
  return { ...view, institution: institutionId };
}

export async function addSubscription(tx: Tx, row: NewSubscription, now: Date): Promise<SubscriptionRow> {
  const { institution, items, regions, sectors, ...rest } = row;
  return toRow(await tx.publicSubscription.create({
    data: {
      ...rest, institutionId: institution, items: canonicalJson(items), regions: canonicalJson(regions), sectors: canonicalJson(sectors), state: "active", createdAt: now,
    },
  }));
}

export async function findSubscription(tx: Tx, id: string): Promise<SubscriptionRow | undefined> {
  const row = await tx.publicSubscription.findUnique({ where: { id } });
  return row === null ? undefined : toRow(row);
}

/** Newest first; ended ones after a while only as far as the bound goes. */
export async function listSubscriptions(tx: Tx, institutionId: string, limit: number): Promise<SubscriptionRow[]> {
  return (await tx.publicSubscription.findMany({ where: { institutionId }, orderBy: [{ createdAt: "desc" }, { id: "desc" }], take: limit })).map(toRow);
}

export function countActive(tx: Tx, institutionId: string): Promise<number> {
  return tx.publicSubscription.count({ where: { institutionId, state: "active" } });
}

export async function endSubscription(tx: Tx, id: string, now: Date): Promise<void> {
  await tx.publicSubscription.updateMany({ where: { id, state: "active" }, data: { state: "ended", endedAt: now } });
}

export type NewDelivery = { readonly first: number; readonly last: number; readonly head: number; readonly records: number; readonly digest: string };

/** Returns the number of the delivery, from 1; undefined if the subscription has ended. Takes the subscription's row as a lock. */
export async function addDelivery(tx: Tx, subscriptionId: string, delivery: NewDelivery, at: Date): Promise<number | undefined> {
  if ((await tx.publicSubscription.updateMany({ where: { id: subscriptionId, state: "active" }, data: { state: "active" } })).count !== 1) return undefined;
  const before = await tx.publicDelivery.findFirst({ where: { subscriptionId }, orderBy: { n: "desc" }, select: { n: true } });
  const n = (before?.n ?? 0) + 1;
  await tx.publicDelivery.create({ data: { subscriptionId, n, ...delivery, at }, select: { n: true } });
  return n;
}

export type DeliveredVersion = { readonly recordId: string; readonly version: number; readonly subject: string };

/** Writes down which version of which company's record went out. After `addDelivery` in its transaction, which holds the lock. */
export async function recordDelivered(tx: Tx, subscriptionId: string, given: readonly DeliveredVersion[], at: Date): Promise<void> {
  for (const page of pagesOf(given)) {
    const before = await tx.publicDelivered.findMany({ where: { subscriptionId, recordId: { in: page.map((v) => v.recordId) } }, select: { recordId: true, version: true } });
    const known = new Set(before.map(nameOf));
    const again = Map.groupBy(page.filter((v) => known.has(nameOf(v))), (v) => v.version);
    for (const [version, rows] of again) {
      await tx.publicDelivered.updateMany({ where: { subscriptionId, version, recordId: { in: rows.map((v) => v.recordId) } }, data: { times: { increment: 1 }, lastAt: at } });
    }
    const first = page.filter((v) => !known.has(nameOf(v)));
    await tx.publicDelivered.createMany({ data: first.map((v) => ({ ...v, subscriptionId, times: 1, firstAt: at, lastAt: at })) });
  }
}

const nameOf = ({ recordId, version }: { readonly recordId: string; readonly version: number }): string => `${recordId} ${version}`;

/** Those of these records of which the subscription was given a version. */
export async function findDelivered(tx: Tx, subscriptionId: string, records: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const page of pagesOf(records)) {
    for (const { recordId } of await tx.publicDelivered.findMany({ where: { subscriptionId, recordId: { in: page } }, select: { recordId: true } })) found.add(recordId);
  }
  return found;
}

const deliveredColumns = { subscriptionId: true, recordId: true, version: true, times: true, firstAt: true, lastAt: true } as const;
export type DeliveredRow = { subscriptionId: string; recordId: string; version: number; times: number; firstAt: Date; lastAt: Date };
export type DeliveredId = Pick<DeliveredRow, "subscriptionId" | "recordId" | "version">;

/** What was delivered about a company, by the first time, newest first, after the row `after`; undefined when that row is not of this company. */
export async function listDelivered(tx: Tx, subject: string, limit: number, after?: DeliveredId): Promise<DeliveredRow[] | undefined> {
  const isOwn = after === undefined || (await tx.publicDelivered.count({ where: { ...after, subject } })) === 1;
  if (!isOwn) return undefined;
  return tx.publicDelivered.findMany({
    where: { subject }, orderBy: [{ firstAt: "desc" }, { subscriptionId: "asc" }, { recordId: "asc" }, { version: "asc" }], take: limit, select: deliveredColumns,
    ...(after === undefined ? {} : { cursor: { subscriptionId_recordId_version: after }, skip: 1 }),
  });
}

export async function findSubscriptions(tx: Tx, ids: readonly string[]): Promise<Map<string, SubscriptionRow>> {
  const rows = await tx.publicSubscription.findMany({ where: { id: { in: [...new Set(ids)] } } });
  return new Map(rows.map((row) => [row.id, toRow(row)]));
}
