// All that leaves a domain about the quality of its data: rates in thousandths per rule and item, and the states of issues. There is no room
// in it for a count, a name of a table or column, a text or a company.
import { z } from "zod";
import { itemIdSchema } from "../catalogue/schema.ts";
import { dimensions, ruleIdSchema, severities } from "./rules.ts";
import { acceptReasons, issueStates } from "./states.ts";

const permille = z.int().min(0).max(1000);
const about = {
  rule: ruleIdSchema,
  /** null: no item of the catalogue, or several. */
  item: itemIdSchema.nullable(),
  dimension: z.enum(dimensions), severity: z.enum(severities),
  /** Share that may fail. */
  limit: permille,
};

export const publishedRateSchema = z.strictObject({
  ...about,
  /** suppressed: about too few records or companies; not-run: it did not fit in the memory set for it. */
  state: z.enum(["rated", "suppressed", "not-run"]),
  permille: permille.nullable(),
}).refine((r) => (r.state === "rated") === (r.permille !== null), { path: ["permille"] });
export type PublishedRate = z.output<typeof publishedRateSchema>;

export const publishedIssueSchema = z.strictObject({
  /** Counts up at the provider. */
  issue: z.int().min(1).max(2_000_000_000),
  ...about,
  state: z.enum(issueStates), permille,
  openedAt: z.iso.datetime(), dueAt: z.iso.datetime(),
  closedAt: z.iso.datetime().nullable(),
  /** For accepted ones: a word of a closed list, and until when. */
  reason: z.enum(acceptReasons).nullable(), acceptedUntil: z.iso.datetime().nullable(),
});
export type PublishedIssue = z.output<typeof publishedIssueSchema>;

export const maxPublishedRates = 400;
export const maxPublishedIssues = 300;
export const publicationSchema = z.strictObject({
  version: z.literal(1),
  /** When the checks ran. */
  ranAt: z.iso.datetime(),
  rates: z.array(publishedRateSchema).max(maxPublishedRates),
  /** Those that are not closed, and the latest closed ones. */
  issues: z.array(publishedIssueSchema).max(maxPublishedIssues),
});
export type Publication = z.output<typeof publicationSchema>;
