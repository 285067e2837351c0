// A service for scores at the bank's own enclave: opens the requests of the bank's programs, has the providers asked, and answers.
import type { ServiceAnswer } from "../../api/contract/services.ts";
import type { PartyId, Released } from "../../core/brand.ts";
import { bestConsent } from "../consents/guest.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import type { ServeJobParams } from "../../federation/serve/params.ts";
import { releaseAnswer } from "../release.ts";
import { GuestLink } from "./guest-link.ts";
import { openRequest, SeenRequests, serviceKeyOf, type OpenedRequest } from "./request.ts";
import type { GuestScorer, Scored } from "./scorers/scorer.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";

const marksAgeMs = 5_000;
const collectEveryMs = 30_000;

export type GuestServiceOptions = {
  readonly params: ServeJobParams; readonly scorer: GuestScorer; readonly seed: Uint8Array; readonly consents: ConsentDesk | undefined; readonly signal: AbortSignal;
};

export class GuestService implements Disposable {
  readonly #s: Standing;
  readonly #o: GuestServiceOptions;
  readonly #link: GuestLink<"serve/ask", "serve/part", "serve/refused">;
  /** The plan's, before anybody is asked: a program in a loop uses up nothing at the providers. */
  readonly #budgets: ServiceBudgets;
  readonly #key: ReturnType<typeof serviceKeyOf>["key"];
  readonly #seen = new SeenRequests<Released>();
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
    this.#link = new GuestLink(standing, { types: { ask: "serve/ask", answers: ["serve/part"], refused: "serve/refused" }, params: options.params, serve: (jwe) => this.#serve(jwe) });
  }

  async #serve(jwe: string): Promise<Released> {
    const { plan, tools } = this.#s;
    const request = await openRequest(jwe, { key: this.#key, service: plan.job, now: tools.now() });
    // Also a request that the platform hands in again: its answer can only be opened by who made it.
    return this.#seen.once(`${request.id}|${request.answerKey}`, tools.now(), async () => {
      const answer = await this.#answer(request);
      return releaseAnswer({ answer, key: request.answerKey, settled: () => this.#s.settled(() => this.#budgets.write()) });
    });
  }

  async #answer(request: OpenedRequest): Promise<ServiceAnswer> {
    const { plan, tools } = this.#s;
    const refused = (code: string, party?: PartyId): ServiceAnswer => ({
      version: 1, id: request.id, service: plan.job, at: new Date(tools.now()).toISOString(), status: "refused", code, ...(party !== undefined && { party }),
    });
    const own = this.#o.scorer.prepare(request);
    if (own === undefined) return refused("SERVICE_REQUEST");
    const over = this.#budgets.charge(request.company, "");
    if (over !== undefined) return refused(over);
    const outcome = await this.#link.ask((host, n, present) => ({ n, present: [...present], company: request.company, consent: this.#consentOf(host, request) }));
    if (!outcome.ok) return refused(outcome.code, outcome.party);
    const holders = [...outcome.answers].filter(([, answer]) => answer.held).map(([host]) => host).sort();
    if (holders.length === 0 && !own.isKnown) return refused("SERVICE_COMPANY_UNKNOWN");
    return this.#scored(request, own.score(outcome.answers, outcome.present), holders);
  }

  #scored(request: OpenedRequest, { score, probability, away }: Scored, holders: readonly PartyId[]): ServiceAnswer {
    const { model, modelDigest } = this.#o.scorer;
    const { plan, tools, uses } = this.#s;
    const answer: Omit<Extract<ServiceAnswer, { status: "scored" }>, "receipt"> = {
      version: 1, id: request.id, service: plan.job, at: new Date(tools.now()).toISOString(), status: "scored", score, probability, model, modelDigest,
      partial: away.length > 0, away: [...away], holders: [...holders], objections: [...(this.#objections().get(request.company) ?? [])],
    };
    return { ...answer, receipt: uses.noteOutput(JSON.stringify(answer)) };
  }

  #consentOf(host: PartyId, { company, consent }: OpenedRequest): string {
    const { plan, tools } = this.#s;
    const { consents } = this.#o;
    if (plan.datasets[host]?.consents !== true) return "";
    return consent ?? (consents && bestConsent(consents.store, plan, { host, subject: company, now: tools.now() })?.jws) ?? "";
  }

  #objections(): ReadonlyMap<string, readonly string[]> {
    const { tools, plan } = this.#s;
    const now = tools.now();
    if (now - this.#marks.at > marksAgeMs) this.#marks = { at: now, of: tools.marks(plan.hosts) };
    return this.#marks.of;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#collecting);
    this.#link[Symbol.dispose]();
  }
}
