// Lets long polls and event streams sleep until something changed. In-process; another process on the same database is
// noticed by looking again every two seconds.
const lookAgainMs = 2000;

export class Wakeups {
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #maxWaits: number;
  #waits = 0;
  #closed = false;

  constructor(maxWaits = 4096) {
    this.#maxWaits = maxWaits;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether one more long poll may begin. */
  get hasRoom(): boolean {
    return this.#waits < this.#maxWaits;
  }

  wake(key: string): void {
    for (const resolve of this.#waiting.get(key) ?? []) resolve();
  }

  /** Ends all waits, now and later: the process stops. */
  close(): void {
    this.#closed = true;
    for (const key of this.#waiting.keys()) this.wake(key);
  }

  /**
   * Calls `look` until it gives something, the time is over (then undefined), the signal aborts or the process stops.
   * A wake-up between a look and the wait after it is not lost.
   */
  async until<T>(key: string, milliseconds: number, signal: AbortSignal, look: () => Promise<T | undefined>): Promise<T | undefined> {
    const deadline = performance.now() + milliseconds;
    this.#waits += 1;
    try {
      for (;;) {
        const woken = this.#listen(key);
        try {
          const found = await look();
          const left = deadline - performance.now();
          if (found !== undefined || left <= 0 || signal.aborted || this.#closed) return found;
          await woken.wait(Math.min(left, lookAgainMs), signal);
        } finally {
          woken.forget();
        }
      }
    } finally {
      this.#waits -= 1;
    }
  }

  #listen(key: string): { wait(ms: number, signal: AbortSignal): Promise<void>; forget(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const set = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, set.add(resolve));
    return {
      wait: async (ms, signal) => {
        const timer = setTimeout(resolve, ms);
        const abort = (): void => resolve();
        signal.addEventListener("abort", abort, { once: true });
        await promise;
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      },
      forget: () => {
        set.delete(resolve);
        if (set.size === 0 && this.#waiting.get(key) === set) this.#waiting.delete(key);
      },
    };
  }
}
