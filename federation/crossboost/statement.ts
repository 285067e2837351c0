// What a job of crossboost may send, for the leakage statement.
import { coarseGroups } from "../../models/crossboost/host.ts";
import { designOf, mostVectors } from "../../models/crossboost/params.ts";
import { crossboostAttacks } from "../attacks.ts";
import { addFeedback } from "../feedback/statement.ts";
import type { KindStatement } from "../leakage.ts";
import { addLookups } from "../lookup/statement.ts";
import { addSums, chunks, extraBins, featuresOf, jobRows, type Add, type Sizes } from "../statement.ts";
import { gramChunkBytes } from "./messages.ts";
import { crossboostJobSchema } from "./params.ts";

/** Adds the messages of crossboost. Throws MODEL_TOO_FEW_ROWS for a design that the guest's companies are too few for. */
export function crossboostStatement(plan: Sizes, add: Add): KindStatement {
  const { guest, hosts } = plan;
  const { crossboost: params } = crossboostJobSchema.parse(plan.params);
  const rows = jobRows(plan);
  // The training part is not known yet: all rows bound it, and with it the design may still be the one for fewer companies.
  const designs = params.design === "auto" ? [designOf(params, rows), designOf({ ...params, design: "additive" }, rows)] : [designOf(params, rows)];
  const stages = Math.max(...designs.map((d) => d.stages));
  const folds = Math.max(...designs.map((d) => d.folds));
  const vectors = Math.max(...designs.map((d) => mostVectors(params, d, rows) * (1 + d.stages)));
  const bins = Math.max(params.hostBins, params.hostLevels) + extraBins;
  const answered = hosts.map((host) => {
    const d = featuresOf(plan, host);
    const cells = d * bins * folds;
    const groups = d * (coarseGroups + 1);
    add(host, guest, "cells/offer", 1, d * (bins * 6 + 100), d * bins);
    add(host, guest, "cells/gram", chunks(2 * groups * groups, gramChunkBytes), 2 * groups * groups, Math.ceil((groups * groups) / 2));
    addSums(add, { use: "cells", querier: guest, answerer: host, rows, cells, queries: vectors, numbers: vectors * cells });
    add(guest, host, "cells/next", stages + 1, (stages + 1) * 1024, stages + 1);
    addFeedback(plan, add, host, 0);
    add(guest, host, "finish/model", 1, 1024, 0);
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
    return [{ queries: vectors, cells, columnEnergy: d * rows }];
  });
  for (let stage = 0; stage < stages; stage++) {
    addLookups(add, {
      guest, hosts, rows, joint: false,
      of: (host) => ({ groups: featuresOf(plan, host), tables: featuresOf(plan, host), entries: Math.min(254, bins + 1), choices: Math.min(254, bins + 1) }),
    });
  }
  return { answered, attacks: crossboostAttacks };
}
