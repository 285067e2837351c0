// What a role of a protocol sees of the world: its peers, its secret streams, its kernels. Nothing else: no socket, file,
// clock or global randomness. A role is a deterministic process over this port: the same secret seed and the same
// messages give the same messages out, whatever their order of arrival across peers. The enclave's runner replays the
// stored messages after a restart and so rebuilds the role's state; the tests run the same roles in memory.
// Rules for roles: await `send` before the next `send` to the same peer; take every random byte from `rng(label)`;
// with several peers, work on them concurrently (Promise.all), never in order of arrival.
// A long loop can leave its past behind: what `checkpoint` keeps replaces everything since `restored` was asked, so a restart
// replays the role up to that place and then goes on from the kept state. The state must hold all that the loop carries.
import type { JobId, PartyId } from "../core/brand.ts";
import type { Rng } from "../core/env.ts";
import type { Kernels } from "../kernels/api.ts";
import type { MessageType, TypedBody } from "./messages.ts";
import type { PhaseName } from "./phases.ts";

export interface Party {
  readonly self: PartyId;
  readonly job: JobId;
  /** Sends through the door of the domain: schema, plan and ledger first (enclave/release.ts). */
  send<T extends MessageType>(to: PartyId, type: T, body: TypedBody<T>): Promise<void>;
  /** The next message from that peer, which must be of this type. Waits; throws AppError when the job is cancelled or times out. */
  receive<T extends MessageType>(from: PartyId, type: T): Promise<TypedBody<T>>;
  /** A secret stream of this job and party. A label is used once: asking twice throws. */
  rng(label: string): Rng;
  /** A stream that only this party and that peer can expand (from their channel key). Same label at both ends, same bytes. */
  sharedRng(peer: PartyId, label: string): Rng;
  readonly kernels: Kernels;
  /** Marks a phase of the job for progress, timing and the report. Phases of one party do not nest. */
  phase<T>(name: PhaseName, work: () => Promise<T>): Promise<T>;
  /** Progress inside the current phase. */
  progress(done: number, total: number): void;
  /**
   * The state that an earlier run of this job kept under `name`, or undefined. To be called once, at the place in the role where
   * the checkpointed loop begins, with nothing under way. With a state, the counters of all channels and the labels used are as they
   * were when it was kept: the role goes on after the `checkpoint` call that kept it. Loops with checkpoints follow each other;
   * they do not overlap. Throws ENCLAVE_CHECKPOINT when what was kept cannot be read.
   */
  restored(name: string): Uint8Array | undefined;
  /**
   * Keeps `state` durably and sealed, in place of what was kept under `name` before; the messages that came since `restored(name)` are
   * forgotten. Call it with no send or receive under way.
   */
  checkpoint(name: string, state: Uint8Array): Promise<void>;
}
