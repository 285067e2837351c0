// Delivery of webhooks as a state machine per receiver: in order, at least once, with an id that stays, until it is delivered or a dead letter.
// Pure: the caller stores what comes out, each step before the next, and does the sending.
import type { Rng } from "../../core/env.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { webhookBody, type WebhookEvent } from "./body.ts";
import { defaultSchedule, retryAfter, retryDelay, type Schedule } from "./schedule.ts";

/** What an attempt came to. `refused`: the address may not be called (receiver-url.ts); nothing was sent. */
export type Outcome =
  | { readonly kind: "response"; readonly status: number; readonly retryAfter?: string }
  | { readonly kind: "timeout" } | { readonly kind: "network" } | { readonly kind: "refused" };
/** For people: why it last failed. Not a word of the receiver's. */
export type Failure = "timeout" | "network" | "address" | "redirect" | "gone" | "throttled" | "status" | "lost";

/** Times in ms. */
export type Delivery = {
  /** `webhook-id`, the idempotency key: the same for all attempts, and for a dead letter that is sent again. */
  readonly id: string;
  /** Place in the receiver's order, from 1. */
  readonly sequence: number;
  readonly body: string;
  readonly state: "waiting" | "sending" | "delivered" | "dead";
  /** Attempts since it was queued, or taken up again. */
  readonly attempts: number;
  /** waiting: when it may be tried; sending: when the attempt counts as lost. */
  readonly dueAt: number;
  readonly createdAt: number; readonly endedAt: number | null;
  readonly failure: Failure | null; readonly status: number | null;
};

/** One receiver of an institution. `deliveries`: those that have not ended, in order, or the first of them where the owner keeps the rest; ended
 *  ones are the owner's to keep for its API. */
export type Receiver = {
  /** Opaque id. */
  readonly id: string;
  /** disabled: it answered 410, or its owner stopped it; nothing is sent and nothing is lost until it is enabled. */
  readonly state: "active" | "disabled";
  readonly nextSequence: number;
  readonly deliveries: readonly Delivery[];
};

export const newReceiver = (id: string): Receiver => ({ id, state: "active", nextSequence: 1, deliveries: [] });

/** The id of the webhook about an event (an alert's id) to a receiver. */
export function webhookId(receiver: string, event: string): string {
  return `msg_${sha256Hex(`${receiver}|${event}`).slice(0, 32)}`;
}

type Queued = { readonly receiver: Receiver; readonly delivery: Delivery | undefined };

/**
 * Queues an event once. `isKnown`: whether its owner has a delivery of this id that ended; then, and when it is queued already, nothing changes
 * and the first body stays (a payload that is sealed again has other bytes). `waiting`: what waits besides `deliveries`. Throws WEBHOOK_QUEUE_FULL
 * (then `skip` leaves a gap that the receiver can see), WEBHOOK_BODY.
 */
export function enqueue(
  receiver: Receiver, event: { readonly id: string; readonly body: WebhookEvent }, now: number,
  options: { readonly isKnown?: (id: string) => boolean; readonly waiting?: number; readonly schedule?: Schedule } = {},
): Queued {
  const id = webhookId(receiver.id, event.id);
  if (receiver.deliveries.some((d) => d.id === id) || options.isKnown?.(id) === true) return { receiver, delivery: undefined };
  const limit = (options.schedule ?? defaultSchedule).maxWaiting;
  const waiting = receiver.deliveries.length + (options.waiting ?? 0);
  if (waiting >= limit) throw new AppError("WEBHOOK_QUEUE_FULL", { waiting, limit });
  const sequence = receiver.nextSequence;
  const body = webhookBody({ ...event.body, sequence });
  const delivery: Delivery = { id, sequence, body, state: "waiting", attempts: 0, dueAt: now, createdAt: now, endedAt: null, failure: null, status: null };
  return { receiver: { ...receiver, nextSequence: sequence + 1, deliveries: [...receiver.deliveries, delivery] }, delivery };
}

/** An event that found the queue full: its number is taken, so that the receiver sees that one is missing. */
export function skip(receiver: Receiver): Receiver {
  return { ...receiver, nextSequence: receiver.nextSequence + 1 };
}

/** When to look at a receiver again, ms; undefined when there is nothing to send. */
export function nextDue(receiver: Receiver): number | undefined {
  return receiver.state === "active" ? receiver.deliveries[0]?.dueAt : undefined;
}

export type Attempt = { readonly delivery: Delivery; readonly attempt: number };

/**
 * Begins the attempt that is due, if one is: the head of the queue alone, so that nothing overtakes it. Stored before the request is sent: an
 * attempt that is lost with its process counts. A head whose last attempt was lost may end here as a dead letter (`ended`); then call it again.
 */
export function beginAttempt(receiver: Receiver, now: number, rng: Rng, schedule: Schedule = defaultSchedule): { readonly receiver: Receiver; readonly attempt?: Attempt; readonly ended?: Delivery } {
  const head = receiver.deliveries[0];
  if (receiver.state !== "active" || head === undefined || now < head.dueAt) return { receiver };
  if (head.state === "sending") return settle(receiver, failed(head, { failure: "lost", status: null, delay: retryDelay(head.attempts, rng, schedule) }, now, schedule));
  const delivery: Delivery = { ...head, state: "sending", attempts: head.attempts + 1, dueAt: now + schedule.leaseMs };
  return { receiver: replaceHead(receiver, delivery), attempt: { delivery, attempt: delivery.attempts } };
}

/**
 * Takes the outcome of an attempt. Of an attempt that is not the present one (it came after its lease) nothing is taken, but for a success:
 * the receiver has it. `ended`: delivered or dead, to be kept by the owner.
 */
export function endAttempt(
  receiver: Receiver, { delivery: { id }, attempt }: Attempt, outcome: Outcome, env: { readonly now: number; readonly rng: Rng; readonly schedule?: Schedule },
): { readonly receiver: Receiver; readonly ended?: Delivery } {
  const schedule = env.schedule ?? defaultSchedule;
  const head = receiver.deliveries[0];
  const isSuccess = outcome.kind === "response" && outcome.status >= 200 && outcome.status < 300;
  if (head?.id !== id || attempt > head.attempts) return { receiver };
  if (isSuccess) return settle(receiver, { ...head, state: "delivered", endedAt: env.now, failure: null, status: outcome.status });
  if (head.state !== "sending" || head.attempts !== attempt) return { receiver };
  const failure = failureOf(outcome);
  const status = outcome.kind === "response" ? outcome.status : null;
  // It wants no more of these; what waits stays until its owner enables it again.
  if (failure === "gone") return { receiver: { ...replaceHead(receiver, { ...head, state: "waiting", attempts: 0, dueAt: env.now, failure, status }), state: "disabled" } };
  const asked = outcome.kind === "response" ? retryAfter(outcome.retryAfter, env.now) : undefined;
  const delay = Math.min(schedule.maxDelayMs, Math.max(retryDelay(attempt, env.rng, schedule), asked ?? 0));
  return settle(receiver, failed(head, { failure, status, delay }, env.now, schedule));
}

/** By the specification: 2xx is success; 3xx is not followed; 410 ends it; 429, 502, 503, 504 ask for patience; all else fails. */
function failureOf(outcome: Outcome): Failure {
  if (outcome.kind !== "response") return outcome.kind === "refused" ? "address" : outcome.kind;
  const { status } = outcome;
  if (status === 410) return "gone";
  if (status === 429 || (status >= 502 && status <= 504)) return "throttled";
  return status >= 300 && status < 400 ? "redirect" : "status";
}

function failed(head: Delivery, { failure, status, delay }: { failure: Failure; status: number | null; delay: number }, now: number, schedule: Schedule): Delivery {
  if (head.attempts >= schedule.maxAttempts) return { ...head, state: "dead", endedAt: now, failure, status };
  return { ...head, state: "waiting", dueAt: now + delay, failure, status };
}

function settle(receiver: Receiver, head: Delivery): { receiver: Receiver; ended?: Delivery } {
  if (head.state === "waiting") return { receiver: replaceHead(receiver, head) };
  return { receiver: { ...receiver, deliveries: receiver.deliveries.slice(1) }, ended: head };
}

function replaceHead(receiver: Receiver, head: Delivery): Receiver {
  return { ...receiver, deliveries: [head, ...receiver.deliveries.slice(1)] };
}

/** Takes a dead letter up again, under its id and sequence: it goes before all later ones. Throws WEBHOOK_STATE unless it is dead. */
export function redrive(receiver: Receiver, dead: Delivery, now: number): Receiver {
  if (dead.state !== "dead" || receiver.deliveries.some((d) => d.id === dead.id)) throw new AppError("WEBHOOK_STATE");
  const again: Delivery = { ...dead, state: "waiting", attempts: 0, dueAt: now, endedAt: null };
  // An attempt that runs is not overtaken: it would not find itself at the head when it ends.
  const [head, ...rest] = receiver.deliveries;
  const running = head?.state === "sending" ? [head] : [];
  const others = [...(head === undefined || running.length > 0 ? [] : [head]), ...rest, again].sort((a, b) => a.sequence - b.sequence);
  return { ...receiver, deliveries: [...running, ...others] };
}

/** Stops or takes up sending; what waits is sent from now on, in order. An attempt that ran is forgotten by a stop. */
export function setReceiver(receiver: Receiver, state: Receiver["state"], now: number): Receiver {
  if (state === receiver.state) return receiver;
  return { ...receiver, state, deliveries: receiver.deliveries.map((d) => ({ ...d, state: "waiting", dueAt: now })) };
}
