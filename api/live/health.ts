// How a service does, by what the platform sees of it: how many requests, how they ended and how long they took, over the last minutes. Counts
// alone: what depends on a company is sealed. In memory, from the start of the process.
import type { Clock } from "../../core/env.ts";
import type { Code } from "../../core/errors.ts";

export type ServiceHealth = {
  /** The minutes that were counted, the running one among them. */
  readonly minutes: number;
  readonly answered: number;
  /** Not answered, by code. */
  readonly refused: Readonly<Partial<Record<Code, number>>>;
  /** Half, and 99 of 100, of the answers were there within so many ms; null without answers. */
  readonly p50Ms: number | null; readonly p99Ms: number | null;
};
type Minute = { readonly at: number; answered: number; readonly refused: Map<Code, number>; readonly times: Uint32Array };

const minuteMs = 60_000;
const minutes = 5;
/** Bounds of times grow by a tenth: from 0.5 ms to a minute. */
const firstMs = 0.5;
const growth = 1.1;
const steps = 124;
const maxServices = 10_000;

export class ServicesHealth {
  readonly #now: Clock;
  readonly #services = new Map<string, Minute[]>();

  constructor(now: Clock) {
    this.#now = now;
  }

  answered(service: string, ms: number): void {
    const minute = this.#minute(service);
    minute.answered += 1;
    const step = Math.min(steps - 1, Math.max(0, Math.ceil(Math.log(ms / firstMs) / Math.log(growth))));
    minute.times[step] = (minute.times[step] ?? 0) + 1;
  }

  refused(service: string, code: Code): void {
    const { refused } = this.#minute(service);
    refused.set(code, (refused.get(code) ?? 0) + 1);
  }

  of(service: string): ServiceHealth {
    const all = this.#recent(service);
    const refused: Partial<Record<Code, number>> = {};
    for (const minute of all) for (const [code, times] of minute.refused) refused[code] = (refused[code] ?? 0) + times;
    const times = Array.from({ length: steps }, (_, i) => all.reduce((sum, m) => sum + (m.times[i] ?? 0), 0));
    return { minutes, answered: all.reduce((sum, m) => sum + m.answered, 0), refused, p50Ms: within(times, 0.5), p99Ms: within(times, 0.99) };
  }

  #minute(service: string): Minute {
    const at = Math.floor(this.#now() / minuteMs);
    const all = this.#recent(service);
    const last = all.at(-1);
    if (last?.at === at) return last;
    const minute: Minute = { at, answered: 0, refused: new Map(), times: new Uint32Array(steps) };
    if (this.#services.size >= maxServices && !this.#services.has(service)) this.#services.clear();
    this.#services.set(service, [...all, minute]);
    return minute;
  }

  #recent(service: string): Minute[] {
    const oldest = Math.floor(this.#now() / minuteMs) - minutes + 1;
    return (this.#services.get(service) ?? []).filter(({ at }) => at >= oldest);
  }
}

/** The upper bound of the step in which this share of all is reached, rounded to a tenth of a millisecond. */
function within(times: readonly number[], share: number): number | null {
  const all = times.reduce((a, b) => a + b, 0);
  if (all === 0) return null;
  let sum = 0;
  const step = times.findIndex((count) => (sum += count) >= share * all);
  return Math.round(firstMs * growth ** step * 10) / 10;
}
