// Rows of relay channels and frames, results and models. A channel's next number moves forward by one conditional update,
// so that two writers of one number cannot both win, on either database.
import type { JobId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { jobIdSchema } from "../../core/names.ts";
import { jobStateSchema, type JobStateName } from "../contract.ts";
import type { Tx } from "./database.ts";
import type { Sql } from "./sql.ts";

export type Channel = { readonly job: JobId; readonly from: string; readonly to: string };
export type FrameRow = { readonly bytes: number; readonly digest: string };
/** A stored frame; `body` when it is a small one that has not been forgotten. */
export type Frame = FrameRow & { readonly body: Uint8Array | undefined };
/** What a party finds at a channel of its own. */
export type ChannelState = {
  readonly job: JobStateName;
  /** Whether there is such a channel in the job. */
  readonly exists: boolean;
  /** Number of the next frame; 0 before the first. */
  readonly next: number;
};

const frameKey = `"jobId" = ? AND "sender" = ? AND "receiver" = ? AND "seq" = ?`;
const channelJoin = `FROM "Job" j JOIN "JobParty" p ON p."jobId" = j."id" AND p."partyId" = ?
  LEFT JOIN "RelayChannel" c ON c."jobId" = j."id" AND c."sender" = ? AND c."receiver" = ?`;
type Reader = Pick<Sql, "rows">;

const toState = (state: unknown, next: unknown): ChannelState => ({ job: jobStateSchema.parse(state), exists: next !== null, next: Number(next ?? 0) });

function toFrame(bytes: unknown, digest: unknown, body: unknown): Frame | undefined {
  if (typeof digest !== "string") return undefined;
  return { bytes: Number(bytes), digest, body: body instanceof Uint8Array ? body : undefined };
}

/** A channel and what its sender has relayed in the job; undefined if the party has no part in the job. */
export async function readChannel(
  sql: Reader,
  self: string,
  channel: Channel,
): Promise<(ChannelState & { readonly sent: number }) | undefined> {
  const [row] = await sql.rows(
    `SELECT j."state", c."next", (SELECT SUM(s."bytes") FROM "RelayChannel" s WHERE s."jobId" = j."id" AND s."sender" = ?)
     ${channelJoin} WHERE j."id" = ?`,
    channel.from, self, channel.from, channel.to, channel.job,
  );
  return row === undefined ? undefined : { ...toState(row[0], row[1]), sent: Number(row[2] ?? 0) };
}

/** A channel and its frame `seq`; undefined if the party has no part in the job. */
export async function readFrame(
  sql: Reader,
  self: string,
  channel: Channel,
  seq: number,
): Promise<(ChannelState & { readonly frame: Frame | undefined }) | undefined> {
  const [row] = await sql.rows(
    `SELECT j."state", c."next", f."bytes", f."digest", f."body" ${channelJoin}
     LEFT JOIN "RelayFrame" f ON f."jobId" = c."jobId" AND f."sender" = c."sender" AND f."receiver" = c."receiver" AND f."seq" = ? WHERE j."id" = ?`,
    self, channel.from, channel.to, seq, channel.job,
  );
  return row === undefined ? undefined : { ...toState(row[0], row[1]), frame: toFrame(row[2], row[3], row[4]) };
}

/** Size and digest of a frame. */
export async function findFrame(sql: Reader, channel: Channel, seq: number): Promise<FrameRow | undefined> {
  const [row] = await sql.rows(`SELECT "bytes", "digest" FROM "RelayFrame" WHERE ${frameKey}`, channel.job, channel.from, channel.to, seq);
  return row === undefined ? undefined : { bytes: Number(row[0]), digest: String(row[1]) };
}

/** At most `limit` frames with numbers in [first, below), in order. */
export async function listFrames(
  sql: Reader,
  channel: Channel,
  first: number,
  below: number,
  limit: number,
): Promise<{ seq: number; digest: string }[]> {
  const rows = await sql.rows(
    `SELECT "seq", "digest" FROM "RelayFrame" WHERE "jobId" = ? AND "sender" = ? AND "receiver" = ? AND "seq" >= ? AND "seq" < ?
     ORDER BY "seq" LIMIT ?`,
    channel.job, channel.from, channel.to, first, below, limit,
  );
  return rows.map((row) => ({ seq: Number(row[0]), digest: String(row[1]) }));
}

/** A channel for every ordered pair of parties of a new job. */
export async function createChannels(tx: Tx, job: string, parties: readonly string[]): Promise<void> {
  const pairs = parties.flatMap((sender) =>
    parties.filter((p) => p !== sender).map((receiver) => ({ jobId: job, sender, receiver, next: 0, bytes: 0n })),
  );
  await tx.relayChannel.createMany({ data: pairs });
}

/** Takes the number for this frame; false if the channel's next number is another one, the job does not run, or its sender would have relayed
 *  more than `quota` bytes in it. */
export async function addFrame(sql: Sql, channel: Channel, seq: number, frame: Frame, quota = Number.MAX_SAFE_INTEGER): Promise<boolean> {
  const { job, from, to } = channel;
  const moved = await sql.run(
    `UPDATE "RelayChannel" SET "next" = "next" + 1, "bytes" = "bytes" + ? WHERE "jobId" = ? AND "sender" = ? AND "receiver" = ? AND "next" = ?
     AND EXISTS (SELECT 1 FROM "Job" WHERE "id" = ? AND "state" = 'running')
     AND (SELECT SUM(s."bytes") FROM "RelayChannel" s WHERE s."jobId" = ? AND s."sender" = ?) <= ?`,
    frame.bytes, job, from, to, seq, job, job, from, quota - frame.bytes,
  );
  if (moved !== 1) return false;
  await sql.run(
    `INSERT INTO "RelayFrame" ("jobId", "sender", "receiver", "seq", "bytes", "digest", "body") VALUES (?, ?, ?, ?, ?, ?, ?)`,
    job, from, to, seq, frame.bytes, frame.digest, frame.body ?? null,
  );
  return true;
}

/** Forgets the bytes of the small frames with numbers in [first, below). */
export async function dropBodies(sql: Sql, channel: Channel, first: number, below: number): Promise<void> {
  await sql.run(
    `UPDATE "RelayFrame" SET "body" = NULL WHERE "jobId" = ? AND "sender" = ? AND "receiver" = ? AND "seq" >= ? AND "seq" < ?`,
    channel.job, channel.from, channel.to, first, below,
  );
}

export type Traffic = { from: string; to: string; bytes: number; messages: number };

export async function listTraffic(tx: Tx, job: string): Promise<Traffic[]> {
  const rows = await tx.relayChannel.findMany({
    where: { jobId: job, next: { gt: 0 } },
    orderBy: [{ sender: "asc" }, { receiver: "asc" }],
  });
  return rows.map((row) => ({ from: row.sender, to: row.receiver, bytes: Number(row.bytes), messages: row.next }));
}

/** Ended jobs whose frames have not been deleted yet. */
export async function findUnswept(tx: Tx, endedBefore: Date): Promise<string[]> {
  const rows = await tx.job.findMany({ where: { sweptAt: null, endedAt: { lte: endedBefore } }, take: 20, select: { id: true } });
  return rows.map((row) => row.id);
}

/** Forgets the frames of a job; what each channel carried in total stays. */
export async function markSwept(tx: Tx, job: string, now: Date): Promise<void> {
  await tx.relayFrame.deleteMany({ where: { jobId: job } });
  await tx.job.update({ where: { id: job }, data: { sweptAt: now }, select: { id: true } });
}

export type ResultRow = { name: string; bytes: number; digest: string };

export async function listResults(tx: Tx, job: string): Promise<ResultRow[]> {
  return tx.jobResult.findMany({ where: { jobId: job }, orderBy: { name: "asc" }, select: { name: true, bytes: true, digest: true } });
}

export async function addResult(tx: Tx, job: string, result: ResultRow, now: Date): Promise<void> {
  await tx.jobResult.create({ data: { jobId: job, ...result, createdAt: now }, select: { name: true } });
}

export type ModelRow = {
  id: string;
  job: JobId;
  institution: string;
  kind: string;
  state: "active" | "retired";
  digests: Record<string, string>;
  createdAt: string;
};
type RawModel = { id: string; jobId: string; institutionId: string; kind: string; state: string; digests: string; createdAt: Date };

function toModel(raw: RawModel): ModelRow {
  return {
    id: raw.id,
    job: jobIdSchema.parse(raw.jobId),
    institution: raw.institutionId,
    kind: raw.kind,
    state: raw.state === "active" ? "active" : "retired",
    digests: JSON.parse(raw.digests) as Record<string, string>,
    createdAt: raw.createdAt.toISOString(),
  };
}

export async function addModel(tx: Tx, model: Omit<ModelRow, "createdAt" | "state">, now: Date): Promise<void> {
  const { job, institution, digests, ...rest } = model;
  await tx.model.create({
    data: { ...rest, jobId: job, institutionId: institution, state: "active", digests: canonicalJson(digests), createdAt: now },
    select: { id: true },
  });
}

export async function findModel(tx: Tx, id: string): Promise<ModelRow | undefined> {
  const row = await tx.model.findUnique({ where: { id } });
  return row === null ? undefined : toModel(row);
}

export async function findModelOfJob(tx: Tx, job: string): Promise<ModelRow | undefined> {
  const row = await tx.model.findFirst({ where: { jobId: job } });
  return row === null ? undefined : toModel(row);
}

export async function listModels(tx: Tx, institution: string, limit: number, cursor: string | undefined): Promise<ModelRow[]> {
  const rows = await tx.model.findMany({
    where: { institutionId: institution },
    orderBy: [{ createdAt: "desc" }, { id: "desc" }],
    take: limit,
    ...(cursor === undefined ? {} : { cursor: { id: cursor }, skip: 1 }),
  });
  return rows.map(toModel);
}
