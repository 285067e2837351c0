// Random draws over a buffered stream of bytes: all randomness of the demo data comes through here, so one seed fixes
// every byte. Not for keys or noise: 32-bit uniforms and floating point are fine for made-up data only.
import { createHash } from "node:crypto";
import type { Rng } from "../core/env.ts";
import { seededRng } from "../core/rng.ts";

const bufferBytes = 32 * 1024;

/** Draws from one deterministic stream. The methods consume the stream in call order. */
export class Draws {
  readonly #rng: Rng;
  #words = new Uint32Array(0);
  #at = 0;
  #spare = Number.NaN;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** Uniform in the open interval (0, 1), 32 bits. */
  uniform(): number {
    if (this.#at === this.#words.length) {
      this.#words = new Uint32Array(this.#rng(bufferBytes).buffer);
      this.#at = 0;
    }
    return ((this.#words[this.#at++] ?? 0) + 0.5) / 4294967296;
  }

  /** Uniform integer in 0 .. n - 1. */
  integer(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  bernoulli(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** Standard normal, by Marsaglia's polar method (SIAM Review 6, 1964): log and sqrt only. */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const spare = this.#spare;
      this.#spare = Number.NaN;
      return spare;
    }
    for (;;) {
      const x = 2 * this.uniform() - 1;
      const y = 2 * this.uniform() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      this.#spare = y * factor;
      return x * factor;
    }
  }

  /** exp(N(logMean, logSd^2)). */
  lognormal(logMean: number, logSd: number): number {
    return Math.exp(logMean + logSd * this.normal());
  }

  exponential(mean: number): number {
    return -mean * Math.log(this.uniform());
  }

  /** Poisson with the given mean: Knuth's product below 16, halves added above (their sum is Poisson again). */
  poisson(mean: number): number {
    if (mean > 16) return this.poisson(mean / 2) + this.poisson(mean / 2);
    const floor = Math.exp(-mean);
    let count = 0;
    for (let product = this.uniform(); product > floor; product *= this.uniform()) count += 1;
    return count;
  }

  /** One of `choices`, with probability proportional to `weightOf`. */
  pick<T>(choices: readonly [T, ...T[]], weightOf: (choice: T) => number): T {
    let total = 0;
    for (const choice of choices) total += weightOf(choice);
    let rest = this.uniform() * total;
    for (const choice of choices) {
      rest -= weightOf(choice);
      if (rest < 0) return choice;
    }
    return choices[0];
  }
}

/** Choices with their weights, for `pick`. */
export type Shares<T> = readonly [readonly [T, number], ...(readonly [T, number])[]];

/** 1 / (1 + exp(-x)). */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Independent streams per subject, so that a change in one table leaves all others as they were. seed: integer >= 0. */
export function streamsOf(seed: number): (subject: string) => Draws {
  const key = new Uint8Array(createHash("sha256").update(`yunei/demo/v1/${seed}`).digest());
  return (subject) => new Draws(seededRng(key, `demo/${subject}`));
}
