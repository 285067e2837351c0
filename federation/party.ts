// What a role of a protocol sees of the world: its peers, its secret streams, its kernels. Nothing else: no socket, file,
// clock or global randomness. A role is a deterministic process over this port: the same secret seed and the same
// messages give the same messages out, whatever their order of arrival across peers. The enclave's runner replays the
// stored messages after a restart and so rebuilds the role's state; the tests run the same roles in memory.
// Rules for roles: await `send` before the next `send` to the same peer; take every random byte from `rng(label)`;
// with several peers, work on them concurrently (Promise.all), never in order of arrival.
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
}
