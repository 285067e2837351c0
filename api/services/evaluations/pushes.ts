// What the evaluating enclave pushes to institutions: sealed bytes that the platform hands on once the run has ended well.
import type { JobId, PartyId } from "../../../core/brand.ts";
import { AppError, isAppError } from "../../../core/errors.ts";
import type { FinancingPurpose } from "../../../core/purposes.ts";
import { evaluateJobSchema, rowsPerPush, type PlannedPush } from "../../../federation/evaluate/params.ts";
import { jobPlanSchema } from "../../../federation/plan-schema.ts";
import type { PushView } from "../../contract/evaluations.ts";
import { each } from "../../each.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { consentsForAny } from "../../store/consents.ts";
import { nextChange, type Tx } from "../../store/database.ts";
import { addPush, deletePush, findPush, findRunOfJob, listPushes, oldPushes, pushedBytes, type PushId } from "../../store/evaluations.ts";
import type { JobRow } from "../../store/jobs.ts";
import { listInstitutions } from "../../store/parties.ts";
import type { InFlight } from "../in-flight.ts";
import { JweInspector } from "../results.ts";
import { pushFile } from "./push-files.ts";
import { runOfGuest, visibleRun } from "./runs.ts";

const listed = 500;
const feedPage = 200;
/** A pushed evaluation can be fetched for so long, ms: a quarter of a year, until a later run is there. */
const keptMs = 92 * 86_400_000;
const sweptAtOnce = 50;

export type PushPut = { readonly job: JobId; readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly part: number; readonly bytes: number; readonly source: AsyncIterable<Uint8Array> };

const pushesOf = (job: JobRow): readonly PlannedPush[] => evaluateJobSchema.parse(jobPlanSchema.parse(JSON.parse(job.plan)).params).pushes;

/** Only to whom the plan names, as many parts as the plan's companies fill, and in all no more than a run may. Throws EVALUATION_PUSH_LIMIT, JOB_NOT_FOUND, JOB_NOT_RUNNING, RESULT_WRONG_PARTY, RESULT_NOT_SEALED, RESULT_CONFLICT. */
export async function putPush(platform: Platform, inFlight: InFlight, party: PartyId, put: PushPut): Promise<{ digest: string }> {
  const { run, job } = await runOfGuest(platform, party, put.job);
  const plan = jobPlanSchema.parse(JSON.parse(job.plan));
  if (put.part >= Math.max(1, Math.ceil((plan.datasets[party]?.rows ?? 0) / rowsPerPush))) throw new AppError("EVALUATION_PUSH_LIMIT", { limit: platform.limits.pushBytesPerRun });
  const isPlanned = pushesOf(job).some((p) => p.institution === put.institution && p.purpose === put.purpose);
  const owner = (await listInstitutions(platform.db.read)).find((i) => i.party === put.institution);
  if (!isPlanned || owner === undefined) throw new AppError("RESULT_WRONG_PARTY");
  const id: PushId = { runId: run.id, institutionId: owner.id, purpose: put.purpose, part: put.part };
  // Before its bytes are taken; one that is there already is answered.
  if ((await findPush(platform.db.read, id)) === undefined) await requireRoom(platform.db.read, platform, run.id, put.bytes);
  return inFlight.during(put.bytes, () => receive(platform, id, put));
}

/** Throws EVALUATION_PUSH_LIMIT where the run would push more bytes than it may. */
async function requireRoom(tx: Tx, { limits: { pushBytesPerRun: limit } }: Platform, run: string, bytes: number): Promise<void> {
  if ((await pushedBytes(tx, run)) + bytes > limit) throw new AppError("EVALUATION_PUSH_LIMIT", { limit });
}

async function receive(platform: Platform, id: PushId, { job, source, bytes }: Pick<PushPut, "job" | "source" | "bytes">): Promise<{ digest: string }> {
  const { db, blobs, env } = platform;
  const inspector = new JweInspector();
  const received = await blobs.receive(source, bytes, (chunk) => inspector.see(chunk));
  try {
    inspector.finish();
    const { digest } = received;
    const isStored = async (): Promise<boolean> => {
      const row = await findPush(db.read, id);
      if (row !== undefined && row.digest !== digest) throw new AppError("RESULT_CONFLICT");
      return row !== undefined;
    };
    if (await isStored()) return { digest };
    await blobs.keep(received, pushFile(id, digest));
    try {
      await db.write(async (tx) => {
        // Again, under the lock: others may have come at the same time, and the run may have gone on by another job.
        await nextChange(tx);
        const now = await findRunOfJob(tx, job);
        if (now?.id !== id.runId || now.state !== "running") throw new AppError("JOB_NOT_RUNNING");
        if ((await findPush(tx, id)) !== undefined) return;
        await requireRoom(tx, platform, id.runId, bytes);
        await addPush(tx, { ...id, bytes, digest, createdAt: new Date(env.now()) });
      });
    } catch (error) {
      if (isAppError(error)) await blobs.remove(pushFile(id, digest));
      throw error;
    }
    await isStored();
    return { digest };
  } finally {
    await blobs.discard(received);
  }
}

export async function pushesTo({ db }: Platform, { institution }: InstitutionCaller, run: string | undefined): Promise<{ items: PushView[] }> {
  const items = (await listPushes(db.read, institution, run, listed)).flatMap(({ push, run: of }) => (of.job === null ? [] : [{
    run: push.runId, job: of.job, evaluator: of.guest, basis: of.basis, asOf: of.asOf, purpose: push.purpose as FinancingPurpose, part: push.part, bytes: push.bytes, digest: push.digest, createdAt: push.createdAt.toISOString(),
  }]));
  return { items };
}

/** The institution's own. Throws EVALUATION_NOT_FOUND, also before the run has ended well. */
export async function openPush(platform: Platform, { institution }: InstitutionCaller, { run, purpose, part }: { readonly run: string; readonly purpose: FinancingPurpose; readonly part: number }) {
  const { state } = await visibleRun(platform, { institution }, run);
  const id: PushId = { runId: run, institutionId: institution, purpose, part };
  const row = state === "done" ? await findPush(platform.db.read, id) : undefined;
  const blob = row === undefined ? undefined : await platform.blobs.read(pushFile(id, row.digest));
  if (row === undefined || blob === undefined) throw new AppError("EVALUATION_NOT_FOUND");
  return { ...blob, digest: row.digest };
}

/** Deletes what was pushed long ago: called by the clock. */
export async function sweepPushes({ db, blobs, env }: Platform): Promise<void> {
  await each(await oldPushes(db.read, new Date(env.now() - keptMs), sweptAtOnce), async (row) => {
    await blobs.remove(pushFile(row, row.digest));
    await db.write((tx) => deletePush(tx, row));
  }, env.log);
}

/** Consents that name institutions of the plan, for the evaluating enclave of a run on the basis `full`: none else needs them. Throws as `runOfGuest`. */
export async function subscribersConsents(platform: Platform, party: PartyId, job: JobId, after: number): Promise<{ next: number; consents: string[] }> {
  const { run, job: row } = await runOfGuest(platform, party, job);
  if (run.basis !== "full") return { next: after, consents: [] };
  const grantees = [...new Set(pushesOf(row).map((p) => p.institution))];
  const found = await consentsForAny(platform.db.read, grantees, after, new Date(platform.env.now()), feedPage);
  return { next: found.at(-1)?.n ?? after, consents: found.map((c) => c.jws) };
}
