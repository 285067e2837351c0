// Shows the platform the signed head of this enclave's audit log and takes the platform's: at the start, after each job, and every ten minutes.
// Neither side can cut off or rewrite what the other has seen without its showing (audit/heads.ts; the alert log-shrunk).
import { setTimeout as delay } from "node:timers/promises";
import { isHeadOf, platformDomain, type SignedHead } from "../../audit/head.ts";
import type { Audit } from "../../audit/trail.ts";
import type { Env } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";

const everyMs = 600_000;

export interface HeadPlatform {
  exchangeHeads(head: SignedHead, signal: AbortSignal): Promise<SignedHead>;
}
export type HeadParts = {
  readonly audit: Pick<Audit, "record"> & { head(): SignedHead }; readonly platform: HeadPlatform;
  /** The platform's CA (PEM). */
  readonly ca: string; readonly env: Pick<Env, "log">; readonly everyMs?: number;
};

export class HeadExchange {
  readonly #p: HeadParts;
  #wake = new AbortController();

  constructor(parts: HeadParts) {
    this.#p = parts;
  }

  /** Until the signal aborts. A platform that is away is asked again the next time. */
  async serve(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = new AbortController();
      await this.exchange(signal);
      await delay(this.#p.everyMs ?? everyMs, undefined, { signal: AbortSignal.any([signal, this.#wake.signal]) }).catch(() => undefined);
    }
  }

  /** There is news that is worth another head now. */
  soon(): void {
    this.#wake.abort();
  }

  async exchange(signal: AbortSignal): Promise<void> {
    const { audit, platform, ca, env } = this.#p;
    try {
      const head = await platform.exchangeHeads(audit.head(), signal);
      const event = { actor: { role: "platform" }, objects: { party: platformDomain, after: head.digest }, facts: { size: head.size } };
      const isTrue = isHeadOf(head, platformDomain, ca);
      await audit.record(isTrue ? { ...event, action: "head.taken" } : { ...event, action: "head.refused", outcome: "AUDIT_HEAD" });
    } catch (error) {
      if (!isAppError(error)) throw error;
      if (!signal.aborted) env.log.warn("heads-not-exchanged", { code: error.code });
    }
  }
}
