// Sizes that both ends of the moments agree on.

/** Bits of the masked cross sums between two hosts: the largest plaintext space of the kernel. */
export const crossBits = 38;
/** Float64 values of one `moments/own` message. */
export const maxOwnValues = 400_000;
/** Values of `d` columns: sums, then the upper triangle. */
export function ownValues(d: number): number {
  return d + (d * (d + 1)) / 2;
}
/** Mean square of the codes of one column, at most: the guest scales its codes so, the host checks. It bounds what the
 *  flood must hide (kernels/README.md) and costs nothing visible: 8-bit codes of a WOE column rarely exceed it. */
export const maxCodeEnergy = 64 * 64;
