// In a thread: moves the write-ahead log of a state database into its main file, through a connection of its own.
import { DatabaseSync } from "node:sqlite";

export type RemoteCheckpoints = { checkpoint(): boolean };

/** What is written meanwhile is left for the next time. */
const mostTries = 4;

export function openCheckpoints(file: string): RemoteCheckpoints {
  const db = new DatabaseSync(file);
  // No writer waits for it, and it waits for nobody.
  db.exec("pragma busy_timeout = 0; pragma synchronous = full; pragma wal_autocheckpoint = 0");
  const passive = db.prepare("pragma wal_checkpoint(passive)");
  return {
    checkpoint: () => {
      for (let i = 0; i < mostTries; i++) {
        const row = passive.get();
        if (row?.["busy"] !== 0 || row["log"] === row["checkpointed"]) return row?.["busy"] === 0;
      }
      return false;
    },
  };
}
