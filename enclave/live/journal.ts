// Group commit: what many requests have to write becomes durable in one transaction, a moment later, and only then do their answers leave.
import type { StateDatabase } from "../store/database.ts";

type Group = { readonly writes: (() => void)[]; readonly done: Promise<void>; readonly settle: (error?: unknown) => void; isDurable: boolean };

/** How long a group waits for more when they come one after the other, ms: a fraction of what one synchronous write takes. */
const windowMs = 1;
/** After so long without a group the next one waits no longer than this turn of the event loop. */
const idleMs = 2;

export class Journal {
  readonly #db: StateDatabase;
  #group: Group | undefined;
  #commits = 0;
  #flushedAt = -Infinity;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  /** Transactions so far. */
  get commits(): number {
    return this.#commits;
  }

  /** Resolves when `write`, and all that were added before it, are committed. soon: the power may take it with it, a killed process may not.
   *  Rejects for the whole group when the disk fails: then nothing of it may leave. */
  add(write: () => void, options: { readonly soon?: boolean } = {}): Promise<void> {
    const group = this.#group ?? this.#begin();
    group.writes.push(write);
    if (options.soon !== true) group.isDurable = true;
    return group.done;
  }

  /** Commits what waits, at once. */
  flush(): void {
    const group = this.#group;
    this.#group = undefined;
    this.#flushedAt = performance.now();
    if (group === undefined) return;
    const work = (): void => {
      for (const write of group.writes) write();
    };
    try {
      if (group.isDurable) this.#db.transaction(work);
      else this.#db.transactionSoon(work);
      this.#commits += 1;
      group.settle();
    } catch (error) {
      group.settle(error);
    }
  }

  #begin(): Group {
    let settle: Group["settle"] = () => {};
    const done = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    const group: Group = { writes: [], done, settle, isDurable: false };
    this.#group = group;
    const flush = (): void => {
      if (this.#group === group) this.flush();
    };
    if (performance.now() - this.#flushedAt > idleMs) setImmediate(flush);
    else setTimeout(flush, windowMs);
    return group;
  }
}
