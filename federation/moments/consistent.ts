// A host's moments must be those of the columns whose bins it had counted before: the guest knows each column's sum, its square sum
// and its product with the label from the merged bins alone. A host that changed rows or columns in between is found here.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Moments } from "../../models/linear/moments.ts";
import type { BinDecision } from "../../models/scorecard/decide.ts";

/** `decisions`: those of the selected features, in the order of the moments. Throws PROTOCOL_WRONG_SHAPE naming the host. */
export function checkAgainstBins(moments: Moments, decisions: readonly BinDecision[]): void {
  const d = decisions.length;
  for (const [column, { party, table, codes }] of decisions.entries()) {
    const over = (value: (code: number, bin: { total: number; events: number }) => number): number =>
      table.reduce((sum, bin, b) => sum + value(codes[b] ?? 0, bin), 0);
    const fits = moments.sumX[column] === over((code, bin) => code * bin.total)
      && moments.xx[column * d + column] === over((code, bin) => code * code * bin.total)
      && moments.xy[column] === over((code, bin) => code * bin.events);
    if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: party as PartyId, column });
  }
}
