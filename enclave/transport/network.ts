// A slower network in process, for measurements: the connection of this enclave to the platform gets a round-trip time and a bandwidth.
// Every request takes half the round trip to arrive and its answer the other half; bodies of either direction follow each other on a
// line of that bandwidth (a token bucket without a burst). What the machine's own network takes comes on top.
export type NetworkLimits = {
  /** Round trip between this enclave and the platform, ms; 0 for none. */
  readonly latencyMs: number;
  /** Of each direction; absent for no limit. */
  readonly mbitPerSecond?: number | undefined;
};
/** Milliseconds on a clock that does not go back, and a sleep that the signal cuts short (it then rejects with the signal's reason). */
export type Timer = { now(): number; sleep(milliseconds: number, signal?: AbortSignal): Promise<void> };

/** Request line, headers and TLS records around a body, roughly. */
const overheadBytes = 512;

export class LimitedNetwork {
  readonly #limits: NetworkLimits;
  readonly #timer: Timer;
  readonly #freeAt = { up: 0, down: 0 };

  constructor(limits: NetworkLimits, timer: Timer) {
    this.#limits = limits;
    this.#timer = timer;
  }

  /** Resolves when a request with a body of `bytes` would have arrived. */
  up(bytes: number, signal?: AbortSignal): Promise<void> {
    return this.#pass("up", bytes, signal);
  }

  /** Resolves when an answer of `bytes` that was sent now would have arrived. */
  down(bytes: number, signal?: AbortSignal): Promise<void> {
    return this.#pass("down", bytes, signal);
  }

  async #pass(direction: "up" | "down", bytes: number, signal?: AbortSignal): Promise<void> {
    const { latencyMs, mbitPerSecond } = this.#limits;
    const now = this.#timer.now();
    const onLine = mbitPerSecond === undefined ? 0 : ((bytes + overheadBytes) * 8) / (mbitPerSecond * 1000);
    const free = Math.max(now, this.#freeAt[direction]) + onLine;
    this.#freeAt[direction] = free;
    const wait = free - now + latencyMs / 2;
    if (wait > 0) await this.#timer.sleep(wait, signal);
  }
}
