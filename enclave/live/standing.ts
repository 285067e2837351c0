// What both sides of a service stand on: its plan, channels, ledger, uses and journal. One of it is built at each start of the service and after
// each fault, from what is durable: what was not committed has not left, so nothing else need be undone.
import { setTimeout as delay } from "node:timers/promises";
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { AppError, type Code } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { Session } from "../channel/session.ts";
import type { JobContext, JobTools } from "../job/context.ts";
import type { SecretBox } from "../keys/box.ts";
import type { ServedModels } from "../serving/served.ts";
import type { LiveTransport } from "../transport/live.ts";
import { Journal } from "./journal.ts";
import { ServiceLedger } from "./service-ledger.ts";
import { ServiceUses } from "./service-uses.ts";

export type LiveTools = {
  readonly transport: LiveTransport; readonly box: SecretBox; readonly rng: Rng;
  /** Which of the bank's services answers for which company. */
  readonly served?: ServedModels | undefined;
};
export type Standing = {
  readonly plan: JobPlan; readonly self: PartyId; readonly tools: JobTools & { readonly rng: Rng };
  readonly live: LiveTransport; readonly ledger: ServiceLedger; readonly uses: ServiceUses;
  sessionOf(peer: PartyId): Session;
  /** Writes what is noted in ledger and uses, and `more`; resolves when that, and the audit log's entries about it, are durable. */
  settled(more?: () => void, options?: { readonly soon: boolean }): Promise<void>;
  /** A fault that nothing can be answered after: the service begins again from what is durable. */
  fail(error: unknown): void;
  /** What a peer sent could not be taken in. */
  dropped(party: PartyId, code: Code): void;
};

const beatMs = 1_000;
const againMs = 1_000;
/** The largest number of reports on dropped messages in one beat. */
const maxReports = 5;

/** modelDigest: what receipts name; of a service without a model, of its parameters. */
export type StandOptions = { readonly modelDigest: string; readonly receiptUses: number };

/** Runs one side of a service until its term is over or the signal aborts. Faults begin it again. */
export async function stand(context: JobContext, options: StandOptions, begin: (standing: Standing) => Disposable): Promise<void> {
  const { tools, input: { plan, signal } } = context;
  const end = Date.parse(plan.expiresAt);
  while (tools.now() < end) {
    signal.throwIfAborted();
    try {
      await standOnce(context, options, begin, end);
      return;
    } catch (error) {
      signal.throwIfAborted();
      // A fault of the plan or of this enclave's half does not pass.
      if (error instanceof AppError && lasting.has(error.code)) throw error;
      tools.log.error("service-again", { job: plan.job, code: error instanceof AppError ? error.code : "JOB_INTERNAL" });
      await delay(againMs, undefined, { signal });
    }
  }
}

const lasting: ReadonlySet<Code> = new Set(["JOB_MODEL_UNKNOWN", "JOB_PARAMS", "POLICY_CONSENTS", "ENCLAVE_KEYS", "ENCLAVE_SNAPSHOT_CHANGED", "LEDGER_OUTSIDE_PLAN"]);

async function standOnce(context: JobContext, { modelDigest, receiptUses }: StandOptions, begin: (standing: Standing) => Disposable, end: number): Promise<void> {
  const { tools, peers, input: { plan, planDigest, signal } } = context;
  if (tools.live === undefined) throw new AppError("JOB_PARAMS");
  const { transport, box, rng } = tools.live;
  const self = tools.identity.party;
  const journal = new Journal(tools.db);
  const ledger = new ServiceLedger(tools.db, plan, self);
  const uses = new ServiceUses({
    db: tools.db, box, rng, now: tools.now, book: tools.receipts, plan, planDigest, self, ledger, modelDigest, usesPerReceipt: receiptUses,
    onUses: (batch, companies) => tools.audit.used(batch, companies),
  });
  using ended = new DisposableStack();
  ended.defer(() => uses.end());
  const failed = Promise.withResolvers<never>();
  const over = Promise.withResolvers<void>();
  let reports = 0;
  const standing: Standing = {
    plan, self, tools: { ...tools, rng }, live: transport, ledger, uses,
    sessionOf: (peer) => {
      const found = peers.get(peer);
      if (found === undefined) throw new AppError("PROTOCOL_WRONG_PARTY", { party: peer });
      return found.session;
    },
    settled: async (more, options) => {
      await journal.add(() => {
        more?.();
        ledger.write();
        uses.write();
      }, options);
      await tools.audit.settled();
    },
    fail: (error) => failed.reject(error),
    dropped: (party, code) => {
      reports += 1;
      if (reports <= maxReports) tools.log.warn("live-message-dropped", { job: plan.job, party, code });
    },
  };
  const receipt = (): void => {
    journal.flush();
    uses.close();
  };
  const beat = setInterval(() => {
    reports = 0;
    try {
      if (uses.isDue) receipt();
    } catch (error) {
      failed.reject(error);
    }
    if (tools.now() >= end) over.resolve();
  }, beatMs);
  const stopped = (): void => over.resolve();
  signal.addEventListener("abort", stopped, { once: true });
  try {
    using service = new DisposableStack();
    service.use(begin(standing));
    await Promise.race([over.promise, failed.promise, ...(tools.unfit === undefined ? [] : [tools.unfit])]);
  } finally {
    clearInterval(beat);
    signal.removeEventListener("abort", stopped);
  }
  receipt();
  signal.throwIfAborted();
}
