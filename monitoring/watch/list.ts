// The watch list: who is watched, on whose consent, until when. A consent that is withdrawn or over ends the watch and erases its state at once;
// without a consent of the kind `monitor` there is no watch (P21 附件注3, P19 三（三）).
import type { Clock, Rng } from "../../core/env.ts";
import type { FinancingPurpose } from "../../core/purposes.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { isUscc } from "../../core/uscc.ts";
import type { TriggerSet } from "../triggers/declare.ts";
import { evaluate, type Alert, type Snapshot } from "../triggers/evaluate.ts";
import type { TriggerKind } from "../triggers/schema.ts";
import { parseState, serialiseState } from "../triggers/state.ts";
import type { Watch, WatchStore } from "./store.ts";

/** A consent whose signature, chain and terms the caller verified (consent/verify.ts). Times in seconds since 1970. */
export type VerifiedConsent = {
  /** SHA-256 of its id. */
  readonly digest: string;
  readonly registrar: string;
  /** Digest of the company's own key, where that has signed. */
  readonly key?: string | undefined;
  readonly subject: string;
  /** Party name of the institution that it was given to. */
  readonly grantee: string;
  readonly kinds: readonly string[];
  readonly purpose: string;
  readonly items: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
};

/** What a consent must cover for being watched. */
export const monitorKind = "monitor";
export const monitorPurpose = "post-loan-monitoring" satisfies FinancingPurpose;

export type WatchLimits = { readonly perInstitution: number; readonly perRequest: number };
export const defaultLimits: WatchLimits = { perInstitution: 100_000, perRequest: 10_000 };

/** added: watched now. renewed: was watched, now under this consent. already: nothing changed. Else the code of the refusal. */
export type Registration = "added" | "renewed" | "already" | Code;

export type WatchListEnv = {
  readonly store: WatchStore;
  readonly now: Clock;
  readonly rng: Rng;
  /** Whether the current list of its registrar has it, or the key under it, as withdrawn; throws (CONSENT_LIST_STALE, ...) when that cannot be told. */
  readonly isWithdrawn: (consent: Pick<VerifiedConsent, "digest" | "registrar" | "key">) => boolean;
  readonly limits?: WatchLimits;
};

const digestForm = /^[0-9a-f]{64}$/;
const sweepSize = 1000;

export class WatchList {
  readonly #env: WatchListEnv;
  readonly #limits: WatchLimits;

  constructor(env: WatchListEnv) {
    this.#env = env;
    this.#limits = env.limits ?? defaultLimits;
  }

  /**
   * Registers companies for an institution, one verdict for each consent, in order. A company that stands twice in the request is one
   * watch; of two consents the one that ends later counts. Throws WATCH_REQUEST (too many, malformed) and WATCH_FULL: then nothing is registered.
   */
  register(institution: string, consents: readonly VerifiedConsent[], set: Pick<TriggerSet, "authorised">): readonly Registration[] {
    const { store } = this.#env;
    const now = this.#seconds();
    if (consents.length > this.#limits.perRequest || !consents.every(isWellFormed)) throw new AppError("WATCH_REQUEST", { companies: consents.length, limit: this.#limits.perRequest });
    return store.transaction(() => {
      let watched = store.count(institution);
      return consents.map((consent): Registration => {
        const refused = this.#refusal(institution, consent, set.authorised, now);
        if (refused !== undefined) return refused;
        const found = store.find(institution, consent.subject);
        if (found === undefined) {
          watched++;
          // Thrown inside of the transaction: what was put before it is undone.
          if (watched > this.#limits.perInstitution) throw new AppError("WATCH_FULL", { limit: this.#limits.perInstitution, asked: consents.length });
          store.put({ id: this.#newId(), institution, subject: consent.subject, ...termsOf(consent), registeredAt: now });
          return "added";
        }
        if (found.consent === consent.digest && found.until === consent.notAfter) return "already";
        // One that is over or withdrawn is no watch any more; its state must not live on under a new consent.
        if (this.#isOver(found, now)) {
          store.remove(found.id);
          store.put({ id: this.#newId(), institution, subject: consent.subject, ...termsOf(consent), registeredAt: now });
          return "added";
        }
        if (consent.notAfter <= found.until) return "already";
        store.put({ ...found, ...termsOf(consent) });
        return "renewed";
      });
    });
  }

  #refusal(institution: string, consent: VerifiedConsent, needed: readonly string[], now: number): Code | undefined {
    if (consent.grantee !== institution) return "CONSENT_GRANTEE";
    if (!consent.kinds.includes(monitorKind)) return "CONSENT_KIND";
    if (consent.purpose !== monitorPurpose) return "CONSENT_PURPOSE";
    if (!needed.every((item) => consent.items.includes(item))) return "CONSENT_ITEM";
    if (now < consent.notBefore) return "CONSENT_NOT_YET";
    if (now >= consent.notAfter) return "CONSENT_EXPIRED";
    return this.#env.isWithdrawn(consent) ? "CONSENT_WITHDRAWN" : undefined;
  }

  /** Stops watching; state and waiting alerts go with it. Throws WATCH_UNKNOWN. */
  remove(institution: string, subject: string): void {
    const { store } = this.#env;
    store.transaction(() => {
      const watch = store.find(institution, subject);
      if (watch === undefined) throw new AppError("WATCH_UNKNOWN");
      store.remove(watch.id);
    });
  }

  /** Ends all watches under withdrawn consents (digests, from a new list) at once, whatever institution has them. Returns how many. */
  withdraw(consents: Iterable<string>): number {
    const { store } = this.#env;
    return store.transaction(() => {
      let removed = 0;
      for (const consent of consents) {
        for (const watch of store.ofConsent(consent)) {
          store.remove(watch.id, "CONSENT_WITHDRAWN");
          removed++;
        }
      }
      return removed;
    });
  }

  /** Ends watches whose consents are over. Returns how many; call it on a schedule. */
  expire(): number {
    const { store } = this.#env;
    const now = this.#seconds();
    let removed = 0;
    for (;;) {
      const ended = store.transaction(() => {
        const found = store.ended(now, sweepSize);
        for (const watch of found) store.remove(watch.id, "CONSENT_EXPIRED");
        return found.length;
      });
      removed += ended;
      if (ended < sweepSize) return removed;
    }
  }

  /**
   * Evaluates one company at a data version and stores state and alerts in one transaction. A watch that is over or withdrawn is ended
   * instead, and tells nothing. Throws WATCH_UNKNOWN, MONITOR_SNAPSHOT, MONITOR_VERSION_CONFLICT, MONITOR_STATE, CONSENT_LIST_*.
   */
  observe(id: string, set: TriggerSet, snapshot: Snapshot, bandsOf: readonly TriggerKind[] = []): readonly Alert[] {
    const { store } = this.#env;
    const now = this.#seconds();
    const result = store.transaction((): readonly Alert[] | undefined => {
      const watch = store.get(id);
      if (watch === undefined) return undefined;
      if (this.#isOver(watch, now)) {
        store.remove(id, now >= watch.until ? "CONSENT_EXPIRED" : "CONSENT_WITHDRAWN");
        return undefined;
      }
      const text = store.state(id);
      const { outcome, state, alerts } = evaluate(set, text === undefined ? undefined : parseState(text), snapshot, { watch: id, bandsOf });
      if (outcome === "evaluated") {
        store.putState(id, serialiseState(state));
        for (const alert of alerts) store.putAlert({ id: alert.id, watch: id, text: canonicalJson(alert) });
      }
      return alerts;
    });
    if (result === undefined) throw new AppError("WATCH_UNKNOWN");
    return result;
  }

  #isOver(watch: Watch, now: number): boolean {
    const { consent: digest, registrar, key } = watch;
    return now >= watch.until || this.#env.isWithdrawn({ digest, registrar, key });
  }

  #seconds(): number {
    return Math.floor(this.#env.now() / 1000);
  }

  #newId(): string {
    return `watch_${Buffer.from(this.#env.rng(16)).toString("hex")}`;
  }
}

function termsOf({ digest, registrar, key, notAfter }: VerifiedConsent): Pick<Watch, "consent" | "registrar" | "key" | "until"> {
  return { consent: digest, registrar, key, until: notAfter };
}

function isWellFormed(consent: VerifiedConsent): boolean {
  const { digest, subject, notBefore, notAfter } = consent;
  return digestForm.test(digest) && isUscc(subject) && Number.isSafeInteger(notBefore) && Number.isSafeInteger(notAfter) && notBefore < notAfter;
}
