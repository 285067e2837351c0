// When the next round of evaluations is due. Months by the calendar of China, which has one time zone and no summer time.
import type { Interval } from "../../contract/evaluations.ts";

const hourMs = 3_600_000;
const chinaMs = 8 * hourMs;

/** The first time after `now` (ms). from: when a round was due last, or the schedule was set. */
export function nextDue(interval: Interval, from: number, now: number): number {
  if (interval.kind === "hours") {
    const step = interval.every * hourMs;
    return from + Math.max(1, Math.floor((now - from) / step) + 1) * step;
  }
  const { every, day, hour } = interval;
  const start = new Date(from + chinaMs);
  for (let months = 0; ; months += 1) {
    const at = Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + months, day, hour) - chinaMs;
    // The first one comes as soon as the day does; from then on every so many months.
    const isTurn = months === 0 ? at > from : (months - offset(start, interval)) % every === 0;
    if (isTurn && at > Math.max(from, now)) return at;
  }
}

/** Months from that of `start` to the first turn. */
function offset(start: Date, { every, day, hour }: Extract<Interval, { kind: "months" }>): number {
  const own = Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), day, hour);
  if (own > start.getTime()) return 0;
  return own === start.getTime() ? every : 1;
}

/** The day in China, YYYY-MM-DD. */
export function chinaDay(now: number): string {
  return new Date(now + chinaMs).toISOString().slice(0, 10);
}
