// The set intersection of a job: for each pair the protocol that the plan's sizes ask for, the same at both ends.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../plan-schema.ts";
import { intersectionFor, type AlignmentProtocol } from "../psi/choose.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { jobRows } from "../statement.ts";

export type Intersections = Readonly<Record<AlignmentProtocol, SetIntersection>>;

/** Chooses by the sizes that the plan states. Throws JOB_DATASET_UNKNOWN for a host that is not in it. */
export function planIntersection(protocols: Intersections, plan: JobPlan): SetIntersection {
  const between = (host: PartyId): SetIntersection => {
    const rows = plan.datasets[host]?.rows;
    if (rows === undefined) throw new AppError("JOB_DATASET_UNKNOWN", { party: host });
    return intersectionFor(protocols, jobRows(plan), rows);
  };
  return {
    protocol: "by the plan's sizes",
    guest: (party, host, ids, options) => between(host).guest(party, host, ids, options),
    host: (party, guest, ids, options) => between(party.self).host(party, guest, ids, options),
  };
}
