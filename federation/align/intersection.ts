// The set intersection of a job: for each pair the protocol that the plan's data sets ask for, the same at both ends.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../plan-schema.ts";
import { intersectionFor, type AlignmentProtocol } from "../psi/choose.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { pairOf } from "../statement.ts";

export type Intersections = Readonly<Record<AlignmentProtocol, SetIntersection>>;
/** Those that keep nothing from job to job. */
export type FreshIntersections = Omit<Intersections, "reusable">;

/** Chooses by what the plan states. Throws JOB_DATASET_UNKNOWN for a host that is not in it. */
export function planIntersection(protocols: Intersections, plan: JobPlan): SetIntersection {
  const between = (host: PartyId): SetIntersection => {
    if (plan.datasets[host] === undefined) throw new AppError("JOB_DATASET_UNKNOWN", { party: host });
    return intersectionFor(protocols, pairOf(plan, host));
  };
  return {
    protocol: "by the plan",
    guest: (party, host, ids, options) => between(host).guest(party, host, ids, options),
    host: (party, guest, ids, options) => between(party.self).host(party, guest, ids, options),
  };
}
