// A job's parties in one process: the same roles as in the enclaves, over ordered queues in memory. Every frame is really
// encoded, and decoded and checked on arrival; both views are kept, so that a test can say what a party must not see.
import { assert } from "chai";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Role } from "../../core/message.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import type { Party } from "../../federation/party.ts";
import type { Kernels } from "../../kernels/api.ts";
import { Disk, Killed, MemoryParty, type Checkpoint, type PhaseRecord } from "./memory-party.ts";

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
export type WorldOptions = {
  /** The first one is the guest. */
  readonly parties: readonly string[];
  readonly seed: number | string;
  readonly kernels?: Kernels;
  readonly job?: string;
  readonly tamper?: Tamper;
  /** Lives of a party, by name: in each it is killed at that call of send, receive or checkpoint (from 1; a checkpoint counts before and
   *  after it is kept) and started again on what it had kept; the last one goes on to the end. */
  readonly kills?: Readonly<Record<string, readonly number[]>>;
};
export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

class PeerFailed extends Error {}
class Stopped extends Error {}

export class World {
  readonly names: readonly PartyId[];
  readonly job: JobId;
  /** Every message as its sender meant it, in order of sending. */
  readonly sent: Entry[] = [];
  /** Every message that a role took, in order of taking. */
  readonly received: Entry[] = [];
  readonly #options: WorldOptions;
  readonly #disks: ReadonlyMap<PartyId, Disk>;
  /** The life that each party is in. */
  readonly #parties = new Map<PartyId, MemoryParty>();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.names = options.parties.map(partyId);
    this.job = jobIdSchema.parse(options.job ?? "job_0123456789abcdef");
    this.#disks = new Map(this.names.map((name) => [name, new Disk(this.peersOf(name))]));
    for (const name of this.names) this.#start(name, options.kills?.[name]?.[0]);
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
    const unread = [...this.#disks.values()].reduce((sum, disk) => sum + disk.unread, 0);
    if (unread > 0) throw new AppError("PROTOCOL_OUT_OF_ORDER", { unread });
    return Object.fromEntries(Object.entries(outcomes).map(([name, o]) => [name, (o as { value: unknown }).value])) as Results<P>;
  }

  /** The same, but tells for every party how it ended. A party that failed only because another did has `isPeerFailure`. */
  async settle(programs: Programs): Promise<Record<string, Outcome<unknown>>> {
    const entries = Object.entries(programs).map(async ([name, program]) => {
      try {
        return [name, { value: await this.#lives(name as PartyId, program) }] as const;
      } catch (error) {
        for (const disk of this.#disks.values()) disk.close(new PeerFailed(`${name} failed`));
        return [name, { error }] as const;
      }
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Runs a program to its end, through the kills that this world has for the party. */
  async #lives<T>(name: PartyId, program: Program<T>): Promise<T> {
    const kills = this.#options.kills?.[name] ?? [];
    for (let life = 0; ; life++) {
      try {
        return await program(life === 0 ? this.#member(name) : this.#start(name, kills[life]));
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
    }
  }

  /** The checkpoints that a party has made, in order. */
  checkpoints(name: string): readonly Checkpoint[] {
    return this.#disk(name).checkpoints;
  }

  /** Restarts a party that ran: the same program over the frames that it took, with nothing new from outside and no checkpoint.
   *  It must send the same bytes to each peer. With `frames`, it dies again after that many frames of each peer: a prefix must
   *  come out. */
  replay<T>(name: string, program: Program<T>, frames?: number): Promise<T | undefined> {
    return this.#again(name, program, frames, 0);
  }

  /** The same, but with its first `made` checkpoints (all, by default): it goes on from the last of these. */
  resume<T>(name: string, program: Program<T>, made = this.checkpoints(name).length): Promise<T | undefined> {
    return this.#again(name, program, undefined, made);
  }

  async #again<T>(name: string, program: Program<T>, frames: number | undefined, made: number): Promise<T | undefined> {
    const disk = this.#disk(name).earlier(frames, made);
    const last = new Map([...disk.sent].map(([peer, all]) => [peer, all.length]));
    disk.close(new Stopped("no more frames"));
    const more = (message: Entry): never => assert.fail(`${name} sent another number of messages to ${message.to}`);
    const party = this.#makeParty(name as PartyId, disk, more);
    try {
      const result = await program(party);
      if (frames === undefined) assert.deepEqual(party.sentTo, last, `${name} sent another number of messages`);
      return result;
    } catch (error) {
      if (!(error instanceof Stopped) || frames === undefined) throw error;
      return undefined;
    }
  }

  #member(name: string): MemoryParty {
    const party = this.#parties.get(name as PartyId);
    assert(party, `no party ${name}`);
    return party;
  }
  #disk(name: string): Disk {
    const disk = this.#disks.get(name as PartyId);
    assert(disk, `no party ${name}`);
    return disk;
  }
  #start(name: PartyId, diesAt: number | undefined): MemoryParty {
    const party = this.#makeParty(name, this.#disk(name), (m) => this.#post(m), { diesAt, received: (m) => this.received.push(m) });
    this.#parties.set(name, party);
    return party;
  }
  #makeParty(self: PartyId, disk: Disk, post: (m: Entry) => void, more: { diesAt?: number | undefined; received?: (m: Entry) => unknown } = {}): MemoryParty {
    const { seed, kernels } = this.#options;
    const roleOf = (party: PartyId): Role => (party === this.names[0] ? "guest" : "host");
    return new MemoryParty({ self, job: this.job, seed, kernels, disk, roleOf, post, ...more });
  }
  #post(message: Entry): void {
    this.sent.push(message);
    const frames = this.#options.tamper?.(message) ?? [message.frame];
    for (const frame of frames) this.#disk(message.to).wires.get(message.from)?.put(frame.slice());
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
    restored: (name) => party.restored(name),
    checkpoint: (name, state) => party.checkpoint(name, state),
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
