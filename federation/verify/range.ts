// Blind range membership: the bank learns whether the provider's integer lies in its interval, the provider nothing of the interval. The interval's
// cover against the nodes above the value, by commutative blinding (Diffie-Hellman set intersection, cardinality only: the provider
// returns the bank's points in a random order), so that the bank does not learn which node, that is which part of its interval, it was.
import { hash } from "node:crypto";
import { z } from "zod";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { packed } from "../../core/message.ts";
import { keyBytes, type Curve } from "../psi/curve.ts";
import { pointBytes, tagBytes } from "../psi/messages.ts";
import { secretPermutation } from "../psi/permutation.ts";
import { coverDepth, coverOf, coverSize, nodesAbove } from "./cover.ts";
import { questionDomain, type Question } from "./equality.ts";

const exactly = (itemBytes: number, items: number): z.ZodType<Uint8Array> => packed(itemBytes, items).refine((b) => b.length === items * itemBytes);
export const rangeAskSchema = z.strictObject({ blinded: exactly(pointBytes, coverSize) });
export const rangeReplySchema = z.strictObject({ points: exactly(pointBytes, coverSize), tags: exactly(tagBytes, coverDepth + 1) });
export type RangeAsk = z.output<typeof rangeAskSchema>;
export type RangeReply = z.output<typeof rangeReplySchema>;
/** The bank keeps it until the reply is there. */
export type RangeOpen = { readonly key: Uint8Array };

/** Always `coverSize` points: what a cover has less is filled up with texts that are no nodes. Throws VERIFY_RANGE. */
export function askWithin(curve: Curve, question: Question, interval: { readonly from: bigint; readonly to: bigint }, rng: Rng): { ask: RangeAsk; open: RangeOpen } {
  const cover = coverOf(interval.from, interval.to);
  const filled = [...cover, ...Array.from({ length: coverSize - cover.length }, (_, i) => `none:${i}`)];
  const key = rng(keyBytes);
  return { ask: { blinded: curve.blindIds(filled, questionDomain("range", question), key) }, open: { key } };
}

/** Throws PROTOCOL_BAD_POINT, VERIFY_RANGE for a value outside of the tree, VERIFY_QUESTION for points that stand twice. */
export function replyWithin(curve: Curve, question: Question, value: bigint, ask: RangeAsk, rng: Rng): RangeReply {
  // The same node many times would let a count say more than one bit.
  if (new Set(rows(ask.blinded, pointBytes).map((p) => Buffer.from(p).toString("latin1"))).size !== coverSize) throw new AppError("VERIFY_QUESTION");
  const key = rng(keyBytes);
  try {
    const own = curve.blindIds(nodesAbove(value), questionDomain("range", question), key);
    return {
      points: shuffled(rows(curve.raisePoints(ask.blinded, key), pointBytes), rng),
      tags: shuffled(rows(own, pointBytes).map(tagOf), rng),
    };
  } finally {
    key.fill(0);
  }
}

/** Whether the value is inside. Throws PROTOCOL_BAD_POINT, VERIFY_REPLY when it says more than one node: then it is not an answer to this question. */
export function openWithin(curve: Curve, { key }: RangeOpen, reply: RangeReply): boolean {
  try {
    const tags = new Set(rows(reply.tags, tagBytes).map((t) => Buffer.from(t).toString("latin1")));
    const found = rows(curve.unraisePoints(reply.points, key), pointBytes).filter((p) => tags.has(Buffer.from(tagOf(p)).toString("latin1"))).length;
    if (found > 1 || tags.size !== coverDepth + 1) throw new AppError("VERIFY_REPLY");
    return found === 1;
  } finally {
    key.fill(0);
  }
}

function rows(packedRows: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: packedRows.length / size }, (_, i) => packedRows.subarray(i * size, (i + 1) * size));
}

function tagOf(point: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", Buffer.concat([Buffer.from("yunei/verify-range/tag/v1\n"), point]), "buffer")).subarray(0, tagBytes);
}

function shuffled(items: readonly Uint8Array[], rng: Rng): Uint8Array {
  return new Uint8Array(Buffer.concat(Array.from(secretPermutation(items.length, rng), (i) => items[i] as Uint8Array)));
}
