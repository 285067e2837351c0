// One closed table of error codes, one error class. Facts are numbers, booleans and public names: a row, an id, a key
// or a token cannot fit in here.
import type { ClauseId, ItemId, JobId, PartyId } from "./brand.ts";
import { auditErrors } from "./error-codes/audit.ts";
import { budgetErrors } from "./error-codes/budgets.ts";
import { catalogueErrors } from "./error-codes/catalogue.ts";
import { cliErrors } from "./error-codes/cli.ts";
import { consentErrors } from "./error-codes/consent.ts";
import { coreErrors } from "./error-codes/core.ts";
import { dataErrors } from "./error-codes/data.ts";
import { demoErrors } from "./error-codes/demo.ts";
import { enclaveErrors } from "./error-codes/enclave.ts";
import { evaluationErrors } from "./error-codes/evaluation.ts";
import { institutionErrors } from "./error-codes/institutions.ts";
import { indicatorErrors } from "./error-codes/indicators.ts";
import { jobErrors } from "./error-codes/job.ts";
import { kernelErrors } from "./error-codes/kernel.ts";
import { liveErrors } from "./error-codes/live.ts";
import { modelErrors } from "./error-codes/model.ts";
import { monitoringErrors } from "./error-codes/monitoring.ts";
import { platformErrors } from "./error-codes/platform.ts";
import { protocolErrors } from "./error-codes/protocol.ts";
import { qualityErrors } from "./error-codes/quality.ts";
import { outcomeErrors } from "./error-codes/outcomes.ts";
import { publicErrors } from "./error-codes/public.ts";
import { receiptErrors } from "./error-codes/receipts.ts";
import { servingErrors } from "./error-codes/serving.ts";
import { verifyErrors } from "./error-codes/verify.ts";
import { subjectErrors } from "./error-codes/subject.ts";

/** What a code means: HTTP status, and a sentence with a way out in both languages. */
export type ErrorSpec = { readonly status: number; readonly en: string; readonly zh: string };

export const errorTable = {
  ...auditErrors,
  ...budgetErrors,
  ...catalogueErrors,
  ...cliErrors,
  ...consentErrors,
  ...coreErrors,
  ...dataErrors,
  ...demoErrors,
  ...enclaveErrors,
  ...evaluationErrors,
  ...institutionErrors,
  ...indicatorErrors,
  ...jobErrors,
  ...kernelErrors,
  ...liveErrors,
  ...modelErrors,
  ...monitoringErrors,
  ...platformErrors,
  ...protocolErrors,
  ...qualityErrors,
  ...outcomeErrors,
  ...publicErrors,
  ...receiptErrors,
  ...servingErrors,
  ...verifyErrors,
  ...subjectErrors,
} as const satisfies Record<string, ErrorSpec>;

export type Code = keyof typeof errorTable;
export type Facts = Readonly<Record<string, number | boolean | PartyId | JobId | ItemId | ClauseId>>;

/** The only error that crosses a module border on purpose. */
export class AppError extends Error {
  readonly code: Code;
  readonly facts: Facts;

  constructor(code: Code, facts: Facts = {}, options?: ErrorOptions) {
    super(`${code} ${JSON.stringify(facts)}`, options);
    this.name = "AppError";
    this.code = code;
    this.facts = facts;
  }
}

/** The public face of an error: problem+json without the `instance`. */
export function describeError(code: Code): ErrorSpec {
  return errorTable[code];
}

export function isAppError(error: unknown): error is AppError {
  return error instanceof AppError;
}
