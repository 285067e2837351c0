// Webhooks of institutions: what they register, how events come into their queues, which keys sign. Sending: webhook-sender.ts.
import { AppError } from "../../core/errors.ts";
import type { JobId } from "../../core/brand.ts";
import type { WebhookEvent, WebhookType } from "../../monitoring/webhooks/body.ts";
import { enqueue, newReceiver, redrive, skip, webhookId, type Delivery, type Receiver } from "../../monitoring/webhooks/delivery.ts";
import { rotate, verifyingKeys, type KeyRing } from "../../monitoring/webhooks/keys.ts";
import { checkReceiverUrl } from "../../monitoring/webhooks/receiver-url.ts";
import { defaultSchedule } from "../../monitoring/webhooks/schedule.ts";
import { servingKinds } from "../../federation/plan-schema.ts";
import type { DeliveryView, WebhookKeysView, WebhookView } from "../contract/webhooks.ts";
import type { JobMachine } from "../job-state.ts";
import type { Platform } from "../platform.ts";
import type { Tx } from "../store/database.ts";
import { findJob } from "../store/jobs.ts";
import {
  addDelivery, addWebhook, countByState, countWaiting, dropWaiting, findDelivery, findHead, findKeyNumbers, findWebhook, listDeliveries, listWebhooks, lockWebhook, makeDue, setNextDue, storeDelivery,
  storeKeyNumbers, storeWebhook, type DeliveryRow, type KeyNumbers, type WebhookRow,
} from "../store/webhooks.ts";

const perInstitution = 8;
const hourMs = 3_600_000;

/** What happened: `id` is the same for the same event, so that it is queued once (an alert's id, a job's id and state). */
export type NewEvent = { readonly id: string; readonly body: WebhookEvent };

/** ISO 8601 in whole seconds, as bodies have it. */
export const eventTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * Queues an event for all webhooks of an institution that want its type, in the caller's transaction: event and its cause are committed together.
 * The same event again changes nothing. Where the institution's queues are full, the event's number stays a gap that the receiver sees; the
 * caller's work goes on. Throws WEBHOOK_BODY for a body that may not go out.
 */
export async function enqueueWebhook(tx: Tx, institution: string, event: NewEvent, now: number): Promise<void> {
  const all = await listWebhooks(tx, institution);
  for (const { id, events } of all) if (events.includes(event.body.type)) await enqueueTo(tx, { id, others: all.map((w) => w.id) }, event, now);
}

/** Returns what was queued; undefined where the queue is full or the event was queued before. */
async function enqueueTo(tx: Tx, { id, others }: { readonly id: string; readonly others: readonly string[] }, event: NewEvent, now: number): Promise<Delivery | undefined> {
  const webhook = await lockWebhook(tx, id);
  if (webhook === undefined) return undefined;
  if ((await findDelivery(tx, id, webhookId(id, event.id))) !== undefined) return undefined;
  const empty: Receiver = { ...newReceiver(id), nextSequence: webhook.nextSequence };
  const waiting = await countWaiting(tx, others);
  const isFull = waiting >= defaultSchedule.maxWaiting;
  const { receiver, delivery } = isFull ? { receiver: skip(empty), delivery: undefined } : enqueue(empty, event, now, { waiting });
  await storeWebhook(tx, id, { nextSequence: receiver.nextSequence });
  if (delivery === undefined) return undefined;
  await addDelivery(tx, id, event.body.type, delivery);
  await setNextDue(tx, id);
  return delivery;
}

/** The end of a job, in the transaction that stores it. Services have an event of their own. */
export async function enqueueJobEnd(tx: Tx, id: JobId, { at, failure }: JobMachine, now: Date): Promise<void> {
  const job = await findJob(tx, id);
  if (job === undefined) return;
  const { kind } = job;
  const code = failure?.code ?? (at === "cancelled" ? "JOB_CANCELLED" : null);
  const timestamp = eventTime(now.getTime());
  const body = (): WebhookEvent => {
    if ((servingKinds as readonly string[]).includes(kind)) return { type: "service.ended", timestamp, data: { service: id, kind, code } };
    return code === null ? { type: "job.done", timestamp, data: { job: id, kind } } : { type: "job.failed", timestamp, data: { job: id, kind, code } };
  };
  await enqueueWebhook(tx, job.institution, { id: `${id}|end`, body: body() }, now.getTime());
}

/** Throws WEBHOOK_URL, WEBHOOK_EXISTS (its address, for other events), WEBHOOK_LIMIT. The same again gives the same. */
export async function createWebhook(platform: Platform, institution: string, given: { readonly url: string; readonly events: readonly WebhookType[] }): Promise<WebhookView> {
  const { db, env, settings } = platform;
  const url = checkReceiverUrl(given.url, settings.webhooks).href;
  const events = [...new Set(given.events)].sort();
  const id = `hook_${Buffer.from(env.rng(12)).toString("hex")}`;
  const now = new Date(env.now());
  const made = await db.write(async (tx) => {
    const all = await listWebhooks(tx, institution);
    const same = all.find((webhook) => webhook.url === url);
    if (same !== undefined && same.events.toSorted().join() !== events.join()) throw new AppError("WEBHOOK_EXISTS");
    if (same !== undefined) return same.id;
    if (all.length >= perInstitution) throw new AppError("WEBHOOK_LIMIT", { limit: perInstitution });
    await addWebhook(tx, { id, institution, url, events, state: "active", createdAt: now });
    return id;
  });
  return viewOf(platform, await ownWebhook(platform.db.read, institution, made));
}

export async function webhooksOf(platform: Platform, institution: string): Promise<WebhookView[]> {
  const rows = await listWebhooks(platform.db.read, institution);
  const counts = await countByState(platform.db.read, rows.map(({ id }) => id));
  return rows.map((row) => viewWith(row, counts));
}

/** Throws WEBHOOK_NOT_FOUND. */
export async function setWebhook(platform: Platform, institution: string, id: string, state: "active" | "disabled"): Promise<WebhookView> {
  const now = platform.env.now();
  await platform.db.write(async (tx) => {
    await ownWebhook(tx, institution, id);
    const webhook = await lockWebhook(tx, id);
    if (webhook === undefined || webhook.state === state) return;
    await storeWebhook(tx, id, { state, reason: state === "active" ? null : "owner" });
    await makeDue(tx, id, new Date(now));
    await setNextDue(tx, id);
  });
  return viewOf(platform, await ownWebhook(platform.db.read, institution, id));
}

/** Throws WEBHOOK_NOT_FOUND. */
export async function removeWebhook(platform: Platform, institution: string, id: string): Promise<void> {
  const now = new Date(platform.env.now());
  await platform.db.write(async (tx) => {
    await ownWebhook(tx, institution, id);
    await storeWebhook(tx, id, { state: "removed", endedAt: now });
    await dropWaiting(tx, id, now);
    await setNextDue(tx, id);
  });
}

/** Throws WEBHOOK_NOT_FOUND, WEBHOOK_QUEUE_FULL. */
export async function testWebhook(platform: Platform, institution: string, id: string): Promise<DeliveryView> {
  const { db, env } = platform;
  const now = env.now();
  const event: NewEvent = { id: `test|${Buffer.from(env.rng(12)).toString("hex")}`, body: { type: "webhook.test", timestamp: eventTime(now), data: { webhook: id } } };
  const queued = await db.write(async (tx) => {
    await ownWebhook(tx, institution, id);
    const delivery = await enqueueTo(tx, { id, others: (await listWebhooks(tx, institution)).map((w) => w.id) }, event, now);
    return delivery === undefined ? undefined : findDelivery(tx, id, delivery.id);
  });
  if (queued === undefined) throw new AppError("WEBHOOK_QUEUE_FULL", { limit: defaultSchedule.maxWaiting });
  return deliveryView(queued);
}

/** Newest first. Throws WEBHOOK_NOT_FOUND, and REQUEST_INVALID for a cursor of another webhook. */
export async function deliveriesOf(
  platform: Platform, institution: string, id: string, page: { readonly limit: number; readonly cursor?: string | undefined; readonly state?: string | undefined },
): Promise<{ items: DeliveryView[]; next: string | null }> {
  const { read } = platform.db;
  await ownWebhook(read, institution, id);
  const after = page.cursor === undefined ? undefined : await findDelivery(read, id, page.cursor);
  if (page.cursor !== undefined && after === undefined) throw new AppError("REQUEST_INVALID");
  const rows = await listDeliveries(read, id, { limit: page.limit, state: page.state, ...(after === undefined ? {} : { below: after.sequence }) });
  return { items: rows.map(deliveryView), next: rows.length < page.limit ? null : (rows.at(-1)?.id ?? null) };
}

/** Throws WEBHOOK_NOT_FOUND, WEBHOOK_DELIVERY_NOT_FOUND. */
export async function deliveryOf(platform: Platform, institution: string, id: string, delivery: string): Promise<DeliveryView & { body: string }> {
  await ownWebhook(platform.db.read, institution, id);
  const row = await findDelivery(platform.db.read, id, delivery);
  if (row === undefined) throw new AppError("WEBHOOK_DELIVERY_NOT_FOUND");
  return { ...deliveryView(row), body: row.body };
}

/** A dead letter once more. Throws WEBHOOK_NOT_FOUND, WEBHOOK_DELIVERY_NOT_FOUND, WEBHOOK_STATE. */
export async function resendDelivery(platform: Platform, institution: string, id: string, delivery: string): Promise<DeliveryView> {
  const now = platform.env.now();
  await platform.db.write(async (tx) => {
    await ownWebhook(tx, institution, id);
    const webhook = await lockWebhook(tx, id);
    const dead = await findDelivery(tx, id, delivery);
    if (webhook === undefined || dead === undefined) throw new AppError("WEBHOOK_DELIVERY_NOT_FOUND");
    if (dead.state === "dropped") throw new AppError("WEBHOOK_STATE");
    const again = redrive(receiverOf(webhook, await findHead(tx, id)), { ...dead, state: dead.state }, now).deliveries.find((d) => d.id === delivery);
    if (again !== undefined) await storeDelivery(tx, again);
    await setNextDue(tx, id);
  });
  const row = await findDelivery(platform.db.read, id, delivery);
  if (row === undefined) throw new AppError("WEBHOOK_DELIVERY_NOT_FOUND");
  return deliveryView(row);
}

export async function webhookKeysOf(platform: Platform, institution: string): Promise<WebhookKeysView> {
  const numbers = await findKeyNumbers(platform.db.read, institution);
  const now = platform.env.now();
  const previous = numbers.previous !== undefined && numbers.previous.until > now ? new Date(numbers.previous.until).toISOString() : null;
  return { keys: [...verifyingKeys(ringOf(platform, institution, numbers), now)], previousUntil: previous };
}

/** Throws WEBHOOK_ROTATION while an overlap runs, unless the key is compromised. */
export async function rotateWebhookKey(platform: Platform, institution: string, options: { readonly compromised: boolean; readonly overlapHours: number }): Promise<WebhookKeysView> {
  const now = platform.env.now();
  await platform.db.write(async (tx) => {
    const before = await findKeyNumbers(tx, institution);
    const number = before.current + 1;
    const { previous } = rotate(ringOf(platform, institution, before), platform.webhookKeys(institution, number), now, { compromised: options.compromised, overlapMs: options.overlapHours * hourMs });
    const after: KeyNumbers = { current: number, ...(previous === undefined ? {} : { previous: { number: before.current, until: previous.until } }) };
    await storeKeyNumbers(tx, institution, before, after);
  });
  return webhookKeysOf(platform, institution);
}

/** The keys of an institution with these numbers. */
export function ringOf({ webhookKeys }: Pick<Platform, "webhookKeys">, institution: string, { current, previous }: KeyNumbers): KeyRing {
  return {
    current: webhookKeys(institution, current),
    ...(previous === undefined ? {} : { previous: { key: webhookKeys(institution, previous.number), until: previous.until } }),
  };
}

/** A queue with its first delivery alone, as the machine takes it. */
export function receiverOf(webhook: WebhookRow, head: DeliveryRow | undefined): Receiver {
  const { id, nextSequence } = webhook;
  const deliveries = head === undefined || head.state === "dropped" ? [] : [{ ...head, state: head.state }];
  return { id, nextSequence, state: webhook.state === "active" ? "active" : "disabled", deliveries };
}

async function ownWebhook(tx: Tx, institution: string, id: string): Promise<WebhookRow> {
  const row = await findWebhook(tx, id);
  if (row === undefined || row.institution !== institution) throw new AppError("WEBHOOK_NOT_FOUND");
  return row;
}

async function viewOf(platform: Platform, row: WebhookRow): Promise<WebhookView> {
  return viewWith(row, await countByState(platform.db.read, [row.id]));
}

function viewWith({ id, url, events, state, reason, createdAt }: WebhookRow, counts: Awaited<ReturnType<typeof countByState>>): WebhookView {
  const { waiting = 0, dead = 0 } = counts.get(id) ?? {};
  return { id, url, events: [...events], state: state === "active" ? "active" : "disabled", reason, createdAt: createdAt.toISOString(), waiting, dead };
}

function deliveryView({ id, webhook, sequence, type, state, attempts, createdAt, dueAt, endedAt, failure, status }: DeliveryRow): DeliveryView {
  const time = (ms: number): string => new Date(ms).toISOString();
  return { id, webhook, sequence, type, state, attempts, createdAt: time(createdAt), dueAt: state === "waiting" ? time(dueAt) : null, endedAt: endedAt === null ? null : time(endedAt), failure, status };
}
