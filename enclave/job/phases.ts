// Times the phases of a job at one party, counts their rounds, remembers both over restarts and tells the platform (names and
// seconds only).
import type { EnclaveEvent } from "../../api/contract.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { Clock, Log } from "../../core/env.ts";
import type { PhaseName } from "../../federation/phases.ts";
import { RoundCounter } from "../../federation/rounds.ts";
import type { StateDatabase } from "../store/database.ts";
import type { Kept } from "../store/checkpoints.ts";
import type { Platform } from "../transport/platform.ts";

const progressEveryMs = 500;

export class PhaseClock {
  readonly #db: StateDatabase;
  readonly #job: JobId;
  readonly #platform: Platform;
  readonly #now: Clock;
  readonly #log: Log;
  readonly #turns = new RoundCounter();
  /** Of the phases that this run has gone through: a run goes through all of them again, unlike time. */
  #rounds = new Map<PhaseName, number>();
  #current: PhaseName | undefined;
  #lastProgress = 0;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: { db: StateDatabase; job: JobId; platform: Platform; now: Clock; log: Log }) {
    this.#db = options.db;
    this.#job = options.job;
    this.#platform = options.platform;
    this.#now = options.now;
    this.#log = options.log;
  }

  async measure<T>(name: PhaseName, work: () => Promise<T>): Promise<T> {
    const wall = this.#now();
    const cpu = process.cpuUsage();
    this.#current = name;
    this.#turns.take();
    this.#tell({ type: "phase-started", phase: name });
    try {
      return await work();
    } finally {
      const used = process.cpuUsage(cpu);
      const wallSeconds = (this.#now() - wall) / 1000;
      const cpuSeconds = (used.user + used.system) / 1e6;
      const rounds = (this.#rounds.get(name) ?? 0) + this.#turns.take();
      this.#rounds.set(name, rounds);
      this.#db.run(
        `insert into phases values (?, ?, ?, ?, ?) on conflict (job, name)
         do update set wall = wall + excluded.wall, cpu = cpu + excluded.cpu, rounds = excluded.rounds`,
        this.#job, name, wallSeconds, cpuSeconds, rounds);
      this.#current = undefined;
      this.#tell({ type: "phase-finished", phase: name, wallSeconds, cpuSeconds, peakRssMb: peakRssMb() });
    }
  }

  progress(done: number, total: number): void {
    if (this.#current === undefined || this.#now() - this.#lastProgress < progressEveryMs) return;
    this.#lastProgress = this.#now();
    this.#tell({ type: "progress", phase: this.#current, fraction: total > 0 ? Math.min(1, done / total) : 1 });
  }

  waiting(peer: PartyId, messageType: string): void {
    this.#tell({ type: "waiting", peer, messageType });
  }

  /** Times of all phases so far. */
  times(): { name: PhaseName; wallSeconds: number; cpuSeconds: number }[] {
    return this.#db.all("select name, wall, cpu from phases where job = ? order by rowid", this.#job)
      .map((r) => ({ name: r["name"] as PhaseName, wallSeconds: Number(r["wall"]), cpuSeconds: Number(r["cpu"]) }));
  }

  /** Rounds of all phases so far (federation/rounds.ts). */
  rounds(): { name: PhaseName; rounds: number }[] {
    return this.#db.all("select name, rounds from phases where job = ? order by rowid", this.#job)
      .map((r) => ({ name: r["name"] as PhaseName, rounds: Number(r["rounds"]) }));
  }

  sent(to: PartyId): void {
    this.#turns.sent(to);
  }
  received(from: PartyId): void {
    this.#turns.received(from);
  }

  /** The rounds counted so far, for a checkpoint, and back. */
  save(): Pick<Kept, "turns" | "rounds"> {
    return { turns: this.#turns.save(), rounds: Object.fromEntries(this.#rounds) };
  }
  load(kept: Pick<Kept, "turns" | "rounds">): void {
    this.#turns.load(kept.turns);
    this.#rounds = new Map(Object.entries(kept.rounds) as [PhaseName, number][]);
  }

  /** Resolves when everything said so far has been delivered or given up: events are news, not state. */
  settled(): Promise<void> {
    return this.#queue;
  }

  #tell(event: EnclaveEvent): void {
    this.#queue = this.#queue.then(() => this.#platform.report(this.#job, [event])).catch(() => this.#log.warn("event-not-delivered"));
  }
}

/** Largest resident set of this process so far, MB. */
export function peakRssMb(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}
