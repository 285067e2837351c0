// The life of a job as a pure machine: (machine, event) -> machine. Ended states absorb every event, so that a message
// that was delivered twice, or after the end, changes nothing. The store applies it under one lock.
import { AppError, type Code } from "../core/errors.ts";
import type { JobStateName } from "./contract.ts";

export type Failure = { readonly code: Code; readonly party?: string; readonly step?: string };
export type JobMachine = {
  readonly at: JobStateName;
  readonly guest: string;
  /** Guest and hosts. */
  readonly parties: readonly string[];
  readonly approved: readonly string[];
  readonly finished: readonly string[];
  readonly failure?: Failure;
};
export type JobChange =
  /** The plan goes to the parties: at once, or after a second person of the institution has approved the submission. */
  | { readonly type: "planned" }
  | { readonly type: "approve"; readonly party: string }
  | { readonly type: "refuse"; readonly party: string }
  | { readonly type: "finish"; readonly party: string }
  | { readonly type: "fail"; readonly failure: Failure }
  | { readonly type: "cancel" }
  /** The plan's time ran out. */
  | { readonly type: "expire" }
  /** The term of a service is over: for one that ran, its end. */
  | { readonly type: "term" }
  /** The guest has been done for a while; hosts that do not answer any more hold nothing up. */
  | { readonly type: "settle" };

const ended: ReadonlySet<JobStateName> = new Set(["done", "failed", "cancelled"]);

export function hasEnded(state: JobStateName): boolean {
  return ended.has(state);
}

export function newJob(guest: string, hosts: readonly string[]): JobMachine {
  return { at: "submitted", guest, parties: [guest, ...hosts], approved: [], finished: [] };
}

/**
 * The machine after an event; the same object if nothing changes.
 * Throws JOB_NOT_FOUND for a party that is not in the job or has not got its plan yet, JOB_NOT_RUNNING for `finish` before all have approved.
 */
export function changeJob(job: JobMachine, change: JobChange): JobMachine {
  if ("party" in change && !job.parties.includes(change.party)) throw new AppError("JOB_NOT_FOUND");
  // A plan that waits for its second person is not known to the parties.
  if (job.at === "submitted" && (change.type === "approve" || change.type === "refuse")) throw new AppError("JOB_NOT_FOUND");
  if (hasEnded(job.at)) return job;
  switch (change.type) {
    case "planned":
      return job.at === "submitted" ? { ...job, at: "awaiting-approval" } : job;
    case "approve":
      return approve(job, change.party);
    case "refuse":
      return { ...job, at: "failed", failure: { code: "JOB_REFUSED", party: change.party } };
    case "finish":
      return finish(job, change.party);
    case "fail":
      return { ...job, at: "failed", failure: change.failure };
    case "cancel":
      return { ...job, at: "cancelled" };
    case "expire":
      return isSettled(job) ? { ...job, at: "done" } : { ...job, at: "failed", failure: { code: "JOB_EXPIRED" } };
    case "term":
      return job.at === "running" ? { ...job, at: "done" } : { ...job, at: "failed", failure: { code: "JOB_EXPIRED" } };
    case "settle":
      return isSettled(job) ? { ...job, at: "done" } : job;
    default:
      return change satisfies never;
  }
}

function approve(job: JobMachine, party: string): JobMachine {
  if (job.at !== "awaiting-approval" || job.approved.includes(party)) return job;
  const approved = [...job.approved, party];
  return { ...job, approved, at: job.parties.every((p) => approved.includes(p)) ? "running" : job.at };
}

function finish(job: JobMachine, party: string): JobMachine {
  if (job.at !== "running") throw new AppError("JOB_NOT_RUNNING");
  if (job.finished.includes(party)) return job;
  const finished = [...job.finished, party];
  return { ...job, finished, at: job.parties.every((p) => finished.includes(p)) ? "done" : "running" };
}

/** The results are complete once the guest is done; it needs nothing from the hosts after that. */
function isSettled(job: JobMachine): boolean {
  return job.at === "running" && job.finished.includes(job.guest);
}
