// What batch scoring may send, by the kind of the model, for the leakage statement.
import type { KindStatement } from "../leakage.ts";
import { addLookups } from "../lookup/statement.ts";
import { chunks, featuresOf, jobRows, type Add, type Sizes } from "../statement.ts";
import { rowsPerChunk } from "../totals/messages.ts";
import { scoreJobSchema } from "./params.ts";

/** Adds the messages of batch scoring. */
export function scoreStatement(plan: Sizes, add: Add): KindStatement {
  const n = jobRows(plan);
  const { guest, hosts } = plan;
  const { shape } = scoreJobSchema.parse(plan.params);
  for (const host of hosts) {
    if (shape.kind === "scorecard") add(host, guest, "totals/masked", chunks(n, rowsPerChunk), n, n);
    if (shape.kind === "gbdt") add(guest, host, "lookup/groups", 1, shape.trees * (hosts.length + 1) * 64 + 1024, shape.trees);
    add(host, guest, "finish/receipt", 1, 256 * 1024, 0);
  }
  if (shape.kind === "gbdt") {
    const size = { groups: shape.trees, tables: shape.trees, entries: 2 ** shape.depth, choices: 2 ** shape.depth };
    addLookups(add, { guest, hosts, rows: n, of: () => size, joint: hosts.length > 1 });
  }
  if (shape.kind === "crossboost") {
    const of = (host: (typeof hosts)[number]) => ({ groups: featuresOf(plan, host), tables: featuresOf(plan, host), entries: shape.bins, choices: shape.bins });
    for (const host of hosts) add(guest, host, "cells/next", shape.totals + 1, (shape.totals + 1) * 1024, shape.totals + 1);
    for (let total = 0; total < shape.totals; total++) addLookups(add, { guest, hosts, rows: n, of, joint: false });
  }
  return { answered: [], attacks: [] };
}
