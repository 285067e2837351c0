// A service for scores at the bank's own enclave: opens the requests of the bank's programs, has the providers asked, and answers.
import type { ServiceAnswer } from "../../api/contract/services.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import { isAppError } from "../../core/errors.ts";
import { bestConsent } from "../consents/guest.ts";
import type { DriftCounts } from "../drift/counts.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import type { ServeJobParams } from "../../federation/serve/params.ts";
import type { GivenScores } from "../outcomes/scores.ts";
import { releaseAnswer } from "../release.ts";
import type { Outcome, Question } from "../../federation/live/questions.ts";
import type { TypedBody } from "../../federation/messages.ts";
import type { Answered, AnswersAs } from "../serving/served.ts";
import type { Refused } from "../charges/desk.ts";
import { GuestLink } from "./guest-link.ts";
import { openRequest, SeenRequests, serviceKeyOf, type OpenedRequest } from "./request.ts";
import type { AnswerType, AskType, GuestScorer, Prepared, Scored, SecondAnswerType, SecondType, ServeAnswer } from "./scorers/scorer.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";

const marksAgeMs = 5_000;
const collectEveryMs = 30_000;

export type GuestServiceOptions = {
  readonly params: ServeJobParams; readonly scorer: GuestScorer; readonly seed: Uint8Array; readonly consents: ConsentDesk | undefined; readonly signal: AbortSignal;
  /** Counts what was scored, by month. */
  readonly drift?: DriftCounts | undefined;
};

type Asked = (Extract<Outcome<ServeAnswer>, { ok: true }> & { readonly holders: readonly PartyId[] }) | Extract<Outcome<ServeAnswer>, { ok: false }>;

export class GuestService implements Disposable {
  readonly #s: Standing;
  readonly #o: GuestServiceOptions;
  readonly #link: GuestLink<AskType | SecondType, AnswerType | SecondAnswerType, "serve/refused">;
  /** The plan's, before anybody is asked: a program in a loop uses up nothing at the providers. */
  readonly #budgets: ServiceBudgets;
  readonly #key: ReturnType<typeof serviceKeyOf>["key"];
  readonly #seen = new SeenRequests<Released>();
  readonly #scores: GivenScores | undefined;
  readonly #stands: Disposable | undefined;
  readonly #collecting: NodeJS.Timeout;
  #marks: { readonly at: number; readonly of: ReadonlyMap<string, readonly string[]> } = { at: -Infinity, of: new Map() };

  constructor(standing: Standing, options: GuestServiceOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, tools } = standing;
    this.#key = serviceKeyOf(options.seed).key;
    this.#budgets = new ServiceBudgets({
      db: tools.db, budgets: tools.budgets, now: tools.now, guest: plan.guest, dataset: "service", model: plan.job,
      limits: { ...options.params, setsPerCompany: 1, maxModelsPerCompany: Infinity },
    });
    const collect = (): void => void options.consents?.collect(options.signal).catch(() => undefined);
    collect();
    this.#collecting = setInterval(collect, collectEveryMs);
    const served = tools.live?.served;
    this.#scores = served?.scores();
    this.#stands = served?.stand(this);
    const { ask, answer, otherAnswers = [], second } = options.scorer;
    const answers = [answer, ...otherAnswers, ...(second === undefined ? [] : [second.answer])];
    this.#link = new GuestLink(standing, { types: { ask: (body) => (second !== undefined && "asked" in body ? second.ask : ask), answers, refused: "serve/refused" }, params: options.params, serve: (jwe) => this.#serve(jwe) });
  }

  async #serve(jwe: string): Promise<Released> {
    const { plan, tools } = this.#s;
    const request = await openRequest(jwe, { key: this.#key, service: plan.job, now: tools.now() });
    // Also a request that the platform hands in again: its answer can only be opened by who made it.
    return this.#seen.once(`${request.id}|${request.answerKey}`, tools.now(), async () => {
      // Another version of the bank's model may have to answer (enclave/serving).
      const { answer, settled } = await (tools.live?.served?.answer(this, request) ?? this.score(request, { asked: plan.job, role: "champion" }));
      return releaseAnswer({ answer, key: request.answerKey, settled });
    });
  }

  get service(): JobId {
    return this.#s.plan.job;
  }
  get modelDigest(): string {
    return this.#o.scorer.modelDigest;
  }

  /** Scores by this service's own model, charged to its own budgets. */
  async score(request: OpenedRequest, as: AnswersAs): Promise<Answered> {
    const answer = await this.#answer(request, as);
    const settled = (): Promise<void> => this.#s.settled(() => {
      this.#budgets.write();
      this.#scores?.write();
      this.#o.drift?.write();
    });
    return { answer, settled };
  }

  async #answer(request: OpenedRequest, as: AnswersAs): Promise<ServiceAnswer> {
    const { tools } = this.#s;
    const refused = (code: string, why: { readonly party?: PartyId; readonly retryAfter?: number } = {}): ServiceAnswer => ({
      version: 1, id: request.id, service: as.asked, at: new Date(tools.now()).toISOString(), remaining: this.#budgets.remaining, status: "refused", code,
      ...(why.party !== undefined && { party: why.party }), ...(why.retryAfter !== undefined && { retryAfter: why.retryAfter }),
    });
    const own = this.#o.scorer.prepare(request);
    if (own === undefined) return refused("SERVICE_REQUEST");
    const over = this.#vary(request) ?? this.#budgets.ask(request.company, "", 0);
    if (over !== undefined) return refused(over.code, over);
    const consentOf = this.#consentsOf(request);
    try {
      const outcome = await this.#asked(own, (host, n, present) => ({ n, present: [...present], company: request.company, consent: consentOf(host), ...(own.columns && { columns: own.columns }) }));
      if (!outcome.ok) return refused(outcome.code, outcome);
      const { holders } = outcome;
      if (holders.length === 0 && !own.isKnown) return refused("SERVICE_COMPANY_UNKNOWN");
      return this.#scored(request, await own.score(outcome.answers, outcome.present), holders, as);
    } catch (error) {
      // Answers that cannot be right are the fault of this question alone.
      if (!isAppError(error)) throw error;
      return refused(error.code);
    }
  }

  /** Asks the providers, twice where a question has two parts: the second goes to those who answered the first. When one of them is away by then, the others are
   *  asked anew, as often as sets of providers are allowed. Throws AppError for answers that cannot be right. */
  async #asked(own: Prepared, question: Question<TypedBody<AskType>>): Promise<Asked> {
    const { fallback, setsPerCompany } = this.#o.params;
    let among: readonly PartyId[] | undefined;
    for (let attempt = 1; ; attempt++) {
      const first = await this.#link.ask(question, among);
      if (!first.ok) return first;
      const holders = [...first.answers].filter(([, answer]) => "held" in answer && answer.held).map(([host]) => host).sort();
      // Nobody holds the company: nothing is scored.
      const isOver = first.present.length === 0 || (holders.length === 0 && !own.isKnown);
      if (own.second === undefined || isOver) return { ...first, holders };
      const bodyOf = await own.second(first.answers, first.present);
      const second = await this.#link.ask(bodyOf, first.present, { isFixed: true });
      if (second.ok) return { ...second, holders };
      const { code, party } = second;
      if (code !== "SERVICE_PROVIDER_AWAY" || fallback !== "missing-bin" || attempt >= setsPerCompany) return second;
      among = first.present.filter((host) => host !== party);
    }
  }

  /** Own columns that a request brings, held against those that came for the company before: by them a model is found out. */
  #vary({ company, columns }: OpenedRequest): Refused | undefined {
    const { own, model } = this.#o.scorer;
    if (columns === undefined || own === undefined || own.names.length === 0) return undefined;
    const values = own.names.map((name) => JSON.stringify(columns[name] ?? null));
    return this.#s.tools.budgets.desk.vary({ institution: this.#s.plan.guest, company, model, values, degreesOfFreedom: own.degreesOfFreedom });
  }

  #scored(request: OpenedRequest, { score, probability, away, reasons }: Scored, holders: readonly PartyId[], { asked, role, served }: AnswersAs): ServiceAnswer {
    const { model, modelDigest } = this.#o.scorer;
    const { plan, tools, uses } = this.#s;
    const answer: Omit<Extract<ServiceAnswer, { status: "scored" }>, "receipt"> = {
      version: 1, id: request.id, service: asked, at: new Date(tools.now()).toISOString(), status: "scored", score, probability, model, modelDigest,
      remaining: this.#budgets.remaining, partial: away.length > 0, away: [...away], holders: [...holders], objections: [...(this.#objections().get(request.company) ?? [])],
      ...(served && { served }), ...(reasons && { reasons: [...reasons] }),
    };
    const read = role === "shadow" ? undefined : this.#o.scorer.read?.(request);
    if (read !== undefined) this.#o.drift?.note(request.company, read);
    if (role !== "monitoring") this.#scores?.note({ company: request.company, model: modelDigest, probability, at: tools.now(), service: plan.job, role });
    return { ...answer, receipt: uses.noteOutput(JSON.stringify(answer)) };
  }

  /** The text for each provider: the request's, else the best that the enclave has, which is read once. */
  #consentsOf({ company, consent }: OpenedRequest): (host: PartyId) => string {
    const { plan, tools } = this.#s;
    const { consents } = this.#o;
    let held: ReturnType<ConsentDesk["store"]["of"]> | undefined;
    const of = (): NonNullable<typeof held> => (held ??= consents?.store.of(company) ?? []);
    return (host) => (plan.datasets[host]?.consents === true ? consent ?? bestConsent({ of }, plan, { host, subject: company, now: tools.now() })?.jws ?? "" : "");
  }

  #objections(): ReadonlyMap<string, readonly string[]> {
    const { tools, plan } = this.#s;
    const now = tools.now();
    if (now - this.#marks.at > marksAgeMs) this.#marks = { at: now, of: tools.marks(plan.hosts) };
    return this.#marks.of;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#collecting);
    this.#stands?.[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }
}
