// The relay: opaque frames from one enclave of a job to another. Durable before the answer, in order per channel, the same
// frame again is fine, another content under a used number is not. The platform has no key to what it stores here.
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { hasEnded } from "../job-state.ts";
import type { Platform } from "../platform.ts";
import type { Received } from "../store/blobs.ts";
import type { Tx } from "../store/database.ts";
import { findJob } from "../store/jobs.ts";
import { addFrame, bytesSent, findFrame, findNext, findUnswept, markSwept, type Channel, type FrameRow } from "../store/relay.ts";
import type { InFlight } from "./in-flight.ts";
import { jobOfParty } from "./jobs.ts";

const digestForm = /^[0-9a-f]{64}$/;

const wakeKey = ({ job, from, to }: Channel): string => `relay:${job}:${from}:${to}`;
const fileName = ({ job, from, to }: Channel, seq: number, digest: string): string => `relay/${job}/${from}~${to}/${seq}-${digest}`;

async function checkedChannel(platform: Platform, self: PartyId, channel: Channel): Promise<void> {
  const { job, parties } = await jobOfParty(platform, self, channel.job);
  const peer = channel.from === self ? channel.to : channel.from;
  if (peer === self || !parties.some((party) => party === peer)) throw new AppError("RELAY_PEER");
  if (hasEnded(job.state)) throw new AppError("JOB_ENDED");
  if (job.state !== "running") throw new AppError("JOB_NOT_RUNNING");
}

export type Put = { job: JobId; to: PartyId; seq: number; bytes: number; digest: string | undefined; source: AsyncIterable<Uint8Array> };

/**
 * Stores frame `seq` (from 0) of the channel self -> to. Returns the channel's next number.
 * Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RELAY_PEER, RELAY_DIGEST, RELAY_CONFLICT, RELAY_GAP, RELAY_QUOTA,
 * REQUEST_LENGTH, PLATFORM_BUSY, PLATFORM_STORAGE.
 */
export async function putFrame(platform: Platform, inFlight: InFlight, self: PartyId, put: Put): Promise<{ next: number }> {
  const channel: Channel = { job: put.job, from: self, to: put.to };
  await checkedChannel(platform, self, channel);
  if (put.digest === undefined || !digestForm.test(put.digest)) throw new AppError("RELAY_DIGEST");
  const { read } = platform.db;
  if ((await bytesSent(read, put.job, self)) + put.bytes > platform.limits.relayQuotaBytes) {
    if ((await findFrame(read, channel, put.seq)) === undefined)
      throw new AppError("RELAY_QUOTA", { limit: platform.limits.relayQuotaBytes });
  }
  if (put.seq > (await findNext(read, channel))) throw new AppError("RELAY_GAP", { next: await findNext(read, channel) });
  return inFlight.during(put.bytes, () => receiveFrame(platform, channel, put));
}

async function receiveFrame(platform: Platform, channel: Channel, put: Put): Promise<{ next: number }> {
  const { read } = platform.db;
  const received = await platform.blobs.receive(put.source, put.bytes);
  try {
    if (received.digest !== put.digest) throw new AppError("RELAY_DIGEST");
    // Only the next number is worth a file; this look may be out of date, `storeFrame` decides.
    if ((await findNext(read, channel)) === put.seq && (await storeFrame(platform, channel, put.seq, received))) {
      platform.wakeups.wake(wakeKey(channel));
      return { next: put.seq + 1 };
    }
    return await repeated(read, channel, put.seq, received.digest);
  } finally {
    await platform.blobs.discard(received); // nothing is left to discard after it was kept
  }
}

/** The file first, then the row: a row always has its file. What a crash leaves in between goes with the job's folder. */
async function storeFrame(platform: Platform, channel: Channel, seq: number, received: Received): Promise<boolean> {
  const name = fileName(channel, seq, received.digest);
  await platform.blobs.keep(received, name);
  let isStored = false;
  try {
    isStored = await platform.db.write(async (tx) => {
      const job = await findJob(tx, channel.job);
      if (job === undefined || job.state !== "running") throw new AppError("JOB_ENDED");
      return addFrame(tx, channel, seq, { bytes: received.bytes, digest: received.digest });
    });
  } finally {
    // Unless another request has stored the same bytes under this name, or a commit was answered by an error.
    if (!isStored && (await findFrame(platform.db.read, channel, seq))?.digest !== received.digest) await platform.blobs.remove(name);
  }
  return isStored;
}

async function repeated(tx: Tx, channel: Channel, seq: number, digest: string): Promise<{ next: number }> {
  const stored = await findFrame(tx, channel, seq);
  if (stored?.digest === digest) return { next: seq + 1 };
  if (stored !== undefined) throw new AppError("RELAY_CONFLICT", { seq });
  throw new AppError("RELAY_GAP", { next: await findNext(tx, channel) });
}

/**
 * Frame `seq` of the channel from -> self, waiting up to `waitMs` for it; undefined if it has not come.
 * Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RELAY_PEER, PLATFORM_BUSY.
 */
export async function getFrame(
  platform: Platform,
  self: PartyId,
  get: { job: JobId; from: PartyId; seq: number; waitMs: number; signal: AbortSignal },
): Promise<(FrameRow & { name: string }) | undefined> {
  const channel: Channel = { job: get.job, from: get.from, to: self };
  await checkedChannel(platform, self, channel);
  if (get.waitMs > 0 && !platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
  const frame = await platform.wakeups.until(wakeKey(channel), get.waitMs, get.signal, async () => {
    const row = await findFrame(platform.db.read, channel, get.seq);
    if (row === undefined && get.waitMs > 0) await checkedChannel(platform, self, channel); // the job may end meanwhile
    return row;
  });
  return frame === undefined ? undefined : { ...frame, name: fileName(channel, get.seq, frame.digest) };
}

/** Deletes the relayed bytes of jobs that ended long enough ago. May be interrupted and run again. */
export async function sweepRelay(platform: Platform): Promise<void> {
  const now = platform.env.now();
  for (const job of await findUnswept(platform.db.read, new Date(now - platform.limits.retentionMs))) {
    await platform.blobs.remove(`relay/${job}`);
    await platform.db.write((tx) => markSwept(tx, job, new Date(now)));
  }
}
