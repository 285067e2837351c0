// What the roles ask of their own enclave before they let something happen: budgets that persist over jobs and restarts.
// Each call is idempotent per job, so that a replay after a restart charges nothing twice. All throw AppError when refused; those that come back later are to
// be waited for before anything leaves.
import type { PartyId } from "../core/brand.ts";

/** Bounds of protocols.md and of the review; an enclave may be stricter, never weaker. */
export const floors = {
  /** Companies in the training part when weights of evidence go to a host. */
  minTrainRows: 2000,
  minRowsPerStatistic: 20,
  minGoodsPerBin: 5,
  minBadsPerBin: 5,
  /** Queries over one row set, over all jobs, as a share of its rows. */
  maxQueriesPerRow: 0.02,
  /** The same for queries of boosted trees whose answers carry noise: from there on a linear attack on the sums alone finds 2 points more
   *  of the bins than their sizes tell (test/attacks/trees.test.ts). */
  maxNoisyQueriesPerRow: 0.03,
  /** Label statistics that one host may learn about one row set, as a share of its rows. */
  maxLabelRankPerRow: 0.05,
  /** Totals opened about one company in training jobs, over all jobs: each is an equation about it. */
  maxTotalsPerRow: 2,
  /** Two row sets of a pair are equal or differ by at least this many companies. */
  minRowSetDifference: 500,
} as const;

export interface HostGuard {
  /** Before any answer: the guest's declared set. */
  admitSet(open: { readonly size: number; readonly setDigest: Uint8Array }): void;
  /** After alignment: which own records (index or -1) are in which row; rows [0, trainRows) are the training part. */
  admitRows(rowOf: Int32Array, trainRows: number, open: { readonly size: number; readonly setDigest: Uint8Array }): void | Promise<void>;
  /** How many hosts take part in the totals: a host alone needs its policy's word for it. */
  admitCompany(hosts: number): void;
  /** Before answering `queries` queries over the training part. Those that carry noise have a budget of their own. */
  chargeQueries(label: string, queries: number, kind?: "exact" | "noisy"): void;
  /** Before a bitmap leaves: it says at most `bits` more about each company of the job. */
  chargeBits(label: string, bits: number): void;
  /** Before a total per row leaves. */
  chargeTotals(label: string): void | Promise<void>;
  /** Before scores by a model leave. present: all hosts with a part in the totals; totals over another set differ by single hosts' parts. */
  chargeScores(model: string, present: readonly PartyId[]): void | Promise<void>;
  /** Before masked parts of an evaluation leave. `set` names scorecard, parties present and who computes what: another one is another equation. */
  chargeEvaluation(set: string): void | Promise<void>;
}

export interface GuestGuard {
  /** Names the row set for the calls below. */
  setRows(rowSetDigest: string, trainRows: number): void;
  /** Label statistics (merged bins less features) that this host may still learn about this row set. */
  labelBudget(host: PartyId): number;
  chargeLabelRank(host: PartyId, label: string, rank: number): void;
}
