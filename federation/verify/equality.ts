// Blind equality: the bank learns whether its claim is the provider's value, the provider nothing of the claim. OPRF(ristretto255, SHA-512) of
// RFC 9497, base mode, under a key that the provider draws for this one question: whatever the bank asks, it has one evaluation, so one
// guess, and an evaluation for one question is worth nothing for another.
import { timingSafeEqual } from "node:crypto";
import { bytes } from "../../core/message.ts";
import { z } from "zod";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { keyBytes, type CurveWork } from "../psi/curve.ts";
import { pointBytes, tagBytes } from "../psi/messages.ts";

/** Where a question stands: both sides derive the same from the request, so that its points are of no use elsewhere. */
export type Question = { readonly request: string; readonly party: string; readonly item: string };

export const equalityAskSchema = z.strictObject({ blinded: bytes(pointBytes) });
export const equalityReplySchema = z.strictObject({ point: bytes(pointBytes), tag: bytes(tagBytes) });
export type EqualityAsk = z.output<typeof equalityAskSchema>;
export type EqualityReply = z.output<typeof equalityReplySchema>;
/** The bank keeps it until the reply is there. */
export type EqualityOpen = { readonly claim: string; readonly key: Uint8Array };

const idForm = /^[A-Za-z0-9_.#-]{1,64}$/;

/** Throws VERIFY_QUESTION for names that are not plain. */
export function questionName({ request, party, item }: Question): string {
  if (![request, party, item].every((part) => idForm.test(part))) throw new AppError("VERIFY_QUESTION");
  return `${request}/${party}/${item}`;
}

const domainOf = (question: Question): string => `yunei/verify-equality/v1/ristretto255_XMD:SHA-512_R255MAP_RO_/${questionName(question)}`;

/** claim: canonical text (claims.ts). */
export async function askEqual(curve: CurveWork, question: Question, claim: string, rng: Rng): Promise<{ ask: EqualityAsk; open: EqualityOpen }> {
  const key = rng(keyBytes);
  return { ask: { blinded: await curve.blind([claim], domainOf(question), key) }, open: { claim, key } };
}

/** value: canonical text; undefined for none: the same work then leads to a tag of nothing. A fresh key per question. Throws PROTOCOL_BAD_POINT. */
export async function replyEqual(curve: CurveWork, question: Question, value: string | undefined, ask: EqualityAsk, rng: Rng): Promise<EqualityReply> {
  const domain = domainOf(question);
  const key = rng(keyBytes);
  const held = value ?? Buffer.from(rng(nothingBytes)).toString("latin1");
  try {
    const [point, tag] = await Promise.all([curve.raise(ask.blinded, key), curve.tag([held], domain, key)]);
    return { point, tag };
  } finally {
    key.fill(0);
  }
}

/** Whether the claim is the value. Throws PROTOCOL_BAD_POINT. */
export async function openEqual(curve: CurveWork, { claim, key }: EqualityOpen, reply: EqualityReply): Promise<boolean> {
  try {
    return timingSafeEqual(await curve.finish([claim], reply.point, key), reply.tag);
  } finally {
    key.fill(0);
  }
}

/** A random text that no canonical value is: it has 32 bytes of chance. */
const nothingBytes = 32;
