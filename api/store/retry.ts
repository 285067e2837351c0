// Waits for locks that others hold, without blocking the thread.
const patienceMs = 30_000;
const maxPauseMs = 100;

/** Error code of Prisma or of the system. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

// P1008: SQLite is busy with another connection. P2034: a write conflict or deadlock on PostgreSQL. "SocketTimeout" and
// "TransactionWriteConflict" are what the adapters call the same when they are used directly. None of them leaves a trace.
function isBusy(error: unknown): boolean {
  if (["P1008", "P2034"].includes(codeOf(error) ?? "")) return true;
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === "object" && cause !== null && "kind" in cause && ["SocketTimeout", "TransactionWriteConflict"].includes(String(cause.kind));
}

/** Runs `work`, which leaves no trace when it fails, again while a lock is in its way; at most half a minute. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  const end = performance.now() + patienceMs;
  for (let pause = 2; ; pause = Math.min(2 * pause, maxPauseMs)) {
    try {
      return await work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
