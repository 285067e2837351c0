// The relay: opaque frames from one enclave of a job to another. Durable before the answer, in order per channel, the same
// frame again is fine, another content under a used number is not. The platform has no key to what it stores here.
// Small frames lie in their rows, one durable write; larger ones in files, and in memory until their receiver has come.
import type { Readable } from "node:stream";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { each } from "../each.ts";
import { hasEnded } from "../job-state.ts";
import type { Platform } from "../platform.ts";
import { addFrame, dropBodies, findFrame, findUnswept, listFrames, markSwept, readChannel, readFrame } from "../store/relay.ts";
import type { Channel, ChannelState, Frame } from "../store/relay.ts";
import { digestOfBytes, receiveBytes } from "../store/body.ts";
import type { InFlight } from "./in-flight.ts";

const digestForm = /^[0-9a-f]{64}$/;
const forgetPage = 500;
/** Frames up to this size lie in the database. */
const inlineBytes = 128 * 1024;

const wakeKey = ({ job, from, to }: Channel): string => `relay:${job}:${from}:${to}`;
const keyOf = ({ job, from, to }: Channel, seq: number | ""): string => `${job}/${from}~${to}/${seq}`;
const fileName = ({ job, from, to }: Channel, seq: number, digest: string): string => `relay/${job}/${from}~${to}/${seq}-${digest}`;

/** Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RELAY_PEER. Asked again at every use: nothing is remembered of a job. */
function checked<S extends ChannelState>(found: S | undefined): S {
  if (found === undefined) throw new AppError("JOB_NOT_FOUND");
  if (!found.exists) throw new AppError("RELAY_PEER");
  if (hasEnded(found.job)) throw new AppError("JOB_ENDED");
  if (found.job !== "running") throw new AppError("JOB_NOT_RUNNING");
  return found;
}

export type Put = { job: JobId; to: PartyId; seq: number; bytes: number; digest: string | undefined; source: Readable };

/**
 * Stores frame `seq` (from 0) of the channel self -> to. Returns the channel's next number.
 * Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RELAY_PEER, RELAY_DIGEST, RELAY_CONFLICT, RELAY_GAP, RELAY_QUOTA,
 * REQUEST_LENGTH, PLATFORM_BUSY, PLATFORM_STORAGE.
 */
export async function putFrame(platform: Platform, inFlight: InFlight, self: PartyId, put: Put): Promise<{ next: number }> {
  const channel: Channel = { job: put.job, from: self, to: put.to };
  if (put.digest !== undefined && !digestForm.test(put.digest)) throw new AppError("RELAY_DIGEST");
  // A small frame is taken in before anything is asked: one transaction decides, and only a refusal needs more questions.
  if (put.bytes > inlineBytes) await checkPut(platform, channel, put.seq, put.bytes);
  return inFlight.during(put.bytes, async () => {
    const body = await receiveBytes(put.source, put.bytes, platform.buffers);
    const digest = digestOfBytes(body);
    if (put.digest !== undefined && put.digest !== digest) throw new AppError("RELAY_DIGEST");
    if (await storeFrame(platform, channel, put.seq, { bytes: put.bytes, digest, body })) {
      platform.recent.keep(keyOf(channel, put.seq), { digest, body });
      platform.wakeups.wake(wakeKey(channel));
    } else {
      platform.buffers.give(body);
      await checkPut(platform, channel, put.seq, put.bytes);
      await checkRepeated(platform, self, channel, put.seq, digest);
    }
    return { next: put.seq + 1 };
  });
}

/** Throws what speaks against a frame before its bytes are looked at. */
async function checkPut(platform: Platform, channel: Channel, seq: number, bytes: number): Promise<void> {
  const { sql, limits } = { sql: platform.db.sql, limits: platform.limits };
  const { next, sent } = checked(await readChannel(sql, channel.from, channel));
  if (seq > next) throw new AppError("RELAY_GAP", { next });
  if (seq === next && sent + bytes > limits.relayQuotaBytes) throw new AppError("RELAY_QUOTA", { limit: limits.relayQuotaBytes });
}

/** A larger frame's file first, then the row: a row always has its bytes. What a crash leaves in between goes with the job's folder. */
async function storeFrame(platform: Platform, channel: Channel, seq: number, frame: Frame & { readonly body: Uint8Array }): Promise<boolean> {
  const { bytes, digest, body } = frame;
  const add = (row: Frame): Promise<boolean> => platform.db.writeSql((sql) => addFrame(sql, channel, seq, row, platform.limits.relayQuotaBytes));
  if (bytes <= inlineBytes) return add(frame);
  // Only the next number is worth a file; this look may be out of date, the row decides.
  if ((await readChannel(platform.db.sql, channel.from, channel))?.next !== seq) return false;
  const name = fileName(channel, seq, digest);
  await platform.blobs.put(body, name);
  let isStored = false;
  try {
    isStored = await add({ bytes, digest, body: undefined });
  } finally {
    // Unless another request has stored the same bytes under this name, or a commit was answered by an error.
    if (!isStored && (await findFrame(platform.db.sql, channel, seq))?.digest !== digest) await platform.blobs.remove(name);
  }
  return isStored;
}

/** For a frame whose number was taken. Throws RELAY_CONFLICT, or RELAY_GAP while it is not clear by what. */
async function checkRepeated(platform: Platform, self: PartyId, channel: Channel, seq: number, digest: string): Promise<void> {
  const { next, frame } = checked(await readFrame(platform.db.sql, self, channel, seq));
  if (frame === undefined) throw new AppError("RELAY_GAP", { next });
  if (frame.digest !== digest) throw new AppError("RELAY_CONFLICT", { seq });
}

type Found = Pick<Frame, "digest" | "bytes" | "body">;
export type Got = { readonly digest: string; readonly bytes: number; readonly body: Uint8Array | NodeJS.ReadableStream };

/**
 * Frame `seq` of the channel from -> self, waiting up to `waitMs` for it; undefined if it has not come.
 * Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RELAY_PEER, RELAY_FORGOTTEN, PLATFORM_BUSY.
 */
export async function getFrame(
  platform: Platform,
  self: PartyId,
  get: { job: JobId; from: PartyId; seq: number; waitMs: number; signal: AbortSignal },
): Promise<Got | undefined> {
  const channel: Channel = { job: get.job, from: get.from, to: self };
  const key = keyOf(channel, get.seq);
  // Every look checks again: the job may end meanwhile. What has just been stored was so in a running job.
  let isChecked = false;
  const look = async (): Promise<Found | undefined> => {
    const recent = isChecked ? platform.recent.take(key) : undefined;
    if (recent !== undefined) return { ...recent, bytes: recent.body.length };
    const { frame } = checked(await readFrame(platform.db.sql, self, channel, get.seq));
    isChecked = true;
    return frame;
  };
  if (get.waitMs > 0 && !platform.wakeups.hasRoom) throw new AppError("PLATFORM_BUSY");
  const frame = await platform.wakeups.until(wakeKey(channel), get.waitMs, get.signal, look);
  if (frame === undefined) return undefined;
  const { digest, bytes } = frame;
  const body = frame.body ?? platform.recent.take(key)?.body;
  if (body !== undefined) return { digest, bytes, body };
  const name = fileName(channel, get.seq, digest);
  const file = await platform.blobs.read(name);
  if (file !== undefined) return { digest, bytes, body: file.stream };
  await look(); // the job has ended since; or its receiver has said that it needs it no more
  throw new AppError("RELAY_FORGOTTEN", { seq: get.seq });
}

/**
 * Deletes the bytes of the frames from -> self with numbers in [first, below). Their rows stay: the same frame again is still the same,
 * another one under the number still a conflict. May be interrupted and run again.
 * Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RELAY_PEER, and RELAY_GAP for numbers that no frame has yet.
 */
export async function forgetFrames(
  platform: Platform,
  self: PartyId,
  kept: { job: JobId; from: PartyId; first: number; below: number },
): Promise<{ below: number }> {
  const channel: Channel = { job: kept.job, from: kept.from, to: self };
  const { next } = checked(await readChannel(platform.db.sql, self, channel));
  if (kept.below > next) throw new AppError("RELAY_GAP", { next });
  platform.recent.drop((key) => key.startsWith(keyOf(channel, "")) && Number(key.split("/").at(-1)) < kept.below);
  await platform.db.writeSql((sql) => dropBodies(sql, channel, kept.first, kept.below));
  for (let seq = kept.first; seq < kept.below; ) {
    const page = await listFrames(platform.db.sql, channel, seq, kept.below, forgetPage);
    for (const frame of page) await platform.blobs.remove(fileName(channel, frame.seq, frame.digest));
    seq = (page.at(-1)?.seq ?? kept.below) + 1;
  }
  return { below: kept.below };
}

/** Deletes the relayed bytes of jobs that ended long enough ago. May be interrupted and run again. */
export async function sweepRelay(platform: Platform): Promise<void> {
  const now = platform.env.now();
  await each(await findUnswept(platform.db.read, new Date(now - platform.limits.retentionMs)), async (job) => {
    platform.recent.drop((key) => key.startsWith(`${job}/`));
    await platform.blobs.remove(`relay/${job}`);
    await platform.db.write((tx) => markSwept(tx, job, new Date(now)));
  }, platform.env.log);
}
