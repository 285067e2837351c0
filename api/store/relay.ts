// Rows of relay channels and frames, results and models. A channel's next number moves forward by one conditional update,
// so that two writers of one number cannot both win, on either database.
import type { JobId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { Tx } from "./database.ts";

export type Channel = { readonly job: JobId; readonly from: string; readonly to: string };
export type FrameRow = { bytes: number; digest: string };

const keyOf = ({ job, from, to }: Channel) => ({ jobId: job, sender: from, receiver: to });

export async function findFrame(tx: Tx, channel: Channel, seq: number): Promise<FrameRow | undefined> {
  const where = { jobId_sender_receiver_seq: { ...keyOf(channel), seq } };
  return (await tx.relayFrame.findUnique({ where, select: { bytes: true, digest: true } })) ?? undefined;
}

/** Number of the next frame of a channel; 0 before the first. */
export async function findNext(tx: Tx, channel: Channel): Promise<number> {
  const row = await tx.relayChannel.findUnique({ where: { jobId_sender_receiver: keyOf(channel) }, select: { next: true } });
  return row?.next ?? 0;
}

/** A channel for every ordered pair of parties of a new job. */
export async function createChannels(tx: Tx, job: string, parties: readonly string[]): Promise<void> {
  const pairs = parties.flatMap((sender) =>
    parties.filter((p) => p !== sender).map((receiver) => ({ jobId: job, sender, receiver, next: 0, bytes: 0n })),
  );
  await tx.relayChannel.createMany({ data: pairs });
}

/** Takes the number for this frame; false if the channel's next number is another one. */
export async function addFrame(tx: Tx, channel: Channel, seq: number, frame: FrameRow): Promise<boolean> {
  const { count } = await tx.relayChannel.updateMany({
    where: { ...keyOf(channel), next: seq },
    data: { next: { increment: 1 }, bytes: { increment: BigInt(frame.bytes) } },
  });
  if (count !== 1) return false;
  await tx.relayFrame.create({ data: { ...keyOf(channel), seq, ...frame }, select: { seq: true } });
  return true;
}

/** Bytes that a party has relayed in a job. */
export async function bytesSent(tx: Tx, job: string, from: string): Promise<number> {
  const { _sum } = await tx.relayChannel.aggregate({ where: { jobId: job, sender: from }, _sum: { bytes: true } });
  return Number(_sum.bytes ?? 0);
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
