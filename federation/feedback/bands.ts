// Classes of information value, as credit scoring uses them (N. Siddiqi, Credit Risk Scorecards, 2006, chapter 6).
export const ivBands = ["unpredictive", "weak", "medium", "strong"] as const;
export type IvBand = (typeof ivBands)[number];
/** Where the second, third and fourth class begin. */
export const ivEdges = [0.02, 0.1, 0.3] as const;

export function bandOf(iv: number): IvBand {
  return ivBands[ivEdges.filter((edge) => iv >= edge).length] ?? "strong";
}

/** What one message can tell about the labels at most, in bits: a class per feature, and one of 201 gains. */
export function mostBits(features: number): number {
  return features * Math.log2(ivBands.length) + Math.log2(201);
}
