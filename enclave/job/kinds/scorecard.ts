// A joint scorecard: trains it, keeps both halves, makes the report.
import { digestOf } from "../../../core/canonical.ts";
import { floors } from "../../../federation/guards.ts";
import { finishGuest, guestHalf } from "../../../federation/scorecard/finish.ts";
import { scorecardGuest, type ScorecardGuestResult } from "../../../federation/scorecard/guest.ts";
import { scorecardHost } from "../../../federation/scorecard/host.ts";
import { scorecardJobSchema } from "../../../federation/scorecard/params.ts";
import type { JointReport } from "../../../report/schema.ts";
import { guestGuard, labelRankScope } from "../../budgets.ts";
import { withConsents } from "../consents.ts";
import { checkReceipts, type JobContext, type JobKind } from "../context.ts";
import { keepHalf } from "../halves.ts";
import { scorecardParts } from "../report/scorecard.ts";
import { keepTraining, trainingData } from "../results.ts";

export const scorecardKind: JobKind = {
  async guest(context) {
    const { tools, input, party } = context;
    const { plan } = input;
    const params = scorecardJobSchema.parse(plan.params);
    const data = await trainingData(context, params.split);
    const guard = guestGuard(tools.budgets, plan.job);
    const result = await scorecardGuest(party, { ...data, params, guard });
    const half = guestHalf(plan.job, plan.hosts, result, params);
    const model = { id: half.model, digest: digestOf(half) };
    const hosts = await finishGuest(party, plan.hosts, result, half, params.feedback === undefined ? undefined : guard);
    checkReceipts(context, model, hosts);
    keepHalf(tools, plan, "scorecard-guest", half.model, half);
    const { fitted, alignment, label } = result;
    await keepTraining(context, {
      kind: "scorecard", model, hosts, alignment, label, odds: fitted.stage.odds, metrics: fitted.metrics, guestOnly: fitted.guestOnly,
      scaling: params.scorecard.scaling, opened: fitted.opened, budgets: budgetLines(context, result), parts: () => scorecardParts(party.self, params, result, half),
    });
  },
  async host(context, own) {
    const { tools, input } = context;
    const { party, host } = withConsents(context, own, own.features.map((f) => f.name));
    const half = await scorecardHost(party, { ...host, params: scorecardJobSchema.parse(input.plan.params) });
    keepHalf(tools, input.plan, "scorecard-host", half.model, half);
  },
};

/** What this job left of the budgets that the guest's own enclave keeps. */
function budgetLines({ tools, input: { plan } }: JobContext, result: ScorecardGuestResult): JointReport["leakage"]["budgets"] {
  const { rowSetDigest, trainRows } = result.alignment;
  return plan.hosts.map((host) => ({
    kind: "label-rank", name: { en: "label statistics given to this host about this training set", zh: "就该训练集提供给该数据方的标签统计" },
    party: host, peer: plan.guest, used: tools.budgets.used(labelRankScope(host, rowSetDigest)), limit: Math.floor(floors.maxLabelRankPerRow * trainRows),
  }));
}
