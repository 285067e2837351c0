// One part (train or test) of one model, as the report shows it.
import { brierScore, logLoss, reliability, scoreHistogram, type Histogram, type ReliabilityRow } from "./calibration.ts";
import { gainsTable, ranking, rocPoints, type GainsRow, type RocPoint } from "./ranking.ts";
import { sigmoid } from "../linear/logistic.ts";

export type PartMetrics = {
  readonly rows: number;
  readonly events: number;
  readonly auc: number;
  readonly ks: number;
  readonly gini: number;
  readonly brier: number;
  readonly logLoss: number;
  readonly roc: RocPoint[];
  readonly gains: GainsRow[];
  readonly reliability: ReliabilityRow[];
  /** Of the log odds. */
  readonly distribution: Histogram;
};

/** Metrics of log odds of an event over rows from..to-1. Throws MODEL_ONE_CLASS when the part lacks a class. */
export function evaluatePart(odds: Float64Array, label: Uint8Array, from: number, to: number): PartMetrics {
  const probability = Float64Array.from(odds, sigmoid);
  return {
    ...ranking(odds, label, from, to),
    brier: brierScore(probability, label, from, to),
    logLoss: logLoss(odds, label, from, to),
    roc: rocPoints(odds, label, from, to),
    gains: gainsTable(odds, label, from, to),
    reliability: reliability(probability, label, from, to),
    distribution: scoreHistogram(odds, label, from, to),
  };
}
