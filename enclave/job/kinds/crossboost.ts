// Boosting on cross-party cells: trains it, keeps both halves, makes the report.
import { crossboostJobGuest, crossboostJobHost, type CrossboostTrained } from "../../../federation/crossboost/job.ts";
import { crossboostJobSchema, type CrossboostJobParams } from "../../../federation/crossboost/params.ts";
import { scoreUnit } from "../../../models/crossboost/own.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import { guestGuard } from "../../budgets.ts";
import { withConsents } from "../consents.ts";
import { checkReceipts, type JobKind } from "../context.ts";
import { keepHalf } from "../halves.ts";
import type { KindParts } from "../report/base.ts";
import { keepTraining, trainingData } from "../results.ts";

export const crossboostKind: JobKind = {
  async guest(context) {
    const { tools, input, party } = context;
    const { plan } = input;
    const params = crossboostJobSchema.parse(plan.params);
    const trained = await crossboostJobGuest(party, { ...(await trainingData(context, params.split)), params, guard: guestGuard(tools.budgets, plan.job) });
    const { half, alignment, label, result, metrics, guestOnly } = trained;
    const model = { id: half.model, digest: trained.digest };
    checkReceipts(context, model, trained.receipts);
    keepHalf(tools, plan, "crossboost-guest", half.model, half);
    await keepTraining(context, {
      kind: "crossboost", model, hosts: trained.receipts, alignment, label, odds: result.odds, metrics, guestOnly, scaling: params.scaling,
      opened: result.opened, budgets: [], parts: () => parts(trained, params),
    });
  },
  async host(context, own) {
    const { tools, input } = context;
    const { party, host } = withConsents(context, own, own.features.map((f) => f.name));
    const half = await crossboostJobHost(party, { ...host, params: crossboostJobSchema.parse(input.plan.params) });
    keepHalf(tools, input.plan, "crossboost-host", half.model, half);
  },
};

function parts({ half, result }: CrossboostTrained, params: CrossboostJobParams): KindParts {
  const { prepared, stages, offers, queries } = result;
  const last = stages.at(-1)?.decision;
  const weight = last?.weight ?? 0;
  const beyond = last?.beyond ?? 0;
  return {
    model: {
      kind: "crossboost", id: half.model, params: params.crossboost,
      scaling: { ...params.scaling, base: pointsOfOdds(prepared.own.model.base * scoreUnit, params.scaling) },
      cells: stages[0]?.queries.cells.total ?? 0, queries, steps: params.crossboost.steps * params.crossboost.bags,
      heldBackRows: prepared.trainRows - prepared.countedRows,
      // `beyond` is how many standard deviations the weight is from zero.
      total: { weight, standardError: beyond === 0 ? 0 : Math.abs(weight / beyond), kept: stages.some((s) => s.decision.layer !== null) },
      columns: offers.map((o) => ({ party: o.host, columns: o.columns.length })),
    },
    features: [],
    notes: [{
      en: "Figures of the training part are optimistic: but for the rows held back, the hosts' tables have seen its outcomes. Judge by the test part.",
      zh: "训练部分的指标偏乐观：除留出行外，其结果已用于生成数据方表格。请以测试部分为准。",
    }],
  };
}
