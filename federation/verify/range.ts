// Blind range membership: the bank learns whether the provider's integer lies in its interval, the provider nothing of the interval. The interval's
// cover against the nodes above the value, by commutative blinding (Diffie-Hellman set intersection, cardinality only: the provider
// returns the bank's points in a random order), so that the bank does not learn which node, that is which part of its interval, it was.
import { hash } from "node:crypto";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { keyBytes, type CurveWork } from "../psi/curve.ts";
import { pointBytes, tagBytes } from "../psi/messages.ts";
import { secretPermutation } from "../psi/permutation.ts";
import { boundsOf, coverOf, coverSize, nodesAbove, pathSize, rayCoverSize } from "./cover.ts";
import { questionDomain, type Question } from "./equality.ts";

export type RangeAsk = { readonly blinded: Uint8Array };
export type RangeReply = { readonly points: Uint8Array; readonly tags: Uint8Array };
/** The bank keeps it until the reply is there. */
export type RangeOpen = { readonly key: Uint8Array; readonly depth: number; readonly size: number };

/** Bytes of a question at most, and of the two parts of its reply. */
export const rangeBytes = (depth: number) => ({ blinded: coverSize(depth) * pointBytes, points: coverSize(depth) * pointBytes, tags: pathSize(depth) * tagBytes });
/** Whether a question about a tree of this depth has so many bytes: of an interval with two ends, or with one. */
export const isRangeQuestion = (depth: number, bytes: number): boolean => [coverSize(depth), rayCoverSize(depth)].some((size) => bytes === size * pointBytes);

export type Interval = { readonly from: bigint; readonly to: bigint };

/** As many points for all intervals with two ends, `coverSize`, and for all with one, `rayCoverSize`: what a cover has less is filled up with texts
 *  that are no nodes. Throws VERIFY_RANGE. */
export async function askWithin(curve: CurveWork, question: Question, { from, to }: Interval, depth: number, rng: Rng): Promise<{ ask: RangeAsk; open: RangeOpen }> {
  const cover = coverOf(from, to, depth);
  const { least, greatest } = boundsOf(depth);
  const size = from === least || to === greatest ? rayCoverSize(depth) : coverSize(depth);
  const filled = [...cover, ...Array.from({ length: size - cover.length }, (_, i) => `none:${i}`)];
  const key = rng(keyBytes);
  return { ask: { blinded: await curve.blind(filled, questionDomain("range", question), key) }, open: { key, depth, size } };
}

/** value: undefined for none: the same work then leads to tags of nothing. Throws PROTOCOL_BAD_POINT, VERIFY_RANGE for a value outside of the
 *  tree, VERIFY_QUESTION for another number of points, and for points that stand twice. */
export async function replyWithin(curve: CurveWork, question: Question, value: bigint | undefined, depth: number, ask: RangeAsk, rng: Rng): Promise<RangeReply> {
  // The same node many times would let a count say more than one bit.
  const asked = new Set(rows(ask.blinded, pointBytes).map((p) => Buffer.from(p).toString("latin1")));
  if (!isRangeQuestion(depth, ask.blinded.length) || asked.size * pointBytes !== ask.blinded.length) throw new AppError("VERIFY_QUESTION");
  const key = rng(keyBytes);
  // Texts that are no nodes, nor what a cover is filled up with.
  const nodes = value === undefined ? nodesAbove(boundsOf(depth).least, depth).map((node) => `nothing:${node}`) : nodesAbove(value, depth);
  try {
    const [own, raised] = await Promise.all([curve.blind(nodes, questionDomain("range", question), key), curve.raise(ask.blinded, key)]);
    return { points: shuffled(rows(raised, pointBytes), rng), tags: shuffled(rows(own, pointBytes).map(tagOf), rng) };
  } finally {
    key.fill(0);
  }
}

/** Whether the value is inside. Throws PROTOCOL_BAD_POINT, VERIFY_REPLY when it says more than one node: then it is not an answer to this question. */
export async function openWithin(curve: CurveWork, { key, depth, size }: RangeOpen, reply: RangeReply): Promise<boolean> {
  try {
    if (reply.points.length !== size * pointBytes || reply.tags.length !== rangeBytes(depth).tags) throw new AppError("VERIFY_REPLY");
    const tags = new Set(rows(reply.tags, tagBytes).map((t) => Buffer.from(t).toString("latin1")));
    const found = rows(await curve.unraise(reply.points, key), pointBytes).filter((p) => tags.has(Buffer.from(tagOf(p)).toString("latin1"))).length;
    if (found > 1 || tags.size !== pathSize(depth)) throw new AppError("VERIFY_REPLY");
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
