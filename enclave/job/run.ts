// Runs one job at this enclave from the plan to its end: checks everybody's approval, builds the channels, runs the role of
// the job's kind. Started again after a restart, it replays from the stored messages.
import type { KeyObject } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { planIntersection } from "../../federation/align/intersection.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { isServing } from "../../federation/plan-schema.ts";
import { Inbox } from "../accept.ts";
import { hostGuard } from "../budgets.ts";
import { scoreChallenger } from "../challenger.ts";
import { Session, transcriptHash } from "../channel/session.ts";
import { peerKey } from "../keys/identity.ts";
import { Ledger } from "../ledger.ts";
import { modelsPerCompany } from "../policy.ts";
import { keptIntersection } from "../tags/shelves.ts";
import { reach } from "../transport/reach.ts";
import { verifyApproval } from "./approval.ts";
import type { HostTools, JobContext, JobInput, JobTools } from "./context.ts";
import { jobKinds } from "./kinds/kinds.ts";
import { JobParty, type Peer } from "./party.ts";
import { peakRssMb, PhaseClock } from "./phases.ts";
import { JobReceipt } from "./receipt.ts";

export async function runJob(tools: JobTools, input: JobInput): Promise<void> {
  const { plan } = input;
  const self = tools.identity.party;
  // A service goes on over new data of the same shape: its policy has compared that.
  if (!isServing(plan.kind) && plan.datasets[self]?.snapshotDigest !== tools.dataset.snapshotDigest) throw new AppError("ENCLAVE_SNAPSHOT_CHANGED");
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
    audit: tools.audit, platform: tools.platform, kernels: tools.kernels, phases, now: tools.now, log: tools.log, signal: AbortSignal.any([input.signal, ended.signal]), peerTimeoutMs: tools.peerTimeoutMs,
    isOver: input.isOver, checkpoints: tools.records.checkpoints(plan.job, `${tools.paths.inbox}/${plan.job}`),
  });
  try {
    // A challenger that cannot score ends the job here, before anything is sent.
    const challenger = plan.guest === self ? await scoreChallenger(tools, plan) : undefined;
    const intersection = planIntersection({ ...tools.intersections, reusable: keptIntersection(tools, self, plan) }, plan);
    const uses = tools.receipts.uses(plan.job);
    const receipt = new JobReceipt(tools.receipts, { plan, planDigest: input.planDigest, self, ledger, uses, seeds: () => party.auditSeeds(), now: tools.now });
    const context = { tools, input, party, ledger, phases, challenger, intersection, uses, receipt, peers };
    const kind = jobKinds[plan.kind];
    await (plan.guest === self ? kind.guest(context) : kind.host(context, hostTools(context)));
    // Whatever its kind, no job ends well without the receipt of each party.
    tools.audit.madeReceipt(plan, receipt.make());
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

/** The host's own guard, and the receipt that it gives: made once, the same again after a restart. */
function hostTools({ tools, input, ledger, phases, intersection, receipt: own }: JobContext): HostTools {
  const { plan, rule } = input;
  const { dataset, records, identity } = tools;
  const summary = plan.datasets[identity.party];
  const guard = hostGuard({
    budgets: tools.budgets, job: plan.job, guest: plan.guest, dataset: summary?.name ?? "", rule: { ...rule, maxModelsPerCompany: modelsPerCompany(plan, rule) }, ids: dataset.ids, liftFloors: plan.params["liftFloors"] === true,
    service: plan.kind === "evaluate" ? "evaluate" : "score", items: summary?.catalogue?.items ?? [],
  });
  const receipt = (model: { readonly id: string; readonly digest: string }): Promise<TypedBody<"finish/receipt">> =>
    records.once(plan.job, "receipt", () => {
      own.names(model);
      return { receipt: own.make(), account: { phases: phases.times(), sent: ledger.lines().sent, peakRssMb: peakRssMb(), layers: [...tools.layers] } };
    });
  return { guest: plan.guest, hosts: plan.hosts, ids: dataset.ids, features: dataset.features, guard, intersection, receipt };
}
