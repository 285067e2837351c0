// Batch scoring by a model that an earlier job made, of whatever kind it is.
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import type { GuestConsents } from "../../../federation/consents/guest.ts";
import { crossboostGuestHalfSchema, crossboostHostHalfSchema } from "../../../federation/crossboost/half.ts";
import { scoreCellsGuest } from "../../../federation/crossboost/score-guest.ts";
import { scoreCellsHost } from "../../../federation/crossboost/score-host.ts";
import { gbdtGuestHalfSchema, gbdtHostHalfSchema } from "../../../federation/gbdt/half.ts";
import { scoreTreesGuest } from "../../../federation/gbdt/score-guest.ts";
import { scoreTreesHost } from "../../../federation/gbdt/score-host.ts";
import { crossboostExplainer, gbdtExplainer, scorecardExplainer, type Explainer } from "../../../federation/score/explain.ts";
import { scoreGuest, type BatchScores } from "../../../federation/score/guest.ts";
import { scoreHost } from "../../../federation/score/host.ts";
import { isOwnShape, scoreJobSchema, type ModelShape, type OwnShape } from "../../../federation/score/params.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import { modelColumns } from "../../batch/columns.ts";
import type { Batch } from "../../batch/load.ts";
import { checkReceipts, type JobContext, type JobKind } from "../context.ts";
import { bankConsents, withConsents } from "../consents.ts";
import { guestDrift, hostDrift, rowsOf, seeingRows } from "../drift.ts";
import { hostExplain, keepExplanations } from "../explain.ts";
import { readHalf } from "../halves.ts";
import { keepScores } from "../batch-results.ts";
import { scoreOwnGuest, scoreOwnHost } from "./score-own.ts";

export const scoreKind: JobKind = {
  async guest(context) {
    const { tools, input } = context;
    const params = scoreJobSchema.parse(input.plan.params);
    // A scorecard knows which of the bank's columns it needs, and as what.
    const expected = params.shape.kind === "scorecard" ? modelColumns(readHalf(tools.db, input.plan, "scorecard-guest", guestHalfSchema), tools.identity.party) : undefined;
    const batch = await tools.loadBatch(params.batch, expected);
    if (batch.rows !== params.rows) throw new AppError("JOB_PARAMS", { rows: batch.rows });
    const consents = await bankConsents(context, batch.ids);
    const { shape } = params;
    const { model, digest, scaling, scores, explainer } = isOwnShape(shape) ? await scoreOwnGuest(context, batch, shape, consents) : await scoreBy[shape.kind](context, batch, shape, consents);
    checkReceipts(context, { id: model, digest }, scores.receipts);
    const explanations = explainer && await keepExplanations(context, { explainer, scores, batch });
    await keepScores(context, { model, digest, scaling, scores, ids: batch.ids, explanations });
  },
  async host(context, tools) {
    const { tools: { db }, input: { plan } } = context;
    const { shape } = scoreJobSchema.parse(plan.params);
    if (isOwnShape(shape)) await scoreOwnHost(context, tools, shape);
    else if (shape.kind === "scorecard") {
      const half = readHalf(db, plan, "scorecard-host", hostHalfSchema);
      const { party, host } = withConsents(context, tools, half.columns.map((c) => c.feature));
      const seen = seeingRows(host);
      await scoreHost(party, { ...seen.host, explain: hostExplain(context), half });
      await hostDrift(context).noteBatch(seen.held().length, rowsOf(host.features, seen.held()));
    } else if (shape.kind === "crossboost") {
      const half = readHalf(db, plan, "crossboost-host", crossboostHostHalfSchema);
      const { party, host } = withConsents(context, tools, half.columns.map((c) => c.name));
      await scoreCellsHost(party, { ...host, half });
    } else {
      const half = readHalf(db, plan, "gbdt-host", gbdtHostHalfSchema);
      const { party, host } = withConsents(context, tools, half.features.map((f) => f.name));
      await scoreTreesHost(party, { ...host, half });
    }
  },
};

type Scored = { readonly model: string; readonly digest: string; readonly scaling: { points: number; odds: number; pdo: number }; readonly scores: BatchScores; readonly explainer?: Explainer };
type ScoreBy = (context: JobContext, batch: Batch, shape: ModelShape, consents: GuestConsents | undefined) => Promise<Scored>;

const scorecard: ScoreBy = async (context, batch, _shape, consents) => {
  const { tools, input, party, intersection } = context;
  const { plan } = input;
  const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
  const { explain } = scoreJobSchema.parse(plan.params);
  const scores = await scoreGuest(party, { hosts: plan.hosts, half, ...batch, explain, setSecret: tools.setSecret, intersection, consents });
  const scored = Int32Array.from(batch.ids.keys()).filter((record) => !scores.refused.has(record));
  await guestDrift(context).noteBatch(scored.length, rowsOf(batch.features, scored));
  return { model: half.model, digest: digestOf(half), scaling: half.scaling, scores, explainer: scorecardExplainer(half, party.self) };
};

const gbdt: ScoreBy = async ({ tools, input, party, intersection }, batch, shape, consents) => {
  const { plan } = input;
  const half = readHalf(tools.db, plan, "gbdt-guest", gbdtGuestHalfSchema);
  // The statement that everybody approved rests on the size of the model.
  const fits = shape.kind === "gbdt" && half.trees.trees.length <= shape.trees && half.trees.trees.every((t) => t.cuts.length <= shape.depth);
  if (!fits) throw new AppError("JOB_PARAMS", { trees: half.trees.trees.length });
  const scores = await scoreTreesGuest(party, { hosts: plan.hosts, half, ...batch, setSecret: tools.setSecret, intersection, consents });
  return { model: half.model, digest: digestOf(half), scaling: half.scaling, scores, explainer: gbdtExplainer(half) };
};

const crossboost: ScoreBy = async ({ tools, input, party, intersection }, batch, shape, consents) => {
  const { plan } = input;
  const half = readHalf(tools.db, plan, "crossboost-guest", crossboostGuestHalfSchema);
  const fits = shape.kind === "crossboost" && half.joint.stages.every((s) => s.hosts.every((h) => h.columns.every((c) => c.shape.bins + 1 <= shape.bins)));
  if (!fits) throw new AppError("JOB_PARAMS", { stages: half.joint.stages.length });
  const scores = await scoreCellsGuest(party, { hosts: plan.hosts, half, ...batch, setSecret: tools.setSecret, intersection, consents });
  return { model: half.model, digest: digestOf(half), scaling: half.scaling, scores, explainer: crossboostExplainer(half, half.typical) };
};

const scoreBy: Readonly<Record<Exclude<ModelShape, OwnShape>["kind"], ScoreBy>> = { scorecard, gbdt, crossboost };
