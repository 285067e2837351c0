// Results: sealed by the guest's enclave to the institution's key, stored and handed on as they are. What is not a compact
// JWE (RFC 7516) is refused, so that a plain report cannot be stored here by mistake.
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { InstitutionCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { isTaken, nextChange } from "../store/database.ts";
import { addEvents, type JobRow } from "../store/jobs.ts";
import { addModel, addResult, findModel, findModelOfJob, listResults, type ModelRow } from "../store/relay.ts";
import { jobOfParty, ownJob } from "./jobs.ts";
import type { InFlight } from "./in-flight.ts";

const algorithms: readonly unknown[] = ["ECDH-ES", "ECDH-ES+A256KW"];
const maxHeaderChars = 2048;
const fileName = (job: string, name: string, digest: string): string => `results/${job}/${name}-${digest}`;

/** Looks at a compact JWE while it streams by: five base64url parts, key agreement and AES-256-GCM in the header. */
export class JweInspector {
  #header = "";
  #dots = 0;

  /** Throws RESULT_NOT_SEALED. */
  see(chunk: Uint8Array): void {
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
    if (!/^[A-Za-z0-9_.-]*$/.test(text)) throw new AppError("RESULT_NOT_SEALED");
    if (this.#dots === 0) this.#header += text.split(".", 1)[0] ?? "";
    this.#dots += text.split(".").length - 1;
    if (this.#dots > 4 || this.#header.length > maxHeaderChars) throw new AppError("RESULT_NOT_SEALED");
  }

  /** Throws RESULT_NOT_SEALED. */
  finish(): void {
    let header: unknown;
    try {
      header = JSON.parse(Buffer.from(this.#header, "base64url").toString("utf8"));
    } catch (cause) {
      throw new AppError("RESULT_NOT_SEALED", {}, { cause });
    }
    const { alg, enc } = (typeof header === "object" && header !== null ? header : {}) as { alg?: unknown; enc?: unknown };
    if (this.#dots !== 4 || !algorithms.includes(alg) || enc !== "A256GCM") throw new AppError("RESULT_NOT_SEALED");
  }
}

async function jobOfGuest(platform: Platform, self: PartyId, id: JobId): Promise<JobRow> {
  const { job } = await jobOfParty(platform, self, id);
  if (job.guest !== self) throw new AppError("RESULT_WRONG_PARTY");
  return job;
}

// A result that is there already is acknowledged again also after the end; a new one is not taken then.
function checkTakes(job: JobRow): void {
  if (job.endedAt !== null) throw new AppError("JOB_ENDED");
  if (job.state !== "running") throw new AppError("JOB_NOT_RUNNING");
}

export type ResultPut = { job: JobId; name: "report" | "scores"; bytes: number; source: AsyncIterable<Uint8Array> };

/** Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RESULT_WRONG_PARTY, RESULT_NOT_SEALED, RESULT_CONFLICT, REQUEST_LENGTH, PLATFORM_*. */
export async function putResult(platform: Platform, inFlight: InFlight, self: PartyId, put: ResultPut): Promise<{ digest: string }> {
  const job = await jobOfGuest(platform, self, put.job);
  if ((await listResults(platform.db.read, put.job)).every((row) => row.name !== put.name)) checkTakes(job);
  return inFlight.during(put.bytes, () => receiveResult(platform, put));
}

async function receiveResult(platform: Platform, put: ResultPut): Promise<{ digest: string }> {
  const inspector = new JweInspector();
  const received = await platform.blobs.receive(put.source, put.bytes, (chunk) => inspector.see(chunk));
  try {
    inspector.finish();
    const { digest } = received;
    if (await isStored(platform, put, digest)) return { digest };
    await platform.blobs.keep(received, fileName(put.job, put.name, digest));
    const now = new Date(platform.env.now());
    try {
      await platform.db.write(async (tx) => {
        await nextChange(tx);
        await addResult(tx, put.job, { name: put.name, bytes: put.bytes, digest }, now);
        await addEvents(tx, put.job, now, [{ type: "result", name: put.name }]);
      });
    } catch (error) {
      if (!isTaken(error) || !(await isStored(platform, put, digest))) throw error;
    }
    platform.wakeups.wake(`job:${put.job}`);
    return { digest };
  } finally {
    await platform.blobs.discard(received);
  }
}

async function isStored(platform: Platform, put: ResultPut, digest: string): Promise<boolean> {
  const row = (await listResults(platform.db.read, put.job)).find((result) => result.name === put.name);
  if (row !== undefined && row.digest !== digest) throw new AppError("RESULT_CONFLICT");
  return row !== undefined;
}

/** The sealed text for its institution. Throws JOB_NOT_FOUND, RESULT_NOT_READY. */
export async function openResult(platform: Platform, caller: InstitutionCaller, id: JobId, name: "report" | "scores") {
  await ownJob(platform, caller, id);
  const row = (await listResults(platform.db.read, id)).find((result) => result.name === name);
  const blob = row === undefined ? undefined : await platform.blobs.read(fileName(id, name, row.digest));
  if (row === undefined || blob === undefined) throw new AppError("RESULT_NOT_READY");
  return { ...blob, digest: row.digest };
}

/** Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, JOB_ENDED, RESULT_WRONG_PARTY, RESULT_CONFLICT. */
export async function putModel(
  platform: Platform,
  self: PartyId,
  id: JobId,
  given: { model: string; kind: string; digests: Record<string, string> },
): Promise<{ model: string }> {
  const job = await jobOfGuest(platform, self, id);
  const isSame = (row: ModelRow | undefined): boolean =>
    row !== undefined &&
    row.id === given.model &&
    row.job === id &&
    row.kind === given.kind &&
    canonicalJson(row.digests) === canonicalJson(given.digests);
  const stored = (await findModelOfJob(platform.db.read, id)) ?? (await findModel(platform.db.read, given.model));
  if (isSame(stored)) return { model: given.model };
  if (stored !== undefined) throw new AppError("RESULT_CONFLICT");
  checkTakes(job);
  const now = new Date(platform.env.now());
  const isAdded = await platform.db.write(async (tx) => {
    await nextChange(tx);
    if ((await findModelOfJob(tx, id)) !== undefined || (await findModel(tx, given.model)) !== undefined) return false;
    await addModel(tx, { id: given.model, job: id, institution: job.institution, kind: given.kind, digests: given.digests }, now);
    await addEvents(tx, id, now, [{ type: "result", name: "model" }]);
    return true;
  });
  if (!isAdded) throw new AppError("RESULT_CONFLICT");
  platform.wakeups.wake(`job:${id}`);
  return { model: given.model };
}
