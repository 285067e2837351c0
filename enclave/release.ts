// The one door out of a domain: schema, plan and ledger first, then the seal. Transports accept nothing but what it returns.
import type { KeyObject } from "node:crypto";
import type { BufferPool } from "../core/buffer-pool.ts";
import type { PartyId, Released } from "../core/brand.ts";
import { encodeFrame } from "../core/codec.ts";
import { checkBody, type Ends } from "../federation/messages.ts";
import { frameDigest, sealFrame } from "./channel/seal.ts";
import type { Session } from "./channel/session.ts";
import type { Ledger } from "./ledger.ts";

/** A message that may leave; `sealed` is undefined when the relay has it already. */
export type Outgoing = { readonly sealed: Released | undefined; readonly seq: number };

/** Checks, writes down and seals one message. Throws before anything is written when the message may not leave. */
export function release(options: {
  type: string; body: unknown; to: PartyId; seq: number; ends: Ends; session: Session; identity: KeyObject; ledger: Ledger; pool?: BufferPool;
}): Outgoing {
  const { type, to, seq, ledger } = options;
  const body = checkBody(type, options.body, options.ends);
  const frame = encodeFrame(type, body);
  const digest = frameDigest(frame);
  const sealOptions = { digest, ...(options.pool === undefined ? {} : { pool: options.pool }) };
  const { acknowledged } = ledger.enter(to, seq, type, frame.length, digest);
  return { sealed: acknowledged ? undefined : (sealFrame(frame, seq, options.session, options.identity, sealOptions) as Released), seq };
}
