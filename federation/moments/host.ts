// Moments, host: its own block in the clear (sums only), the guest's queries, and one encrypted exchange with every other
// host whose result is split between the two so that only the guest can add it up.
import type { PartyId } from "../../core/brand.ts";
import type { HostGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import { Answerer } from "../sums/answerer.ts";
import { Querier } from "../sums/querier.ts";
import { crossBits, maxOwnValues } from "./shape.ts";

export type MomentsHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly jointSeed: Uint8Array;
  /** The host's selected WOE columns over the training rows, and the number of the guest's queries (its own columns + 1). */
  readonly columns: readonly Int8Array[]; readonly rows: number; readonly queries: number; readonly guard: HostGuard;
  /** Columns of every host, as the guest announced them: both ends of a cross exchange know its size. */
  readonly columnsOf: ReadonlyMap<PartyId, number>;
};

/** Runs the moments; the returned answerer stays open for a refinement query. A host without selected columns takes no part. */
export async function momentsHost(party: Party, input: MomentsHostInput): Promise<Answerer | undefined> {
  const { guest, columns, rows, jointSeed } = input;
  if (columns.length === 0) return undefined;
  const answerer = await Answerer.open(party, { use: "moments", querier: guest, jointSeed, columns: { kind: "codes", rows, columns } });
  try {
    await answerer.sendHint();
    await sendOwn(party, guest, columns, rows);
    input.guard.chargeQueries("moments", input.queries);
    await answerer.answerBatch(input.queries);
    party.progress(input.queries, input.queries);
    await crossMoments(party, input);
    return answerer;
  } catch (error) {
    await answerer[Symbol.asyncDispose]();
    throw error;
  }
}

async function sendOwn(party: Party, guest: PartyId, columns: readonly Int8Array[], rows: number): Promise<void> {
  const d = columns.length;
  const gram = await party.kernels.gram(columns.map((c) => c.subarray(0, rows)));
  const values = new Float64Array(d + (d * (d + 1)) / 2);
  for (const [j, column] of columns.entries()) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += column[i] ?? 0;
    values[j] = sum;
  }
  for (let a = 0, at = d; a < d; a++) for (let b = a; b < d; b++) values[at++] = gram[a * d + b] ?? 0;
  for (let at = 0, index = 0; at < values.length; at += maxOwnValues, index++) {
    const part = values.slice(at, at + maxOwnValues);
    await party.send(guest, "moments/own", { index, last: at + maxOwnValues >= values.length, values: new Uint8Array(part.buffer) });
  }
}

/** One party per pair asks (the one whose name sorts first), the other masks its answers; each sends its half to the guest,
 *  in one fixed order, since the exchanges themselves run at the same time. */
async function crossMoments(party: Party, input: MomentsHostInput): Promise<void> {
  const peers = input.hosts.filter((h) => h !== party.self && (input.columnsOf.get(h) ?? 0) > 0).sort();
  const [opened, masks] = await Promise.all([
    crossQuerier(party, peers.filter((p) => party.self < p), input),
    Promise.all(peers.filter((p) => p < party.self).map((peer) => crossAnswerer(party, peer, input))),
  ]);
  const send = async (type: "cross/opened" | "cross/masks", halves: readonly Half[]): Promise<void> => {
    for (const { peer, columns } of halves) {
      for (const [column, v] of columns.entries()) {
        await party.send(input.guest, type, { peer, column, values: new Uint8Array(v.buffer, v.byteOffset, v.byteLength) });
      }
    }
  };
  await send("cross/opened", opened);
  await send("cross/masks", masks);
}

type Half = { readonly peer: PartyId; readonly columns: readonly (BigInt64Array | BigUint64Array)[] };

/** This host asks all later hosts with each of its columns; what it opens is masked by them. */
async function crossQuerier(party: Party, peers: readonly PartyId[], input: MomentsHostInput): Promise<Half[]> {
  if (peers.length === 0) return [];
  await using querier = await Querier.open(party, { use: "cross", jointSeed: input.jointSeed, rows: input.rows });
  const vectors = input.columns.map((codes) => codes.subarray(0, input.rows));
  const secrets = await querier.sendBatch(peers, vectors, 127, { tBits: crossBits });
  // Awaited here: a promise that is returned waits for the disposal first, and a rejection in that time would end the process.
  return await Promise.all(peers.map(async (peer) => {
    const hint = await querier.hint(peer, input.columnsOf.get(peer) ?? 0);
    return { peer, columns: await querier.answers(peer, 0, hint, secrets, true) };
  }));
}

async function crossAnswerer(party: Party, peer: PartyId, input: MomentsHostInput): Promise<Half> {
  const own = { kind: "codes", rows: input.rows, columns: input.columns } as const;
  await using answerer = await Answerer.open(party, { use: "cross", querier: peer, jointSeed: input.jointSeed, columns: own });
  await answerer.sendHint();
  return { peer, columns: await answerer.answerMasked(input.columnsOf.get(peer) ?? 0, crossBits) };
}
