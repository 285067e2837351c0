// How often each consent was used. A claim is atomic and bound to a job and its plan: the same job again (a restart, a replay of its
// messages) costs nothing, another job or another plan under the same id is a new use.
import type { JobId } from "../core/brand.ts";

/** One use, to be claimed before anything computed with the company's data leaves. */
export type Use = {
  /** SHA-256 of the consent's id (revocation.ts): a book names no consent and no company. */
  readonly consent: string;
  readonly job: JobId;
  /** Digest of the job's plan. */
  readonly plan: string;
  /** Most uses that the consent allows; undefined for no bound. */
  readonly atMost: number | undefined;
  /** Seconds since 1970: the time of the use, and the end of the consent. */
  readonly at: number;
  readonly until: number;
};
/** claimed: counted now. again: this job had it. used-up: refused. conflict: this job id had it under another plan; refused. */
export type UseVerdict = "claimed" | "again" | "used-up" | "conflict";

export interface UseBook {
  /** All in one step, in order, one verdict each; a refused one changes nothing. What is claimed is durable on return. */
  claim(uses: readonly Use[]): readonly UseVerdict[];
  /** What `claim` would say to each of them alone now; changes nothing. */
  foresee(uses: readonly Use[]): readonly UseVerdict[];
  /** How many jobs used a consent. */
  count(consent: string): number;
  /**
   * Forgets consents that ended before `before` (seconds) and returns how many. `before` must be a signed time (that of a revocation
   * list), not the clock's: after a clock that ran ahead, a forgotten single use could be made again.
   */
  forget(before: number): number;
}

type Held = { until: number; readonly jobs: Map<JobId, string> };

/** In memory: for tests, and for checks that keep nothing. */
export class MemoryUseBook implements UseBook {
  readonly #held = new Map<string, Held>();

  claim(uses: readonly Use[]): readonly UseVerdict[] {
    return uses.map((use) => this.#claimOne(use));
  }

  foresee(uses: readonly Use[]): readonly UseVerdict[] {
    return uses.map((use) => this.#verdict(use));
  }

  #verdict(use: Use): UseVerdict {
    const held = this.#held.get(use.consent);
    const plan = held?.jobs.get(use.job);
    if (plan !== undefined) return plan === use.plan ? "again" : "conflict";
    return use.atMost !== undefined && (held?.jobs.size ?? 0) >= use.atMost ? "used-up" : "claimed";
  }

  #claimOne(use: Use): UseVerdict {
    const verdict = this.#verdict(use);
    if (verdict !== "claimed") return verdict;
    const held = this.#held.get(use.consent);
    if (held === undefined) {
      this.#held.set(use.consent, { until: use.until, jobs: new Map([[use.job, use.plan]]) });
    } else {
      held.until = Math.max(held.until, use.until);
      held.jobs.set(use.job, use.plan);
    }
    return "claimed";
  }

  count(consent: string): number {
    return this.#held.get(consent)?.jobs.size ?? 0;
  }

  forget(before: number): number {
    const over = [...this.#held].filter(([, held]) => held.until < before);
    for (const [consent] of over) this.#held.delete(consent);
    return over.length;
  }
}
