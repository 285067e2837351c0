// Export of a whole model that an earlier job made: every owner sends its half in the open, the bank's enclave writes the files.
import { requireCount, requireExport } from "../../../catalogue/grades.ts";
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { exportGuest, type GuestOwn } from "../../../federation/export/guest.ts";
import type { OwnerHalf } from "../../../federation/export/half.ts";
import { exportHost } from "../../../federation/export/host.ts";
import { exportJobSchema } from "../../../federation/export/params.ts";
import { gbdtGuestHalfSchema, gbdtHostHalfSchema } from "../../../federation/gbdt/half.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import { guestHalfSchema } from "../../../federation/scorecard/finish.ts";
import { floors } from "../../../federation/guards.ts";
import { hostHalfSchema } from "../../../federation/scorecard/half.ts";
import { gradeOfFeature, type DatasetCatalogue } from "../../data/declared.ts";
import type { StateDatabase } from "../../store/database.ts";
import { checkReceipts, type JobKind } from "../context.ts";
import { keepExport } from "../exported.ts";
import { kindOfHalf, readHalf } from "../halves.ts";

export const exportKind: JobKind = {
  async guest(context) {
    const { tools, input, party } = context;
    const own = guestOwn(tools.db, input.plan);
    const { whole, receipts } = await exportGuest(party, { hosts: input.plan.hosts, own });
    checkReceipts(context, { id: own.half.model, digest: digestOf(own.half) }, receipts);
    await keepExport(context, whole);
  },
  async host({ tools, input, party }, { guest, receipt }) {
    const owner = ownerHalf(tools.db, input.plan);
    requireNameable(owner, tools.dataset.catalogue);
    await exportHost(party, { guest, receipt, owner });
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

/** Names, edges and levels go out for good: not of a grade whose values never leave (catalogue/grades.ts). Throws CATALOGUE_EXPORT. */
export function requireNameable({ kind, half }: OwnerHalf, catalogue: Pick<DatasetCatalogue, "features"> | undefined): void {
  const names = kind === "gbdt" ? half.features.map((f) => f.name) : half.columns.map((c) => c.feature);
  // De-sensitised by the floors of bins: each covers at least as many companies as any grade asks of a figure.
  for (const name of names) {
    const grade = gradeOfFeature(catalogue, name);
    requireExport(grade, { authorised: true });
    requireCount(grade, floors.minRowsPerStatistic);
  }
}

function ownerHalf(db: StateDatabase, plan: JobPlan): OwnerHalf {
  const { shape } = exportJobSchema.parse(plan.params);
  if (kindOfHalf(db, plan).startsWith("crossboost")) throw new AppError("JOB_EXPORT_KIND");
  return shape.kind === "gbdt"
    ? { kind: "gbdt", half: readHalf(db, plan, "gbdt-host", gbdtHostHalfSchema) }
    : { kind: "scorecard", half: readHalf(db, plan, "scorecard-host", hostHalfSchema) };
}
