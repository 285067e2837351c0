// Rows of webhooks: receivers, their queues, numbers of keys. A queue is changed under the lock of its receiver's row (`lockWebhook`).
import { canonicalJson } from "../../core/canonical.ts";
import { webhookTypes, type WebhookType } from "../../monitoring/webhooks/body.ts";
import type { Delivery, Failure } from "../../monitoring/webhooks/delivery.ts";
import { AppError } from "../../core/errors.ts";
import type { Tx } from "./database.ts";

export type WebhookRow = {
  readonly id: string; readonly institution: string; readonly url: string; readonly events: readonly WebhookType[]; readonly state: "active" | "disabled" | "removed";
  readonly reason: "owner" | "gone" | null; readonly nextSequence: number; readonly createdAt: Date;
};
/** How a delivery is kept: `dropped` is what waited for a receiver that was removed. */
export type DeliveryRow = Omit<Delivery, "state"> & { readonly state: Delivery["state"] | "dropped"; readonly webhook: string; readonly type: WebhookType };
type StoredWebhook = {
  id: string; institutionId: string; url: string; events: string; state: string; reason: string | null; nextSequence: number; createdAt: Date;
};
type StoredDelivery = {
  id: string; webhookId: string; sequence: number; type: string; body: string; state: string; attempts: number; dueAt: Date; createdAt: Date; endedAt: Date | null; failure: string | null; status: number | null;
};

const open = ["waiting", "sending"];

function toWebhook(row: StoredWebhook): WebhookRow {
  const { id, url, nextSequence, createdAt } = row;
  const events = webhookTypes.filter((type) => (JSON.parse(row.events) as string[]).includes(type));
  return { id, url, nextSequence, createdAt, institution: row.institutionId, events, state: row.state as WebhookRow["state"], reason: row.reason as WebhookRow["reason"] };
}

function toDelivery({ webhookId, type, state, failure, dueAt, createdAt, endedAt, ...rest }: StoredDelivery): DeliveryRow {
  return {
    ...rest, webhook: webhookId, type: type as WebhookType, state: state as DeliveryRow["state"], failure: failure as Failure | null,
    dueAt: dueAt.getTime(), createdAt: createdAt.getTime(), endedAt: endedAt?.getTime() ?? null,
  };
}

export async function addWebhook(tx: Tx, row: Omit<WebhookRow, "reason" | "nextSequence">): Promise<void> {
  const { institution, events, ...rest } = row;
  await tx.webhook.create({ data: { ...rest, institutionId: institution, events: canonicalJson(events), nextSequence: 1 }, select: { id: true } });
}

/** Not removed ones, oldest first. */
export async function listWebhooks(tx: Tx, institutionId: string): Promise<WebhookRow[]> {
  return (await tx.webhook.findMany({ where: { institutionId, state: { not: "removed" } }, orderBy: [{ createdAt: "asc" }, { id: "asc" }] })).map(toWebhook);
}

export async function findWebhook(tx: Tx, id: string): Promise<WebhookRow | undefined> {
  const row = await tx.webhook.findUnique({ where: { id } });
  return row === null || row.state === "removed" ? undefined : toWebhook(row);
}

/** The same, with its row locked until the transaction ends. */
export async function lockWebhook(tx: Tx, id: string): Promise<WebhookRow | undefined> {
  const { count } = await tx.webhook.updateMany({ where: { id, state: { not: "removed" } }, data: { nextSequence: { increment: 0 } } });
  return count === 1 ? findWebhook(tx, id) : undefined;
}

export async function storeWebhook(tx: Tx, id: string, change: { nextSequence?: number; state?: WebhookRow["state"]; reason?: WebhookRow["reason"]; endedAt?: Date }): Promise<void> {
  await tx.webhook.update({ where: { id }, data: change, select: { id: true } });
}

/** Active receivers of active institutions with something due, the longest due first. */
export async function findDueWebhooks(tx: Tx, now: Date, limit: number): Promise<{ id: string; institution: string }[]> {
  const rows = await tx.webhook.findMany({ where: { state: "active", nextDueAt: { lte: now } }, orderBy: { nextDueAt: "asc" }, take: limit, select: { id: true, institutionId: true } });
  return rows.map((row) => ({ id: row.id, institution: row.institutionId }));
}

/** The first of a queue: an attempt that runs, else the lowest number. */
export async function findHead(tx: Tx, webhookId: string): Promise<DeliveryRow | undefined> {
  const running = await tx.webhookDelivery.findFirst({ where: { webhookId, state: "sending" } });
  const row = running ?? (await tx.webhookDelivery.findFirst({ where: { webhookId, state: "waiting" }, orderBy: { sequence: "asc" } }));
  return row === null ? undefined : toDelivery(row);
}

export async function findDelivery(tx: Tx, webhookId: string, id: string): Promise<DeliveryRow | undefined> {
  const row = await tx.webhookDelivery.findUnique({ where: { id } });
  return row === null || row.webhookId !== webhookId ? undefined : toDelivery(row);
}

export async function addDelivery(tx: Tx, webhookId: string, type: WebhookType, { dueAt, createdAt, endedAt, ...rest }: Delivery): Promise<void> {
  const data = { ...rest, webhookId, type, dueAt: new Date(dueAt), createdAt: new Date(createdAt), endedAt: endedAt === null ? null : new Date(endedAt) };
  await tx.webhookDelivery.create({ data, select: { id: true } });
}

export async function storeDelivery(tx: Tx, { id, state, attempts, dueAt, endedAt, failure, status }: Delivery): Promise<void> {
  const data = { state, attempts, failure, status, dueAt: new Date(dueAt), endedAt: endedAt === null ? null : new Date(endedAt) };
  await tx.webhookDelivery.update({ where: { id }, data, select: { id: true } });
}

/** After every change of a queue: when its first one is due. */
export async function setNextDue(tx: Tx, webhookId: string, atLeast = 0): Promise<void> {
  const head = await findHead(tx, webhookId);
  await tx.webhook.update({ where: { id: webhookId }, data: { nextDueAt: head === undefined ? null : new Date(Math.max(head.dueAt, atLeast)) }, select: { id: true } });
}

/** Everything that waits for a receiver, as due now. */
export async function makeDue(tx: Tx, webhookId: string, now: Date): Promise<void> {
  await tx.webhookDelivery.updateMany({ where: { webhookId, state: { in: open } }, data: { state: "waiting", dueAt: now } });
}

export async function dropWaiting(tx: Tx, webhookId: string, now: Date): Promise<void> {
  await tx.webhookDelivery.updateMany({ where: { webhookId, state: { in: open } }, data: { state: "dropped", endedAt: now } });
}

/** What waits for all receivers of an institution. */
export async function countWaiting(tx: Tx, webhooks: readonly string[]): Promise<number> {
  return tx.webhookDelivery.count({ where: { webhookId: { in: [...webhooks] }, state: { in: open } } });
}

/** Per receiver, what waits and what is dead. */
export async function countByState(tx: Tx, webhooks: readonly string[]): Promise<Map<string, { waiting: number; dead: number }>> {
  const rows = await tx.webhookDelivery.groupBy({ by: ["webhookId", "state"], where: { webhookId: { in: [...webhooks] }, state: { in: [...open, "dead"] } }, _count: true });
  const counts = new Map(webhooks.map((id) => [id, { waiting: 0, dead: 0 }]));
  for (const { webhookId, state, _count } of rows) {
    const count = counts.get(webhookId);
    if (count !== undefined) count[state === "dead" ? "dead" : "waiting"] += _count;
  }
  return counts;
}

/** Newest first, after the number `below`. */
export async function listDeliveries(tx: Tx, webhookId: string, page: { limit: number; below?: number; state?: string | undefined }): Promise<DeliveryRow[]> {
  const where = { webhookId, ...(page.state === undefined ? {} : { state: page.state }), ...(page.below === undefined ? {} : { sequence: { lt: page.below } }) };
  return (await tx.webhookDelivery.findMany({ where, orderBy: { sequence: "desc" }, take: page.limit })).map(toDelivery);
}

/** Deletes what ended before; returns how many. */
export async function forgetDeliveries(tx: Tx, before: Date): Promise<number> {
  return (await tx.webhookDelivery.deleteMany({ where: { endedAt: { lt: before } } })).count;
}

/** Numbers of the keys that sign; `until`: when the previous one stops, ms. */
export type KeyNumbers = { readonly current: number; readonly previous?: { readonly number: number; readonly until: number } };

export async function findKeyNumbers(tx: Tx, institutionId: string): Promise<KeyNumbers> {
  const row = await tx.webhookKey.findUnique({ where: { institutionId } });
  if (row === null) return { current: 1 };
  const { current, previous, previousUntil } = row;
  return { current, ...(previous === null || previousUntil === null ? {} : { previous: { number: previous, until: previousUntil.getTime() } }) };
}

/** Throws WEBHOOK_ROTATION when somebody else has changed them since `before` was read. */
export async function storeKeyNumbers(tx: Tx, institutionId: string, before: KeyNumbers, after: KeyNumbers): Promise<void> {
  const data = { current: after.current, previous: after.previous?.number ?? null, previousUntil: after.previous === undefined ? null : new Date(after.previous.until) };
  await tx.webhookKey.upsert({ where: { institutionId }, create: { institutionId, current: before.current }, update: {}, select: { institutionId: true } });
  const { count } = await tx.webhookKey.updateMany({ where: { institutionId, current: before.current }, data });
  if (count !== 1) throw new AppError("WEBHOOK_ROTATION");
}
