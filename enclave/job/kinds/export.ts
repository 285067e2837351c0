// Export of a whole model that an earlier job made: every owner sends its half in the open, the bank's enclave writes the files.
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { exportGuest, type GuestOwn } from "../../../federation/export/guest.ts";
import type { OwnerHalf } from "../../../federation/export/half.ts";
import { exportHost } from "../../../federation/export/host.ts";
import { exportJobSchema } from "../../../federation/export/params.ts";
import { gbdtGuestHalfSchema, gbdtHostHalfSchema } from "../../../federation/gbdt/half.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import type { StateDatabase } from "../../store/database.ts";
import { checkReceipts, type JobKind } from "../context.ts";
import { keepExport } from "../exported.ts";
import { kindOfHalf, readHalf } from "../halves.ts";

export const exportKind: JobKind = {
  async guest(context) {
    const { tools, input, party } = context;
    const own = guestOwn(tools.db, input.plan);
    const { whole, receipts } = await exportGuest(party, { hosts: input.plan.hosts, own });
    await checkReceipts(context, { id: own.half.model, digest: digestOf(own.half) }, receipts);
    await keepExport(context, whole);
  },
  async host({ tools, input, party }, { guest, receipt }) {
    await exportHost(party, { guest, receipt, owner: ownerHalf(tools.db, input.plan) });
  },
};

/** Throws JOB_EXPORT_KIND, JOB_MODEL_UNKNOWN, or JOB_PARAMS when the model is larger than the statement that everybody approved says. */
function guestOwn(db: StateDatabase, plan: JobPlan): GuestOwn {
  const { shape } = exportJobSchema.parse(plan.params);
  const kind = kindOfHalf(db, plan);
  if (kind.startsWith("crossboost")) throw new AppError("JOB_EXPORT_KIND");
  if (shape.kind !== "gbdt") return { kind: "scorecard", half: readHalf(db, plan, "scorecard-guest", guestHalfSchema) };
  const half = readHalf(db, plan, "gbdt-guest", gbdtGuestHalfSchema);
  const { trees } = half.trees;
  if (trees.length > shape.trees || trees.some((t) => t.cuts.length > shape.depth)) throw new AppError("JOB_PARAMS", { trees: trees.length });
  return { kind: "gbdt", half };
}

function ownerHalf(db: StateDatabase, plan: JobPlan): OwnerHalf {
  const { shape } = exportJobSchema.parse(plan.params);
  if (kindOfHalf(db, plan).startsWith("crossboost")) throw new AppError("JOB_EXPORT_KIND");
  return shape.kind === "gbdt"
    ? { kind: "gbdt", half: readHalf(db, plan, "gbdt-host", gbdtHostHalfSchema) }
    : { kind: "scorecard", half: readHalf(db, plan, "scorecard-host", hostHalfSchema) };
}
