// Gradients of the weighted log-loss as 12-bit fixed-point integers, so that sums over rows are exact whoever adds them.
import { AppError } from "../../core/errors.ts";
import { gradientFractionBits, leafLimit, scoreFractionBits } from "./model.ts";
import type { TreeParams } from "./params.ts";

const gradientOne = 2 ** gradientFractionBits;
const scoreOne = 2 ** scoreFractionBits;

/** Weight of a good row and of an event, the larger one 1 (at least one of them), and what all weights were divided by. */
export type ClassWeights = { readonly good: number; readonly event: number; readonly scale: number };

/** Throws MODEL_ONE_CLASS when the rows that are not held out have one class only. */
export function classWeights(
  label: Uint8Array, heldOut: Uint8Array, scalePosWeight: TreeParams["scalePosWeight"],
): ClassWeights & { readonly base: number } {
  let rows = 0;
  let events = 0;
  for (let row = 0; row < heldOut.length; row++) {
    const y = label[row];
    if (y !== 0 && y !== 1) throw new AppError("MODEL_SHAPE", { binaryLabel: false });
    if (heldOut[row] === 1) continue;
    rows++;
    events += y;
  }
  const goods = rows - events;
  if (goods === 0 || events === 0) throw new AppError("MODEL_ONE_CLASS", { rows, events });
  const ratio = scalePosWeight === "balanced" ? goods / events : scalePosWeight;
  const scale = Math.max(1, ratio);
  const good = 1 / scale;
  const event = ratio / scale;
  return { good, event, scale, base: clampScore(Math.round(Math.log((events * event) / (goods * good)) * scoreOne)) };
}

/** Integer score within what a leaf may hold. */
export function clampScore(score: number): number {
  // "+ 0" turns -0 into 0, which files and digests must not tell apart.
  return Math.min(leafLimit, Math.max(-leafLimit, score)) + 0;
}

/** g = round(w (p - y) 2^12), h = round(w p (1 - p) 2^12) of the given rows, 0 elsewhere. */
export function gradients(
  scores: Float64Array, label: Uint8Array, rows: Int32Array, length: number, weights: ClassWeights,
): { g: Int32Array; h: Int32Array } {
  const g = new Int32Array(length);
  const h = new Int32Array(length);
  for (const row of rows) {
    const y = label[row] as number;
    const w = (y === 1 ? weights.event : weights.good) * gradientOne;
    const p = 1 / (1 + Math.exp(-(scores[row] as number) / scoreOne));
    g[row] = Math.round(w * (p - y));
    h[row] = Math.round(w * p * (1 - p));
  }
  return { g, h };
}

/** Mean weighted log-loss of the held-out rows. */
export function heldOutLoss(scores: Float64Array, label: Uint8Array, heldOut: Uint8Array, weights: ClassWeights): number {
  let loss = 0;
  let total = 0;
  for (let row = 0; row < heldOut.length; row++) {
    if (heldOut[row] === 0) continue;
    const event = label[row] === 1;
    const w = event ? weights.event : weights.good;
    const z = ((event ? 1 : -1) * (scores[row] as number)) / scoreOne;
    loss += w * (z > 0 ? Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z)) - z);
    total += w;
  }
  return total > 0 ? loss / total : 0;
}
