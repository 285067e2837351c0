// The bank's part in a job: for each company and provider the consent that covers most of what the provider's data need.
import { setImmediate } from "node:timers/promises";
import type { EntityId, ItemId, PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import type { Consent, ConsentKind } from "../../consent/statement.ts";
import type { GuestConsents } from "../../federation/consents/guest.ts";
import { mostConsentText } from "../../federation/consents/messages.ts";
import { consentHosts } from "../../federation/consents/needed.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { JobRecords } from "../job/records.ts";
import type { ConsentStore, Held } from "./store.ts";

const atATime = 64;
/** Bytes of a digest; all zero stands for none. */
const digestBytes = 32;

export class BankConsents implements GuestConsents {
  readonly hosts: readonly PartyId[];
  readonly #store: ConsentStore;
  readonly #records: JobRecords;
  readonly #plan: JobPlan;
  readonly #ids: readonly EntityId[];
  readonly #now: Clock;

  constructor(options: { store: ConsentStore; records: JobRecords; plan: JobPlan; ids: readonly EntityId[]; now: Clock }) {
    this.hosts = consentHosts(options.plan);
    this.#store = options.store;
    this.#records = options.records;
    this.#plan = options.plan;
    this.#ids = options.ids;
    this.#now = options.now;
  }

  /** Which one was chosen is kept by its digest: a consent that arrives meanwhile does not change what is shown after a restart. */
  async choose(host: PartyId, chunk: number, records: Int32Array): Promise<readonly string[]> {
    const digests = await this.#records.once(this.#plan.job, `consents|${host}|${chunk}`, async () => {
      const chosen = Buffer.alloc(records.length * digestBytes);
      for (const [i, record] of records.entries()) {
        if (i % atATime === atATime - 1) await setImmediate();
        const best = this.#best(host, this.#ids[record] ?? "");
        if (best !== undefined) chosen.set(best.digest, i * digestBytes);
      }
      return chosen.toString("base64");
    });
    const chosen = new Uint8Array(Buffer.from(digests, "base64"));
    return Array.from(records, (_, i) => this.#store.text(chosen.subarray(i * digestBytes, (i + 1) * digestBytes)) ?? "");
  }

  #best(host: PartyId, subject: string): Held | undefined {
    return bestConsent(this.#store, this.#plan, { host, subject, now: this.#now() });
  }
}

/** Of the consents of a company that hold for this plan the one that covers most of what the provider's data need. */
export function bestConsent(store: Pick<ConsentStore, "of">, plan: JobPlan, { host, subject, now, needed = plan.datasets[host]?.catalogue?.authorised ?? [] }: {
  readonly host: PartyId; readonly subject: string; readonly now: number; /** Items to cover; those of the provider's features unless given. */ readonly needed?: readonly ItemId[];
}): Held | undefined {
  const kind: ConsentKind = plan.kind === "verify" ? "verify" : plan.kind === "watch" ? "monitor" : plan.kind === "score" || plan.kind === "serve" || plan.kind === "evaluate" ? "score" : "train";
  const fits = ({ grantee, purpose, kinds, notBefore, notAfter }: Consent): boolean => grantee.party === plan.guest && purpose === plan.purpose
    && kinds.includes(kind) && Date.parse(notBefore) <= now && now < Date.parse(notAfter);
  const covered = ({ consent }: Held): number => needed.filter((item) => consent.items.includes(item)).length;
  // Of equal cover the newest: an earlier one may be used up or withdrawn.
  const newest = (a: Held, b: Held): number => Date.parse(b.consent.issuedAt) - Date.parse(a.consent.issuedAt);
  return store.of(subject).filter(({ jws, consent }) => jws.length <= mostConsentText && fits(consent))
    .sort((a, b) => covered(b) - covered(a) || newest(a, b))[0];
}
