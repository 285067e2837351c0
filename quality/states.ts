// The words of an issue's life.
/** open: found, and nobody's; assigned: somebody's; corrected: that one says so, and the check is made again; closed: its check passed; accepted:
 *  it stays, for a reason and a time; withdrawn: the check is no longer made. */
export const issueStates = ["open", "assigned", "corrected", "closed", "accepted", "withdrawn"] as const;
export type IssueState = (typeof issueStates)[number];

export const acceptReasons = ["source-is-right", "not-applicable", "cannot-be-corrected", "planned-change"] as const;
export type AcceptReason = (typeof acceptReasons)[number];

export const issueStateNames = {
  open: { en: "open", zh: "待分派" }, assigned: { en: "assigned", zh: "处理中" }, corrected: { en: "corrected, to be checked again", zh: "已修正待复核" },
  closed: { en: "closed", zh: "已关闭" }, accepted: { en: "accepted", zh: "已接受" }, withdrawn: { en: "withdrawn", zh: "已撤销" },
} as const satisfies Record<IssueState, { en: string; zh: string }>;

/** Whether somebody still has to do something about it: a word that it is corrected ends nothing. */
export const isPending = (state: IssueState): boolean => state === "open" || state === "assigned" || state === "corrected";
/** Whether it goes on: an accepted one does, and ends when its check passes. */
export const isLive = (state: IssueState): boolean => isPending(state) || state === "accepted";
/** Past its day, and its check has not passed nor was it accepted. Times in ms. */
export const isOverdue = (state: IssueState, dueAt: number, now: number): boolean => isPending(state) && now > dueAt;
