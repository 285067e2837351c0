// What a provider that runs the bank's whole model gives of its result: 8 bits on the log-odds scale, so that a model made to read data gets no
// more of them than that. One unit is 1/16, the range from -8 to 7.94: probabilities between 0.0003 and 0.9996.
const unitsPerOdd = 16;
const [low, high] = [-128, 127];

/** p: a probability, in [0, 1]. */
export function quantiseOdds(p: number): number {
  const units = Math.round(Math.log(p / (1 - p)) * unitsPerOdd);
  return Math.max(low, Math.min(high, units));
}

/** Log odds of an event of a quantised result. */
export function oddsOfUnits(units: number): number {
  return units / unitsPerOdd;
}
