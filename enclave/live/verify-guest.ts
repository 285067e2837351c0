// A verification service at the bank's own enclave: turns the claims of a request into questions, has the providers asked, and answers each claim.
import { verifyAnswerSchema, verifyRequestSchema, type ClaimResult, type VerifyAnswer } from "../../api/contract/verification.ts";
import { parseConsent } from "../../consent/statement.ts";
import type { ItemId, PartyId, Released } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { GuestTransfers } from "../../federation/garbled/guest.ts";
import { warm } from "../../federation/garbled/session.ts";
import type { Outcome } from "../../federation/live/questions.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { CurveBatches } from "./curve-batches.ts";
import { askEqual, openEqual, type Question } from "../../federation/verify/equality.ts";
import { questionsOf, resultsOf, type ClearQuestion, type EqualQuestion, type Result, type VerifyQuestion, type WithinQuestion } from "../../federation/verify/guest.ts";
import { questionParams, type VerifyJobParams } from "../../federation/verify/params.ts";
import type { Answer } from "../../federation/verify/predicates.ts";
import { askWithin, openWithin, rangeTransfers } from "../../federation/verify/range.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { Kernels } from "../../kernels/api.ts";
import { GarbledWork } from "../../kernels/oblivious/garbled.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import { bestConsent } from "../consents/guest.ts";
import { releaseSealed } from "../release.ts";
import { GuestLink } from "./guest-link.ts";
import { openSealed, SeenRequests, serviceKeyOf } from "./request.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";
import { Turns } from "./turns.ts";

const collectEveryMs = 30_000;
/** Questions on their way; those of all requests wait for a turn. */
const maxAsked = 32;
/** Claims that wait for a turn, over all requests: more requests are refused as busy. */
const maxWaiting = 4096;
const nonceBytes = 8;

const answerTypes = ["verify/answer", "verify/equal", "verify/within", "garbled/base", "garbled/extended"] as const;
type Ask = "verify/ask" | "verify/ask-equal" | "verify/ask-within" | "garbled/open" | "garbled/extend";
type Reply = (typeof answerTypes)[number];
type Request = ReturnType<typeof verifyRequestSchema.parse>;
export type VerifyGuestServiceOptions = { readonly params: VerifyJobParams; readonly seed: Uint8Array; readonly consents: ConsentDesk | undefined; readonly signal: AbortSignal };

export class VerifyGuestService implements Disposable {
  readonly #s: Standing;
  readonly #o: VerifyGuestServiceOptions;
  readonly #link: GuestLink<Ask, Reply, "verify/refused">;
  readonly #curve: CurveBatches;
  /** Of blind ranges: prepared transfers with each provider, on a thread of its own, and the circuits. */
  readonly #kernels: Kernels = createKernels({ threads: 1 });
  readonly #transfers = new Map<PartyId, GuestTransfers>();
  readonly #garbled = new GarbledWork();
  /** The plan's, before anybody is asked: a program in a loop uses up nothing at the providers. */
  readonly #budgets: ServiceBudgets;
  readonly #key: ReturnType<typeof serviceKeyOf>["key"];
  readonly #paramsDigest: string;
  readonly #seen = new SeenRequests<Released>();
  readonly #turns = new Turns(maxAsked);
  readonly #collecting: NodeJS.Timeout;

  constructor(standing: Standing, options: VerifyGuestServiceOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, tools } = standing;
    this.#key = serviceKeyOf(options.seed).key;
    this.#paramsDigest = digestOf(options.params);
    this.#curve = new CurveBatches({ workers: tools.curve.workers });
    this.#budgets = new ServiceBudgets({ db: tools.db, budgets: tools.budgets, now: tools.now, guest: plan.guest, dataset: "service", model: plan.job, limits: options.params });
    const collect = (): void => void options.consents?.collect(options.signal).catch(() => undefined);
    collect();
    this.#collecting = setInterval(collect, collectEveryMs);
    for (const host of plan.hosts) this.#transfers.set(host, this.#transfersOf(host));
    if (options.params.fields.some(({ blind }) => blind.includes("within"))) warm(this.#kernels).catch(() => undefined);
    this.#link = new GuestLink(standing, {
      types: { ask: typeOf, answers: answerTypes, refused: "verify/refused" }, params: questionParams(options.params), serve: (jwe) => this.#serve(jwe),
      up: (host) => this.#transfers.get(host)?.reset(),
    });
  }

  async #serve(jwe: string): Promise<Released> {
    const { plan, tools } = this.#s;
    const request = await openSealed(jwe, verifyRequestSchema, { key: this.#key, service: plan.job, now: tools.now() });
    // Also a request that the platform hands in again: its answer can only be opened by who made it.
    return this.#seen.once(`${request.id}|${request.answerKey}`, tools.now(), async () => {
      if (this.#turns.waiting > maxWaiting) throw new AppError("SERVICE_BUSY");
      const answer = await this.#answer(request);
      return releaseSealed({ answer, schema: verifyAnswerSchema, key: request.answerKey, settled: () => this.#s.settled(() => this.#budgets.write()) });
    });
  }

  async #answer(request: Request): Promise<VerifyAnswer> {
    const { plan, tools, uses } = this.#s;
    const own = ownConsents(request);
    const claims = request.claims.map(({ provider, ...claim }) => ({ ...claim, party: provider }));
    const { questions, refused } = questionsOf(claims, {
      datasets: plan.datasets, fields: this.#o.params.fields,
      consent: ({ company, party }, items) => own.find(({ subject, covers }) => subject === company && items.every((item) => covers.has(item)))?.jws ?? this.#consentOf(party, company, items),
    });
    const results = new Map<number, Result>(refused);
    await Promise.all(questions.map(async (question) => {
      const said = await this.#turns.take(() => this.#ask(question));
      for (const [i, at] of question.at.entries()) results.set(at, said[i] ?? { code: "VERIFY_REPLY", party: question.party });
    }));
    const marks = tools.marks(plan.hosts);
    const answer: Omit<Extract<VerifyAnswer, { status: "verified" }>, "receipt"> = {
      version: 1, id: request.id, service: plan.job, at: new Date(tools.now()).toISOString(), status: "verified", paramsDigest: this.#paramsDigest, remaining: this.#budgets.remaining,
      results: claims.map(({ company, party }, at) => {
        const result: ClaimResult = results.get(at) ?? { code: "VERIFY_REPLY" };
        return "answer" in result && marks.get(company)?.includes(party) === true ? { ...result, objected: true } : result;
      }),
    };
    return { ...answer, receipt: uses.noteOutput(JSON.stringify(answer)) };
  }

  /** The results of the claims of one question, in their order. */
  async #ask(question: VerifyQuestion): Promise<readonly Result[]> {
    const { party, company } = question;
    const over = this.#budgets.ask(company, "", 0);
    if (over !== undefined) return question.at.map(() => over);
    try {
      if (question.kind === "clear") return await this.#clear(question);
      return [{ answer: question.kind === "equal" ? await this.#equal(question) : await this.#within(question) }];
    } catch (error) {
      if (!isAppError(error)) throw error;
      // What a provider sent that is no answer says nothing of the claim.
      const code = error.code === "PROTOCOL_BAD_POINT" ? "VERIFY_REPLY" : error.code;
      const { retryAfter } = error.facts;
      return question.at.map(() => ({ code, party, ...(typeof retryAfter === "number" && { retryAfter }) }));
    }
  }

  async #clear(question: ClearQuestion): Promise<readonly Result[]> {
    const { company, party, consent, claims } = question;
    const body = answerOf(await this.#link.ask((_host, n) => ({ n, company, consent, claims }), [party]), party);
    if (!("answers" in body)) throw new AppError("VERIFY_REPLY");
    return resultsOf(question, body);
  }

  async #equal({ company, party, consent, field, claim }: EqualQuestion): Promise<Answer> {
    const { plan, tools: { rng } } = this.#s;
    const nonce = Buffer.from(rng(nonceBytes)).toString("hex");
    const { ask, open } = await askEqual(this.#curve, blindQuestion(plan.job, { nonce, party, item: field }), claim, rng);
    const body = answerOf(await this.#link.ask((_host, n) => ({ n, company, consent, field, nonce, ...ask }), [party]), party);
    if (!("point" in body)) throw new AppError("VERIFY_REPLY");
    const isEqual = await openEqual(this.#curve, open, body);
    return answered(body.held, isEqual);
  }

  async #within({ company, party, consent, field, interval, depth }: WithinQuestion): Promise<Answer> {
    const transfers = this.#transfers.get(party);
    if (transfers === undefined) throw new AppError("VERIFY_FIELD");
    let taken = transfers.take(rangeTransfers(depth));
    while (taken === undefined) {
      await transfers.more();
      taken = transfers.take(rangeTransfers(depth));
    }
    // From here to the question nothing is waited for: numbers of questions and of transfers rise together.
    const { ask, open } = askWithin({ request: this.#s.plan.job, party, item: field }, interval, depth, taken);
    const outcome = await this.#link.ask((_host, n) => ({ n, company, consent, field, ...ask }), [party]);
    if (!outcome.ok && outcome.code === "VERIFY_TRANSFERS") transfers.lost(taken.session);
    const body = answerOf(outcome, party);
    if (!("tables" in body)) throw new AppError("VERIFY_REPLY");
    const isInside = openWithin(this.#garbled, open, body);
    return answered(body.held, isInside);
  }

  #transfersOf(host: PartyId): GuestTransfers {
    const { plan, tools: { rng } } = this.#s;
    return new GuestTransfers({
      ends: { service: plan.job, host, guest: plan.guest }, kernels: this.#kernels, rng, now: () => performance.now(),
      port: {
        open: async (session) => {
          const body = answerOf(await this.#link.ask((_host, n) => ({ n, session }), [host]), host);
          if (!("points" in body)) throw new AppError("VERIFY_REPLY");
          return body;
        },
        extend: async (chunk) => {
          const body = answerOf(await this.#link.ask((_host, n) => ({ n, ...chunk }), [host]), host);
          if (!("made" in body)) throw new AppError("VERIFY_REPLY");
          return body;
        },
      },
    });
  }

  #consentOf(host: PartyId, subject: string, needed: readonly ItemId[]): string {
    const { consents } = this.#o;
    const { plan, tools } = this.#s;
    return (consents && bestConsent(consents.store, plan, { host, subject, now: tools.now(), needed })?.jws) ?? "";
  }

  [Symbol.dispose](): void {
    clearInterval(this.#collecting);
    this.#link[Symbol.dispose]();
    void this.#curve[Symbol.asyncDispose]();
    for (const transfers of this.#transfers.values()) transfers[Symbol.dispose]();
    void this.#kernels[Symbol.asyncDispose]();
  }
}

function typeOf(body: TypedBody<Ask>): Ask {
  if ("claims" in body) return "verify/ask";
  if ("blinded" in body) return "verify/ask-equal";
  if ("flips" in body) return "verify/ask-within";
  return "columns" in body ? "garbled/extend" : "garbled/open";
}

/** Both sides of one question of blind equality. */
export function blindQuestion(service: string, { nonce, party, item }: { readonly nonce: string; readonly party: string; readonly item: string }): Question {
  return { request: `${service}.${nonce}`, party, item };
}

function answered(isHeld: boolean, isMatch: boolean): Answer {
  return isHeld ? (isMatch ? "match" : "no-match") : "not-available";
}

function answerOf(outcome: Outcome<TypedBody<Reply>>, party: PartyId): TypedBody<Reply> {
  if (!outcome.ok) throw new AppError(outcome.code, { party, ...(outcome.retryAfter !== undefined && { retryAfter: outcome.retryAfter }) });
  const answer = outcome.answers.get(party);
  if (answer === undefined) throw new AppError("SERVICE_PROVIDER_AWAY", { party });
  return answer;
}

/** Consents that came with a request. Not verified here: the provider does. */
function ownConsents({ consents = [] }: Request): readonly { readonly jws: string; readonly subject: string; readonly covers: ReadonlySet<string> }[] {
  return consents.flatMap((jws) => {
    try {
      const { consent } = parseConsent(jws);
      return [{ jws, subject: consent.subject, covers: new Set(consent.items) }];
    } catch (error) {
      if (isAppError(error)) return [];
      throw error;
    }
  });
}
