// Blind range: the bank learns whether the provider's integer lies in its interval and nothing else, the provider nothing of the interval. A garbled circuit compares (kernels/
// oblivious/garbled.ts); the bank's labels come through transfers that were prepared (federation/garbled), one for each bit of its two ends. An end that is open is the least or the
// greatest integer, so that all intervals look alike.
import { createHash } from "node:crypto";
import { z } from "zod";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { bytes, count, packed } from "../../core/message.ts";
import { bitsOf, inputsOf, labelBytes, resultsBytes, spareBytes, tablesBytes, type GarbledInterval, type GarbledWork } from "../../kernels/oblivious/garbled.ts";
import type { TakenTransfers } from "../garbled/guest.ts";
import { sessionSchema } from "../garbled/messages.ts";
import { boundsOf } from "./claims.ts";
import { questionName, type Question } from "./equality.ts";

/** Bits of an integer at most. */
const deepest = 40;
/** Transfers that one question takes. */
export const rangeTransfers = inputsOf;
/** Bytes of the bits that a question says, and of its reply. */
export const rangeBytes = (depth: number) => ({ flips: Math.ceil(rangeTransfers(depth) / 8), tables: tablesBytes(depth), results: resultsBytes });

/** session, first: the transfers that it takes, from number `first` on; flips: a bit for each, whether the bank had drawn the other one. */
export const rangeAskShape = { session: sessionSchema, first: count(2 ** 32 - 1), flips: packed(1, rangeBytes(deepest).flips) } as const;
export const rangeReplyShape = { tables: packed(labelBytes, tablesBytes(deepest) / labelBytes), results: bytes(resultsBytes) } as const;
export type RangeAsk = z.output<z.ZodObject<typeof rangeAskShape>>;
export type RangeReply = GarbledInterval;
/** The bank keeps it until the reply is there. */
export type RangeOpen = { readonly domain: Uint8Array; readonly labels: Uint8Array; readonly bits: Uint8Array; readonly depth: number };

export type Interval = { readonly from: bigint; readonly to: bigint };

/** taken: `rangeTransfers` of them. Throws VERIFY_RANGE for an interval that is empty or reaches beyond the integers of `depth` bits. */
export function askWithin(question: Question, { from, to }: Interval, depth: number, { session, first, drawn, pads }: TakenTransfers): { readonly ask: RangeAsk; readonly open: RangeOpen } {
  const { least, greatest } = boundsOf(depth);
  if (from > to || from < least || to > greatest) throw new AppError("VERIFY_RANGE");
  const bits = bitsOf({ from: from - least, to: to - least }, depth);
  const flips = new Uint8Array(rangeBytes(depth).flips);
  for (const [k, bit] of bits.entries()) flips[k >> 3] = (flips[k >> 3] as number) | ((bit ^ (drawn[k] as number)) << (k & 7));
  return { ask: { session, first, flips }, open: { domain: domainOf(question, { session, first }), labels: pads, bits, depth } };
}

/** pads: both of each transfer of the question; wiped. value: undefined for none: the same work, and no interval holds it. Throws VERIFY_RANGE for a value of more than `depth` bits. */
export function replyWithin(work: GarbledWork, question: Question, value: bigint | undefined, depth: number, ask: RangeAsk, pads: Uint8Array, rng: Rng): RangeReply {
  const { least, greatest } = boundsOf(depth);
  if (value !== undefined && (value < least || value > greatest)) throw new AppError("VERIFY_RANGE");
  const random = rng(spareBytes(depth));
  const labels = new Uint8Array(pads.length);
  try {
    for (let k = 0; k < rangeTransfers(depth); k++) {
      const flip = ((ask.flips[k >> 3] ?? 0) >> (k & 7)) & 1;
      for (const bit of [0, 1]) labels.set(pads.subarray((2 * k + (bit ^ flip)) * labelBytes, (2 * k + (bit ^ flip) + 1) * labelBytes), (2 * k + bit) * labelBytes);
    }
    return work.garble({ domain: domainOf(question, ask), labels, value: value === undefined ? undefined : value - least, depth, random });
  } finally {
    for (const secret of [random, labels, pads]) secret.fill(0);
  }
}

/** Whether the value is inside. Throws VERIFY_REPLY for what is no answer to this question. */
export function openWithin(work: GarbledWork, { domain, labels, bits, depth }: RangeOpen, reply: RangeReply): boolean {
  try {
    const isInside = work.evaluate({ domain, labels, bits, depth, tables: reply.tables, results: reply.results });
    if (isInside === undefined) throw new AppError("VERIFY_REPLY");
    return isInside;
  } finally {
    for (const secret of [labels, bits]) secret.fill(0);
  }
}

/** Names the circuit: its transfers are used once. */
function domainOf(question: Question, { session, first }: Pick<RangeAsk, "session" | "first">): Uint8Array {
  return new Uint8Array(createHash("sha256").update(`yunei/verify-range/v2/${questionName(question)}/${session}/${first}`).digest().subarray(0, 16));
}
