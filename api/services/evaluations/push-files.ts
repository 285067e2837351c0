// Where pushed bytes lie, and what becomes of those that are handed to nobody.
import type { Platform } from "../../platform.ts";
import { deletePush, pushesOfRun, type PushId } from "../../store/evaluations.ts";

export const pushFile = ({ runId, institutionId, purpose, part }: PushId, digest: string): string => `evaluations/${runId}/${institutionId}/${purpose}-${part}-${digest}`;

/** Deletes what a run pushed so far: it failed, or goes on by another job, whose pushes are others. */
export async function dropPushes({ db, blobs }: Pick<Platform, "db" | "blobs">, runId: string): Promise<void> {
  for (const row of await pushesOfRun(db.read, runId)) {
    await blobs.remove(pushFile(row, row.digest));
    await db.write((tx) => deletePush(tx, row));
  }
}
