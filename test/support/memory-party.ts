// One party of a job in memory: its end of the channels, what it keeps as an enclave would on its disk, and the port over both.
// A test may let it die at any call of the port; the next party over the same disk is its restart.
import { assert } from "chai";
import type { JobId, PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { Role } from "../../core/message.ts";
import { seededRng } from "../../core/rng.ts";
import { checkFrame, type Ends, type MessageType, type TypedBody } from "../../federation/messages.ts";
import type { Party } from "../../federation/party.ts";
import type { PhaseName } from "../../federation/phases.ts";
import { RoundCounter } from "../../federation/rounds.ts";
import type { Kernels } from "../../kernels/api.ts";
import type { Entry } from "./world.ts";

export type PhaseRecord = { readonly name: PhaseName; readonly progress: { done: number; total: number }[]; rounds: number };

/** What a killed party's calls end with. */
export class Killed extends Error {}

/** The frames of one direction of a channel, by number, as the relay keeps them; and whoever waits for one. */
class Wire {
  readonly frames: Uint8Array[] = [];
  /** How many of them the receiver has taken. */
  taken = 0;
  readonly #waiting = new Set<{ readonly seq: number; resolve(frame: Uint8Array): void; reject(error: Error): void }>();
  #closed: Error | undefined;

  put(frame: Uint8Array): void {
    this.frames.push(frame);
    for (const waiter of this.#waiting) {
      if (waiter.seq >= this.frames.length) continue;
      this.#waiting.delete(waiter);
      waiter.resolve(this.frames[waiter.seq] as Uint8Array);
    }
  }
  take(seq: number): Promise<Uint8Array> {
    const frame = this.frames[seq];
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => this.#waiting.add({ seq, resolve, reject }));
  }
  close(error: Error): void {
    this.#closed = error;
    for (const waiter of this.#waiting) waiter.reject(error);
    this.#waiting.clear();
  }
  get unread(): number {
    return this.frames.length - this.taken;
  }
}

type Counters = ReadonlyMap<PartyId, number>;
export type Checkpoint = {
  readonly name: string;
  readonly state: Uint8Array;
  readonly sent: Counters;
  readonly received: Counters;
  /** Where `restored` was asked. */
  readonly base: Counters;
  readonly labels: readonly string[];
  readonly rounds: ReturnType<RoundCounter["save"]>;
};

/** What remains of a party when it is killed. */
export class Disk {
  readonly wires: ReadonlyMap<PartyId, Wire>;
  readonly sent: ReadonlyMap<PartyId, Uint8Array[]>;
  /** Every checkpoint that was made, in order; the last one of a name counts. */
  readonly checkpoints: Checkpoint[] = [];

  constructor(peers: readonly PartyId[]) {
    this.wires = new Map(peers.map((peer) => [peer, new Wire()]));
    this.sent = new Map(peers.map((peer) => [peer, []]));
  }

  close(error: Error): void {
    for (const wire of this.wires.values()) wire.close(error);
  }
  get unread(): number {
    return [...this.wires.values()].reduce((sum, wire) => sum + wire.unread, 0);
  }
  /** Whether a checkpoint has made this frame unneeded: an enclave would not have it any more. */
  isForgotten(peer: PartyId, seq: number): boolean {
    return this.checkpoints.some((c) => seq >= (c.base.get(peer) ?? 0) && seq < (c.received.get(peer) ?? 0));
  }

  /** The disk of a party that was killed earlier: `frames` messages of each peer had come in, `checkpoints` had been made. */
  earlier(frames: number | undefined, checkpoints: number): Disk {
    const disk = new Disk([...this.wires.keys()]);
    for (const [peer, wire] of this.wires) {
      for (const frame of wire.frames.slice(0, Math.min(frames ?? wire.taken, wire.taken))) disk.wires.get(peer)?.put(frame);
      disk.sent.get(peer)?.push(...(this.sent.get(peer) ?? []));
    }
    disk.checkpoints.push(...this.checkpoints.slice(0, checkpoints));
    return disk;
  }
}

export type MemoryPartyOptions = {
  readonly self: PartyId;
  readonly job: JobId;
  readonly seed: number | string;
  readonly kernels: Kernels | undefined;
  readonly disk: Disk;
  /** Dies at this call of send, receive or checkpoint (1 is the first; a checkpoint counts before and after it is kept). */
  readonly diesAt?: number | undefined;
  roleOf(party: PartyId): Role;
  /** Puts a frame on the wire; not called for what an earlier life has sent. */
  post(message: Entry): void;
  received?: ((message: Entry) => unknown) | undefined;
};

export class MemoryParty implements Party {
  readonly self: PartyId;
  readonly job: JobId;
  readonly phases: PhaseRecord[] = [];
  readonly #options: MemoryPartyOptions;
  readonly #labels = new Set<string>();
  readonly #sent = new Map<PartyId, number>();
  readonly #received = new Map<PartyId, number>();
  readonly #bases = new Map<string, Counters>();
  readonly #rounds = new RoundCounter();
  #phase: PhaseRecord | undefined;
  #calls = 0;
  #underWay = 0;
  #isDead = false;

  constructor(options: MemoryPartyOptions) {
    this.#options = options;
    this.self = options.self;
    this.job = options.job;
  }

  /** How many messages it has sent to each peer, with those of earlier lives. */
  get sentTo(): Counters {
    return new Map([...this.#options.disk.sent.keys()].map((peer) => [peer, this.#sent.get(peer) ?? 0]));
  }

  async send<T extends MessageType>(to: PartyId, type: T, body: TypedBody<T>): Promise<void> {
    const ledger = this.#options.disk.sent.get(to);
    assert(ledger, `${this.self} has no peer ${to}`);
    const frame = encodeFrame(type, body);
    checkFrame(frame, this.#ends(this.self, to));
    const seq = this.#next(this.#sent, to);
    // Yields, as a real transport does: a role that relies on an atomic `send` shows up here.
    await this.#during(() => new Promise((resolve) => setImmediate(resolve)));
    this.#rounds.sent(to);
    if (seq < ledger.length) {
      assert.deepEqual(frame, ledger[seq], `message ${seq} of ${this.self} to ${to} differs`);
      return;
    }
    assert.equal(seq, ledger.length, `${this.self} sends to ${to} out of order`);
    ledger.push(frame);
    this.#options.post({ from: this.self, to, type, bytes: frame.length, body, frame });
  }

  async receive<T extends MessageType>(from: PartyId, type: T): Promise<TypedBody<T>> {
    const wire = this.#wire(from);
    const seq = this.#next(this.#received, from);
    assert.isFalse(this.#options.disk.isForgotten(from, seq), `message ${seq} from ${from} was forgotten at a checkpoint`);
    const frame = await this.#during(() => wire.take(seq));
    const isNew = seq >= wire.taken;
    if (isNew) wire.taken = seq + 1;
    this.#rounds.received(from);
    const message = checkFrame(frame, this.#ends(from, this.self));
    if (message.type !== type) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: from });
    if (isNew) this.#options.received?.({ from, to: this.self, type, bytes: frame.length, body: message.body, frame });
    return message.body as TypedBody<T>;
  }

  rng(label: string): Rng {
    if (this.#labels.has(label)) throw new Error(`the label ${label} was used before`);
    this.#labels.add(label);
    return seededRng(secretOf(`${this.#options.seed}/${this.self}`), label);
  }
  sharedRng(peer: PartyId, label: string): Rng {
    this.#wire(peer);
    return seededRng(secretOf(`${this.#options.seed}/${[this.self, peer].sort().join("+")}`), label);
  }
  get kernels(): Kernels {
    assert(this.#options.kernels, "this world has no kernels: give createWorld({ kernels })");
    return this.#options.kernels;
  }

  async phase<T>(name: PhaseName, work: () => Promise<T>): Promise<T> {
    assert(!this.#phase, "phases of one party do not nest");
    this.#phase = { name, progress: [], rounds: 0 };
    this.phases.push(this.#phase);
    this.#rounds.take();
    try {
      return await work();
    } finally {
      this.#phase.rounds = this.#rounds.take();
      this.#phase = undefined;
    }
  }
  progress(done: number, total: number): void {
    this.#phase?.progress.push({ done, total });
  }

  restored(name: string): Uint8Array | undefined {
    this.#assertQuiet();
    assert(!this.#bases.has(name), `restored(${name}) was asked before`);
    this.#bases.set(name, new Map(this.#received));
    const kept = this.#options.disk.checkpoints.findLast((c) => c.name === name);
    if (kept === undefined) return undefined;
    for (const [peer, seq] of kept.sent) this.#sent.set(peer, seq);
    for (const [peer, seq] of kept.received) this.#received.set(peer, seq);
    for (const label of kept.labels) this.#labels.add(label);
    this.#rounds.load(kept.rounds);
    return kept.state.slice();
  }

  async checkpoint(name: string, state: Uint8Array): Promise<void> {
    this.#assertQuiet();
    const base = this.#bases.get(name);
    assert(base, `checkpoint(${name}) before restored(${name})`);
    const kept = state.slice();
    await this.#during(() => new Promise((resolve) => setImmediate(resolve)));
    this.#options.disk.checkpoints.push({
      name, state: kept, base, sent: new Map(this.#sent), received: new Map(this.#received), labels: [...this.#labels], rounds: this.#rounds.save(),
    });
    await this.#during(() => new Promise((resolve) => setImmediate(resolve)));
  }

  /** Counts one call of the port, and ends it here when the party dies in it or has died meanwhile. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#calls += 1;
    if (this.#calls === this.#options.diesAt) this.#isDead = true;
    this.#assertAlive();
    this.#underWay += 1;
    const result = await work().finally(() => {
      this.#underWay -= 1;
    });
    this.#assertAlive();
    return result;
  }
  #assertAlive(): void {
    if (this.#isDead) throw new Killed(`${this.self} was killed`);
  }
  #assertQuiet(): void {
    assert.equal(this.#underWay, 0, "a checkpoint while a message is under way");
  }
  #next(counters: Map<PartyId, number>, peer: PartyId): number {
    const seq = counters.get(peer) ?? 0;
    counters.set(peer, seq + 1);
    return seq;
  }
  #ends(from: PartyId, to: PartyId): Ends {
    return { from: this.#options.roleOf(from), to: this.#options.roleOf(to) };
  }
  #wire(peer: PartyId): Wire {
    const wire = this.#options.disk.wires.get(peer);
    assert(wire, `${this.self} has no peer ${peer}`);
    return wire;
  }
}

function secretOf(text: string): Uint8Array {
  return seededRng(new TextEncoder().encode(text.padEnd(32, ".")), "world")(32);
}
