// Blind equality: the bank learns whether its claim is the provider's value, the provider nothing of the claim. OPRF(ristretto255, SHA-512) of
// RFC 9497, base mode, under a key that the provider draws for this one question: whatever the bank asks, it has one evaluation, so one
// guess, and an evaluation for one question is worth nothing for another.
import { timingSafeEqual } from "node:crypto";
import { bytes } from "../../core/message.ts";
import { z } from "zod";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { keyBytes, type Curve } from "../psi/curve.ts";
import { pointBytes, tagBytes } from "../psi/messages.ts";

/** Where a question stands: both sides derive the same from the request, so that its points are of no use elsewhere. */
export type Question = { readonly request: string; readonly party: string; readonly item: string };

export const equalityAskSchema = z.strictObject({ blinded: bytes(pointBytes) });
export const equalityReplySchema = z.strictObject({ point: bytes(pointBytes), tag: bytes(tagBytes) });
export type EqualityAsk = z.output<typeof equalityAskSchema>;
export type EqualityReply = z.output<typeof equalityReplySchema>;
/** The bank keeps it until the reply is there. */
export type EqualityOpen = { readonly claim: string; readonly key: Uint8Array; readonly domain: string };

const idForm = /^[A-Za-z0-9_.#-]{1,64}$/;

export function questionDomain(kind: "equality" | "range", { request, party, item }: Question): string {
  if (![request, party, item].every((part) => idForm.test(part))) throw new AppError("VERIFY_QUESTION");
  return `yunei/verify-${kind}/v1/ristretto255_XMD:SHA-512_R255MAP_RO_/${request}/${party}/${item}`;
}

/** claim: canonical text (claims.ts). */
export function askEqual(curve: Curve, question: Question, claim: string, rng: Rng): { ask: EqualityAsk; open: EqualityOpen } {
  const domain = questionDomain("equality", question);
  const key = rng(keyBytes);
  return { ask: { blinded: curve.blindIds([claim], domain, key) }, open: { claim, key, domain } };
}

/** value: canonical text. A fresh key per question. Throws PROTOCOL_BAD_POINT. */
export function replyEqual(curve: Curve, question: Question, value: string, ask: EqualityAsk, rng: Rng): EqualityReply {
  const domain = questionDomain("equality", question);
  const key = rng(keyBytes);
  try {
    return { point: curve.raisePoints(ask.blinded, key), tag: curve.tagIds([value], domain, key) };
  } finally {
    key.fill(0);
  }
}

/** Whether the claim is the value. Throws PROTOCOL_BAD_POINT. */
export function openEqual(curve: Curve, { claim, key }: EqualityOpen, reply: EqualityReply): boolean {
  try {
    return timingSafeEqual(curve.finishTags([claim], reply.point, key), reply.tag);
  } finally {
    key.fill(0);
  }
}
