// Sends what is due, a few at a time: per receiver one after the other in order, over receivers side by side. Every step is in the database before
// the next: a process that is killed loses nothing, the next one goes on.
import type { Env } from "../../core/env.ts";
import { beginAttempt, endAttempt, type Attempt, type Delivery, type Outcome } from "../../monitoring/webhooks/delivery.ts";
import { signingKeys, type KeyRing } from "../../monitoring/webhooks/keys.ts";
import type { ReceiverRules } from "../../monitoring/webhooks/receiver-url.ts";
import { defaultSchedule, type Schedule } from "../../monitoring/webhooks/schedule.ts";
import { signWebhook } from "../../monitoring/webhooks/signature.ts";
import type { RequestLog } from "../../audit/trail.ts";
import type { WebhookKeys } from "../pki/webhook-keys.ts";
import type { Database, Tx } from "../store/database.ts";
import { findInstitution } from "../store/parties.ts";
import { findDueWebhooks, findHead, findKeyNumbers, forgetDeliveries, lockWebhook, setNextDue, storeDelivery, storeWebhook } from "../store/webhooks.ts";
import { postWebhook, resolveName, type Resolve } from "./webhook-post.ts";
import { receiverOf, ringOf } from "./webhooks.ts";

export type SenderOptions = {
  readonly db: Database; readonly env: Env; readonly webhookKeys: WebhookKeys; readonly audit: Pick<RequestLog, "sum">; readonly rules: ReceiverRules;
  readonly ca?: string | undefined; readonly schedule?: Schedule; readonly resolve?: Resolve; readonly timeoutMs?: number;
};

const inAll = 32;
const perInstitution = 4;
/** Deliveries to one receiver in a row, before others have their turn. */
const inARow = 50;
const keptMs = 30 * 86_400_000;
const sweepMs = 3_600_000;
/** How long a suspended institution's queue is left alone. */
const suspendedMs = 60_000;

type Begun = { readonly attempt: Attempt; readonly url: string; readonly institution: string; readonly ring: KeyRing };

export class WebhookSender {
  readonly #options: SenderOptions;
  readonly #schedule: Schedule;
  readonly #stop = new AbortController();
  /** Receivers that are being served, with their institution. */
  readonly #running = new Map<string, { readonly institution: string; readonly work: Promise<void> }>();
  #sweptAt = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#schedule = options.schedule ?? defaultSchedule;
  }

  /** Begins what is due and has room, and does not wait for it. */
  async look(): Promise<void> {
    const { db, env } = this.#options;
    if (this.#stop.signal.aborted) return;
    const now = env.now();
    if (now - this.#sweptAt >= sweepMs) {
      this.#sweptAt = now;
      await db.write((tx) => forgetDeliveries(tx, new Date(now - keptMs)));
    }
    for (const { id, institution } of await findDueWebhooks(db.read, new Date(now), 4 * inAll)) {
      if (this.#running.size >= inAll) return;
      const own = [...this.#running.values()].filter((r) => r.institution === institution).length;
      if (this.#running.has(id) || own >= perInstitution) continue;
      const work = this.#serve(id).finally(() => this.#running.delete(id));
      this.#running.set(id, { institution, work });
    }
  }

  /** Resolves when everything that was begun has ended. */
  async settled(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ work }) => work));
  }

  /** Ends attempts under way (they are tried again) and waits for them. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.settled();
  }

  async #serve(id: string): Promise<void> {
    try {
      for (let n = 0; n < inARow && !this.#stop.signal.aborted; n += 1) {
        const begun = await this.#begin(id);
        if (begun === undefined) return;
        const outcome = await this.#post(begun);
        if (!(await this.#end(id, begun, outcome))) return;
      }
    } catch (error) {
      // The attempt counts as lost after its lease, and is made again.
      this.#options.env.log.error("webhook.failed", { reason: error instanceof Error ? error.name : "unknown" });
    }
  }

  async #begin(id: string): Promise<Begun | undefined> {
    const { db, env } = this.#options;
    const { begun, dead } = await db.write(async (tx) => {
      const lost: Delivery[] = [];
      for (;;) {
        const now = env.now();
        const webhook = await lockWebhook(tx, id);
        if (webhook === undefined || webhook.state !== "active") return { begun: undefined, dead: lost };
        const { institution, url } = webhook;
        if ((await findInstitution(tx, institution))?.state !== "active") {
          await setNextDue(tx, id, now + suspendedMs);
          return { begun: undefined, dead: lost };
        }
        const { receiver, attempt, ended } = beginAttempt(receiverOf(webhook, await findHead(tx, id)), now, env.rng, this.#schedule);
        await store(tx, ended ?? receiver.deliveries[0]);
        await setNextDue(tx, id);
        if (ended !== undefined) {
          lost.push(ended);
          continue;
        }
        if (attempt === undefined) return { begun: undefined, dead: lost };
        return { begun: { attempt, url, institution, ring: ringOf(this.#options, institution, await findKeyNumbers(tx, institution)) }, dead: lost };
      }
    });
    for (const delivery of dead) this.#tell(delivery);
    return begun;
  }

  async #post({ attempt: { delivery, attempt }, url, ring }: Begun): Promise<Outcome> {
    const { env, rules, ca, resolve = resolveName, timeoutMs = 15_000 } = this.#options;
    const now = env.now();
    const headers = signWebhook({ id: delivery.id, timestamp: Math.floor(now / 1000), body: Buffer.from(delivery.body) }, signingKeys(ring, now));
    return postWebhook({ url, headers, body: delivery.body, attempt }, { rules, timeoutMs, ca, resolve, signal: this.#stop.signal });
  }

  /** Whether the receiver took it, so that the next one may follow at once. */
  async #end(id: string, { attempt }: Begun, outcome: Outcome): Promise<boolean> {
    const { db, env } = this.#options;
    const ended = await db.write(async (tx) => {
      const webhook = await lockWebhook(tx, id);
      if (webhook === undefined) return undefined;
      const before = receiverOf(webhook, await findHead(tx, id));
      const { receiver, ended: gone } = endAttempt(before, attempt, outcome, { now: env.now(), rng: env.rng, schedule: this.#schedule });
      await store(tx, gone ?? receiver.deliveries[0]);
      if (receiver.state !== before.state) await storeWebhook(tx, id, { state: receiver.state, reason: "gone" });
      await setNextDue(tx, id);
      return gone;
    });
    const isTaken = outcome.kind === "response" && outcome.status >= 200 && outcome.status < 300;
    this.#options.audit.sum({ actor: { role: "platform" }, action: "webhook.sent", outcome: isTaken ? "ok" : "WEBHOOK_NOT_TAKEN" });
    if (ended !== undefined) this.#tell(ended);
    return isTaken;
  }

  #tell({ state, attempts, sequence }: Delivery): void {
    if (state === "dead") this.#options.env.log.warn("webhook.dead", { attempts, sequence });
  }
}

async function store(tx: Tx, delivery: Delivery | undefined): Promise<void> {
  if (delivery !== undefined) await storeDelivery(tx, delivery);
}
