// The local policy of an enclave: a file that only its operator writes. Default: refuse. It is evaluated against the plan
// before the enclave signs its approval; the platform is not trusted to have written the leakage statement, so it is
// compiled again here and compared.
import { existsSync } from "node:fs";
import { z } from "zod";
import type { PartyId } from "../core/brand.ts";
import { canonicalJson } from "../core/canonical.ts";
import { AppError, type Code } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { floodBudgetBits, requireSumsParams } from "../kernels/params.ts";
import { compileLeakage, type Compiled } from "../federation/leakage.ts";
import { scorecardDigest } from "../evaluation/load.ts";
import { evaluateJobSchema } from "../federation/evaluate/params.ts";
import { hasCompanySet, isServing, jobKinds, purposes, trainingKinds, type DatasetSummary, type JobPlan } from "../federation/plan-schema.ts";
import { requireMinimum } from "../federation/plan.ts";
import { alignmentProtocol } from "../federation/psi/choose.ts";
import { isOwnShape, scoreJobSchema } from "../federation/score/params.ts";
import { endOfService } from "../federation/live/params.ts";
import { explainOf, mostQuestions, serveJobSchema } from "../federation/serve/params.ts";
import { fieldNameSchema, requireFields } from "../federation/verify/fields.ts";
import { verifyJobSchema } from "../federation/verify/params.ts";
import { triggersOf, watchJobSchema } from "../federation/watch/params.ts";
import { triggerKinds } from "../monitoring/triggers/schema.ts";
import { pairOf } from "../federation/statement.ts";
import { namings } from "../models/explain/contribution.ts";
import { readBytes } from "../core/files.ts";
import { usccSchema } from "../consent/statement.ts";
import { budgetsPolicySchema } from "./charges/policy.ts";
import { registrarsSchema } from "./consents/trust.ts";

const serviceRuleSchema = z.strictObject({
  maxDays: z.number().int().min(1).max(366).default(90),
  maxRequestsPerDay: z.number().int().positive().default(100_000),
  maxCompaniesPerMonth: z.number().int().positive().default(50_000),
  maxPerCompanyPerDay: z.number().int().positive().default(24),
  maxSetsPerCompany: z.number().int().min(1).max(17).default(1),
});
const evaluationRuleSchema = z.strictObject({
  /** Runs that this party takes part in, in one month. */
  maxRunsPerMonth: z.number().int().positive().default(12),
  /** Different sums by which one company may be evaluated, over all runs: other parties present, other indicators or another basis make another
   *  sum, and the difference of two may be one party's part. */
  maxSetsPerCompany: z.number().int().positive().default(4),
  /** In the rule of the evaluating party: keys (x, base64url) to which it seals what it pushes, by the institution's party. A plan that pushes to
   *  others waits for a person. */
  subscribers: z.record(z.string(), z.string().regex(/^[A-Za-z0-9_-]{43}$/)).default({}),
  /** Digests of published scorecards, beside the built-in one, that this party computes without asking: a plan with another waits for a person.
   *  Points that are chosen for it tell bands of single indicators from a sum. */
  scorecards: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(100).default([]),
});
export const defaultEvaluationRule = evaluationRuleSchema.parse({});
/** Services by the bank's own linear model under its key: what its answers may tell about one company is bounded by how many models there are. */
const encryptedModelSchema = z.strictObject({
  maxModelsPerCompany: z.number().int().positive().default(2),
  /** Features of this provider in one model. */
  maxWeights: z.number().int().min(1).max(1024).default(64),
});
/** Services by the bank's own model file, which runs at the provider. */
const wholeModelSchema = z.strictObject({
  maxModelsPerCompany: z.number().int().positive().default(2),
  maxBytes: z.number().int().positive().default(16 * 2 ** 20),
  /** In the bank's own rule: own columns that may go to the provider with a request. */
  columns: z.array(z.string().min(1).max(128)).max(64).default([]),
});
/** Services by joint trees: nobody sees the tables of a question, so questions about one company are what is bounded, for ever and over all such services of the bank. */
const jointTreesSchema = z.strictObject({ maxQuestionsPerCompany: z.number().int().min(1).max(mostQuestions).default(4) });
const watchRuleSchema = z.strictObject({
  /** Kinds of triggers that this party watches for the bank: each alert is one bit about a value. None unless they are named here. */
  triggers: z.array(z.enum(triggerKinds)).default([]),
  maxDays: z.number().int().min(1).max(366).default(366),
  maxCompanies: z.number().int().min(1).max(100_000).default(10_000),
  maxAlertsPerDay: z.number().int().min(1).max(100_000).default(1000),
});
const verificationRuleSchema = serviceRuleSchema.omit({ maxSetsPerCompany: true }).extend({
  /** Own fields about which this bank may make claims: seen by this party, blind only, or either. None unless they are named here. */
  fields: z.record(fieldNameSchema, z.enum(["clear", "blind", "any"])).default({}),
});
const ruleSchema = z.strictObject({
  guest: partyIdSchema,
  kinds: z.array(z.enum(jobKinds)).min(1),
  purposes: z.array(z.enum(purposes)).min(1),
  /** The policy alone, a person, or two different operators who sign (enclave/operators). */
  approve: z.enum(["auto", "manual", "four-eyes"]).default("manual"),
  /** A job with this host alone: its own total per company is then what the guest opens. */
  singleHostTotals: z.boolean().default(false),
  maxSetSize: z.number().int().positive().default(200_000),
  maxNewIdsPerMonth: z.number().int().positive().default(200_000),
  /** Different models by which one company may be scored, over all jobs: each is an equation about it. */
  maxModelsPerCompany: z.number().int().positive().default(6),
  /** Different sets of hosts under which one company may be scored by one model, over all jobs and services: the difference of two may be one host's
   *  own total. A batch that was scored while a host was away is another set than the same batch with it. */
  maxSetsPerCompany: z.number().int().min(1).max(17).default(1),
  /** For boosted trees: what the bitmaps may tell the bank about each company, over all jobs, in bits. */
  maxBitsPerCompany: z.number().min(0).default(60),
  /** Where results may be sealed to: the public key (x, base64url) of the bank's own institution. The bank's own rule needs it
   *  for automatic approval, since the plan's key comes from the platform. */
  sealTo: z.string().regex(/^[A-Za-z0-9_-]{43}$/).optional(),
  /** What this party tells of its own part of each score when a bank asks for explanations: reasons under the items of the sharing list
   *  (groups), or by the names of its features. */
  explain: z.enum(namings).default("nothing"),
  /** Trains on companies alone that consented to it (kind `train`): plans without `consentedOnly` are refused. Scores need consents anyway. */
  consentedOnly: z.boolean().default(false),
  /** The legal person behind the guest: consents that name another one are refused, whatever party they name. */
  guestUscc: usccSchema.optional(),
  /** In the bank's own rule: whether its training jobs may tell providers classes of information value about their features, which are label
   *  statistics (federation/feedback). A bank that leaves it out tells nothing. */
  feedback: z.enum(["nothing", "bands"]).default("nothing"),
  /** Standing services: the most that a plan may ask for. sets: of providers under which one company may be scored; each beyond the first may
   *  tell the bank one provider's own total about it. */
  service: serviceRuleSchema.optional(),
  /** Protections of services beyond masked points: refused unless they stand here, at the bank as at each provider. */
  encryptedModel: encryptedModelSchema.optional(),
  wholeModel: wholeModelSchema.optional(),
  jointTrees: jointTreesSchema.optional(),
  /** Full-coverage evaluations (kind `evaluate`). */
  evaluation: evaluationRuleSchema.optional(),
  /** Monitoring services: which triggers, and the most that a plan may ask for. */
  watch: watchRuleSchema.optional(),
  /** Verification services: which fields and how, and the most that a plan may ask for. */
  verification: verificationRuleSchema.optional(),
  /** Batch scorings of the same set of companies in one month. */
  maxScoresPerSetAndMonth: z.number().int().positive().default(31),
});

export const policySchema = z.strictObject({
  version: z.literal(1),
  allow: z.array(ruleSchema).default([]),
  /** SHA-256 of the identity keys of known parties: then not even the platform's own CA can put another in their place. */
  pinned: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)).default({}),
  /** Consents of companies, where their data need them. "off" counts in experiments alone; elsewhere such a policy refuses everything. */
  consents: z.enum(["required", "off"]).default("required"),
  /** In a bank's policy: whether a person here may tell the platform counts of finished loans (models/outcomes/release.ts). */
  outcomes: z.enum(["nothing", "counts"]).default("nothing"),
  /** Whose word on companies' consents counts. */
  registrars: registrarsSchema.prefault({}),
  /** Quotas of questions, what is done about probing, privacy of released figures (enclave/charges). Absent: the standard ones, without noise. */
  budgets: budgetsPolicySchema.optional(),
});
export type Policy = z.output<typeof policySchema>;
export type PolicyRule = z.output<typeof ruleSchema>;

/** Reads the policy file; undefined when there is none (then everything is refused). Throws ENCLAVE_CONFIG when it is malformed. */
export function readPolicy(path: string): Policy | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return policySchema.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8")));
  } catch (cause) {
    throw new AppError("ENCLAVE_CONFIG", {}, { cause });
  }
}

export type Verdict = { readonly kind: "approve" | "ask"; readonly rule: PolicyRule } | { readonly kind: "refuse"; readonly code: Code };

export type JudgeOptions = {
  readonly experiments?: boolean;
  /** It has tags that this guest may keep, or can make them on the way. */
  readonly hasTags?: boolean;
  /** By the present policy: whether it checks consents. Undefined where nothing in its data needs any. */
  readonly checksConsents?: boolean;
  /** The same for claims about its verifiable fields. */
  readonly checksClaims?: boolean;
  /** Whether its data have what the triggers of a plan watch; the code of the refusal otherwise. */
  readonly watchable?: (plan: JobPlan) => Code | undefined;
};

/** What this enclave says to a plan. Pure. */
export function judge(plan: JobPlan, self: PartyId, policy: Policy | undefined, own: DatasetSummary, options: JudgeOptions = {}): Verdict {
  const refuse = (code: Code): Verdict => ({ kind: "refuse", code });
  if (policy === undefined) return refuse("POLICY_MISSING");
  // The platform is not trusted to have checked it: a host named twice would pass for a company of two.
  if (new Set([plan.guest, ...plan.hosts]).size !== plan.hosts.length + 1) return refuse("JOB_PARTIES");
  if (plan.guest !== self && !plan.hosts.includes(self)) return refuse("POLICY_REFUSED");
  const rules = policy.allow.filter((r) => r.guest === plan.guest);
  if (rules.length === 0) return refuse("POLICY_REFUSED");
  const kinds = rules.filter((r) => r.kinds.includes(plan.kind));
  if (kinds.length === 0) return refuse("POLICY_KIND");
  const rule = kinds.find((r) => r.purposes.includes(plan.purpose));
  if (rule === undefined) return refuse("POLICY_PURPOSE");
  if (!fitsData(plan, self, own)) return refuse("ENCLAVE_SNAPSHOT_CHANGED");
  const unnecessary = moreThanNecessary(plan);
  if (unnecessary !== undefined) return refuse(unnecessary);
  if (!keepsConsents(plan, self, { policy, rule, own, options })) return refuse("POLICY_CONSENTS");
  // An export and a verification open no total.
  if (plan.kind !== "export" && plan.kind !== "verify" && plan.kind !== "watch" && plan.hosts.length === 1 && plan.hosts[0] === self && !rule.singleHostTotals) return refuse("POLICY_SINGLE_HOST");
  if (plan.params["liftFloors"] === true && options.experiments !== true) return refuse("POLICY_FLOORS");
  if (!usesReviewedSums(plan)) return refuse("KERNEL_PARAMS");
  if (!statesItsLeakage(plan)) return refuse("POLICY_LEAKAGE");
  const needsTags = plan.guest !== self && hasCompanySet(plan.kind) && alignmentProtocol(pairOf(plan, self)) === "reusable";
  if (needsTags && options.hasTags === false) return refuse("ENCLAVE_TAGS_MISSING");
  if (plan.kind === "serve" && !isServiceWithin(plan, rule)) return refuse("POLICY_SERVICE");
  const unwatched = plan.kind === "watch" ? refusesWatch(plan, self, { rule, options }) : undefined;
  if (unwatched !== undefined) return refuse(unwatched);
  if (plan.kind === "verify" && !isVerificationWithin(plan, self, rule)) return refuse("POLICY_VERIFY");
  if (!isProtectionWithin(plan, self, rule)) return refuse("POLICY_PROTECTION");
  const isTelling = (plan.kind === "score" && scoreJobSchema.parse(plan.params).explain.hosts.includes(self)) || (plan.kind === "serve" && explainOf(serveJobSchema.parse(plan.params)).hosts.includes(self));
  if (isTelling && rule.explain === "nothing") return refuse("POLICY_EXPLAIN");
  if (plan.log2FloodDistance > floodBudgetBits) return refuse("KERNEL_FLOOD_BUDGET");
  if (plan.guest === self && plan.params["feedback"] !== undefined && rule.feedback === "nothing") return refuse("POLICY_FEEDBACK");
  if (plan.guest === self && rule.sealTo !== undefined && rule.sealTo !== plan.sealTo.x) return refuse("POLICY_SEAL_TO");
  const isKeyKnown = plan.guest !== self || (rule.sealTo !== undefined && knowsSubscribers(plan, rule));
  return { kind: rule.approve === "auto" && isKeyKnown && knowsScorecard(plan, rule) ? "approve" : "ask", rule };
}

/** The rule that a plan falls under; undefined when there is none, and the plan is refused. */
export function ruleFor(plan: Pick<JobPlan, "guest" | "kind" | "purpose">, policy: Policy | undefined): PolicyRule | undefined {
  return policy?.allow.find((r) => r.guest === plan.guest && r.kinds.includes(plan.kind) && r.purposes.includes(plan.purpose));
}

/** Whether a plan is about these data of this party. */
export function fitsData(plan: JobPlan, self: PartyId, own: DatasetSummary): boolean {
  const stated = plan.datasets[self];
  return stated !== undefined && canonicalJson(shapeOf(stated, plan.kind)) === canonicalJson(shapeOf(own, plan.kind));
}

/** What of a data set a plan holds its party to: all of it, or for a service, which outlives snapshots, all but rows and digest. */
function shapeOf(summary: DatasetSummary, kind: JobPlan["kind"]): Partial<DatasetSummary> {
  if (!isServing(kind)) return summary;
  const { rows: _rows, snapshotDigest: _digest, ...shape } = summary;
  return shape;
}

/** Whether everything that an evaluation pushes is sealed to keys that this party's own rule names: those of the plan come from the platform. */
function knowsSubscribers(plan: JobPlan, rule: PolicyRule): boolean {
  if (plan.kind !== "evaluate") return true;
  const { subscribers } = rule.evaluation ?? defaultEvaluationRule;
  return evaluateJobSchema.parse(plan.params).pushes.every(({ institution, sealTo }) => Object.hasOwn(subscribers, institution) && subscribers[institution] === sealTo);
}

/** Whether the scorecard of an evaluation is the built-in one, or one that this party's rule names. */
function knowsScorecard(plan: JobPlan, rule: PolicyRule): boolean {
  if (plan.kind !== "evaluate") return true;
  const { scorecard } = evaluateJobSchema.parse(plan.params);
  return scorecard === undefined || (rule.evaluation ?? defaultEvaluationRule).scorecards.includes(scorecardDigest(scorecard));
}

/** Whether a service asks for no more than this party's rule allows, and ends when its plan says. */
function isServiceWithin(plan: JobPlan, rule: PolicyRule): boolean {
  const service = serviceRuleSchema.parse(rule.service ?? {});
  const { days, requestsPerDay, companiesPerMonth, perCompanyPerDay, setsPerCompany } = serveJobSchema.parse(plan.params);
  return plan.expiresAt === endOfService(plan.createdAt, days) && days <= service.maxDays && requestsPerDay <= service.maxRequestsPerDay && companiesPerMonth <= service.maxCompaniesPerMonth
    && perCompanyPerDay <= service.maxPerCompanyPerDay && setsPerCompany <= service.maxSetsPerCompany;
}

/** Whether this party's rule names the way in which a service or batch protects model and data, and its part is within it. */
function isProtectionWithin(plan: JobPlan, self: PartyId, { encryptedModel, wholeModel, jointTrees }: PolicyRule): boolean {
  const served = plan.kind === "serve" ? serveJobSchema.parse(plan.params) : undefined;
  if (served?.protection === "joint-trees") return jointTrees !== undefined && served.questionsPerCompany <= jointTrees.maxQuestionsPerCompany;
  const model = broughtModel(plan);
  if (model === undefined) return true;
  if ("features" in model) return encryptedModel !== undefined && model.features.filter((f) => f.party === self).length <= encryptedModel.maxWeights;
  if (wholeModel === undefined) return false;
  return plan.guest === self ? model.columns.every((c) => wholeModel.columns.includes(c)) : model.bytes <= wholeModel.maxBytes;
}

type Brought = { readonly features: readonly { readonly party: PartyId }[] } | { readonly bytes: number; readonly columns: readonly string[] };

/** What a plan says of a model that the bank brings, where it does. */
function broughtModel(plan: Pick<JobPlan, "kind" | "params">): Brought | undefined {
  if (plan.kind === "serve") {
    const params = serveJobSchema.parse(plan.params);
    return params.protection === "masked-points" || params.protection === "joint-trees" ? undefined : params;
  }
  if (plan.kind !== "score") return undefined;
  const { shape } = scoreJobSchema.parse(plan.params);
  return isOwnShape(shape) ? { columns: [], ...shape } : undefined;
}

/** Different models by which one company may be scored under this plan's protection. */
export function modelsPerCompany(plan: Pick<JobPlan, "kind" | "params">, rule: PolicyRule): number {
  const model = broughtModel(plan);
  if (model === undefined) return rule.maxModelsPerCompany;
  return ("features" in model ? rule.encryptedModel?.maxModelsPerCompany : rule.wholeModel?.maxModelsPerCompany) ?? 0;
}

/** Why this party does not take part in a monitoring service: it asks for more than its rule allows, or for what its data do not have. */
function refusesWatch(plan: JobPlan, self: PartyId, { rule, options }: { rule: PolicyRule; options: JudgeOptions }): Code | undefined {
  const { maxDays, maxCompanies, maxAlertsPerDay, triggers } = watchRuleSchema.parse(rule.watch ?? {});
  const params = watchJobSchema.parse(plan.params);
  const own = plan.guest === self ? [] : triggersOf(params, self);
  const isWithin = plan.expiresAt === endOfService(plan.createdAt, params.days) && params.days <= maxDays && params.companies <= maxCompanies && params.alertsPerDay <= maxAlertsPerDay;
  if (!isWithin || !own.every(({ kind }) => triggers.includes(kind))) return "POLICY_WATCH";
  return options.watchable?.(plan);
}

/** Whether a verification service asks about fields that this party lets be asked about, in ways that it allows, and no more often. */
function isVerificationWithin(plan: JobPlan, self: PartyId, rule: PolicyRule): boolean {
  const { maxDays, maxRequestsPerDay, maxCompaniesPerMonth, maxPerCompanyPerDay, fields } = verificationRuleSchema.parse(rule.verification ?? {});
  const params = verifyJobSchema.parse(plan.params);
  try {
    requireFields(plan, params.fields);
  } catch (error) {
    if (error instanceof AppError) return false;
    throw error;
  }
  const isAllowed = ({ field, clear, blind }: (typeof params.fields)[number]): boolean => {
    const way = Object.hasOwn(fields, field) ? fields[field] : undefined;
    return way === "any" || (way === "blind" && clear.length === 0) || (way === "clear" && blind.length === 0);
  };
  return params.fields.every((asked) => asked.party !== self || isAllowed(asked)) && plan.expiresAt === endOfService(plan.createdAt, params.days) && params.days <= maxDays
    && params.requestsPerDay <= maxRequestsPerDay && params.companiesPerMonth <= maxCompaniesPerMonth && params.perCompanyPerDay <= maxPerCompanyPerDay;
}

/** The code of the refusal when a party's items are more than the purpose needs, whatever the platform compiled. */
function moreThanNecessary(plan: JobPlan): Code | undefined {
  try {
    requireMinimum(plan);
    return undefined;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

/** Nobody leaves a consent out that the data, or this provider's own rule, need. */
function keepsConsents(
  plan: JobPlan, self: PartyId, { policy, rule, own, options }: { policy: Policy; rule: PolicyRule; own: DatasetSummary; options: JudgeOptions },
): boolean {
  if (plan.kind === "verify") return options.checksClaims === undefined || ((policy.consents !== "off" || options.experiments === true) && options.checksClaims === (own.verification?.consents === true));
  if (policy.consents === "off" && options.experiments !== true && options.checksConsents !== undefined) return false;
  // The policy was changed while the enclave ran: what it has published says something else.
  if (options.checksConsents !== undefined && options.checksConsents !== (own.consents === true)) return false;
  const isTraining = trainingKinds.some((kind) => kind === plan.kind);
  return !(isTraining && plan.guest !== self && rule.consentedOnly) || (plan.params["consentedOnly"] === true && own.consents === true);
}

function usesReviewedSums(plan: JobPlan): boolean {
  try {
    requireSumsParams(plan.sums);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === "KERNEL_PARAMS") return false;
    throw error;
  }
}

/** Whether the plan's own parameters give exactly the statement that it shows. */
function statesItsLeakage(plan: JobPlan): boolean {
  let compiled: Compiled;
  try {
    compiled = compileLeakage(plan);
  } catch (cause) {
    // Parameters that this version cannot read, or that are below the floors, say nothing about what they would reveal.
    if (cause instanceof z.ZodError || cause instanceof AppError) return false;
    throw cause;
  }
  return canonicalJson([compiled.leakage, compiled.attacks]) === canonicalJson([plan.leakage, plan.attacks]) && compiled.log2FloodDistance === plan.log2FloodDistance;
}
