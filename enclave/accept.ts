// The one door in: a sealed frame is opened, checked and stored before a role sees it. A refusal changes nothing but the
// list of refusals; the party goes on waiting for the right message.
import { createHash, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import type { PartyId } from "../core/brand.ts";
import type { Clock } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { checkFrame, type Ends, type MessageType } from "../federation/messages.ts";
import type { JobPlan } from "../federation/plan-schema.ts";
import { openFrame } from "./channel/seal.ts";
import type { Session } from "./channel/session.ts";
import { isWithin, PlanBounds } from "./plan-bounds.ts";
import type { StateDatabase } from "./store/database.ts";
import { readBytes, writeDurably } from "../core/files.ts";

export class Inbox {
  readonly #db: StateDatabase;
  readonly #job: JobPlan["job"];
  readonly #self: PartyId;
  readonly #folder: string;
  readonly #now: Clock;
  readonly #bounds: PlanBounds;

  /** folder: where the frames of this job lie. */
  constructor(options: { db: StateDatabase; plan: JobPlan; self: PartyId; folder: string; now: Clock }) {
    this.#db = options.db;
    this.#job = options.plan.job;
    this.#self = options.self;
    this.#folder = options.folder;
    this.#now = options.now;
    this.#bounds = new PlanBounds(options.db, options.plan);
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
      this.#checkPlan(peer, type, frame.length);
      writeDurably(this.#path(peer, seq), frame);
      const digest = createHash("sha256").update(frame).digest("hex");
      this.#db.run("insert into inbox values (?, ?, ?, ?, ?, ?)", this.#job, peer, seq, type, frame.length, digest);
      return body;
    } catch (error) {
      if (error instanceof AppError) this.#db.run("insert into refusals (job, peer, code, at) values (?, ?, ?, ?)", this.#job, peer, error.code, this.#now());
      throw error;
    }
  }

  /** What a peer may send is bounded by what all have approved, not by what it declares of itself. */
  #checkPlan(peer: PartyId, type: string, bytes: number): void {
    const bounds = this.#bounds.of(peer, this.#self, type);
    if (bounds === undefined) throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: peer });
    const use = this.#bounds.with("inbox", peer, type, bytes);
    if (!isWithin(use, bounds)) throw new AppError("PROTOCOL_OVERSIZED", { party: peer, bytes: use.bytes, limit: bounds.maxBytes });
  }

  #path(peer: PartyId, seq: number): string {
    return `${this.#folder}/${peer}-${seq}.frame`;
  }
}
