// Drops of whole scores, at the bank: every borrower who is watched is scored anew with a service for scores of the bank, some time within the period of the
// plan. Consents are checked and budgets charged there as for any other question; what comes of it stays here, but for an alert.
import { setTimeout as delay } from "node:timers/promises";
import type { OpenedAlert } from "../../api/contract/watch.ts";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import type { Clock, Log, Rng } from "../../core/env.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { isAppError } from "../../core/errors.ts";
import type { JointScoreParams } from "../../federation/watch/params.ts";
import { compareScore, firstLook, nextLook, type Looked } from "../../monitoring/triggers/joint-score.ts";
import type { StandingService } from "../serving/served.ts";
import type { BankScores, DueScore } from "./score-store.ts";

/** What alerts name in place of a provider's trigger. */
export const jointTrigger = "joint-score-drop";
const text = { zh: "联合评分下降", en: "The joint score has dropped" };
/** Most questions in a second are ten: the service has others to answer. */
export const scoreBeatMs = 100;
const idleMs = 5_000;
/** While the service does not run, or a provider of it is away: for everybody. */
const awayMs = 60_000;
const longestPauseMs = 3_600_000;
const longestAnswerMs = 120_000;
/** Refusals that are the fault of nobody on the list, and how long all wait after one, ms: a budget that is used up is left to the bank's programs. */
const pauses: ReadonlyMap<string, number> = new Map([
  ["SERVICE_PROVIDER_AWAY", awayMs], ["SERVICE_TIMEOUT", awayMs], ["SERVICE_BUSY", awayMs], ["SERVICE_AWAY", awayMs],
  ["BUDGET_REQUESTS", longestPauseMs], ["BUDGET_COMPANIES", longestPauseMs], ["BUDGET_SLOWED", longestPauseMs], ["BUDGET_STATE", longestPauseMs],
]);
/** What is held of a company goes with its consent. */
const ends: ReadonlySet<string> = new Set(["CONSENT_WITHDRAWN", "CONSENT_KEY_WITHDRAWN", "CONSENT_EXPIRED"]);

export type JointScoresOptions = {
  readonly store: BankScores; readonly plan: Pick<JobPlan, "job" | "guest">; readonly params: JointScoreParams; readonly now: Clock; readonly rng: Rng; readonly log: Log;
  /** Who answers for the service now; undefined when nobody does. */
  readonly service: () => StandingService | undefined;
  /** Keeps an alert, within the transaction that keeps the score; once for each id. */
  readonly alert: (id: string, alert: OpenedAlert, at: number) => void;
};

type Answer = ServiceAnswer | { readonly status: "refused"; readonly code: string; readonly retryAfter?: number | undefined };

export class JointScores implements Disposable {
  readonly #o: JointScoresOptions;
  readonly #ended = new AbortController();
  #isAsking = false;
  #pausedUntil = 0;
  #isAway = false;

  constructor(options: JointScoresOptions) {
    this.#o = options;
  }

  /** Nobody answers for the service. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Within the caller's transaction: these are watched, of so many on the list. */
  begin(watched: readonly string[], companies: number): void {
    for (const company of watched) this.#o.store.begin(company, this.#o.now() + firstLook({ companies, draw: this.#draw() }));
  }

  /** Scores who is due longest. Nothing while one is being scored, or when there is a pause. */
  async tick(): Promise<void> {
    const { store, now, params, service } = this.#o;
    const at = now();
    const pause = this.#pausedUntil - at;
    if (this.#isAsking || this.#ended.signal.aborted || (pause > 0 && pause <= longestPauseMs)) return;
    const due = store.due(at, at + params.everyDays * 86_400_000);
    if (due === undefined) return this.#pause(idleMs);
    if (due.company === undefined) return this.#unwatched(due);
    const by = service();
    if (by === undefined) return this.#away();
    this.#isAway = false;
    this.#isAsking = true;
    try {
      const answer = await this.#answer(by, due.company);
      if (!this.#ended.signal.aborted) this.#take(due, due.company, answer);
    } finally {
      this.#isAsking = false;
    }
  }

  /** A refusal where the service fails. */
  async #answer(by: StandingService, company: string): Promise<Answer> {
    const { now, rng } = this.#o;
    const request = { version: 1, id: `watch-${Buffer.from(rng(12)).toString("hex")}`, service: by.service, at: new Date(now()).toISOString(), answerKey: Buffer.from(rng(32)).toString("base64url"), company } as const;
    const over = new AbortController();
    const late = delay(longestAnswerMs, { status: "refused", code: "SERVICE_TIMEOUT" } as const, { signal: AbortSignal.any([over.signal, this.#ended.signal]), ref: false })
      .catch(() => ({ status: "refused", code: "SERVICE_AWAY" }) as const);
    const asked = async (): Promise<ServiceAnswer> => {
      const { answer, settled } = await by.score(request, { asked: by.service, role: "monitoring" });
      await settled();
      return answer;
    };
    try {
      // A service that ends meanwhile may never answer.
      return await Promise.race([asked(), late]);
    } catch (error) {
      if (!isAppError(error)) throw error;
      return { status: "refused", code: error.code };
    } finally {
      over.abort();
    }
  }

  #take(due: DueScore, company: string, answer: Answer): void {
    const { store, now, plan, params, alert, log } = this.#o;
    const at = now();
    // Of one company: the others are watched on, and it begins anew.
    if (due.held === "damaged") log.error("watch-score-damaged", { job: plan.job });
    if (answer.status === "refused") {
      const pause = pauses.get(answer.code);
      if (pause !== undefined) this.#pause(pause);
      store.transaction(() => {
        if (ends.has(answer.code)) {
          store.erase(due.record);
          store.begin(company, at);
        }
        store.waits(due.record, at + this.#next({ how: "refused", retryAfter: answer.retryAfter ?? (pause === undefined ? undefined : 0) }), answer.code);
      });
      return;
    }
    if (answer.partial || !Number.isFinite(answer.score)) return store.waits(due.record, at + this.#next({ how: "partial" }), "SERVICE_PROVIDER_AWAY");
    const { held, drop } = compareScore(due.held === "damaged" ? undefined : due.held, { score: answer.score, model: answer.modelDigest, at }, params.drop);
    store.transaction(() => {
      store.scored(due.record, at + this.#next({ how: "whole" }), { at, held });
      if (drop === undefined) return;
      alert(`score_${Buffer.from(due.record).toString("hex")}_${at}`, {
        version: 1, service: plan.job, party: plan.guest, company, trigger: jointTrigger, kind: "score-drop", severity: params.severity, asOf: new Date(at).toISOString().slice(0, 10), text,
        drop: Math.round(drop * 10) / 10, scoredBy: answer.service,
      }, at);
    });
  }

  /** Whose providers have ended is not scored any longer; one that is to be registered again waits. */
  #unwatched({ record, isWanted }: DueScore): void {
    const { store, now } = this.#o;
    if (isWanted) store.waits(record, now() + this.#next({ how: "refused", retryAfter: 0 }), "WATCH_UNKNOWN");
    else store.erase(record);
  }

  #away(): void {
    const { plan, params, log } = this.#o;
    if (!this.#isAway) log.warn("watch-scores-wait", { job: plan.job, service: params.service });
    this.#isAway = true;
    this.#pause(awayMs);
  }

  #pause(ms: number): void {
    this.#pausedUntil = this.#o.now() + ms;
  }

  #next(looked: Looked): number {
    return nextLook(looked, { everyDays: this.#o.params.everyDays, draw: this.#draw() });
  }

  #draw(): number {
    return Buffer.from(this.#o.rng(6)).readUIntBE(0, 6) / 2 ** 48;
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }
}
