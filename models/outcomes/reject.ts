// Reject inference: training rows for a new model when outcomes are known for accepted applicants only. None of the methods finds out what rejected
// applicants would have done; each is an assumption (README, limits). Hand, Henley, IMA Journal of Mathematics Applied in Business and Industry 5
// (1993) 45-55; Siddiqi, Credit Risk Scorecards (2006), chapter 6.
import { AppError } from "../../core/errors.ts";
import type { Rng } from "../../core/env.ts";
import { bandEdges, isProbability } from "./calibration.ts";

export const rejectMethods = ["none", "augmentation", "parcelling", "fuzzy"] as const;
export type RejectMethod = (typeof rejectMethods)[number];

export type Applicants = {
  /** Probabilities of bad by a model that was fitted on the accepted. */
  readonly accepted: { readonly score: Float64Array; readonly label: Uint8Array };
  readonly rejected: { readonly score: Float64Array };
};
export type RejectOptions = {
  readonly method: RejectMethod;
  /** Bands of the scores of all applicants; neighbours are joined until each holds `minAccepted` accepted. Default 10 and 20. */
  readonly bands?: number;
  readonly minAccepted?: number;
  /** Bad rate of rejected over that of accepted of the same score, >= 1: what the score does not see but the decision did. Default 1. */
  readonly badRateFactor?: number;
  /** Draws the labels of parcelling. */
  readonly rng?: Rng;
};
/** Training rows: where each comes from, its label and weight. A rejected applicant has two rows under "fuzzy". */
export type InferredRows = {
  /** 0 accepted, 1 rejected. */
  readonly source: Uint8Array;
  readonly row: Uint32Array;
  readonly label: Uint8Array;
  readonly weight: Float64Array;
  readonly summary: {
    readonly method: RejectMethod;
    readonly acceptedBadRate: number;
    /** What the method takes rejected applicants for; null where it does not take them for anything. */
    readonly rejectedBadRate: number | null;
    /** Share of rejected applicants whose score no accepted one has on the risky side: pure extrapolation. */
    readonly beyondAccepted: number;
    /** Largest weight of a row: a few rows that stand for many make the fit unsure. */
    readonly maxWeight: number;
  };
};
type Row = { readonly source: 0 | 1; readonly row: number; readonly label: number; readonly weight: number };
type Band = { readonly accepted: number[]; readonly rejected: number[]; badRate: number };

/** Throws MODEL_SHAPE, OUTCOME_SETTINGS, and OUTCOME_TOO_FEW with fewer than `minAccepted` accepted goods or bads. */
export function inferRejects(applicants: Applicants, { method, bands = 10, minAccepted = 20, badRateFactor = 1, rng }: RejectOptions): InferredRows {
  const { accepted, rejected } = applicants;
  if (accepted.score.length !== accepted.label.length) throw new AppError("MODEL_SHAPE", { scores: accepted.score.length, labels: accepted.label.length });
  const isSensible = badRateFactor >= 1 && badRateFactor <= 20 && bands >= 1 && bands <= 100 && minAccepted >= 1 && (method !== "parcelling" || rng !== undefined)
    && accepted.score.every(isProbability) && rejected.score.every(isProbability);
  if (!isSensible) throw new AppError("OUTCOME_SETTINGS");
  const bads = accepted.label.reduce((s, y) => s + y, 0);
  const goods = accepted.label.length - bads;
  if (bads < minAccepted || goods < minAccepted) throw new AppError("OUTCOME_TOO_FEW", { goods, bads });
  const of = bandsOf(applicants, bands, minAccepted);
  const rows = rowsBy(method, applicants, { of, badRateFactor, rng });
  return { ...packed(rows), summary: summaryOf(method, applicants, rows) };
}

function rowsBy(method: RejectMethod, { accepted }: Applicants, { of, badRateFactor, rng }: { readonly of: readonly Band[]; readonly badRateFactor: number; readonly rng: Rng | undefined }): Row[] {
  const own = (weight: (band: Band) => number): Row[] => of.flatMap((band) => band.accepted.map((row): Row => ({ source: 0, row, label: accepted.label[row] ?? 0, weight: weight(band) })));
  const rateOf = (band: Band): number => Math.min(1, badRateFactor * band.badRate);
  switch (method) {
    case "none":
      return own(() => 1);
    case "augmentation":
      // An accepted applicant stands for all of its band: weight 1 / P(accepted | band).
      return own((band) => (band.accepted.length + band.rejected.length) / band.accepted.length);
    case "parcelling":
      return [...own(() => 1), ...of.flatMap((band) => {
        const bad = Math.round(rateOf(band) * band.rejected.length);
        return shuffled(band.rejected, rng as Rng).map((row, i): Row => ({ source: 1, row, label: i < bad ? 1 : 0, weight: 1 }));
      })];
    case "fuzzy":
      return [...own(() => 1), ...of.flatMap((band) => band.rejected.flatMap((row): Row[] => [
        { source: 1, row, label: 1, weight: rateOf(band) }, { source: 1, row, label: 0, weight: 1 - rateOf(band) },
      ]))];
    default:
      return method satisfies never;
  }
}

/** Bands from the lowest score up, each with at least `least` accepted. */
function bandsOf({ accepted, rejected }: Applicants, bands: number, least: number): Band[] {
  const all = new Float64Array(accepted.score.length + rejected.score.length);
  all.set(accepted.score);
  all.set(rejected.score, accepted.score.length);
  const edges = bandEdges(all, bands);
  const fine = Array.from({ length: edges.length + 1 }, (): Band => ({ accepted: [], rejected: [], badRate: 0 }));
  const place = (score: number): Band => fine[edges.filter((e) => e <= score).length] as Band;
  accepted.score.forEach((score, row) => void place(score).accepted.push(row));
  rejected.score.forEach((score, row) => void place(score).rejected.push(row));
  const joined: Band[] = [];
  for (const band of fine) {
    const last = joined.at(-1);
    if (last === undefined || last.accepted.length >= least) joined.push(band);
    else joined[joined.length - 1] = { accepted: [...last.accepted, ...band.accepted], rejected: [...last.rejected, ...band.rejected], badRate: 0 };
  }
  const last = joined.at(-1);
  const before = joined.at(-2);
  if (last !== undefined && before !== undefined && last.accepted.length < least) {
    joined.splice(-2, 2, { accepted: [...before.accepted, ...last.accepted], rejected: [...before.rejected, ...last.rejected], badRate: 0 });
  }
  for (const band of joined) band.badRate = band.accepted.reduce((s, row) => s + (accepted.label[row] ?? 0), 0) / band.accepted.length;
  return joined;
}

/** Fisher-Yates; 2^32 against at most a few million: the bias is below 1e-3 of a row's chance. */
function shuffled(rows: readonly number[], rng: Rng): number[] {
  const out = [...rows];
  const draws = new DataView(rng(4 * Math.max(1, out.length)).buffer);
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor((draws.getUint32(4 * i) / 2 ** 32) * (i + 1));
    [out[i], out[j]] = [out[j] as number, out[i] as number];
  }
  return out;
}

function packed(rows: readonly Row[]): Pick<InferredRows, "source" | "row" | "label" | "weight"> {
  return { source: Uint8Array.from(rows, (r) => r.source), row: Uint32Array.from(rows, (r) => r.row), label: Uint8Array.from(rows, (r) => r.label), weight: Float64Array.from(rows, (r) => r.weight) };
}

function summaryOf(method: RejectMethod, { accepted, rejected }: Applicants, rows: readonly Row[]): InferredRows["summary"] {
  const sum = (of: (row: Row) => number): number => rows.reduce((s, r) => s + of(r), 0);
  const bads = accepted.label.reduce((s, y) => s + y, 0);
  const mostRisky = accepted.score.reduce((m, s) => Math.max(m, s), 0);
  const count = rejected.score.length;
  // Under augmentation what accepted rows weigh beyond themselves stands for the rejected.
  const beyond = (r: Row): number => (method === "augmentation" ? r.weight - 1 : r.source === 1 ? r.weight : 0);
  return {
    method, acceptedBadRate: bads / accepted.label.length,
    rejectedBadRate: method === "none" || count === 0 ? null : sum((r) => beyond(r) * r.label) / sum(beyond),
    beyondAccepted: count === 0 ? 0 : rejected.score.reduce((n, s) => n + (s > mostRisky ? 1 : 0), 0) / count,
    maxWeight: rows.reduce((m, r) => Math.max(m, r.weight), 0),
  };
}
