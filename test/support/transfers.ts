// Oblivious transfers for tests: dealt as by a trusted third party, and the work of threads in the test's own.
import { systemRng } from "../../core/rng.ts";
import type { TakenTransfers } from "../../federation/garbled/guest.ts";
import { rangeTransfers } from "../../federation/verify/range.ts";
import type { Kernels } from "../../kernels/api.ts";
import { labelBytes } from "../../kernels/oblivious/garbled.ts";

/** Transfers for one blind range: what the bank has of them, and both pads of each, as the provider has them. */
export function dealtTransfers(depth: number, session = "0123456789abcdef", first = 0): { readonly taken: TakenTransfers; readonly pads: Uint8Array } {
  const count = rangeTransfers(depth);
  const drawn = systemRng(count).map((byte) => byte & 1);
  const pads = systemRng(2 * count * labelBytes);
  const own = new Uint8Array(count * labelBytes);
  for (const [k, bit] of drawn.entries()) own.set(pads.subarray((2 * k + bit) * labelBytes, (2 * k + bit + 1) * labelBytes), k * labelBytes);
  return { taken: { session, first, drawn, pads: own }, pads };
}

type Methods = Readonly<Record<string, (...given: readonly unknown[]) => unknown>>;
/** Opens objects here in place of in a thread. */
export const inlineKernels: Pick<Kernels, "open"> = {
  open: async (url, name, args) => {
    const object = (await ((await import(url.href)) as Methods)[name]?.(...args)) as Methods;
    return { call: async <T>(method: string, given: readonly unknown[]) => object[method]?.(...given) as T, [Symbol.asyncDispose]: async () => undefined };
  },
};
