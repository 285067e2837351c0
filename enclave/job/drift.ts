// Counters of what a job scores by a scorecard, for the stability of its columns.
import { alignFeature } from "../../federation/rows/align.ts";
import { guestHalfSchema } from "../../federation/scorecard/finish.ts";
import { hostHalfSchema } from "../../federation/scorecard/half.ts";
import type { Feature } from "../../models/features.ts";
import { guestColumns, hostColumns } from "../drift/columns.ts";
import { DriftCounts } from "../drift/counts.ts";
import type { HostTools, JobContext } from "./context.ts";
import { readHalf } from "./halves.ts";

export function guestDrift({ tools, input: { plan } }: JobContext): DriftCounts {
  const half = readHalf(tools.db, plan, "scorecard-guest", guestHalfSchema);
  return new DriftCounts({ db: tools.db, now: tools.now, recordOf: (company) => tools.budgets.hashId(plan.guest, company), model: half.model, columns: guestColumns(half, tools.identity.party) });
}

export function hostDrift({ tools, input: { plan } }: JobContext): DriftCounts {
  const half = readHalf(tools.db, plan, "scorecard-host", hostHalfSchema);
  return new DriftCounts({ db: tools.db, now: tools.now, recordOf: (company) => tools.budgets.hashId(plan.guest, company), model: half.model, columns: hostColumns(half) });
}

/** Features of some of their rows, by name. */
export function rowsOf(features: readonly Feature[], rows: Int32Array): (name: string) => Feature | undefined {
  return (name) => {
    const feature = features.find((f) => f.name === name);
    return feature && alignFeature(feature, rows);
  };
}

/** A host whose own records in the job are known once they are admitted. */
export function seeingRows<H extends Pick<HostTools, "guard">>(host: H): { readonly host: H; readonly held: () => Int32Array } {
  let held = new Int32Array(0);
  const { guard } = host;
  const admitRows: typeof guard.admitRows = async (rowOf, ...rest) => {
    await guard.admitRows(rowOf, ...rest);
    held = rowOf.filter((record) => record >= 0);
  };
  return { host: { ...host, guard: { ...guard, admitRows } }, held: () => held };
}
