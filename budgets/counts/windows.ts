// Windows of time over which something is counted. A calendar window is a day, week, month, quarter or year as the clocks of a place show it; a
// rolling one is the last so many seconds, in steps, so that its memory is bounded.
import { z } from "zod";

/** Steps of a rolling window: what is counted stays counted for the window and at most one step more. */
export const rollingSteps = 48;
const maxRollingSeconds = 400 * 86_400;

function isTimeZone(name: string): boolean {
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).epochMilliseconds === 0;
  } catch {
    return false;
  }
}

export const windowSchema = z.union([
  /** Weeks begin on Monday (GB/T 7408, ISO 8601). */
  z.strictObject({ calendar: z.enum(["day", "week", "month", "quarter", "year"]), timeZone: z.string().refine(isTimeZone).default("Asia/Shanghai") }),
  z.strictObject({ rollingSeconds: z.int().min(60).max(maxRollingSeconds) }),
]);
export type Window = z.output<typeof windowSchema>;

/** Where a charge of now is counted: [from, to), and until when. Milliseconds since 1970. */
export type Slot = { readonly from: number; readonly to: number; readonly expires: number };

export function slotOf(window: Window, now: number): Slot {
  if ("rollingSeconds" in window) {
    const length = window.rollingSeconds * 1000;
    const step = Math.ceil(length / rollingSteps);
    const from = Math.floor(now / step) * step;
    return { from, to: from + step, expires: from + step + length };
  }
  const { from, to } = calendarSlot(window.calendar, window.timeZone, now);
  return { from, to, expires: to };
}

/** Slots as `slotOf` gives them, each worked out once while it lasts: calendars take some ten microseconds. */
export class Slots {
  readonly #last = new WeakMap<Window, Slot>();

  of(window: Window, now: number): Slot {
    const last = this.#last.get(window);
    if (last !== undefined && last.from <= now && now < last.to) return last;
    const slot = slotOf(window, now);
    this.#last.set(window, slot);
    return slot;
  }
}

function calendarSlot(unit: "day" | "week" | "month" | "quarter" | "year", timeZone: string, now: number): { from: number; to: number } {
  const today = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(timeZone).toPlainDate();
  const first = {
    day: () => today,
    week: () => today.subtract({ days: today.dayOfWeek - 1 }),
    month: () => today.with({ day: 1 }),
    quarter: () => today.with({ month: today.month - ((today.month - 1) % 3), day: 1 }),
    year: () => today.with({ month: 1, day: 1 }),
  }[unit]();
  const length = { day: { days: 1 }, week: { days: 7 }, month: { months: 1 }, quarter: { months: 3 }, year: { years: 1 } }[unit];
  // The first moment of a day there, which is not midnight where clocks change at midnight.
  const at = (date: Temporal.PlainDate): number => date.toZonedDateTime(timeZone).epochMilliseconds;
  return { from: at(first), to: at(first.add(length)) };
}
