// Runs one job at this enclave from the plan to its end: checks everybody's approval, builds the channels, runs the role,
// keeps the result. Started again after a restart, it replays from the stored messages.
import type { KeyObject } from "node:crypto";
import type { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import type { Clock, Log } from "../../core/env.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { SetIntersection } from "../../federation/psi/intersection.ts";
import { floors } from "../../federation/guards.ts";
import { scorecardGuest, type ScorecardGuestResult } from "../../federation/scorecard/guest.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { scoreGuest } from "../../federation/score/guest.ts";
import { scoreHost } from "../../federation/score/host.ts";
import { finishGuest, guestHalf, guestHalfSchema, type FinishedHost, type GuestHalf } from "../../federation/scorecard/finish.ts";
import { hostHalfSchema, type HostHalf } from "../../federation/scorecard/half.ts";
import { scorecardHost } from "../../federation/scorecard/host.ts";
import { scoreJobSchema, scorecardJobSchema } from "../../federation/scorecard/params.ts";
import type { Kernels } from "../../kernels/api.ts";
import type { JointReport } from "../../report/schema.ts";
import { Inbox } from "../accept.ts";
import { guestGuard, hostGuard, labelRankScope, type Budgets } from "../budgets.ts";
import { Session, transcriptHash } from "../channel/session.ts";
import type { LoadedDataset } from "../data/load.ts";
import { peerKey, type Identity } from "../keys/identity.ts";
import { Ledger } from "../ledger.ts";
import type { ActiveLayer } from "../confinement.ts";
import type { Policy, PolicyRule } from "../policy.ts";
import type { StateDatabase } from "../store/database.ts";
import type { Platform } from "../transport/platform.ts";
import { reach } from "../transport/reach.ts";
import { verifyApproval } from "./approval.ts";
import { JobParty, type Peer } from "./party.ts";
import { peakRssMb, PhaseClock } from "./phases.ts";
import { signReceipt, verifyReceipt } from "./receipt.ts";
import type { JobRecords } from "./records.ts";
import { keepGuestResult, keepScores, type Sink } from "./results.ts";

export type JobTools = {
  readonly identity: Identity; readonly db: StateDatabase; readonly records: JobRecords; readonly budgets: Budgets;
  readonly platform: Platform; readonly kernels: Kernels; readonly intersection: SetIntersection; readonly policy: Policy;
  readonly dataset: LoadedDataset; readonly loadBatch: (batch: string) => Promise<LoadedDataset>; readonly trainOf: Uint8Array | undefined; readonly setSecret: (host: PartyId) => Uint8Array;
  readonly layers: readonly ActiveLayer[]; readonly paths: { readonly inbox: string; readonly results: string; readonly models: string };
  readonly peerTimeoutMs: number; readonly now: Clock; readonly log: Log;
};
export type JobInput = {
  readonly plan: JobPlan; readonly planDigest: string; readonly approvals: Readonly<Record<string, string>>;
  readonly rule: PolicyRule; readonly signal: AbortSignal;
  /** The job has ended well at the platform, and this enclave was killed before it kept its part. */
  readonly isOver: boolean;
};

export async function runJob(tools: JobTools, input: JobInput): Promise<void> {
  const { plan } = input;
  const self = tools.identity.party;
  if (plan.datasets[self]?.snapshotDigest !== tools.dataset.snapshotDigest) throw new AppError("ENCLAVE_SNAPSHOT_CHANGED");
  const peers = await openChannels(tools, input);
  const secrets = tools.records.secrets(plan.job);
  if (secrets === undefined) throw new AppError("ENCLAVE_KEYS");
  const ledger = new Ledger(tools.db, plan, self);
  const inbox = new Inbox({ db: tools.db, plan, self, folder: `${tools.paths.inbox}/${plan.job}`, now: tools.now });
  const phases = new PhaseClock({ db: tools.db, job: plan.job, platform: tools.platform, now: tools.now, log: tools.log });
  // When one of several exchanges fails, the others stop with it: nothing leaves for a job that has failed.
  const ended = new AbortController();
  const party = new JobParty({
    self, role: plan.guest === self ? "guest" : "host", job: plan.job, seed: secrets.seed, identity: tools.identity.signKey, peers, inbox, ledger,
    platform: tools.platform, kernels: tools.kernels, phases, now: tools.now, log: tools.log, signal: AbortSignal.any([input.signal, ended.signal]), peerTimeoutMs: tools.peerTimeoutMs,
    isOver: input.isOver,
  });
  try {
    if (plan.guest === self && plan.kind === "score") await runScoreGuest(tools, input, party);
    else if (plan.guest === self) await runGuest(tools, input, party, ledger, phases);
    else await runHost(tools, input, party, ledger, phases);
    tools.records.keepForAudit(plan.job, party.auditSeeds());
  } finally {
    ended.abort(new AppError("JOB_ENDED"));
    await phases.settled();
  }
}

/** Verifies every approval (signature, issuer, plan) and derives the channel to each peer. */
async function openChannels(tools: JobTools, input: JobInput): Promise<Map<PartyId, Peer>> {
  const { plan, planDigest } = input;
  const { identity } = tools;
  const certificates = await reach(() => tools.platform.parties(), { signal: input.signal, log: tools.log });
  const approvals = new Map<PartyId, string>();
  const opened = new Map<PartyId, { key: KeyObject; channelKey: string }>();
  for (const party of [plan.guest, ...plan.hosts]) {
    const jws = input.approvals[party];
    const pem = party === identity.party ? identity.identityCertificate : certificates.get(party);
    if (jws === undefined || pem === undefined) throw new AppError("APPROVAL_INVALID", { party });
    const key = peerKey(pem, { party, ca: identity.ca, now: tools.now(), pinned: tools.policy.pinned[party] });
    const approval = await verifyApproval(jws, { job: plan.job, party, planDigest, key });
    approvals.set(party, jws);
    opened.set(party, { key, channelKey: approval.channelKey });
  }
  const secrets = tools.records.secrets(plan.job);
  if (secrets === undefined || opened.get(identity.party)?.channelKey !== secrets.ephemeral.publicX) throw new AppError("ENCLAVE_KEYS");
  const transcript = transcriptHash(planDigest, approvals);
  opened.delete(identity.party);
  return new Map([...opened].map(([peer, { key, channelKey }]) => {
    const session = new Session({ self: identity.party, peer, ephemeral: secrets.ephemeral, peerPublicX: channelKey, transcript });
    return [peer, { role: peer === plan.guest ? "guest" : "host", session, identity: key }];
  }));
}

async function runHost(tools: JobTools, input: JobInput, party: JobParty, ledger: Ledger, phases: PhaseClock): Promise<void> {
  const { plan, planDigest, rule } = input;
  const { dataset, records, identity, db } = tools;
  const guard = hostGuard({ budgets: tools.budgets, job: plan.job, guest: plan.guest, dataset: plan.datasets[identity.party]?.name ?? "", rule, ids: dataset.ids });
  const receipt = (model: { readonly id: string; readonly digest: string }): Promise<TypedBody<"finish/receipt">> =>
    records.once(plan.job, "receipt", async () => ({
      receipt: await signReceipt({ plan, planDigest, self: identity.party, model, ledger, key: identity.signKey, now: tools.now() }),
      account: { phases: phases.times(), sent: ledger.lines().sent, peakRssMb: peakRssMb(), layers: [...tools.layers] },
    }));
  const common = { guest: plan.guest, hosts: plan.hosts, ids: dataset.ids, features: dataset.features, guard, intersection: tools.intersection, receipt };
  if (plan.kind === "score") {
    await scoreHost(party, { ...common, half: readHalf(db, plan, "scorecard-host", hostHalfSchema) });
    return;
  }
  const half = await scorecardHost(party, { ...common, params: scorecardJobSchema.parse(plan.params) });
  keepHalf(tools, plan, "scorecard-host", half);
}

/** Every host's receipt must be signed by it for this plan, its approved data and this model. */
async function checkReceipts(party: JobParty, input: JobInput, half: GuestHalf, hosts: readonly FinishedHost[]): Promise<void> {
  const model = { id: half.model, digest: digestOf(half) };
  for (const { host, receipt } of hosts) {
    await verifyReceipt(receipt, { plan: input.plan, planDigest: input.planDigest, party: host, model, key: party.identityOf(host) });
  }
}

function keepHalf(tools: JobTools, plan: JobPlan, kind: string, half: HostHalf | GuestHalf): void {
  tools.db.run("insert or replace into models values (?, ?, ?, ?, ?)", half.model, plan.job, tools.now(), kind, JSON.stringify(half));
}

/** This enclave's half of the model that the plan names. */
function readHalf<T>(db: StateDatabase, plan: JobPlan, kind: string, schema: z.ZodType<T>): T {
  const half = db.get("select half from models where model = ? and kind = ?", plan.model ?? "", kind)?.["half"];
  if (typeof half !== "string") throw new AppError("JOB_MODEL_UNKNOWN");
  return schema.parse(JSON.parse(half));
}

async function runScoreGuest(tools: JobTools, input: JobInput, party: JobParty): Promise<void> {
  const { plan } = input;
  const params = scoreJobSchema.parse(plan.params);
  const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
  const batch = await tools.loadBatch(params.batch);
  if (batch.rows !== params.rows) throw new AppError("JOB_PARAMS", { rows: batch.rows });
  const scores = await scoreGuest(party, {
    hosts: plan.hosts, half, ids: batch.ids, features: batch.features, setSecret: tools.setSecret, intersection: tools.intersection,
  });
  await checkReceipts(party, input, half, scores.receipts);
  await keepScores({ half, scores, ids: batch.ids, ...sinkOf(tools, input) });
}

async function runGuest(tools: JobTools, input: JobInput, party: JobParty, ledger: Ledger, phases: PhaseClock): Promise<void> {
  const { plan, planDigest } = input;
  const { dataset, identity, records } = tools;
  const params = scorecardJobSchema.parse(plan.params);
  if (dataset.label === undefined) throw new AppError("JOB_NOT_LABELLED");
  if (params.split.kind === "file" && tools.trainOf === undefined) throw new AppError("JOB_PARAMS");
  const guard = guestGuard(tools.budgets, plan.job);
  const result = await scorecardGuest(party, {
    hosts: plan.hosts, params, ids: dataset.ids, label: dataset.label, features: dataset.features,
    trainOf: params.split.kind === "file" ? tools.trainOf : undefined, setSecret: tools.setSecret, guard, intersection: tools.intersection,
  });
  const half = guestHalf(plan.job, plan.hosts, result, params);
  const hosts = await finishGuest(party, plan.hosts, result, half);
  await checkReceipts(party, input, half, hosts);
  keepHalf(tools, plan, "scorecard-guest", half);
  const createdAt = await records.once(plan.job, "created-at", () => new Date(tools.now()).toISOString());
  await keepGuestResult({
    planDigest, self: identity.party, params, result, half, hosts, ledger: ledger.lines(), ledgerDigest: ledger.digest(), phases: phases.times(),
    layers: tools.layers, createdAt, ids: dataset.ids, budgets: budgetLines(tools, plan, result), ...sinkOf(tools, input),
  });
}

function sinkOf(tools: JobTools, { plan, signal }: JobInput): Sink {
  return { plan, folder: `${tools.paths.results}/${plan.job}`, platform: tools.platform, signal, log: tools.log };
}

/** What this job left of the budgets that the guest's own enclave keeps. */
function budgetLines(tools: JobTools, plan: JobPlan, result: ScorecardGuestResult): JointReport["leakage"]["budgets"] {
  const { rowSetDigest, trainRows } = result.alignment;
  return plan.hosts.map((host) => ({
    kind: "label-rank", name: { en: "label statistics given to this host about this training set", zh: "就该训练集提供给该数据方的标签统计" },
    party: host, peer: plan.guest, used: tools.budgets.used(labelRankScope(host, rowSetDigest)), limit: Math.floor(floors.maxLabelRankPerRow * trainRows),
  }));
}
