// The one door in: a sealed frame is opened, checked and stored before a role sees it. A refusal changes nothing but the
// list of refusals; the party goes on waiting for the right message.
import type { KeyObject } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { BufferPool } from "../core/buffer-pool.ts";
import type { PartyId } from "../core/brand.ts";
import type { Clock } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { checkFrame, type Ends, type MessageType } from "../federation/messages.ts";
import type { JobPlan } from "../federation/plan-schema.ts";
import { frameDigest, openFrame } from "./channel/seal.ts";
import type { Session } from "./channel/session.ts";
import { isWithin, PlanBounds, type Use } from "./plan-bounds.ts";
import type { StateDatabase } from "./store/database.ts";
import { readBytes } from "../core/files.ts";

/** Messages up to this size lie in their row, larger ones in files. */
const maxRowBytes = 32 * 1024;

export class Inbox {
  readonly #db: StateDatabase;
  readonly #job: JobPlan["job"];
  readonly #self: PartyId;
  readonly #folder: string;
  readonly #now: Clock;
  readonly #bounds: PlanBounds;
  readonly #pool = new BufferPool();

  /** folder: where the frames of this job lie. */
  constructor(options: { db: StateDatabase; plan: JobPlan; self: PartyId; folder: string; now: Clock }) {
    this.#db = options.db;
    this.#job = options.plan.job;
    this.#self = options.self;
    this.#folder = options.folder;
    this.#now = options.now;
    this.#bounds = new PlanBounds(options.db, options.plan, "inbox");
  }

  /** The stored message of that number, or undefined. */
  stored(peer: PartyId, seq: number, ends: Ends): { type: MessageType; body: unknown } | undefined {
    const row = this.#db.get("select digest, frame from inbox where job = ? and peer = ? and seq = ?", this.#job, peer, seq);
    if (row === undefined) return undefined;
    const path = this.#path(peer, seq);
    const inRow = row["frame"] instanceof Uint8Array ? row["frame"] : undefined;
    const frame = inRow ?? (existsSync(path) ? readBytes(path) : new Uint8Array(0));
    if (frameDigest(frame) === row["digest"]) return checkFrame(frame, ends);
    // It did not survive (power loss): the relay still has the message.
    this.#db.run("delete from inbox where job = ? and peer = ? and seq = ?", this.#job, peer, seq);
    this.#bounds.recount();
    return undefined;
  }

  /** Opens and checks a sealed frame that should be number `seq` of type `expected`, then stores it: a killed process finds it again. A power
   *  failure may take it, since the relay gives it again until a checkpoint covers it. */
  accept(sealed: Uint8Array, options: { peer: PartyId; seq: number; expected: MessageType; ends: Ends; session: Session; peerIdentity: KeyObject }): unknown {
    const { peer, seq } = options;
    try {
      const { frame, digest } = openFrame(sealed, seq, options.session, options.peerIdentity, this.#pool);
      const { type, body } = checkFrame(frame, options.ends);
      if (type !== options.expected) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: peer, seq });
      const use = this.#checkPlan(peer, type, frame.length);
      const inRow = frame.length <= maxRowBytes;
      if (!inRow) this.#write(this.#path(peer, seq), frame);
      this.#bounds.recount();
      this.#db.runSoon("insert into inbox values (?, ?, ?, ?, ?, ?, ?)", this.#job, peer, seq, type, frame.length, digest, inRow ? frame : null);
      this.#bounds.used(peer, type, use);
      // The body holds copies of what was in it.
      this.#pool.give(frame);
      return body;
    } catch (error) {
      if (error instanceof AppError) this.#db.run("insert into refusals (job, peer, code, at) values (?, ?, ?, ?)", this.#job, peer, error.code, this.#now());
      throw error;
    }
  }

  /** A file counts only with its row, which follows it, and its digest. Throws DISK_FAILED. */
  #write(path: string, frame: Uint8Array): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(path, frame, { mode: 0o600 });
    } catch (cause) {
      throw new AppError("DISK_FAILED", {}, { cause });
    }
  }

  /** Removes the messages with numbers in [first, below): a checkpoint has taken their place. What there was of them (type, bytes, digest)
   *  stays written down. Returns their bytes. */
  forget(peer: PartyId, first: number, below: number): number {
    if (first >= below) return 0;
    this.#db.runSoon("update inbox set frame = null where job = ? and peer = ? and seq >= ? and seq < ?", this.#job, peer, first, below);
    for (let seq = first; seq < below; seq++) rmSync(this.#path(peer, seq), { force: true });
    const row = this.#db.get("select coalesce(sum(bytes), 0) as b from inbox where job = ? and peer = ? and seq >= ? and seq < ?", this.#job, peer, first, below);
    return Number(row?.["b"] ?? 0);
  }

  /** What a peer may send is bounded by what all have approved, not by what it declares of itself. */
  #checkPlan(peer: PartyId, type: string, bytes: number): Use {
    const bounds = this.#bounds.of(peer, this.#self, type);
    if (bounds === undefined) throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: peer });
    const use = this.#bounds.with(peer, type, bytes);
    if (!isWithin(use, bounds)) throw new AppError("PROTOCOL_OVERSIZED", { party: peer, bytes: use.bytes, limit: bounds.maxBytes });
    return use;
  }

  #path(peer: PartyId, seq: number): string {
    return `${this.#folder}/${peer}-${seq}.frame`;
  }
}
