// The shape of a published scorecard (scorecards/*.json). load.ts checks it against the indicator system.
import { z } from "zod";

/** Parts of an evaluation are added mod 2^16. */
export const partModulus = 2 ** 16;

export const gradeLetters = ["A", "B", "C", "D"] as const;
export type Grade = (typeof gradeLetters)[number];

/** "every": asked of every company, so its absence lowers the coverage. "trade": of some trades alone; without a record it does not apply. */
export const scopes = ["every", "trade"] as const;

const chinese = z.string().min(1).max(200).regex(/\p{Script=Han}/u);
const english = z.string().min(1).max(200).regex(/^[\x20-\x7e]+$/);
const points = z.number().int().min(-200).max(200);

const isRising = (values: readonly number[]): boolean => values.every((v, i) => i === 0 || v > (values[i - 1] as number));

const entrySchema = z.strictObject({
  /** Id in the published indicator system. */
  indicator: z.string().regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/).max(63),
  scope: z.enum(scopes),
  /** Said again, so that a change of the indicator is noticed: it must be the indicator's own. */
  direction: z.enum(["higher-better", "lower-better"]),
  /** As before: the items of the sharing catalogue that it is made of. */
  items: z.array(z.string()).min(1),
  /** Band 0 is below edges[0]; band i is from edges[i - 1], included, to edges[i], excluded. In the indicator's unit. */
  edges: z.array(z.number()).min(1).max(8).refine(isRising, "edges rise"),
  /** One for each band. A missing value is a band of its own with 0. */
  points: z.array(points).min(2).max(9),
  /** The reason of the bands. */
  zh: chinese,
  en: english,
}).refine((e) => e.points.length === e.edges.length + 1, { path: ["points"], message: "one more than edges" })
  .refine((e) => e.points.every((p, i) => i === 0 || (e.direction === "higher-better" ? p >= (e.points[i - 1] as number) : p <= (e.points[i - 1] as number))),
    { path: ["points"], message: "points follow the direction" })
  .refine((e) => new Set(e.points).size > 1, { path: ["points"], message: "points differ" });

export const scorecardSchema = z.strictObject({
  id: z.string().regex(/^[a-z][a-z0-9-]{0,47}$/),
  /** Semantic: another major version is another scale, and scores are not compared across it. */
  version: z.string().regex(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/),
  zh: chinese,
  en: english,
  /** Score of a company of which nothing is known. */
  base: z.number().int().min(0).max(1000),
  /** Least coverage with which a grade is given. */
  minCoverage: z.number().gt(0).max(1),
  /** From the best: the least score of each grade. The last one begins at 0. */
  grades: z.array(z.strictObject({ grade: z.enum(gradeLetters), from: z.number().int().min(0).max(1000), zh: chinese, en: english }))
    .length(gradeLetters.length)
    .refine((g) => g.every((row, i) => row.grade === gradeLetters[i]), "the four grades in order")
    .refine((g) => g.at(-1)?.from === 0 && isRising(g.map((row) => row.from).toReversed()), "thresholds fall to 0"),
  entries: z.array(entrySchema).min(1).max(200)
    .refine((e) => new Set(e.map((row) => row.indicator)).size === e.length, "an indicator counts once")
    .refine((e) => e.some((row) => row.scope === "every"), "something is asked of every company"),
});

export type Scorecard = z.output<typeof scorecardSchema>;
export type Entry = Scorecard["entries"][number];
