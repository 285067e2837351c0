// One job over the logs of the platform and of the enclaves: a line of time, and whether they contradict each other. Ids of the job, ids of the
// requests, digests of plan and receipts, and what the enclaves say that they sent each other must agree.
import type { Entry } from "./entry.ts";
import { platformDomain } from "./head.ts";

export type Joined = { readonly domain: string; readonly entry: Entry };
export type Contradiction = {
  readonly kind: "plan" | "receipt" | "messages" | "relayed" | "request" | "head" | "absent";
  /** Whose words differ, or which domain is not there. */
  readonly domains: readonly string[]; readonly facts: Readonly<Record<string, string | number>>;
};
const maxEntries = 100_000;

export class JobJoin {
  readonly #job: string;
  readonly #entries: Joined[] = [];
  /** Of each log: time of its first entry here, "" when it is the very first, and of its last one. */
  readonly #domains = new Map<string, { readonly from: string; readonly to: string }>();

  constructor(job: string) {
    this.#job = job;
  }

  /** Every entry of a log, whatever it is about. */
  take(domain: string, entry: Entry): void {
    this.#domains.set(domain, { from: this.#domains.get(domain)?.from ?? (entry.seq === 0 ? "" : entry.at), to: entry.at });
    if (entry.objects?.job === this.#job && this.#entries.length < maxEntries) this.#entries.push({ domain, entry });
  }

  /** By time; of the same time in the order of each log. */
  timeline(): readonly Joined[] {
    return this.#entries.toSorted((a, b) => a.entry.at.localeCompare(b.entry.at) || (a.domain === b.domain ? a.entry.seq - b.entry.seq : 0));
  }

  contradictions(): Contradiction[] {
    return [...this.#plans(), ...this.#receipts(), ...this.#messages(), ...this.#relayed(), ...this.#requests(), ...this.#absent()];
  }

  #of(action: Entry["action"]): readonly Joined[] {
    return this.#entries.filter(({ entry }) => entry.action === action);
  }

  #plans(): Contradiction[] {
    const byPlan = new Map<string, Set<string>>();
    for (const { domain, entry } of this.#entries) if (entry.objects?.plan !== undefined) byPlan.set(entry.objects.plan, (byPlan.get(entry.objects.plan) ?? new Set()).add(domain));
    if (byPlan.size <= 1) return [];
    return [...byPlan].map(([plan, domains]) => ({ kind: "plan", domains: [...domains], facts: { plan } }));
  }

  /** A receipt that a bank's enclave has checked is one that the provider's enclave has made. */
  #receipts(): Contradiction[] {
    return this.#of("receipt.checked").flatMap(({ domain, entry }): Contradiction[] => {
      const { party = "", receipt = "" } = entry.objects ?? {};
      if (!this.#domains.has(party)) return [];
      const isMade = this.#of("receipt.made").some((made) => made.domain === party && made.entry.objects?.receipt === receipt);
      return isMade ? [] : [{ kind: "receipt", domains: [domain, party], facts: { receipt } }];
    });
  }

  /** What one says that it sent, of a type, is what the other says that it took, once both have ended. */
  #messages(): Contradiction[] {
    const last = (action: Entry["action"], domain: string, party: string, type: unknown): Entry | undefined =>
      this.#of(action).findLast((j) => j.domain === domain && j.entry.objects?.party === party && j.entry.facts?.["type"] === type)?.entry;
    const found = new Map<string, Contradiction>();
    for (const { domain, entry } of this.#of("messages.released")) {
      const { party = "" } = entry.objects ?? {};
      const type = entry.facts?.["type"];
      if (!this.#isWhole(domain) || !this.#isWhole(party)) continue;
      const sent = last("messages.released", domain, party, type);
      const got = last("messages.taken", party, domain, type);
      const [messages, bytes] = [Number(sent?.facts?.["messages"]), Number(sent?.facts?.["bytes"])];
      if (got?.facts?.["messages"] === messages && got.facts["bytes"] === bytes) continue;
      found.set(`${domain} ${party} ${String(type)}`, { kind: "messages", domains: [domain, party], facts: { type: String(type), sent: messages, taken: Number(got?.facts?.["messages"] ?? 0) } });
    }
    return [...found.values()];
  }

  /** The platform's count of frames per channel is the sum of what the sender released. */
  #relayed(): Contradiction[] {
    return this.#of("relay.sums").flatMap(({ domain, entry }): Contradiction[] => {
      const sender = String(entry.facts?.["sender"]);
      const receiver = entry.objects?.party ?? "";
      if (!this.#isWhole(sender)) return [];
      const sent = new Map<unknown, number>();
      for (const j of this.#of("messages.released")) if (j.domain === sender && j.entry.objects?.party === receiver) sent.set(j.entry.facts?.["type"], Number(j.entry.facts?.["messages"]));
      const released = [...sent.values()].reduce((a, b) => a + b, 0);
      const relayed = Number(entry.facts?.["messages"]);
      return released === relayed ? [] : [{ kind: "relayed", domains: [domain, sender], facts: { receiver, released, relayed } }];
    });
  }

  /** A request that an enclave says was answered stands in the platform's log under the same id, and one that the platform has of a party in that
   *  party's. What lies outside of the time of the other export is not compared. */
  #requests(): Contradiction[] {
    const ids = new Map<string, Set<string>>();
    for (const { domain, entry } of this.#entries) if (entry.request !== undefined) ids.set(domain, (ids.get(domain) ?? new Set()).add(entry.request));
    const has = (domain: string, request: string): boolean => ids.get(domain)?.has(request) ?? false;
    const found: Contradiction[] = [];
    for (const { domain, entry } of this.#entries) {
      const { request, at, outcome, actor: { role, id: party = "" } } = entry;
      if (request === undefined) continue;
      const isLost = entry.action === "request.sent" && outcome === "ok" && this.#covers(platformDomain, at) && !has(platformDomain, request);
      if (isLost) found.push({ kind: "request", domains: [platformDomain, domain], facts: { request } });
      const isTheirs = domain === platformDomain && entry.action === "request" && role === "party" && this.#covers(party, at);
      if (isTheirs && !has(party, request)) found.push({ kind: "request", domains: [party, domain], facts: { request } });
    }
    return found;
  }

  #covers(domain: string, at: string): boolean {
    const known = this.#domains.get(domain);
    return known !== undefined && known.from <= at && at <= known.to;
  }

  /** Its log is here and says that the job ended well. */
  #isWhole(domain: string): boolean {
    return this.#of("job.ended").some((j) => j.domain === domain && j.entry.outcome === "ok");
  }

  /** A log that is here and knows nothing of the job. */
  #absent(): Contradiction[] {
    return [...this.#domains.keys()].filter((domain) => !this.#entries.some((j) => j.domain === domain)).map((domain) => ({ kind: "absent", domains: [domain], facts: {} }));
  }
}
