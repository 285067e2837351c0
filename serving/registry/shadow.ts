// Answers a request by the version that its route names, and computes the shadow versions beside it. What a shadow computes goes to the observer
// alone: the answer neither holds it nor waits for it, and fails by it never.
import type { Clock } from "../../core/env.ts";
import type { Route } from "./routing.ts";

export type Scored = {
  /** Log odds of bad. */
  readonly logOdds: number;
  /** A provider was away. */
  readonly partial: boolean;
};
export type Role = "answer" | "shadow";
export type Observation = {
  readonly version: number;
  readonly role: Role;
  readonly milliseconds: number;
  /** undefined: the version failed. */
  readonly scored: Scored | undefined;
  /** For a shadow: what was returned for the same company. */
  readonly answered?: Scored;
};
export type Answer = Scored & { readonly version: number; readonly model: string; readonly revision: number };
export type ScoreByVersion = (version: number) => Promise<Scored>;
export type ShadowOptions = {
  readonly now: Clock;
  readonly observe: (observation: Observation) => void;
  /** Shadow scores under way at once; further ones are left out and counted. Default 64. */
  readonly maxPending?: number;
};

export class ShadowScoring {
  readonly #options: ShadowOptions;
  readonly #pending = new Set<Promise<void>>();
  #skipped = 0;

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  /** Shadow scores that were left out because too many were under way. */
  get skipped(): number {
    return this.#skipped;
  }

  /** The answer by the route's version. Throws what scoring by that version throws; shadows are then not computed. */
  async answer(route: Route, score: ScoreByVersion): Promise<Answer> {
    const { answer: { version, model }, revision } = route;
    const scored = await this.#timed(score, version, "answer");
    for (const shadow of route.shadows) this.#shadow(score, shadow.version, scored);
    return { logOdds: scored.logOdds, partial: scored.partial, version, model, revision };
  }

  /** Resolves when no shadow score is under way. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  #shadow(score: ScoreByVersion, version: number, answered: Scored): void {
    if (this.#pending.size >= (this.#options.maxPending ?? 64)) {
      this.#skipped++;
      return;
    }
    const running: Promise<void> = this.#unheard(score, version, answered).finally(() => this.#pending.delete(running));
    this.#pending.add(running);
  }

  async #unheard(score: ScoreByVersion, version: number, answered: Scored): Promise<void> {
    try {
      await this.#timed(score, version, "shadow", answered);
    } catch {
      // It was observed as a failure of that version; it concerns nobody else.
    }
  }

  async #timed(score: ScoreByVersion, version: number, role: Role, answered?: Scored): Promise<Scored> {
    const { now, observe } = this.#options;
    const from = now();
    const about = { version, role, ...(answered !== undefined && { answered }) };
    let scored: Scored;
    try {
      scored = await score(version);
    } catch (error) {
      observe({ ...about, milliseconds: now() - from, scored: undefined });
      throw error;
    }
    observe({ ...about, milliseconds: now() - from, scored });
    return scored;
  }
}
