// One public seed from all parties: commit, then reveal. Every party runs the same role. As long as one nonce is honest and
// nobody stops after seeing the others', nobody chooses the seed; whoever stops, stops the job.
import { createHash } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";

/** 32 bytes, equal at all parties. `peers`: all other parties of the job; `label`: what the seed is for, once per job.
 *  Throws PROTOCOL_COMMITMENT naming the peer whose nonce does not open its commitment. */
export async function jointSeed(party: Party, peers: readonly PartyId[], label: string): Promise<Uint8Array> {
  const nonce = party.rng(`seeds/${label}`)(32);
  const commitment = commitTo(party.job, label, party.self, nonce);
  await Promise.all(peers.map((peer) => party.send(peer, "seeds/commit", { commitment })));
  // All commitments are here before any nonce leaves.
  const commitments = await Promise.all(peers.map(async (peer) => (await party.receive(peer, "seeds/commit")).commitment));
  await Promise.all(peers.map((peer) => party.send(peer, "seeds/reveal", { nonce })));
  const nonces = await Promise.all(peers.map(async (peer, i) => {
    const theirs = (await party.receive(peer, "seeds/reveal")).nonce;
    const promised = Buffer.from(commitments[i] as Uint8Array);
    if (!promised.equals(commitTo(party.job, label, peer, theirs))) throw new AppError("PROTOCOL_COMMITMENT", { peer });
    return [peer, theirs] as const;
  }));
  const all = [...nonces, [party.self, nonce] as const].sort(([a], [b]) => (a < b ? -1 : 1));
  return digest(["joint", party.job, label, ...all.map(([name]) => name)], ...all.map(([, part]) => part));
}

/** Holds the party's name, so that nobody can answer with another one's commitment and copy its nonce later. */
function commitTo(job: JobId, label: string, who: PartyId, nonce: Uint8Array): Uint8Array {
  return digest(["commit", job, label, who], nonce);
}

function digest(words: readonly string[], ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256").update(`${JSON.stringify(["yunei/seed/v1", ...words])}\n`);
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
