// A monitoring service at the bank: keeps its list of borrowers, brings it to the providers, stores alerts before it acknowledges them, and answers
// the bank's programs. Alerts leave for the institution by their own duty (alerts.ts), also when the service is over.
import { listPage, watchAnswerSchema, watchRequestSchema, type OpenedAlert, type WatchEntry, type WatchServiceAnswer } from "../../api/contract/watch.ts";
import type { PartyId, Released } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { isUscc } from "../../core/uscc.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { WatchGuest } from "../../federation/watch/guest.ts";
import { listDigest } from "../../federation/watch/list.ts";
import { againAfter, type News, type WatchVerdict } from "../../federation/watch/messages.ts";
import { triggersOf, watchJobSchema, type WatchJobParams } from "../../federation/watch/params.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import { bestConsent } from "../consents/guest.ts";
import type { SecretBox } from "../keys/box.ts";
import { GuestLink } from "../live/guest-link.ts";
import { openSealed, SeenRequests, serviceKeyOf } from "../live/request.ts";
import type { Standing } from "../live/standing.ts";
import { releaseSealed } from "../release.ts";
import { BankWatches, type Listed } from "./bank-store.ts";
import { JointScores, scoreBeatMs } from "./joint-scores.ts";
import { BankScores } from "./score-store.ts";

/** How providers are asked: one question at a time, none in place of another. */
const asking = { timeoutMs: 15_000, breaker: { failures: 1, probeMs: 5_000 }, fallback: "refuse", setsPerCompany: 1 } as const;
const compareEveryMs = 60_000;
const collectEveryMs = 30_000;
/** How often some of the list are looked at for a better consent, and how many: 100,000 in half an hour. */
const renewEveryMs = 2_000;
const renewedAtOnce = 128;

export type GuestWatchOptions = { readonly seed: Uint8Array; readonly desk: ConsentDesk; readonly box: SecretBox; readonly signal: AbortSignal };

export class GuestWatch implements Disposable {
  readonly #s: Standing;
  readonly #o: GuestWatchOptions;
  readonly #params: WatchJobParams;
  readonly #store: BankWatches;
  readonly #scores: BankScores;
  readonly #joint: JointScores | undefined;
  readonly #machine: WatchGuest;
  readonly #link: GuestLink<"watch/ask", "watch/answer", "watch/refused">;
  readonly #key: ReturnType<typeof serviceKeyOf>["key"];
  readonly #seen = new SeenRequests<Released>();
  readonly #timers: readonly NodeJS.Timeout[];
  #renewed: { readonly record: Uint8Array; readonly host: string } = { record: new Uint8Array(0), host: "" };

  constructor(standing: Standing, options: GuestWatchOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, tools } = standing;
    this.#params = watchJobSchema.parse(plan.params);
    this.#key = serviceKeyOf(options.seed).key;
    const recordOf = (company: string): Uint8Array => tools.budgets.hashId(plan.guest, company);
    this.#store = new BankWatches({ db: tools.db, box: options.box, plan, recordOf });
    this.#scores = new BankScores({ db: tools.db, box: options.box, service: plan.job, recordOf });
    this.#joint = this.#jointScores();
    this.#machine = new WatchGuest(plan.hosts, {
      toRegister: (host, limit) => this.#toRegister(host, limit),
      toRemove: (host, limit) => this.#store.inState(host, "removing", tools.now(), limit).map((l) => l.company),
      registered: (host, companies, verdicts) => this.#registered(host, companies, verdicts),
      removed: (host, companies) => this.#store.transaction(() => companies.forEach((company) => this.#store.removed(host, company))),
      list: (host) => listDigest(this.#store.ids(host)),
      forget: (host) => this.#store.forget(host),
      take: (host, news) => this.#take(host, news),
      ask: (host, ask, end) => void this.#link.ask((_host, n) => ({ n, ask }), [host]).then((outcome) => this.#guarded(() => end(outcome.ok ? outcome.answers.get(host)?.answer : undefined))),
      acknowledge: (host, body) => void this.#link.send(host, "watch/acknowledge", body),
    });
    this.#link = new GuestLink(standing, {
      types: { ask: "watch/ask", answers: ["watch/answer"], refused: "watch/refused" }, params: asking, serve: (jwe) => this.#serve(jwe),
      up: (host) => this.#machine.up(host),
      other: (host, type, body) => {
        if (type !== "watch/news") throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: host });
        this.#machine.news(host, body as TypedBody<"watch/news">);
      },
    });
    const collect = (): void => void options.desk.collect(options.signal).catch(() => undefined);
    collect();
    this.#timers = [
      setInterval(collect, collectEveryMs),
      setInterval(() => this.#guarded(() => this.#machine.compare()), compareEveryMs),
      setInterval(() => this.#guarded(() => this.#renew()), renewEveryMs),
      ...(this.#joint === undefined ? [] : [setInterval(() => void this.#joint?.tick().catch((error: unknown) => standing.fail(error)), scoreBeatMs)]),
    ];
  }

  #jointScores(): JointScores | undefined {
    const { plan, tools } = this.#s;
    const { jointScore: params } = this.#params;
    if (params === undefined) return undefined;
    return new JointScores({
      store: this.#scores, plan, params, now: tools.now, rng: tools.rng, log: tools.log,
      service: () => tools.live?.served?.standingFor(params.service), alert: (id, alert, at) => this.#store.putAlert(plan.guest, id, alert, at),
    });
  }

  async #serve(jwe: string): Promise<Released> {
    const { plan, tools } = this.#s;
    const request = await openSealed(jwe, watchRequestSchema, { key: this.#key, service: plan.job, now: tools.now() });
    return this.#seen.once(`${request.id}|${request.answerKey}`, tools.now(), async () => {
      const base = { version: 1, id: request.id, service: plan.job, at: new Date(tools.now()).toISOString() } as const;
      const answer: WatchServiceAnswer = { ...base, ...this.#answer(request.ask) };
      this.#machine.changed();
      return releaseSealed({ answer, schema: watchAnswerSchema, key: request.answerKey, settled: () => this.#s.settled() });
    });
  }

  #answer(ask: ReturnType<typeof watchRequestSchema.parse>["ask"]): { status: "changed"; companies: number } | ({ status: "list"; companies: number } & ReturnType<BankWatches["page"]>) | { status: "refused"; code: string } {
    if (ask.do === "list") {
      const { entries, next } = this.#store.page(ask.after ?? "", listPage);
      return { status: "list", companies: this.#store.count(), entries: entries.map((e) => ({ ...e, ...this.#scoreOf(e.company) })), next };
    }
    const companies = [...new Set(ask.companies)];
    if (!companies.every(isUscc)) return { status: "refused", code: "WATCH_REQUEST" };
    if (ask.do === "remove") return { status: "changed", companies: this.#store.transaction(() => companies.filter((company) => this.#remove(company)).length) };
    try {
      return this.#store.transaction(() => {
        const fresh = companies.filter((company) => this.#store.add(company)).length;
        // Thrown inside of the transaction: what was added before it is undone.
        if (this.#store.count() > this.#params.companies) throw new AppError("WATCH_FULL", { limit: this.#params.companies });
        return { status: "changed", companies: fresh };
      });
    } catch (error) {
      if (isAppError(error) && error.code === "WATCH_FULL") return { status: "refused", code: error.code };
      throw error;
    }
  }

  #remove(company: string): boolean {
    this.#scores.forget(company);
    return this.#store.remove(company);
  }

  #scoreOf(company: string): Pick<WatchEntry, "score"> {
    const state = this.#scores.of(company);
    return state === undefined ? {} : { score: { at: state.at === null ? null : new Date(state.at).toISOString(), code: state.code ?? (this.#joint?.isAway === true ? "SERVICE_AWAY" : null) } };
  }

  /** Only whose consent there is: a provider need not hear of the others. */
  #toRegister(host: PartyId, limit: number): { company: string; consent: string }[] {
    const { tools } = this.#s;
    const shown: { company: string; consent: string }[] = [];
    this.#store.transaction(() => {
      for (const { company } of this.#store.inState(host, "wanted", tools.now(), limit)) {
        const jws = this.#consentOf(host, company);
        this.#store.shown(host, company, jws === undefined ? null : sha256Hex(jws));
        if (jws === undefined) this.#store.set(host, company, { state: "refused", code: "CONSENT_MISSING" });
        else shown.push({ company, consent: jws });
      }
    });
    return shown;
  }

  #consentOf(host: PartyId, subject: string): string | undefined {
    const { plan, tools } = this.#s;
    return bestConsent(this.#o.desk.store, plan, { host, subject, now: tools.now() })?.jws;
  }

  #registered(host: PartyId, companies: readonly string[], verdicts: readonly WatchVerdict[]): void {
    const now = this.#s.tools.now();
    this.#store.transaction(() => {
      const listed = this.#store.count();
      for (const [i, company] of companies.entries()) {
        const verdict = verdicts[i];
        if (verdict === undefined) continue;
        if ("watch" in verdict) this.#store.set(host, company, { state: "watched", watch: verdict.watch });
        else {
          const pause = againAfter(verdict.code, listed);
          this.#store.set(host, company, { code: verdict.code, ...(pause === undefined ? { state: "refused" } : { state: "wanted", retryAt: now + pause }) });
        }
      }
      this.#joint?.begin(companies.filter((_, i) => "watch" in (verdicts[i] ?? {})), this.#store.length(host));
    });
  }

  /** Stored, durably, before it is acknowledged. */
  #take(host: PartyId, news: readonly News[]): string[] {
    const { plan, tools } = this.#s;
    const triggers = triggersOf(this.#params, host);
    return this.#store.transaction(() => news.flatMap((one) => {
      const listed = this.#store.ofWatch(host, one.watch);
      // It may be one whose registration was answered and the answer lost: told again. Where nothing is to be registered it is one that was taken off the list
      // meanwhile, and never known: unacknowledged it would hold up all that the provider has to tell.
      if (listed === undefined) return this.#store.inState(host, "wanted", Number.MAX_SAFE_INTEGER, 1).length === 0 ? [one.id] : [];
      const alert = opened(one, { service: plan.job, party: host, company: listed.company, triggers });
      // A trigger that the plan does not have.
      if (alert === undefined) throw new AppError("PROTOCOL_SCHEMA", { party: host });
      if (listed.state !== "removing") this.#store.putAlert(host, one.id, alert, tools.now());
      if ("ended" in one) this.#store.set(host, listed.company, { state: "ended", code: one.ended });
      return [one.id];
    }));
  }

  /** Goes over the list: companies whose consents are others than those that were shown are registered with them. */
  #renew(): void {
    const page = this.#store.rows(this.#renewed, renewedAtOnce);
    const last = page.at(-1);
    this.#renewed = last === undefined ? { record: new Uint8Array(0), host: "" } : { record: last.record, host: last.host };
    const better = page.filter((listed) => this.#hasBetter(listed));
    if (better.length > 0) this.#store.transaction(() => better.forEach(({ host, company }) => this.#store.set(host, company, { state: "wanted" })));
    this.#machine.changed();
  }

  #hasBetter({ host, company, state, consent }: Listed): boolean {
    if (state !== "watched" && state !== "refused" && state !== "ended") return false;
    const jws = this.#consentOf(host, company);
    return jws !== undefined && sha256Hex(jws) !== consent;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#s.fail(error);
    }
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#joint?.[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }
}

function opened(news: News, given: { readonly service: OpenedAlert["service"]; readonly party: PartyId; readonly company: string; readonly triggers: ReturnType<typeof triggersOf> }): OpenedAlert | undefined {
  const { service, party, company, triggers } = given;
  const base = { version: 1, service, party, company } as const;
  if ("ended" in news) return { ...base, ended: news.ended };
  const trigger = triggers.find((t) => t.id === news.trigger);
  if (trigger === undefined || trigger.kind !== news.kind || trigger.severity !== news.severity) return undefined;
  return { ...base, trigger: trigger.id, kind: trigger.kind, severity: trigger.severity, asOf: news.asOf, text: trigger.text };
}
