// What a price in zero-concentrated differential privacy means as (epsilon, delta). Only for statements and for comparing with a budget: no noise comes
// from here, so floating point is fine; results are rounded against the releaser.

const roundUp = 1 + 1e-9;

/** Bun, Steinke, "Concentrated Differential Privacy", TCC 2016, Proposition 1.3: rho-zCDP gives (rho + 2 sqrt(rho ln(1/delta)), delta). */
export function epsilonOfBunSteinke(rho: number, delta: number): number {
  return rho === 0 ? 0 : rho + 2 * Math.sqrt(rho * Math.log(1 / delta));
}

/** log delta at one order: Canonne, Kamath, Steinke 2020, section 2.3. Any order > 1 gives a valid bound. */
function logDeltaAt(order: number, rho: number, epsilon: number): number {
  return (order - 1) * (order * rho - epsilon) - Math.log(order - 1) + order * Math.log1p(-1 / order);
}

/** Smallest delta of rho-zCDP at an epsilon, by the same bound; at most 1. */
export function deltaOf(rho: number, epsilon: number): number {
  if (rho === 0) return 0;
  // The derivative in the order rises.
  const order = bisect((a) => (2 * a - 1) * rho - epsilon + Math.log1p(-1 / a));
  return Math.min(1, Math.exp(logDeltaAt(order, rho, epsilon)) * roundUp);
}

/** Smallest epsilon of rho-zCDP at a delta in (0, 1), by the same bound; never negative. */
export function epsilonOf(rho: number, delta: number): number {
  if (rho === 0) return 0;
  const order = bisect((a) => rho + Math.log(a * delta) / (a - 1) ** 2);
  const epsilon = order * rho + (-Math.log(delta) - Math.log(order - 1) + order * Math.log1p(-1 / order)) / (order - 1);
  return Math.max(0, Math.min(epsilon, epsilonOfBunSteinke(rho, delta))) * roundUp;
}

/** Bun, Steinke 2016, Proposition 1.4: epsilon-differential privacy gives (epsilon^2 / 2)-zCDP. */
export function rhoOfPure(epsilon: number): number {
  return epsilon ** 2 / 2;
}

/** The order > 1 where a rising function crosses zero. */
function bisect(rising: (order: number) => number): number {
  let low = 1.000001;
  let high = 2;
  while (rising(high) < 0 && high < 1e12) high *= 2;
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return high;
}
