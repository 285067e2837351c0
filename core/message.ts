// The contract of a message type: who sends it to whom, its schema, and what it reveals. A protocol folder lists its
// own in `messages.ts`; the plan's leakage statement, the ledger and the checks on arrival all read these.
import { z } from "zod";

export type Role = "guest" | "host";
/** Who may be at one end of a message: one role, or any party of the job. */
export type RoleOrAny = Role | "any";
export type Bilingual = { readonly en: string; readonly zh: string };
export type MessageSpec = {
  readonly from: RoleOrAny;
  readonly to: RoleOrAny;
  /** What the receiver can learn from it, as a sentence; empty if nothing (uniform or public bytes). */
  readonly reveals: Bilingual;
  /** Upper bound of one encoded frame, bytes. */
  readonly maxBytes: number;
  readonly body: z.ZodType;
};
export type Messages = Readonly<Record<string, MessageSpec>>;
export type BodyOf<S extends MessageSpec> = z.output<S["body"]>;

/** The largest frame of any type: longer things are sent as numbered chunks. */
export const maxFrameBytes = 8 * 1024 * 1024;

/** Bytes made of whole items of `itemBytes` bytes. */
export function packed(itemBytes: number, maxItems = Math.floor(maxFrameBytes / itemBytes)): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((b) => b.length % itemBytes === 0 && b.length / itemBytes <= maxItems);
}
/** Exactly `length` bytes. */
export function bytes(length: number): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((b) => b.length === length);
}
/** A count or index: a non-negative integer below `max` + 1. */
export function count(max = Number.MAX_SAFE_INTEGER): z.ZodNumber {
  return z.number().int().min(0).max(max);
}
