// What can be asked of a deployment, and the record of a change that happened. A deployment is one scoring service by name; its versions are
// numbered from 1. The record names models and evaluations by digest; it holds no row, score or company.
import { z } from "zod";
import { jobIdSchema } from "../../core/names.ts";

/** Shares of requests are counted in hundredths of a percent. */
export const wholeShare = 10_000;
export const versionStates = ["candidate", "shadow", "canary", "challenger", "champion", "retired"] as const;
export type VersionState = (typeof versionStates)[number];

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const version = z.int().min(1).max(100_000);
const share = z.int().min(1).max(wholeShare);
const time = z.int().min(0).max(8_640_000_000_000_000);
export const deploymentNameSchema = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/);
/** An operator's name as the institution writes it. */
const person = z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N}._@ -]{0,63}$/u);
const reason = z.string().regex(/^[^\p{C}]{1,500}$/u);

export const registryPolicySchema = z.strictObject({
  /** What canaries and challengers may have together: the champion keeps the rest. */
  maxShare: share.default(5_000),
  /** A version is promoted only on an evaluation that is not older, days. */
  maxEvaluationAgeDays: z.int().min(1).max(3660).default(366),
  /** Whether a second person approves what changes the answers to requests. Going back and switching off need one. */
  twoPersons: z.boolean().default(false),
});
export type RegistryPolicy = z.output<typeof registryPolicySchema>;

/** A validation of one model: its report by digest, and the verdict. */
export const evaluationSchema = z.strictObject({
  /** Of the report. */
  digest,
  /** Of the model that was evaluated. */
  model: digest,
  at: time,
  kind: z.enum(["development", "validation", "shadow", "back-test"]),
  rows: z.int().min(1),
  passed: z.boolean(),
});
export type Evaluation = z.output<typeof evaluationSchema>;

export const changeSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("create"), policy: registryPolicySchema }),
  z.strictObject({ type: z.literal("configure"), policy: registryPolicySchema }),
  /** inputs: digest of the schema of its inputs. */
  z.strictObject({ type: z.literal("register"), model: digest, inputs: digest }),
  z.strictObject({ type: z.literal("evaluate"), version, evaluation: evaluationSchema }),
  z.strictObject({ type: z.literal("shadow"), version }),
  /** On its way to be champion, with a share of requests; again with another share to raise or lower it. */
  z.strictObject({ type: z.literal("canary"), version, share }),
  /** Beside the champion for comparison, with a share of requests. */
  z.strictObject({ type: z.literal("challenger"), version, share }),
  z.strictObject({ type: z.literal("promote"), version }),
  /** One step back: canary and challenger to shadow, shadow to candidate. */
  z.strictObject({ type: z.literal("demote"), version }),
  /** The champion is retired, the one before it is champion again. */
  z.strictObject({ type: z.literal("rollback") }),
  /** Takes a version out of service, or a former champion off the way back. */
  z.strictObject({ type: z.literal("retire"), version }),
  /** A retired version that was evaluated since is a candidate again. */
  z.strictObject({ type: z.literal("reinstate"), version }),
  /** One more service stands for a version: where the version answers, the newest service that runs does. */
  z.strictObject({ type: z.literal("stand"), version, service: jobIdSchema }),
]);
export type Change = z.output<typeof changeSchema>;

export const changeRequestSchema = z.strictObject({
  deployment: deploymentNameSchema,
  /** The revision that the caller has seen; 0 to create. */
  expected: z.int().min(0),
  by: person,
  approvedBy: person.optional(),
  reason,
  change: changeSchema,
});
export type ChangeRequest = z.input<typeof changeRequestSchema>;

export const registryEventSchema = z.strictObject({
  deployment: deploymentNameSchema,
  /** 1, 2, 3 … */
  revision: z.int().min(1),
  at: time,
  by: person,
  approvedBy: person.optional(),
  reason,
  /** Of the version that the change is about (of the one gone back to), and of its last evaluation. */
  model: digest.nullable(),
  evaluation: digest.nullable(),
  change: changeSchema,
  /** Digest of the event before; 64 zeros at revision 1. */
  previous: digest,
});
export type RegistryEvent = z.output<typeof registryEventSchema>;
