// Checkpoints of the state database off the event loop. SQLite does them within a commit, which then writes and flushes the main file: tens of milliseconds
// in which a live service answers nobody. Here a thread moves the log as it grows; what is left for the commit that begins the log anew is little.
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { Pool, type Remote } from "../../kernels/pool.ts";
import type { StateDatabase } from "./database.ts";
import type { RemoteCheckpoints } from "./log-checkpoints-remote.ts";

const remoteModule = new URL("./log-checkpoints-remote.ts", import.meta.url);
const everyMs = 500;
/** Commits since the last one; below it SQLite's own way does. */
const leastCommits = 32;
/** Pages of 4 KB in the log from which a commit does the rest: 64 MB, some seconds of the largest load. */
const pages = 16_000;

/** Until it is disposed. A database in memory has no log. */
export function startLogCheckpoints(db: StateDatabase, log: Log): AsyncDisposable {
  const { file } = db;
  if (file === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const pool = new Pool({ threads: 1 });
  const stop = new AbortController();
  let remote: Promise<Remote> | undefined;
  let done = db.commits;
  const move = async (): Promise<void> => {
    remote ??= pool.open(0, remoteModule, "openCheckpoints", [file]);
    await (await remote).call<ReturnType<RemoteCheckpoints["checkpoint"]>>("checkpoint", []);
  };
  const serve = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await delay(everyMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
      if (stop.signal.aborted || db.commits - done < leastCommits) continue;
      done = db.commits;
      try {
        await move();
        db.checkpointAt(pages);
      } catch (error) {
        // SQLite's own way again, until the thread is back.
        db.checkpointAt();
        remote = undefined;
        if (!stop.signal.aborted) log.warn("state-checkpoint-failed", { code: isAppError(error) ? error.code : "JOB_INTERNAL" });
      }
    }
  };
  const served = serve();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await pool[Symbol.asyncDispose]();
      await served;
    },
  };
}
