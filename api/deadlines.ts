// Terms of objections and credit repair. 征信业管理条例 第二十五条 gives 20 days from receipt for objections to credit information; P21 (九) refers to
// "有关规定" and names no term, none is named for repair either, so that both have these 20 days. The days to accept are the operator's
// promise. `deadlines.json` in the data folder sets others, and the year's holidays.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../core/errors.ts";

const day = z.iso.date();
const term = z.strictObject({ days: z.number().int().min(1).max(365), count: z.enum(["calendar", "working"]) });
export const deadlinesSchema = z.strictObject({
  accept: term.default({ days: 3, count: "working" }),
  objection: term.default({ days: 20, count: "calendar" }),
  repair: term.default({ days: 20, count: "calendar" }),
  /** Days off beyond Saturdays and Sundays, and weekend days that are worked (调休). */
  holidays: z.array(day).max(400).default([]),
  workedWeekends: z.array(day).max(400).default([]),
});
export type Deadlines = z.output<typeof deadlinesSchema>;
export type Term = z.output<typeof term>;

export const defaultDeadlines: Deadlines = deadlinesSchema.parse({});

/** Throws PLATFORM_ARGUMENTS for a file that does not fit. */
export function readDeadlines(data: string): Deadlines {
  const file = join(data, "deadlines.json");
  if (!existsSync(file)) return defaultDeadlines;
  try {
    return deadlinesSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new AppError("PLATFORM_ARGUMENTS", { deadlines: false }, { cause });
  }
}

const dayMs = 86_400_000;
/** China has one time zone and no summer time. */
const chinaMs = 8 * 3_600_000;

/** The end (ms) of a term that begins at `from`: midnight, in China, after its last day; the day of the beginning does not count. */
export function endOfTerm(from: number, { days, count }: Term, { holidays, workedWeekends }: Pick<Deadlines, "holidays" | "workedWeekends">): number {
  let at = Math.floor((from + chinaMs) / dayMs);
  for (let left = days; left > 0; ) {
    at += 1;
    const date = new Date(at * dayMs);
    const name = date.toISOString().slice(0, 10);
    const isWeekend = date.getUTCDay() === 0 || date.getUTCDay() === 6;
    const isWorked = isWeekend ? workedWeekends.includes(name) : !holidays.includes(name);
    if (count === "calendar" || isWorked) left -= 1;
  }
  return (at + 1) * dayMs - chinaMs;
}
