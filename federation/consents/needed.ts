// Which hosts of a plan check consents, and what consents may send. Both follow from the plan alone, so that nobody can leave the check out.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../plan-schema.ts";
import { chunks, jobRows, type Add, type Sizes } from "../statement.ts";
import { consentsPerChunk, mostConsentText } from "./messages.ts";

/** Hosts that check a consent for each of their companies in the job: in scoring and in an evaluation of all items those whose data need it, in
 *  training if the plan says so. */
export function consentHosts({ kind, hosts, datasets, params }: Pick<JobPlan, "kind" | "hosts" | "datasets" | "params">): readonly PartyId[] {
  const isAsked = kind === "score" || (kind === "evaluate" && params["basis"] === "full") || (kind !== "export" && params["consentedOnly"] === true);
  return isAsked ? hosts.filter((host) => datasets[host]?.consents === true) : [];
}

/** Adds the messages of the check. Throws JOB_PARAMS when consented companies are asked for and no host could tell them apart. */
export function addConsents(plan: Sizes, add: Add): void {
  const checking = consentHosts(plan);
  if (plan.params["consentedOnly"] === true && checking.length === 0) throw new AppError("JOB_PARAMS", { hosts: 0 });
  const n = jobRows(plan);
  for (const host of checking) {
    add(plan.guest, host, "consents/texts", chunks(n, consentsPerChunk), n * (mostConsentText + 16), n);
    add(host, plan.guest, "consents/answer", chunks(n, consentsPerChunk), n, n);
  }
}
