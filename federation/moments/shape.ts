// Sizes that both ends of the moments agree on.

/** Bits of the masked cross sums between two hosts: the largest plaintext space of the kernel. */
export const crossBits = 38;
/** Float64 values of one `moments/own` message. */
export const maxOwnValues = 400_000;
/** Values of `d` columns: sums, then the upper triangle. */
export function ownValues(d: number): number {
  return d + (d * (d + 1)) / 2;
}
