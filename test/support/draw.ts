// Seeded numbers for tests: the same on every run, never for anything secret.

export type Draw = { uniform(): number; normal(): number; int(below: number): number };

/** xorshift32. */
export function seededDraw(seed: number): Draw {
  let state = (seed >>> 0) || 1;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return (state + 0.5) / 2 ** 32;
  };
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    int: (below) => Math.floor(uniform() * below),
  };
}
