// One digest for a watch list, at both sides.
import { createHash } from "node:crypto";

export type ListDigest = { readonly watched: number; readonly digest: string };

/** ids: of watches, ascending, each once. */
export function listDigest(ids: Iterable<string>): ListDigest {
  const hash = createHash("sha256").update("yunei/watch/list/v1");
  let watched = 0;
  for (const id of ids) {
    hash.update(`|${id}`);
    watched += 1;
  }
  return { watched, digest: hash.digest("hex") };
}
