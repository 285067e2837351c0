// A job's parties in one process: the same roles as in the enclaves, over ordered queues in memory. Every frame is really
// encoded, and decoded and checked on arrival; both views are kept, so that a test can say what a party must not see.
import { assert } from "chai";
import type { JobId, PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { Role } from "../../core/message.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { checkFrame, type Ends, type MessageType, type TypedBody } from "../../federation/messages.ts";
import type { Party } from "../../federation/party.ts";
import type { PhaseName } from "../../federation/phases.ts";
import type { Kernels } from "../../kernels/api.ts";

export type Entry = {
  readonly from: PartyId;
  readonly to: PartyId;
  readonly type: string;
  readonly bytes: number;
  readonly body: unknown;
  readonly frame: Uint8Array;
};
/** What a deviating sender puts on the wire in place of a frame: none (dropped), one, or more (duplicated, reordered). */
export type Tamper = (message: Entry) => readonly Uint8Array[] | undefined;
export type Program<T> = (party: Party) => Promise<T>;
export type Programs = Readonly<Record<string, Program<unknown>>>;
export type Results<P extends Programs> = { [K in keyof P]: Awaited<ReturnType<P[K]>> };
export type PhaseRecord = { readonly name: PhaseName; readonly progress: { done: number; total: number }[] };
export type WorldOptions = {
  /** The first one is the guest. */
  readonly parties: readonly string[];
  readonly seed: number | string;
  readonly kernels?: Kernels;
  readonly job?: string;
  readonly tamper?: Tamper;
};
export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

class PeerFailed extends Error {}
class Stopped extends Error {}

/** Frames from one peer in order, and whoever waits for the next. */
class Inbox {
  readonly taken: Uint8Array[] = [];
  readonly #ready: Uint8Array[] = [];
  readonly #waiting: { resolve(frame: Uint8Array): void; reject(error: Error): void }[] = [];
  #closed: Error | undefined;

  put(frame: Uint8Array): void {
    const next = this.#waiting.shift();
    if (next) {
      this.taken.push(frame);
      next.resolve(frame);
    } else this.#ready.push(frame);
  }
  take(): Promise<Uint8Array> {
    const frame = this.#ready.shift();
    if (frame) {
      this.taken.push(frame);
      return Promise.resolve(frame);
    }
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
  close(error: Error): void {
    this.#closed = error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(error);
  }
  get unread(): number {
    return this.#ready.length;
  }
}

/** One party's end: its queues, its secret streams and what it did. `post` puts a frame on the wire. */
class MemoryParty implements Party {
  readonly self: PartyId;
  readonly job: JobId;
  readonly phases: PhaseRecord[] = [];
  readonly inboxes: ReadonlyMap<PartyId, Inbox>;
  readonly #options: MemoryPartyOptions;
  readonly #labels = new Set<string>();
  #phase: PhaseRecord | undefined;

  constructor(options: MemoryPartyOptions) {
    this.#options = options;
    this.self = options.self;
    this.job = options.job;
    this.inboxes = new Map(options.peers.map((peer) => [peer, new Inbox()]));
  }
  async send<T extends MessageType>(to: PartyId, type: T, body: TypedBody<T>): Promise<void> {
    this.inbox(to);
    const frame = encodeFrame(type, body);
    checkFrame(frame, this.#ends(this.self, to));
    // Yields, as a real transport does: a role that relies on an atomic `send` shows up here.
    await new Promise((resolve) => setImmediate(resolve));
    this.#options.post({ from: this.self, to, type, bytes: frame.length, body, frame });
  }
  async receive<T extends MessageType>(from: PartyId, type: T): Promise<TypedBody<T>> {
    const frame = await this.inbox(from).take();
    const message = checkFrame(frame, this.#ends(from, this.self));
    if (message.type !== type) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: from });
    this.#options.received?.({ from, to: this.self, type, bytes: frame.length, body: message.body, frame });
    return message.body as TypedBody<T>;
  }
  rng(label: string): Rng {
    if (this.#labels.has(label)) throw new Error(`the label ${label} was used before`);
    this.#labels.add(label);
    return seededRng(secretOf(`${this.#options.seed}/${this.self}`), label);
  }
  sharedRng(peer: PartyId, label: string): Rng {
    this.inbox(peer);
    return seededRng(secretOf(`${this.#options.seed}/${[this.self, peer].sort().join("+")}`), label);
  }
  get kernels(): Kernels {
    assert(this.#options.kernels, "this world has no kernels: give createWorld({ kernels })");
    return this.#options.kernels;
  }
  async phase<T>(name: PhaseName, work: () => Promise<T>): Promise<T> {
    assert(!this.#phase, "phases of one party do not nest");
    this.#phase = { name, progress: [] };
    this.phases.push(this.#phase);
    try {
      return await work();
    } finally {
      this.#phase = undefined;
    }
  }
  progress(done: number, total: number): void {
    this.#phase?.progress.push({ done, total });
  }
  #ends(from: PartyId, to: PartyId): Ends {
    return { from: this.#options.roleOf(from), to: this.#options.roleOf(to) };
  }
  inbox(peer: PartyId): Inbox {
    const inbox = this.inboxes.get(peer);
    assert(inbox, `${this.self} has no peer ${peer}`);
    return inbox;
  }
}

type MemoryPartyOptions = {
  readonly self: PartyId;
  readonly peers: readonly PartyId[];
  readonly job: JobId;
  readonly seed: number | string;
  readonly kernels: Kernels | undefined;
  roleOf(party: PartyId): Role;
  post(message: Entry): void;
  received?(message: Entry): unknown;
};

function secretOf(text: string): Uint8Array {
  return seededRng(new TextEncoder().encode(text.padEnd(32, ".")), "world")(32);
}

export class World {
  readonly names: readonly PartyId[];
  readonly job: JobId;
  /** Every message as its sender meant it, in order of sending. */
  readonly sent: Entry[] = [];
  /** Every message that a role took, in order of taking. */
  readonly received: Entry[] = [];
  readonly #options: WorldOptions;
  readonly #parties: ReadonlyMap<PartyId, MemoryParty>;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.names = options.parties.map(partyId);
    this.job = jobIdSchema.parse(options.job ?? "job_0123456789abcdef");
    const received = (message: Entry): unknown => this.received.push(message);
    this.#parties = new Map(this.names.map((name) => [name, this.#makeParty(name, (message) => this.#post(message), received)]));
  }

  party(name: string): Party {
    return this.#member(name);
  }
  peersOf(name: string): PartyId[] {
    return this.names.filter((other) => other !== name);
  }
  phases(name: string): readonly PhaseRecord[] {
    return this.#member(name).phases;
  }
  /** What this party received: all that it could learn anything from. */
  view(name: string): Entry[] {
    return this.received.filter((entry) => entry.to === name);
  }
  /** Types, peers and lengths of a view, without its contents; per sender, since arrival across senders has no order. */
  shape(name: string): string[] {
    return this.view(name).map((e) => `${e.from} ${e.type} ${e.bytes}`).sort();
  }
  bytesSent(name: string): number {
    return this.sent.filter((entry) => entry.from === name).reduce((sum, entry) => sum + entry.bytes, 0);
  }

  /** Runs one program per party side by side. When one fails, the others' waits end too, and the first failure is thrown.
   *  Frames that nobody took are PROTOCOL_OUT_OF_ORDER: somebody sent more than the protocol has. */
  async run<const P extends Programs>(programs: P): Promise<Results<P>> {
    const outcomes = await this.settle(programs);
    const failures = Object.values(outcomes).flatMap((o) => ("error" in o ? [o.error] : []));
    const cause = failures.find((error) => !(error instanceof PeerFailed)) ?? failures[0];
    if (cause !== undefined) throw cause;
    const inboxes = [...this.#parties.values()].flatMap((party) => [...party.inboxes.values()]);
    const unread = inboxes.reduce((sum, inbox) => sum + inbox.unread, 0);
    if (unread > 0) throw new AppError("PROTOCOL_OUT_OF_ORDER", { unread });
    return Object.fromEntries(Object.entries(outcomes).map(([name, o]) => [name, (o as { value: unknown }).value])) as Results<P>;
  }

  /** The same, but tells for every party how it ended. A party that failed only because another did has `isPeerFailure`. */
  async settle(programs: Programs): Promise<Record<string, Outcome<unknown>>> {
    const entries = Object.entries(programs).map(async ([name, program]) => {
      try {
        return [name, { value: await program(this.party(name)) }] as const;
      } catch (error) {
        const inboxes = [...this.#parties.values()].flatMap((party) => [...party.inboxes.values()]);
        for (const inbox of inboxes) inbox.close(new PeerFailed(`${name} failed`));
        return [name, { error }] as const;
      }
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Restarts a party that ran: the same program over the frames that it took, with nothing new from outside. It must send
   *  the same bytes to each peer. With `frames`, it dies again after that many frames of each peer: a prefix must come out. */
  async replay<T>(name: string, program: Program<T>, frames?: number): Promise<T | undefined> {
    const before = this.#member(name);
    const again: Entry[] = [];
    const party = this.#makeParty(before.self, (m) => again.push(m));
    for (const [peer, inbox] of before.inboxes) {
      for (const frame of inbox.taken.slice(0, frames)) party.inbox(peer).put(frame);
      party.inbox(peer).close(new Stopped("no more frames"));
    }
    let result: T | undefined;
    try {
      result = await program(party);
    } catch (error) {
      if (!(error instanceof Stopped) || frames === undefined) throw error;
    }
    for (const peer of before.inboxes.keys()) {
      const first = this.sent.filter((e) => e.from === name && e.to === peer);
      const second = again.filter((e) => e.to === peer);
      if (frames === undefined) assert.equal(second.length, first.length, `${name} sent another number of messages to ${peer}`);
      for (const [i, { frame }] of second.entries()) assert.deepEqual(frame, first[i]?.frame, `message ${i} of ${name} to ${peer} differs`);
    }
    return result;
  }

  #member(name: string): MemoryParty {
    const party = this.#parties.get(name as PartyId);
    assert(party, `no party ${name}`);
    return party;
  }
  #makeParty(self: PartyId, post: (m: Entry) => void, received?: (m: Entry) => unknown): MemoryParty {
    const { seed, kernels } = this.#options;
    const roleOf = (party: PartyId): Role => (party === this.names[0] ? "guest" : "host");
    const peers = this.peersOf(self);
    return new MemoryParty({ self, peers, job: this.job, seed, kernels, roleOf, post, ...(received && { received }) });
  }
  #post(message: Entry): void {
    this.sent.push(message);
    const frames = this.#options.tamper?.(message) ?? [message.frame];
    for (const frame of frames) this.#member(message.to).inbox(message.from).put(frame.slice());
  }
}

/** Whether this outcome is only the echo of another party's failure. */
export function isPeerFailure(outcome: Outcome<unknown>): boolean {
  return "error" in outcome && outcome.error instanceof PeerFailed;
}

export function createWorld(options: WorldOptions): World {
  return new World(options);
}

/** A party some of whose methods a test replaces, to watch it or to make it deviate. */
export function partyWith(party: Party, replaced: Partial<Party>): Party {
  const plain: Omit<Party, "kernels"> = {
    self: party.self,
    job: party.job,
    send: (to, type, body) => party.send(to, type, body),
    receive: (from, type) => party.receive(from, type),
    rng: (label) => party.rng(label),
    sharedRng: (peer, label) => party.sharedRng(peer, label),
    phase: (name, work) => party.phase(name, work),
    progress: (done, total) => party.progress(done, total),
  };
  const kernels = { get: () => party.kernels };
  return Object.defineProperties({ ...plain, ...replaced }, "kernels" in replaced ? {} : { kernels }) as Party;
}

/** The code of the AppError that a promise fails with; fails the test when it does not fail, or with anything else. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return assert.fail("nothing was refused");
}
