// The one door out of a domain: schema, plan and ledger first, then the seal; for reports to the platform schema and ledger. Transports accept
// nothing but what it returns.
import type { KeyObject } from "node:crypto";
import type { z } from "zod";
import { alertReportSchema } from "../api/contract/monitoring.ts";
import { probingReportSchema } from "../api/contract/probing.ts";
import { servedModelsSchema } from "../api/contract/outcomes.ts";
import { evaluationReportSchema } from "../api/contract/evaluations.ts";
import { usageReportSchema } from "../api/contract/usage.ts";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { PartyId, Released } from "../core/brand.ts";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { encodeFrame } from "../core/codec.ts";
import { AppError } from "../core/errors.ts";
import { serviceAnswerSchema, type ServiceAnswer } from "../api/contract/services.ts";
import { checkBody, type Ends } from "../federation/messages.ts";
import { outcomeCountsSchema } from "../models/outcomes/release.ts";
import { stabilityReportSchema } from "../monitoring/drift/report.ts";
import { publicationSchema } from "../quality/publication.ts";
import { frameDigest, sealFrame } from "./channel/seal.ts";
import type { Session } from "./channel/session.ts";
import type { Ledger } from "./ledger.ts";
import type { LiveEpoch } from "./live/epoch.ts";
import { sealAnswer } from "./live/request.ts";
import type { ServiceLedger } from "./live/service-ledger.ts";
import type { ReportLedger } from "./reports.ts";
import type { ReportKind } from "./transport/reports.ts";

/** A message that may leave; `sealed` is undefined when the relay has it already. */
export type Outgoing = { readonly sealed: Released | undefined; readonly seq: number };

/** Checks, writes down and seals one message. Throws before anything is written when the message may not leave. */
export function release(options: {
  type: string; body: unknown; to: PartyId; seq: number; ends: Ends; session: Session; identity: KeyObject; ledger: Ledger; pool?: BufferPool;
}): Outgoing {
  const { type, to, seq, ledger } = options;
  const body = checkBody(type, options.body, options.ends);
  const frame = encodeFrame(type, body);
  const digest = frameDigest(frame);
  const sealOptions = { digest, ...(options.pool === undefined ? {} : { pool: options.pool }) };
  const { acknowledged } = ledger.enter(to, seq, type, frame.length, digest);
  return { sealed: acknowledged ? undefined : (sealFrame(frame, seq, options.session, options.identity, sealOptions) as Released), seq };
}

/** Checks and writes down one live message of a service, waits until that and what it rests on is durable, and seals it. undefined: there is no
 *  epoch with that peer any more. Throws before anything is written when the message may not leave. */
export async function releaseLive(options: {
  readonly type: string; readonly body: unknown; readonly to: PartyId; readonly ends: Ends; readonly ledger: Pick<ServiceLedger, "enter">; readonly settled: () => Promise<void>; readonly epoch: () => LiveEpoch | undefined;
}): Promise<Released | undefined> {
  const { type, to, ends } = options;
  const frame = encodeFrame(type, checkBody(type, options.body, ends));
  options.ledger.enter(to, "sent", type, frame.length, frameDigest(frame));
  await options.settled();
  return options.epoch()?.seal(frame) as Released | undefined;
}

/** Checks one answer of a service to its bank, waits until what it rests on is durable, and seals it under the key of the request. Throws REPORT_SCHEMA. */
export async function releaseAnswer(options: { readonly answer: ServiceAnswer; readonly key: string; readonly settled: () => Promise<void> }): Promise<Released> {
  return releaseSealed({ ...options, schema: serviceAnswerSchema });
}

/** The same of an answer of another shape. */
export async function releaseSealed<T>(options: { readonly answer: T; readonly schema: z.ZodType<T>; readonly key: string; readonly settled: () => Promise<void> }): Promise<Released> {
  const checked = options.schema.safeParse(options.answer);
  if (!checked.success) throw new AppError("REPORT_SCHEMA", { problems: checked.error.issues.length });
  await options.settled();
  // Of its own memory: answers are kept for minutes, and one in a slab of Node's pool would keep all else that lies there.
  return new TextEncoder().encode(await sealAnswer(checked.data, options.key)) as Released;
}

/** All that may leave in a report to the platform: there is no room in it for a count of records (finished loans alone are counted, from 20 on), a name of a table or column, a text or a company. */
export const reportSchemas = { quality: publicationSchema, probing: probingReportSchema, usage: usageReportSchema, evaluation: evaluationReportSchema, outcomes: outcomeCountsSchema, "served-models": servedModelsSchema, alert: alertReportSchema, stability: stabilityReportSchema } as const satisfies Record<ReportKind, unknown>;

/** Checks a report and writes it down. Throws REPORT_SCHEMA before anything is written when it may not leave. */
export function releaseReport(options: { readonly kind: ReportKind; readonly body: unknown; readonly at: number; readonly ledger: Pick<ReportLedger, "enter"> }): { readonly report: Released; readonly entry: number } {
  const { kind, at, ledger } = options;
  const checked = reportSchemas[kind].safeParse(options.body);
  if (!checked.success) throw new AppError("REPORT_SCHEMA", { problems: checked.error.issues.length });
  const report = Buffer.from(canonicalJson(checked.data)) as Uint8Array as Released;
  return { report, entry: ledger.enter(kind, report.length, sha256Hex(report), at) };
}
