// The one door out of a domain: schema, plan and ledger first, then the seal. Transports accept nothing but what it returns.
import { createHash, type KeyObject } from "node:crypto";
import type { PartyId, Released } from "../core/brand.ts";
import { encodeFrame } from "../core/codec.ts";
import { checkBody, type Ends } from "../federation/messages.ts";
import { sealFrame } from "./channel/seal.ts";
import type { Session } from "./channel/session.ts";
import type { Ledger } from "./ledger.ts";

export type Outgoing = { readonly sealed: Released; readonly seq: number; readonly acknowledged: boolean };

/** Checks, writes down and seals one message. Throws before anything is written when the message may not leave. */
export function release(options: {
  type: string; body: unknown; to: PartyId; seq: number; ends: Ends; session: Session; identity: KeyObject; ledger: Ledger;
}): Outgoing {
  const { type, to, seq, ledger } = options;
  const body = checkBody(type, options.body, options.ends);
  const frame = encodeFrame(type, body);
  const digest = createHash("sha256").update(frame).digest("hex");
  const { acknowledged } = ledger.enter(to, seq, type, frame.length, digest);
  const sealed = sealFrame(frame, seq, options.session, options.identity) as Released;
  return { sealed, seq, acknowledged };
}
