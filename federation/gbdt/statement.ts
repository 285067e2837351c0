// What a job of boosted trees may send, for the leakage statement.
import { gbdtAttacks } from "../attacks.ts";
import { addFeedback } from "../feedback/statement.ts";
import type { KindStatement } from "../leakage.ts";
import { featuresOf, jobRows, type Add, type Sizes } from "../statement.ts";
import { gbdtJobSchema } from "./params.ts";
import { gbdtAnswers, gbdtBitsPerRow, gbdtTraffic, type GbdtSize } from "./traffic.ts";

/** Adds the messages of boosted trees. Throws FLOOR_ROWS or FLOOR_TREES for a plan below the floors. */
export function gbdtStatement(plan: Sizes, add: Add): KindStatement {
  const { trees: params, liftFloors, from: earlier } = gbdtJobSchema.parse(plan.params);
  const rows = jobRows(plan);
  // The training part is not known yet: all rows bound it.
  const sizes = plan.hosts.map((host): GbdtSize => ({ trainRows: rows, rows, params, liftFloors, features: featuresOf(plan, host), earlierTrees: earlier?.trees ?? 0 }));
  for (const [i, host] of plan.hosts.entries()) {
    for (const t of gbdtTraffic(sizes[i] as GbdtSize)) {
      const [from, to] = t.from === "guest" ? [plan.guest, host] : [host, plan.guest];
      add(from, to, t.type, t.messages, t.bytes, t.numbers);
    }
    addFeedback(plan, add, host, 0);
    add(plan.guest, host, "finish/model", 1, 1024, 0);
    add(host, plan.guest, "finish/receipt", 1, 256 * 1024, 0);
  }
  return {
    answered: sizes.map((size) => gbdtAnswers(size)),
    attacks: gbdtAttacks({ bitsPerRow: sizes.map((size) => gbdtBitsPerRow(size)), liftFloors }),
  };
}
