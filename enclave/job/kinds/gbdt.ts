// Boosted trees across domains, the declared leaky tier: trains them, keeps both halves, makes the report.
import { AppError } from "../../../core/errors.ts";
import { gbdtJobGuest, gbdtJobHost, type GbdtTrained } from "../../../federation/gbdt/job.ts";
import { gbdtGuestHalfSchema, gbdtHostHalfSchema } from "../../../federation/gbdt/half.ts";
import { treeLimits } from "../../../federation/gbdt/floors.ts";
import { gbdtJobSchema, type GbdtJobParams } from "../../../federation/gbdt/params.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import { treeImportance } from "../../../models/trees/importance.ts";
import { gradientFractionBits, scoreFractionBits } from "../../../models/trees/model.ts";
import { guestGuard } from "../../budgets.ts";
import { withConsents } from "../consents.ts";
import { checkReceipts, type JobKind } from "../context.ts";
import { keepHalf, readHalf } from "../halves.ts";
import type { KindParts } from "../report/base.ts";
import { keepTraining, trainingData } from "../results.ts";

export const gbdtKind: JobKind = {
  async guest(context) {
    const { tools, input, party } = context;
    const { plan } = input;
    const params = gbdtJobSchema.parse(plan.params);
    const budget = guestGuard(tools.budgets, plan.job);
    // An experiment on one machine: what hosts learn is counted there all the same, by the hosts.
    const guard = params.liftFloors ? { ...budget, chargeLabelRank: () => undefined } : budget;
    const from = params.from === undefined ? undefined : readHalf(tools.db, params.from, "gbdt-guest", gbdtGuestHalfSchema);
    // The statement that everybody approved rests on the size of the earlier model.
    if (from !== undefined && from.trees.trees.length > (params.from?.trees ?? 0)) throw new AppError("JOB_PARAMS", { trees: from.trees.trees.length });
    const trained = await gbdtJobGuest(party, { ...(await trainingData(context, params.split)), params, guard, from });
    const { half, alignment, label, odds, metrics, guestOnly } = trained;
    const model = { id: half.model, digest: trained.digest };
    checkReceipts(context, model, trained.receipts);
    keepHalf(tools, plan, "gbdt-guest", half.model, half);
    await keepTraining(context, {
      kind: "gbdt", model, hosts: trained.receipts, alignment, label, odds, metrics, guestOnly, scaling: params.scaling, opened: 0, budgets: [],
      parts: () => parts(trained, params),
    });
  },
  async host(context, own) {
    const { tools, input } = context;
    const { party, host } = withConsents(context, own, own.features.map((f) => f.name));
    const { plan } = input;
    const params = gbdtJobSchema.parse(plan.params);
    const kind = params.trees.noise ? "noisy" : "exact";
    const guard = { ...host.guard, chargeQueries: (label: string, queries: number) => host.guard.chargeQueries(label, queries, kind) };
    const offered = params.from === undefined ? undefined : readHalf(tools.db, params.from, "gbdt-host", gbdtHostHalfSchema).offered;
    if (params.from !== undefined && offered === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    const half = await gbdtJobHost(party, { ...host, guard, params, offered });
    keepHalf(tools, plan, "gbdt-host", half.model, half);
  },
};

const ends = { trees: "trees", earlyStop: "early-stopping", noGain: "no-gain", tooFewRows: "too-few-rows" } as const;

function parts({ half, result, alignment }: GbdtTrained, params: GbdtJobParams): KindParts {
  const { grown } = result;
  const { noise } = treeLimits({ trainRows: alignment.trainRows, params: params.trees, liftFloors: params.liftFloors });
  const sd = (cell: { log2Sd: number; shift: number } | undefined): number => (cell === undefined ? 0 : 2 ** (cell.log2Sd - cell.shift - gradientFractionBits));
  return {
    model: {
      kind: "gbdt", id: half.model, params: params.trees, scaling: { ...params.scaling, base: pointsOfOdds(grown.model.base / 2 ** scoreFractionBits, params.scaling) },
      trees: grown.model.trees.length, stopped: ends[grown.end], floorsLifted: params.liftFloors, noise: { gradient: sd(noise?.g), hessian: sd(noise?.h) },
      disclosed: [...result.hosts].map(([party, h]) => ({ party, bitsPerRow: h.bitsPerRow, cuts: h.cuts.length, queries: h.cells > 0 ? result.queries : 0 })),
      importance: [...treeImportance(grown.model).features],
    },
    features: [],
  };
}
