// A monitoring service at a provider: takes the bank's list, looks at every watched company in each version of the data, and brings alerts to the
// bank's enclave. Each registration and each look is one transaction with the uses that its receipt will name; what it tells leaves afterwards.
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { parseConsent } from "../../consent/statement.ts";
import { checkConsents, claimUses, stillHolds, type Accepted, type Asked } from "../../consent/verify.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { MessageType, TypedBody } from "../../federation/messages.ts";
import { WatchHost } from "../../federation/watch/host.ts";
import { listDigest, type ListDigest } from "../../federation/watch/list.ts";
import { watchRefusals, type WatchAsk, type WatchVerdict } from "../../federation/watch/messages.ts";
import { watchJobSchema, type WatchJobParams } from "../../federation/watch/params.ts";
import { monitorPurpose, WatchList, type VerifiedConsent } from "../../monitoring/watch/list.ts";
import type { Use } from "../../receipts/uses.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import type { SecretBox } from "../keys/box.ts";
import type { View } from "../data/views.ts";
import { HostLink, type Reply } from "../live/host-link.ts";
import type { Standing } from "../live/standing.ts";
import { ProviderWatches, type Terms, type Version } from "./provider-store.ts";
import type { WatchSources } from "./sources.ts";

const beatMs = 500;
/** Companies between two turns of the event loop: some 10 ms. */
const atATime = 64;
/** When it cannot be told whether consents hold. */
const againMs = 5_000;
/** Who is believed, and what is withdrawn, is at most so old when a company is registered. */
const refreshedMs = 5_000;
/** What a registrar or list may be the reason for that came since the last look. */
const mayBeOld: ReadonlySet<Code> = new Set(["CONSENT_ISSUER", "CONSENT_LIST_STALE"]);

export type HostWatchOptions = {
  readonly sources: View<WatchSources>; readonly desk: ConsentDesk; readonly box: SecretBox; readonly guestUscc: string | undefined; readonly planDigest: string;
};
type Companies = Extract<WatchAsk, { what: "register" }>["companies"];
type Checked = { readonly accepted: ReadonlyMap<string, { readonly jws: string; readonly accepted: Accepted }>; readonly refused: ReadonlyMap<string, Code> };
type Noted = { readonly uses: Use[]; readonly texts: string[] };

export class HostWatch implements Disposable {
  readonly #s: Standing;
  readonly #o: HostWatchOptions;
  readonly #params: WatchJobParams;
  readonly #asked: Asked;
  readonly #store: ProviderWatches;
  readonly #list: WatchList;
  readonly #machine: WatchHost;
  readonly #link: HostLink;
  /** The data, and which version of them: they change together. */
  #sources: WatchSources;
  #version: Version;
  readonly #beat: NodeJS.Timeout;
  readonly #ended = new AbortController();
  #digest: ListDigest | undefined;
  /** Of the registration that is being answered. */
  #checked: Checked = { accepted: new Map(), refused: new Map() };
  #consentState = "";
  #day = "";
  #isLooking = false;

  constructor(standing: Standing, options: HostWatchOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, tools } = standing;
    this.#sources = options.sources.now;
    this.#params = watchJobSchema.parse(plan.params);
    this.#asked = { grantee: { party: plan.guest, uscc: options.guestUscc }, items: this.#sources.items.authorised, purpose: monitorPurpose, kind: "monitor" };
    this.#store = new ProviderWatches({ db: tools.db, box: options.box, plan, budgets: tools.budgets });
    this.#list = new WatchList({
      store: this.#store, now: tools.now, rng: tools.rng, isWithdrawn: ({ digest, registrar, key }) => this.#isWithdrawn({ consent: digest, registrar, key }),
      limits: { perInstitution: this.#params.companies, perRequest: Infinity },
    });
    this.#version = this.#store.version(this.#sources.snapshotDigest, this.#today());
    this.#machine = new WatchHost({
      register: (companies) => this.#register(companies),
      remove: (companies) => this.#remove(companies),
      list: () => (this.#digest ??= listDigest(this.#store.ids())),
      news: (limit, except) => this.#store.news(limit, { day: this.#today(), perDay: this.#params.alertsPerDay, except }),
      acknowledged: (ids) => this.#store.acknowledged(ids),
      send: (body) => void this.#link.send({ type: "watch/news", body }).catch((error: unknown) => standing.fail(error)),
    });
    this.#link = new HostLink(standing, {
      answer: (type, body) => this.#answer(type, body),
      busy: (type, body) => (type === "watch/ask" ? { type: "watch/refused", body: { n: (body as TypedBody<"watch/ask">).n, code: "SERVICE_BUSY" } } : undefined),
      write: () => undefined,
      up: () => this.#machine.up(performance.now()),
    });
    this.#beat = setInterval(() => this.#guarded(() => this.#tick()), beatMs);
    this.#guarded(() => this.#tick());
  }

  async #answer(type: MessageType, body: unknown): Promise<Reply | undefined> {
    if (type === "watch/acknowledge") {
      this.#machine.acknowledge(body as TypedBody<"watch/acknowledge">, performance.now());
      return undefined;
    }
    if (type !== "watch/ask") throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: this.#s.plan.guest });
    const { n, ask } = body as TypedBody<"watch/ask">;
    const checked = ask.what === "register" ? await this.#check(ask.companies) : undefined;
    // Nothing may come between these two.
    if (checked !== undefined) this.#checked = checked;
    const answer = this.#machine.ask(ask);
    this.#machine.told(performance.now());
    return { type: "watch/answer", body: { n, answer } };
  }

  /** Whose consents hold now; signatures cost, so that other work goes on meanwhile. */
  async #check(companies: Companies): Promise<Checked> {
    const { desk } = this.#o;
    await desk.refresh(refreshedMs, this.#ended.signal);
    const shown = companies.filter((c) => c.consent !== "").map((c) => ({ subject: c.company, jws: c.consent }));
    const check = () => checkConsents(shown, this.#asked, desk.basis, this.#s.tools.now);
    let outcomes = await check();
    if (outcomes.some((o) => !o.ok && mayBeOld.has(o.code))) {
      await desk.refresh(0, this.#ended.signal);
      outcomes = await check();
    }
    const accepted = new Map<string, { readonly jws: string; readonly accepted: Accepted }>();
    const refused = new Map<string, Code>();
    for (const [i, outcome] of outcomes.entries()) {
      const { subject, jws } = shown[i] as (typeof shown)[number];
      const code = outcome.ok ? (this.#claim(outcome.accepted) ?? this.#charge(subject)) : outcome.code;
      if (outcome.ok && code === undefined) accepted.set(subject, { jws, accepted: outcome.accepted });
      else if (code !== undefined) refused.set(subject, code);
    }
    return { accepted, refused };
  }

  /** One verdict for each company, in order. The first look is the basis: it tells nothing. */
  #register(companies: Companies): WatchVerdict[] {
    const { accepted, refused } = this.#checked;
    const { plan } = this.#s;
    this.#renew();
    this.#digest = undefined;
    const subjects = [...accepted.keys()];
    let verdicts: ReadonlyMap<string, Code | undefined>;
    try {
      verdicts = this.#noting((noted) => {
        const registered = this.#list.register(plan.guest, [...accepted.values()].map((h) => verified(h.accepted)), { authorised: this.#sources.items.authorised });
        return new Map(registered.map((verdict, i) => {
          const subject = subjects[i] ?? "";
          if (verdict !== "added" && verdict !== "renewed" && verdict !== "already") return [subject, verdict];
          const watch = this.#store.find(plan.guest, subject)?.id ?? "";
          if (verdict !== "already") this.#store.putConsentText(watch, accepted.get(subject)?.jws ?? "");
          if (verdict === "added") this.#look(watch, noted);
          return [subject, undefined];
        }));
      });
    } catch (error) {
      if (!isAppError(error) || error.code === "ENCLAVE_STATE") throw error;
      // All or nothing: the list is full, or it cannot be told what is withdrawn.
      verdicts = new Map(subjects.map((subject) => [subject, error.code]));
    }
    return companies.map(({ company }): WatchVerdict => {
      const isIn = verdicts.has(company) && verdicts.get(company) === undefined;
      const watch = isIn ? this.#store.find(plan.guest, company) : undefined;
      return watch === undefined ? { code: refusalOf(verdicts.get(company) ?? refused.get(company) ?? "CONSENT_MISSING") } : { watch: watch.id };
    });
  }

  /** One transaction of watches and of the uses that looks at them are. */
  #noting<T>(work: (noted: Noted[]) => T): T {
    const { uses } = this.#s;
    return this.#store.transaction(() => {
      const noted: Noted[] = [];
      const result = work(noted);
      for (const one of noted) uses.note(one.uses, one.texts);
      uses.write();
      this.#s.tools.budgets.desk.write();
      return result;
    });
  }

  /** A service is one use of a consent that holds for a number of them. */
  #claim(accepted: Accepted): Code | undefined {
    const { use } = accepted.consent;
    if (use.kind === "repeated" && use.atMost === undefined) return undefined;
    const { plan, tools } = this.#s;
    try {
      claimUses([accepted], { uses: this.#o.desk.uses, job: plan.job, plan: this.#o.planDigest }, tools.now());
      return undefined;
    } catch (error) {
      if (isAppError(error)) return error.code;
      throw error;
    }
  }

  /** A company that was not watched counts as a question about it: to take one off the list and put it back looks anew. */
  #charge(company: string): Code | undefined {
    const { plan, tools } = this.#s;
    const { authorised, open } = this.#sources.items;
    if (this.#store.find(plan.guest, company) !== undefined) return undefined;
    const id = `${plan.job}.watch.${Buffer.from(tools.rng(12)).toString("hex")}`;
    return tools.budgets.desk.charge({ institution: plan.guest, company, kind: "watch", id, items: [...authorised, ...open] })?.code;
  }

  #remove(companies: readonly string[]): void {
    this.#store.transaction(() => {
      for (const company of companies) {
        // Not there, or removed before and the answer was lost: it is as wanted.
        if (this.#store.find(this.#s.plan.guest, company) !== undefined) this.#list.remove(this.#s.plan.guest, company);
      }
    });
    this.#digest = undefined;
  }

  /** One look at one company, within a transaction. Throws CONSENT_LIST_* when it cannot be told whether its consent holds. */
  #look(id: string, noted: Noted[]): void {
    const sources = this.#sources;
    const { tools } = this.#s;
    const watch = this.#store.get(id);
    if (watch === undefined) return;
    const read = sources.read(watch.subject);
    let alerts;
    try {
      alerts = this.#list.observe(id, sources.set, { ...this.#version, ...(read ?? { values: {} }) });
    } catch (error) {
      // Ended by this very look; or damaged: the others are watched on.
      if (!isAppError(error) || (error.code !== "WATCH_UNKNOWN" && error.code !== "MONITOR_STATE" && error.code !== "MONITOR_VERSION_CONFLICT")) throw error;
      if (error.code !== "WATCH_UNKNOWN") tools.log.error("watch-not-looked-at", { job: this.#s.plan.job, code: error.code });
      this.#digest = undefined;
      this.#store.looked(id, this.#version.sequence);
      return;
    }
    this.#store.looked(id, this.#version.sequence);
    const isFirst = this.#store.isFirstOf(id, this.#today().slice(0, 7));
    if (read === undefined || (!isFirst && alerts.length === 0)) return;
    const items = isFirst ? [...sources.items.authorised, ...sources.items.open] : [...new Set(alerts.flatMap((alert) => sources.itemsOf(alert.trigger)))];
    const uses = this.#usesOf(watch, items);
    if (uses.uses.length > 0) noted.push(uses);
  }

  /** What the receipt says of a look: its items, and by which consent. */
  #usesOf({ id, subject, registrar }: Terms & { readonly id: string; readonly subject: string }, used: readonly string[]): Noted {
    const { desk } = this.#o;
    const { items } = this.#sources;
    const { plan, tools } = this.#s;
    const base = { subject, grantee: plan.guest, output: null, at: new Date(tools.now()).toISOString() };
    const open = items.open.filter((item) => used.includes(item));
    const authorised = items.authorised.filter((item) => used.includes(item));
    const uses: Use[] = open.length === 0 ? [] : [{ ...base, items: open, consent: null, revocations: null }];
    const jws = this.#store.consentText(id);
    const list = desk.lists.relied(partyIdSchema.parse(registrar));
    if (authorised.length === 0) return { uses, texts: [] };
    if (jws === undefined || list === undefined) throw new AppError("CONSENT_LIST_STALE", { registrar: partyIdSchema.parse(registrar) });
    const { consent } = parseConsent(jws);
    return { uses: [{ ...base, items: authorised, consent: { id: consent.id, digest: sha256Hex(jws) }, revocations: list.digest }, ...uses], texts: [jws, list.text] };
  }

  /** Other data may be in service since the last look. */
  #renew(): void {
    const { now } = this.#o.sources;
    if (now === this.#sources) return;
    this.#version = this.#store.version(now.snapshotDigest, this.#today());
    this.#sources = now;
  }

  #tick(): void {
    const now = performance.now();
    const { desk } = this.#o;
    this.#renew();
    if (this.#list.expire() > 0) this.#changed(now);
    if (desk.state !== this.#consentState) {
      this.#consentState = desk.state;
      void this.#withdraw().catch((error: unknown) => this.#s.fail(error));
    }
    if (this.#day !== this.#today()) {
      this.#day = this.#today();
      this.#machine.told(now);
    }
    this.#machine.tick(now);
    if (!this.#isLooking && this.#store.due(this.#version.sequence, 1).length > 0) void this.#lookAtAll();
  }

  /** Every company that was not looked at in this version of the data, some at a time. */
  async #lookAtAll(): Promise<void> {
    const { log } = this.#s.tools;
    this.#isLooking = true;
    try {
      for (;;) {
        if (this.#ended.signal.aborted) return;
        this.#renew();
        const due = this.#store.due(this.#version.sequence, atATime);
        if (due.length === 0) return;
        this.#noting((noted) => {
          for (const id of due) this.#look(id, noted);
        });
        this.#machine.told(performance.now());
        await setImmediate();
      }
    } catch (error) {
      if (!isAppError(error) || !error.code.startsWith("CONSENT_LIST")) return this.#s.fail(error);
      log.warn("watch-waits", { job: this.#s.plan.job, code: error.code });
      await delay(againMs, undefined, { signal: this.#ended.signal }).catch(() => undefined);
    } finally {
      this.#isLooking = false;
    }
  }

  /** Ends the watches whose consents are withdrawn: at once when the list is there. */
  async #withdraw(): Promise<void> {
    for (let after = ""; ;) {
      const page = this.#store.terms(after, 1000);
      const gone = page.filter((terms) => this.#isKnownWithdrawn(terms));
      if (gone.length > 0 && this.#list.withdraw(gone.map((t) => t.consent)) > 0) this.#changed(performance.now());
      const last = page.at(-1);
      if (last === undefined || this.#ended.signal.aborted) return;
      after = last.id;
      await setImmediate();
    }
  }

  #changed(now: number): void {
    this.#digest = undefined;
    this.#machine.told(now);
  }

  #isKnownWithdrawn(terms: Terms): boolean {
    try {
      return this.#isWithdrawn(terms);
    } catch (error) {
      // It cannot be told now: nothing is looked at meanwhile, and nothing is ended.
      if (isAppError(error)) return false;
      throw error;
    }
  }

  /** Throws CONSENT_LIST_* when it cannot be told. */
  #isWithdrawn({ consent, registrar, key }: Terms): boolean {
    try {
      stillHolds({ until: Infinity, registrar: partyIdSchema.parse(registrar), key, digest: consent }, this.#o.desk.basis, this.#s.tools.now());
      return false;
    } catch (error) {
      if (isAppError(error) && (error.code === "CONSENT_WITHDRAWN" || error.code === "CONSENT_KEY_WITHDRAWN")) return true;
      throw error;
    }
  }

  #today(): string {
    return new Date(this.#s.tools.now()).toISOString().slice(0, 10);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#s.fail(error);
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    clearInterval(this.#beat);
    this.#link[Symbol.dispose]();
  }
}

function verified({ consent, digest, registrar, key }: Accepted): VerifiedConsent {
  return {
    digest, registrar, key, subject: consent.subject, grantee: consent.grantee.party, kinds: consent.kinds, purpose: consent.purpose, items: consent.items,
    notBefore: Math.floor(Date.parse(consent.notBefore) / 1000), notAfter: Math.floor(Date.parse(consent.notAfter) / 1000),
  };
}

/** A code that the wire has no word for is a refusal all the same. */
function refusalOf(code: Code): Extract<WatchVerdict, { code: string }>["code"] {
  return watchRefusals.find((known) => known === code) ?? "CONSENT_MISSING";
}
