// What every kind of job has at hand in an enclave.
import type { EntityId, PartyId } from "../../core/brand.ts";
import type { Clock, Log } from "../../core/env.ts";
import type { Feature } from "../../models/features.ts";
import type { FinishedHost, MakeReceipt } from "../../federation/finish/end.ts";
import type { FreshIntersections } from "../../federation/align/intersection.ts";
import type { HostGuard } from "../../federation/guards.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";
import type { SetIntersection } from "../../federation/psi/intersection.ts";
import type { Kernels } from "../../kernels/api.ts";
import type { JobAudit } from "../audit/job-audit.ts";
import type { Budgets } from "../budgets.ts";
import type { ActiveLayer } from "../confinement.ts";
import type { ConsentDesk } from "../consents/desk.ts";
import type { Batch } from "../batch/load.ts";
import type { ExpectedColumns } from "../data/columns.ts";
import type { LoadedDataset } from "../data/load.ts";
import type { DataViews } from "../data/views.ts";
import type { LiveTools } from "../live/standing.ts";
import type { Identity } from "../keys/identity.ts";
import type { Ledger } from "../ledger.ts";
import type { Policy, PolicyRule } from "../policy.ts";
import type { StateDatabase } from "../store/database.ts";
import type { Tags } from "../tags/shelves.ts";
import type { ReportDesk } from "../reports.ts";
import type { EvaluationPlatform } from "../transport/evaluation.ts";
import type { Platform } from "../transport/platform.ts";
import type { JobParty, Peer } from "./party.ts";
import type { PhaseClock } from "./phases.ts";
import type { ReceiptBook } from "../receipts/book.ts";
import { checkPeerReceipt, type JobReceipt } from "./receipt.ts";
import type { JobRecords } from "./records.ts";
import type { JobUses } from "./uses.ts";

export type EvaluationTools = { readonly desk: Pick<ReportDesk, "send" | "asReleased">; readonly platform: EvaluationPlatform };
export type JobTools = {
  readonly audit: JobAudit;
  readonly identity: Identity; readonly db: StateDatabase; readonly records: JobRecords; readonly budgets: Budgets;
  /** The live connection, for standing services. */
  readonly live?: LiveTools | undefined;
  /** For the evaluating enclave of full-coverage evaluations. */
  readonly evaluation?: EvaluationTools | undefined;
  readonly platform: Platform; readonly receipts: ReceiptBook; readonly kernels: Kernels; readonly intersections: FreshIntersections; readonly policy: Policy;
  readonly curve: CurveWork; readonly tags: Tags;
  /** The version of the data that the plan names; of a service no more than what is declared: its records are in `data`, which follows the version in service. */
  readonly dataset: LoadedDataset; readonly data: DataViews;
  /** Rejects when a service cannot go on with new data. */
  readonly unfit?: Promise<never> | undefined;
  readonly loadBatch: (batch: string, expected?: ExpectedColumns) => Promise<Batch>; readonly trainOf: Uint8Array | undefined; readonly setSecret: (host: PartyId) => Uint8Array;
  /** Authorisation, where companies are named by their credit codes. */
  readonly consents: ConsentDesk | undefined;
  /** Own features that have a group: the item of the sharing list that they are computed from. */
  readonly groups: ReadonlyMap<string, string>;
  readonly layers: readonly ActiveLayer[]; readonly paths: { readonly inbox: string; readonly results: string; readonly models: string };
  /** By company: what of these providers is under objection, and "score" where the own score is (enclave/subject/objections.ts). */
  readonly marks: (providers: readonly PartyId[]) => ReadonlyMap<string, readonly string[]>;
  readonly peerTimeoutMs: number; readonly now: Clock; readonly log: Log;
};
export type JobInput = {
  readonly plan: JobPlan; readonly planDigest: string; readonly approvals: Readonly<Record<string, string>>;
  readonly rule: PolicyRule; readonly signal: AbortSignal;
  /** The job has ended well at the platform, and this enclave was killed before it kept its part. */
  readonly isOver: boolean;
};
export type JobContext = {
  /** The set intersection that the plan asks for. */
  readonly intersection: SetIntersection;
  readonly tools: JobTools; readonly input: JobInput; readonly party: JobParty; readonly ledger: Ledger; readonly phases: PhaseClock;
  /** Probability of an event per own record by the bank's own model, when the plan names one. */
  readonly challenger: Float64Array | undefined;
  /** The channels of the plan. */
  readonly peers: ReadonlyMap<PartyId, Peer>;
  /** What the job uses of single companies: the receipt commits to it. */
  readonly uses: JobUses;
  /** This enclave's own receipt: made before results leave. */
  readonly receipt: JobReceipt;
};

/** What a host's role of any kind is given. */
export type HostTools = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly guard: HostGuard; readonly intersection: SetIntersection; readonly receipt: MakeReceipt;
};

/** One kind of job: what the bank's enclave does, and what a provider's. */
export type JobKind = {
  readonly guest: (context: JobContext) => Promise<void>;
  readonly host: (context: JobContext, host: HostTools) => Promise<void>;
};

/** Every host's receipt must be signed by it for this plan, its approved data and this model, which the own receipt will name, too. */
export function checkReceipts({ party, input, tools, receipt: own }: JobContext, model: { readonly id: string; readonly digest: string }, hosts: readonly FinishedHost[]): void {
  for (const { host, receipt } of hosts) {
    checkPeerReceipt(receipt, { plan: input.plan, planDigest: input.planDigest, party: host, model, key: party.identityOf(host) });
    tools.audit.checkedReceipt(input.plan, host, receipt);
  }
  own.names(model);
}
