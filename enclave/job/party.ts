// The real `Party` of a job: sends through the door, receives from the durable inbox, waits with back-off, replays after a
// restart. It holds no protocol logic.
import { setTimeout as delay } from "node:timers/promises";
import { BufferPool } from "../../core/buffer-pool.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import type { Clock, Log, Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { Role } from "../../core/message.ts";
import { seededRng } from "../../core/rng.ts";
import type { MessageType, TypedBody } from "../../federation/messages.ts";
import type { Party } from "../../federation/party.ts";
import type { PhaseName } from "../../federation/phases.ts";
import type { Kernels } from "../../kernels/api.ts";
import type { Inbox } from "../accept.ts";
import type { JobAudit } from "../audit/job-audit.ts";
import type { Session } from "../channel/session.ts";
import type { Ledger } from "../ledger.ts";
import { release } from "../release.ts";
import type { Checkpoints } from "../store/checkpoints.ts";
import type { Platform } from "../transport/platform.ts";
import { reach } from "../transport/reach.ts";
import type { PhaseClock } from "./phases.ts";
import type { KeyObject } from "node:crypto";

export type Peer = { readonly role: Role; readonly session: Session; readonly identity: KeyObject };
export type PartyOptions = {
  readonly self: PartyId; readonly role: Role; readonly job: JobId; readonly seed: Uint8Array; readonly identity: KeyObject;
  readonly peers: ReadonlyMap<PartyId, Peer>; readonly inbox: Inbox; readonly ledger: Ledger; readonly platform: Platform;
  readonly checkpoints: Checkpoints; readonly kernels: Kernels; readonly phases: PhaseClock; readonly now: Clock; readonly log: Log; readonly signal: AbortSignal;
  readonly peerTimeoutMs: number; readonly audit: Pick<JobAudit, "settled" | "refusedMessage">;
  /** The guest has its result and the platform takes no more frames: this party only goes over what it has again. */
  readonly isOver: boolean;
  /** The relay is asked to delete what a checkpoint has replaced when there is so much of it: not for every small message. */
  readonly forgetAtBytes?: number;
};

/** Streams whose first 32 bytes were committed to in a signed message. */
const auditable = /\/query\/\d+$|^binning\/label-commitment$|^rows\/guest\/salt$/;
const longPollSeconds = 20;
const sayAfterMs = 3_000;
const firstBackOffMs = 100;
const maxBackOffMs = 10_000;
const defaultForgetAtBytes = 32 * 1024 * 1024;

/** How many messages of a peer are covered by a checkpoint, and how much of that the relay still keeps. */
type Forgotten = { first: number; below: number; bytes: number };

export class JobParty implements Party {
  readonly self: PartyId;
  readonly job: JobId;
  readonly kernels: Kernels;
  readonly #o: PartyOptions;
  readonly #sent = new Map<PartyId, number>();
  readonly #received = new Map<PartyId, number>();
  readonly #labels = new Set<string>();
  /** Messages received where `restored` was asked, by name. */
  readonly #bases = new Map<string, ReadonlyMap<PartyId, number>>();
  readonly #forgotten = new Map<PartyId, Forgotten>();
  readonly #pool = new BufferPool();
  #underWay = 0;

  constructor(options: PartyOptions) {
    this.#o = options;
    this.self = options.self;
    this.job = options.job;
    this.kernels = options.kernels;
  }

  async send<T extends MessageType>(to: PartyId, type: T, body: TypedBody<T>): Promise<void> {
    this.#o.signal.throwIfAborted();
    const peer = this.#peer(to);
    const seq = nextOf(this.#sent, to);
    this.#o.phases.sent(to);
    const ends = { from: this.#o.role, to: peer.role };
    const out = release({ type, body, to, seq, ends, session: peer.session, identity: this.#o.identity, ledger: this.#o.ledger, pool: this.#pool });
    const { sealed } = out;
    if (sealed === undefined) return;
    await this.#during(async () => {
      // What the message rests on (decisions, budgets) is in the audit log before it leaves.
      await this.#o.audit.settled();
      await this.#put(to, seq, sealed);
    });
    this.#pool.give(sealed);
    this.#o.ledger.acknowledge(to, seq);
  }

  async receive<T extends MessageType>(from: PartyId, type: T): Promise<TypedBody<T>> {
    const peer = this.#peer(from);
    const seq = nextOf(this.#received, from);
    const ends = { from: peer.role, to: this.#o.role };
    const stored = this.#o.inbox.stored(from, seq, ends);
    const body = stored === undefined ? await this.#during(() => this.#pull(from, seq, type)) : stored.body;
    if (stored !== undefined && stored.type !== type) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: from, seq });
    this.#o.phases.received(from);
    return body as TypedBody<T>;
  }

  /** The verified identity key of a peer. */
  identityOf(name: PartyId): KeyObject {
    return this.#peer(name).identity;
  }

  rng(label: string): Rng {
    if (this.#labels.has(label)) throw new AppError("JOB_INTERNAL");
    this.#labels.add(label);
    return seededRng(this.#o.seed, `party|${label}`);
  }

  /** The seeds behind the commitments that this party made: of each query's secrets, of the labels and of the row order. */
  auditSeeds(): Record<string, string> {
    const labels = [...this.#labels].filter((label) => auditable.test(label)).sort();
    return Object.fromEntries(labels.map((label) => [label, Buffer.from(seededRng(this.#o.seed, `party|${label}`)(32)).toString("hex")]));
  }

  sharedRng(peer: PartyId, label: string): Rng {
    return this.#peer(peer).session.sharedRng(label);
  }

  phase<T>(name: PhaseName, work: () => Promise<T>): Promise<T> {
    return this.#o.phases.measure(name, work);
  }

  progress(done: number, total: number): void {
    this.#o.phases.progress(done, total);
  }

  restored(name: string): Uint8Array | undefined {
    if (this.#underWay > 0 || this.#bases.has(name)) throw new AppError("JOB_INTERNAL");
    const base = new Map(this.#received);
    this.#bases.set(name, base);
    const kept = this.#o.checkpoints.read(name);
    if (kept === undefined) return undefined;
    for (const [peer, seq] of Object.entries(kept.sent)) this.#sent.set(peer as PartyId, seq);
    for (const [peer, seq] of Object.entries(kept.received)) this.#received.set(peer as PartyId, seq);
    for (const label of kept.labels) this.#labels.add(label);
    this.#o.phases.load(kept);
    // A process that was killed just after it had kept this may have left some.
    this.#forget(base);
    return kept.state;
  }

  async checkpoint(name: string, state: Uint8Array): Promise<void> {
    this.#o.signal.throwIfAborted();
    const base = this.#bases.get(name);
    if (this.#underWay > 0 || base === undefined) throw new AppError("JOB_INTERNAL");
    this.#o.checkpoints.keep(name, {
      sent: Object.fromEntries(this.#sent), received: Object.fromEntries(this.#received), labels: [...this.#labels], ...this.#o.phases.save(), state,
    });
    this.#forget(base);
  }

  /** Removes what came since `base`: the checkpoint that covers it is on disk. */
  #forget(base: ReadonlyMap<PartyId, number>): void {
    const { forgetAtBytes = defaultForgetAtBytes } = this.#o;
    for (const [peer, below] of this.#received) {
      const known = this.#forgotten.get(peer) ?? { first: base.get(peer) ?? 0, below: base.get(peer) ?? 0, bytes: 0 };
      const from = Math.max(known.below, base.get(peer) ?? 0);
      const bytes = known.bytes + this.#o.inbox.forget(peer, from, below);
      const first = known.below < from ? from : known.first;
      if (bytes >= forgetAtBytes) this.#tellRelay(peer, first, below);
      this.#forgotten.set(peer, bytes >= forgetAtBytes ? { first: below, below, bytes: 0 } : { first, below, bytes });
    }
  }

  /** Good manners, not state: what is not deleted now goes with the job. */
  #tellRelay(peer: PartyId, first: number, below: number): void {
    this.#o.platform.forget(this.job, peer, first, below).catch(() => this.#o.log.warn("relay-not-told", { peer }));
  }

  /** Counts what is under way: a checkpoint in the middle of it would not know whether it happened. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
    }
  }

  async #put(to: PartyId, seq: number, sealed: Released): Promise<void> {
    try {
      await reach(() => this.#o.platform.put(this.job, to, seq, sealed), this.#o);
    } catch (error) {
      if (!this.#o.isOver || !(error instanceof AppError) || error.code !== "JOB_ENDED") throw error;
    }
  }

  #peer(name: PartyId): Peer {
    const peer = this.#o.peers.get(name);
    if (peer === undefined) throw new AppError("PROTOCOL_WRONG_PARTY", { party: name });
    return peer;
  }

  /** Pulls until the right message is there. A refused one is written down and the wait goes on. */
  async #pull(from: PartyId, seq: number, type: MessageType): Promise<unknown> {
    const { platform, inbox, now, signal, log } = this.#o;
    const peer = this.#peer(from);
    const since = now();
    let said = false;
    let backOff = firstBackOffMs;
    let refused: AppError | undefined;
    for (;;) {
      signal.throwIfAborted();
      if (now() - since > this.#o.peerTimeoutMs) throw new AppError("JOB_PEER_TIMEOUT", { party: from, seq }, { cause: refused });
      if (!said && now() - since > sayAfterMs) {
        said = true;
        log.info("waiting", { peer: from, message: type });
        this.#o.phases.waiting(from, type);
      }
      const left = Math.max(0, Math.ceil((this.#o.peerTimeoutMs - (now() - since)) / 1000));
      const patience = Math.min(said ? longPollSeconds : Math.ceil(sayAfterMs / 1000), left);
      try {
        const taken = await reach(() => platform.pull(this.job, from, seq, patience, signal, (sealed) => {
          // An ended job takes nothing more in, also not what came at the same moment.
          signal.throwIfAborted();
          const ends = { from: peer.role, to: this.#o.role };
          return { body: inbox.accept(sealed, { peer: from, seq, expected: type, ends, session: peer.session, peerIdentity: peer.identity }) };
        }), this.#o);
        if (taken !== undefined) return taken.body;
      } catch (error) {
        if (!(error instanceof AppError) || !error.code.startsWith("PROTOCOL_")) throw error;
        refused = error;
        log.warn("refused", { peer: from, code: error.code });
        this.#o.audit.refusedMessage(this.job, from, error.code);
        await delay(backOff, undefined, { signal });
        backOff = Math.min(backOff * 2, maxBackOffMs);
      }
    }
  }
}

/** Takes the next number of a channel. */
function nextOf(counters: Map<PartyId, number>, peer: PartyId): number {
  const seq = counters.get(peer) ?? 0;
  counters.set(peer, seq + 1);
  return seq;
}
