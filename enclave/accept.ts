// The one door in: a sealed frame is opened, checked and stored before a role sees it. A refusal changes nothing but the
// list of refusals; the party goes on waiting for the right message.
import { createHash, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import type { JobId, PartyId } from "../core/brand.ts";
import type { Clock } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { checkFrame, type Ends, type MessageType } from "../federation/messages.ts";
import { openFrame } from "./channel/seal.ts";
import type { Session } from "./channel/session.ts";
import type { StateDatabase } from "./store/database.ts";
import { readBytes, writeDurably } from "./store/files.ts";

export class Inbox {
  readonly #db: StateDatabase;
  readonly #job: JobId;
  readonly #folder: string;
  readonly #now: Clock;

  constructor(db: StateDatabase, job: JobId, folder: string, now: Clock) {
    this.#db = db;
    this.#job = job;
    this.#folder = folder;
    this.#now = now;
  }

  /** The stored message of that number, or undefined. */
  stored(peer: PartyId, seq: number, ends: Ends): { type: MessageType; body: unknown } | undefined {
    const row = this.#db.get("select digest from inbox where job = ? and peer = ? and seq = ?", this.#job, peer, seq);
    if (row === undefined) return undefined;
    const path = this.#path(peer, seq);
    const frame = existsSync(path) ? readBytes(path) : new Uint8Array(0);
    if (createHash("sha256").update(frame).digest("hex") === row["digest"]) return checkFrame(frame, ends);
    // The file did not survive (power loss): the relay still has the message.
    this.#db.run("delete from inbox where job = ? and peer = ? and seq = ?", this.#job, peer, seq);
    return undefined;
  }

  /** Opens and checks a sealed frame that should be number `seq` of type `expected`, then stores it durably. */
  accept(sealed: Uint8Array, options: { peer: PartyId; seq: number; expected: MessageType; ends: Ends; session: Session; peerIdentity: KeyObject }): unknown {
    const { peer, seq } = options;
    try {
      const frame = openFrame(sealed, seq, options.session, options.peerIdentity);
      const { type, body } = checkFrame(frame, options.ends);
      if (type !== options.expected) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: peer, seq });
      writeDurably(this.#path(peer, seq), frame);
      const digest = createHash("sha256").update(frame).digest("hex");
      this.#db.run("insert into inbox values (?, ?, ?, ?, ?, ?)", this.#job, peer, seq, type, frame.length, digest);
      return body;
    } catch (error) {
      if (error instanceof AppError) this.#db.run("insert into refusals (job, peer, code, at) values (?, ?, ?, ?)", this.#job, peer, error.code, this.#now());
      throw error;
    }
  }

  #path(peer: PartyId, seq: number): string {
    return `${this.#folder}/${peer}-${seq}.frame`;
  }
}
