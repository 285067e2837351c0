// What an evaluation may send, for the leakage statement.
import { AppError } from "../../core/errors.ts";
import { needsAll } from "../../evaluation/pushes.ts";
import type { KindStatement } from "../leakage.ts";
import { chunks, jobRows, type Add, type Sizes } from "../statement.ts";
import { bytesPerRow, mostIndicatorText, rowsPerChunk } from "./messages.ts";
import { cardOf, evaluateJobSchema } from "./params.ts";

/** Throws EVALUATION_SCORECARD or JOB_PARAMS for a scorecard that does not fit or is not the one that the plan names, or for a provider that is both in the run and away; CATALOGUE_UNNECESSARY for a push whose purpose does
 *  not need every item of the scorecard. */
export function evaluateStatement(plan: Sizes, add: Add): KindStatement {
  const { guest, hosts } = plan;
  const params = evaluateJobSchema.parse(plan.params);
  const card = cardOf(params);
  const { entries } = card;
  if (params.away.some((party) => party === guest || hosts.includes(party))) throw new AppError("JOB_PARAMS", { away: params.away.length });
  for (const { purpose, institution } of params.pushes) if (!needsAll(purpose, card)) throw new AppError("CATALOGUE_UNNECESSARY", { institution });
  const n = jobRows(plan);
  const offer = entries.length * (mostIndicatorText + 2);
  for (const host of hosts) {
    for (const other of [guest, ...hosts]) {
      if (other === host) continue;
      add(host, other, "evaluate/offer", 1, offer, entries.length);
      if (other === guest) add(guest, host, "evaluate/offer", 1, offer, entries.length);
    }
    add(host, guest, "evaluate/part", chunks(n, rowsPerChunk), n * bytesPerRow, 2 * n);
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
  }
  return { answered: [], attacks: [] };
}
