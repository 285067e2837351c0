// The life of an issue, as a pure function of what was found and of the clock: opened by a check that fails, closed by the same check when it
// passes, never by a person's word alone.
import { AppError } from "../core/errors.ts";
import type { Check } from "./checks.ts";
import { exceeds, permilleOf, toldPermille, type Result } from "./rates.ts";
import { dueDays } from "./rules.ts";
import { assigneeSchema } from "./settings.ts";
import { isLive, type AcceptReason, type IssueState } from "./states.ts";

const day = 86_400_000;
/** Longest acceptance, days: then somebody looks again. */
export const maxAcceptDays = 366;

/** Times in ms. */
export type Issue = Pick<Check, "key" | "rule" | "item" | "dimension" | "limit" | "severity"> & {
  readonly id: number; readonly state: IssueState;
  readonly openedAt: number; readonly dueAt: number; readonly closedAt: number | null;
  /** Who has it: a person or a department. Stays in the domain. */
  readonly assignee: string | null;
  /** Of the latest run in which the check was made. */
  readonly permille: number;
  /** The same as it may leave the domain; null where it may not. */
  readonly told: number | null;
  readonly reason: AcceptReason | null; readonly acceptedUntil: number | null;
};
export type NewIssue = Omit<Issue, "id">;
export type Changes = { readonly opened: readonly NewIssue[]; readonly changed: readonly Issue[] };

/** What a run makes of the issues that are live. A check that could not be made changes nothing; of one that is no longer made the issue is
 *  withdrawn; an acceptance that has run out is open again, with a new day. */
export function afterRun(live: readonly Issue[], results: readonly Result[], now: number): Changes {
  const byKey = new Map(results.map((r) => [r.check.key, r]));
  const known = new Set(live.map((i) => i.key));
  const changed = live.flatMap((issue): Issue[] => {
    const next = stepped(issue, byKey.get(issue.key), now);
    return next === issue ? [] : [next];
  });
  const opened = results.flatMap((result): NewIssue[] => {
    const { check, counts } = result;
    if (counts === null || known.has(check.key) || exceeds(result) !== true) return [];
    const { key, rule, item, dimension, limit, severity, owner } = check;
    return [{
      key, rule, item, dimension, limit, severity, state: owner === undefined ? "open" : "assigned", assignee: owner ?? null, openedAt: now, dueAt: now + dueDays[severity] * day, closedAt: null,
      permille: permilleOf(counts.failed, counts.checked), told: toldPermille(result), reason: null, acceptedUntil: null,
    }];
  });
  return { opened, changed };
}

function stepped(issue: Issue, result: Result | undefined, now: number): Issue {
  if (!isLive(issue.state)) return issue;
  if (result === undefined) return { ...issue, state: "withdrawn", closedAt: now };
  if (result.counts === null) return lapsed(issue, now);
  const { failed, checked } = result.counts;
  // The limit in force is that of today: the provider may have declared what is normal.
  const seen = { ...issue, limit: result.check.limit, severity: result.check.severity, permille: permilleOf(failed, checked), told: toldPermille(result) };
  if (exceeds(result) === false) return { ...seen, state: "closed", closedAt: now };
  const next = issue.state === "corrected" ? handedBack(seen) : lapsed(seen, now);
  const isSame = next.state === issue.state && next.permille === issue.permille && next.limit === issue.limit && next.severity === issue.severity && next.told === issue.told;
  return isSame ? issue : next;
}

/** An acceptance that has run out. */
function lapsed(issue: Issue, now: number): Issue {
  if (issue.state !== "accepted" || issue.acceptedUntil === null || now <= issue.acceptedUntil) return issue;
  return handedBack({ ...issue, dueAt: now + dueDays[issue.severity] * day, reason: null, acceptedUntil: null });
}

/** To whom it belongs, or to nobody yet. Its day stays: a correction that was none buys no time. */
function handedBack(issue: Issue): Issue {
  return { ...issue, state: issue.assignee === null ? "open" : "assigned" };
}

/** Somebody has it now: a person or a department. Throws QUALITY_ISSUE_STATE unless it is open or assigned, QUALITY_ASSIGNEE for a name that is none. */
export function assigned(issue: Issue, assignee: string): Issue {
  if (issue.state !== "open" && issue.state !== "assigned") throw wrongState(issue);
  const name = assigneeSchema.safeParse(assignee);
  if (!name.success) throw new AppError("QUALITY_ASSIGNEE");
  return { ...issue, state: "assigned", assignee: name.data };
}

/** Somebody says that the data are right now: the next run closes it or hands it back. Throws QUALITY_ISSUE_STATE unless it is open or assigned. */
export function corrected(issue: Issue): Issue {
  if (issue.state !== "open" && issue.state !== "assigned") throw wrongState(issue);
  return { ...issue, state: "corrected" };
}

/** It stays as it is, for a reason and for `days` from now. Throws QUALITY_ISSUE_STATE unless it is open or assigned. */
export function accepted(issue: Issue, reason: AcceptReason, days: number, now: number): Issue {
  if ((issue.state !== "open" && issue.state !== "assigned") || days < 1 || days > maxAcceptDays) throw wrongState(issue);
  return { ...issue, state: "accepted", reason, acceptedUntil: now + days * day };
}

function wrongState(issue: Issue): AppError {
  return new AppError("QUALITY_ISSUE_STATE", { issue: issue.id });
}
