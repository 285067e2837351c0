// How well a score puts bads before goods: AUC with ties, KS, Gini, ROC points, gains and lift. A higher score means a worse risk.
import { AppError } from "../../core/errors.ts";

export type RocPoint = { readonly falsePositiveRate: number; readonly truePositiveRate: number };
export type Ranking = { readonly rows: number; readonly events: number; readonly auc: number; readonly ks: number; readonly gini: number };
export type GainsRow = {
  /** 1 = the worst risks. */
  readonly band: number;
  readonly rows: number;
  readonly events: number;
  readonly eventRate: number;
  /** Share of all events in this band and the worse ones. */
  readonly cumulativeEvents: number;
  readonly cumulativeGoods: number;
  /** Event rate of the band, and of all bands up to it, over the event rate of all. */
  readonly lift: number;
  readonly cumulativeLift: number;
};

/** Cumulative counts after each distinct score, from the highest score down. */
type Ladder = { readonly goods: number; readonly events: number; readonly steps: { goods: number; events: number }[] };

/** AUC (a tie counts one half), KS and Gini = 2 AUC - 1 over rows from..to-1. Throws MODEL_ONE_CLASS without both classes. */
export function ranking(score: Float64Array, label: Uint8Array, from = 0, to = score.length): Ranking {
  const { goods, events, steps } = ladder(score, label, from, to);
  let area = 0;
  let ks = 0;
  let before = { goods: 0, events: 0 };
  for (const step of steps) {
    area += (step.goods - before.goods) * (step.events + before.events);
    ks = Math.max(ks, Math.abs(step.events / events - step.goods / goods));
    before = step;
  }
  const auc = area / (2 * goods * events);
  return { rows: goods + events, events, auc, ks, gini: 2 * auc - 1 };
}

/** ROC curve from (0,0) to (1,1), thinned to at most `points` points. Each point keeps a real threshold. */
export function rocPoints(score: Float64Array, label: Uint8Array, from: number, to: number, points = 200): RocPoint[] {
  const { goods, events, steps } = ladder(score, label, from, to);
  const inner = steps.slice(0, -1);
  const wanted = Math.min(inner.length, Math.max(0, points - 2));
  const kept = Array.from({ length: wanted }, (_, i) => inner[Math.floor(((i + 0.5) * inner.length) / wanted)] ?? { goods: 0, events: 0 });
  return [
    { falsePositiveRate: 0, truePositiveRate: 0 },
    ...kept.map((s) => ({ falsePositiveRate: s.goods / goods, truePositiveRate: s.events / events })),
    { falsePositiveRate: 1, truePositiveRate: 1 },
  ];
}

/** Gains and lift by bands of equal size, worst risks first. Rows of equal score share a band's events in proportion, so that
 *  the table does not depend on the order of rows; counts of a band may then be fractions. */
export function gainsTable(score: Float64Array, label: Uint8Array, from: number, to: number, bands = 10): GainsRow[] {
  const { goods, events, steps } = ladder(score, label, from, to);
  const rows = goods + events;
  const eventsWithin = (target: number): number => {
    let before = { goods: 0, events: 0 };
    for (const step of steps) {
      const n = step.goods + step.events;
      const b = before.goods + before.events;
      if (n >= target) return before.events + ((step.events - before.events) * (target - b)) / (n - b);
      before = step;
    }
    return events;
  };
  const overall = events / rows;
  let previous = 0;
  return Array.from({ length: bands }, (_, i) => {
    const size = rows / bands;
    const reached = eventsWithin(((i + 1) * rows) / bands);
    const own = reached - previous;
    previous = reached;
    return {
      band: i + 1,
      rows: size,
      events: own,
      eventRate: own / size,
      cumulativeEvents: reached / events,
      cumulativeGoods: (size * (i + 1) - reached) / goods,
      lift: own / size / overall,
      cumulativeLift: reached / (size * (i + 1)) / overall,
    };
  });
}

function ladder(score: Float64Array, label: Uint8Array, from: number, to: number): Ladder {
  if (to > score.length || to > label.length || from < 0) {
    throw new AppError("MODEL_SHAPE", { scores: score.length, labels: label.length, to });
  }
  const rows = Uint32Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  rows.sort((a, b) => (score[b] as number) - (score[a] as number));
  const steps: { goods: number; events: number }[] = [];
  let goods = 0;
  let events = 0;
  rows.forEach((row, i) => {
    if (label[row] === 1) events++;
    else goods++;
    const next = rows[i + 1];
    if (next === undefined || score[next] !== score[row]) steps.push({ goods, events });
  });
  if (goods === 0 || events === 0) throw new AppError("MODEL_ONE_CLASS", { rows: rows.length });
  return { goods, events, steps };
}
