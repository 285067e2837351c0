// Which institution's subscription was given which public record of a company, for that company: each delivery is a use of its data.
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import type { OwnDelivery } from "../contract/public-credit.ts";
import type { Platform } from "../platform.ts";
import { institutionNames } from "../store/credit-reports.ts";
import { findPublicRows } from "../store/public-items.ts";
import { findSubscriptions, listDelivered, type DeliveredId, type DeliveredRow } from "../store/public-subscriptions.ts";

/** By the first time, newest first. Throws REQUEST_INVALID for a cursor that is none of the company's. */
export async function listOwnDeliveries({ db }: Platform, subject: string, page: { limit: number; cursor?: string | undefined }): Promise<{ items: OwnDelivery[]; next: string | null }> {
  const rows = await listDelivered(db.read, subject, page.limit, page.cursor === undefined ? undefined : idOf(page.cursor));
  if (rows === undefined) throw new AppError("REQUEST_INVALID");
  const subscriptions = await findSubscriptions(db.read, rows.map((row) => row.subscriptionId));
  const names = await institutionNames(db.read, [...subscriptions.values()].map((s) => s.institution));
  const records = new Map((await findPublicRows(db.read, [...new Set(rows.map((row) => row.recordId))])).map((row) => [row.id, row]));
  const items = rows.flatMap((row): OwnDelivery[] => {
    const [subscription, record] = [subscriptions.get(row.subscriptionId), records.get(row.recordId)];
    if (subscription === undefined || record === undefined) return []; // neither is ever deleted
    return [{
      subscription: subscription.id, institution: names.get(subscription.institution) ?? subscription.institution, purpose: subscription.purpose, item: itemIdSchema.parse(record.item),
      source: partyIdSchema.parse(record.partyId), key: record.recordKey, version: row.version, times: row.times, firstAt: row.firstAt.toISOString(), lastAt: row.lastAt.toISOString(),
    }];
  });
  const last = rows.at(-1);
  return { items, next: rows.length < page.limit || last === undefined ? null : cursorOf(last) };
}

const cursorOf = ({ subscriptionId, recordId, version }: DeliveredRow): string => `${subscriptionId}.${recordId}.${version}`;

function idOf(cursor: string): DeliveredId {
  const [subscriptionId = "", recordId = "", version = ""] = cursor.split(".");
  return { subscriptionId, recordId, version: Number(version) };
}
