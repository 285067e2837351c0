// What a scoring by a model asks for, from the guest's own half of it: its providers and its size, as the plan's statement needs them.
import type { PartyId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { partyId } from "../core/names.ts";
import { modelColumns } from "../enclave/batch/columns.ts";
import { enclavePaths, readConfig } from "../enclave/config.ts";
import type { ExpectedColumns } from "../enclave/data/columns.ts";
import { StateDatabase } from "../enclave/store/database.ts";
import { crossboostGuestHalfSchema } from "../federation/crossboost/half.ts";
import { gbdtGuestHalfSchema } from "../federation/gbdt/half.ts";
import type { ModelShape } from "../federation/score/params.ts";
import { guestHalfSchema } from "../federation/scorecard/finish.ts";

export type Scorable = {
  readonly hosts: readonly PartyId[]; readonly shape: ModelShape;
  /** Of scorecards: the bank's own columns that a batch needs, and as what. */
  readonly expected?: ExpectedColumns;
};

/** `folder`: of the bank's enclave. Throws JOB_MODEL_UNKNOWN. */
export function scorable(folder: string, model: string): Scorable {
  using db = new StateDatabase(enclavePaths(folder).state);
  const row = db.get("select kind, half from models where model = ?", model);
  if (row === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
  const half: unknown = JSON.parse(String(row["half"]));
  switch (row["kind"]) {
    case "scorecard-guest": {
      const scorecard = guestHalfSchema.parse(half);
      return { hosts: scorecard.hosts.map(partyId), shape: { kind: "scorecard" }, expected: modelColumns(scorecard, readConfig(folder).party) };
    }
    case "gbdt-guest": {
      const { hosts, trees } = gbdtGuestHalfSchema.parse(half);
      const depth = Math.max(1, ...trees.trees.map((t) => t.cuts.length));
      return { hosts: hosts.map((h) => h.party), shape: { kind: "gbdt", trees: trees.trees.length, depth } };
    }
    case "crossboost-guest": {
      const { hosts, joint } = crossboostGuestHalfSchema.parse(half);
      const bins = Math.max(2, ...joint.stages.flatMap((s) => s.hosts.flatMap((h) => h.columns.map((c) => c.shape.bins + 1))));
      return { hosts, shape: { kind: "crossboost", bins, totals: joint.stages.length } };
    }
    default:
      throw new AppError("JOB_MODEL_UNKNOWN");
  }
}
