// Batch scoring by a model that an earlier job made.
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { scoreGuest } from "../../../federation/score/guest.ts";
import { scoreHost } from "../../../federation/score/host.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import { scoreJobSchema } from "../../../federation/scorecard/params.ts";
import { checkReceipts, type JobKind } from "../context.ts";
import { readHalf } from "../halves.ts";
import { keepScores } from "../results.ts";

export const scoreKind: JobKind = {
  async guest(context) {
    const { tools, input, party } = context;
    const { plan } = input;
    const params = scoreJobSchema.parse(plan.params);
    const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
    const batch = await tools.loadBatch(params.batch);
    if (batch.rows !== params.rows) throw new AppError("JOB_PARAMS", { rows: batch.rows });
    const scores = await scoreGuest(party, {
      hosts: plan.hosts, half, ids: batch.ids, features: batch.features, setSecret: tools.setSecret, intersection: tools.intersection,
    });
    await checkReceipts(context, { id: half.model, digest: digestOf(half) }, scores.receipts);
    await keepScores(context, { model: half.model, scaling: half.scaling, scores, ids: batch.ids });
  },
  async host({ tools, input, party }, host) {
    await scoreHost(party, { ...host, half: readHalf(tools.db, input.plan, "scorecard-host", hostHalfSchema) });
  },
};
