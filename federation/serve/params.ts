// Parameters of a standing service for scores, as they stand in its plan: everything that one request may do is fixed here. How model and data
// are protected is chosen by `protection`.
import { z } from "zod";
import { liveParams, mostSets } from "../live/params.ts";
import { explainSchema, type ScoreExplain } from "../score/params.ts";
import { encryptedModelShape, wholeModelShape } from "./own-model.ts";

const fallback = z.enum(["missing-bin", "refuse"]).default("refuse");
const setsPerCompany = z.number().int().min(1).max(mostSets).default(1);

/** Each provider gives its part as one masked byte; weights of the model lie at the providers since training. */
const maskedPoints = z.strictObject({
  protection: z.literal("masked-points").default("masked-points"), ...liveParams, fallback, setsPerCompany,
  /** Reasons with each score: the bank's own columns one by one and the providers' data as one; of providers that are named, and whose policies allow it, their
   *  own part by its names. */
  explain: explainSchema.optional(),
});

/** The bank's own linear model under its key. */
const encryptedModel = z.strictObject({ protection: z.literal("encrypted-model"), ...liveParams, fallback, setsPerCompany, ...encryptedModelShape });

/** Columns of the bank that may go along with one request. */
export const mostColumns = 64;

/** The bank's own ONNX model, run by the only provider of the plan. */
const wholeModel = z.strictObject({
  protection: z.literal("whole-model"), ...liveParams,
  /** Without its provider there is no score. */
  fallback: z.literal("refuse").default("refuse"),
  /** Beyond the first: other values of the bank's columns about the same company, each of which may read 8 more bits. */
  setsPerCompany,
  ...wholeModelShape,
  /** Of the inputs, own columns of the bank that go along with each request; the others are the provider's. */
  columns: z.array(z.string().min(1).max(128)).max(mostColumns).default([]),
}).refine(({ inputs, columns }) => new Set(columns).size === columns.length && columns.every((c) => inputs.includes(c)) && columns.length < inputs.length);

/** Most questions about one company that a plan of joint trees may have. */
export const mostQuestions = 1000;

/** Trees over the bank's and the providers' columns, or tables over pairs of them, that a job of the federation made: nobody learns a branch. */
const jointTrees = z.strictObject({
  protection: z.literal("joint-trees"), ...liveParams, fallback, setsPerCompany,
  /** Questions about one company, for ever and over all such services of the bank: its tables differ from question to question, and nobody can check them. */
  questionsPerCompany: z.number().int().min(1).max(mostQuestions).default(4),
  /** Few, so that a program in a loop does not use up a company's questions at once. */
  perCompanyPerDay: z.number().int().min(1).max(mostQuestions).default(2),
});

export const serveJobSchema = z.discriminatedUnion("protection", [maskedPoints, encryptedModel, wholeModel, jointTrees]);
export type ServeJobParams = z.output<typeof serveJobSchema>;
export type Protection = ServeJobParams["protection"];
export type EncryptedModelParams = z.output<typeof encryptedModel>;
export type JointTreesParams = z.output<typeof jointTrees>;
export type WholeModelParams = z.output<typeof wholeModel>;

/** What of a score is told by its parts; nothing where the plan does not say. */
export function explainOf(params: ServeJobParams): ScoreExplain {
  return (params.protection === "masked-points" ? params.explain : undefined) ?? { reasons: 0, hosts: [] };
}
