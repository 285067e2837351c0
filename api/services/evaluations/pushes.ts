// What the evaluating enclave pushes to institutions: sealed bytes that the platform hands on once the run has ended well.
import type { JobId, PartyId } from "../../../core/brand.ts";
import { AppError } from "../../../core/errors.ts";
import type { FinancingPurpose } from "../../../core/purposes.ts";
import { evaluateJobSchema, type PlannedPush } from "../../../federation/evaluate/params.ts";
import { jobPlanSchema } from "../../../federation/plan-schema.ts";
import type { PushView } from "../../contract/evaluations.ts";
import type { InstitutionCaller } from "../../http/route.ts";
import type { Platform } from "../../platform.ts";
import { consentsForAny } from "../../store/consents.ts";
import { isTaken } from "../../store/database.ts";
import { addPush, deletePush, findPush, listPushes, oldPushes, type PushId } from "../../store/evaluations.ts";
import type { JobRow } from "../../store/jobs.ts";
import { listInstitutions } from "../../store/parties.ts";
import type { InFlight } from "../in-flight.ts";
import { JweInspector } from "../results.ts";
import { runOfGuest, visibleRun } from "./runs.ts";

const listed = 500;
const feedPage = 200;
/** A pushed evaluation can be fetched for so long, ms: a quarter of a year, until a later run is there. */
const keptMs = 92 * 86_400_000;
const sweptAtOnce = 50;

export type PushPut = { readonly job: JobId; readonly institution: PartyId; readonly purpose: FinancingPurpose; readonly part: number; readonly bytes: number; readonly source: AsyncIterable<Uint8Array> };

const fileName = ({ runId, institutionId, purpose, part }: PushId, digest: string): string => `evaluations/${runId}/${institutionId}/${purpose}-${part}-${digest}`;
const pushesOf = (job: JobRow): readonly PlannedPush[] => evaluateJobSchema.parse(jobPlanSchema.parse(JSON.parse(job.plan)).params).pushes;

/** Only to whom the plan names. Throws JOB_NOT_FOUND, JOB_NOT_RUNNING, RESULT_WRONG_PARTY, RESULT_NOT_SEALED, RESULT_CONFLICT. */
export async function putPush(platform: Platform, inFlight: InFlight, party: PartyId, put: PushPut): Promise<{ digest: string }> {
  const { run, job } = await runOfGuest(platform, party, put.job);
  const isPlanned = pushesOf(job).some((p) => p.institution === put.institution && p.purpose === put.purpose);
  const owner = (await listInstitutions(platform.db.read)).find((i) => i.party === put.institution);
  if (!isPlanned || owner === undefined) throw new AppError("RESULT_WRONG_PARTY");
  const id: PushId = { runId: run.id, institutionId: owner.id, purpose: put.purpose, part: put.part };
  return inFlight.during(put.bytes, () => receive(platform, id, put));
}

async function receive(platform: Platform, id: PushId, { source, bytes }: Pick<PushPut, "source" | "bytes">): Promise<{ digest: string }> {
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
    await blobs.keep(received, fileName(id, digest));
    try {
      await db.write((tx) => addPush(tx, { ...id, bytes, digest, createdAt: new Date(env.now()) }));
    } catch (error) {
      if (!isTaken(error) || !(await isStored())) throw error;
    }
    return { digest };
  } finally {
    await blobs.discard(received);
  }
}

export async function pushesTo({ db }: Platform, { institution }: InstitutionCaller, run: string | undefined): Promise<{ items: PushView[] }> {
  const items = (await listPushes(db.read, institution, run, listed)).map(({ push, run: of }) => ({
    run: push.runId, evaluator: of.guest, basis: of.basis, asOf: of.asOf, purpose: push.purpose as FinancingPurpose, part: push.part, bytes: push.bytes, digest: push.digest, createdAt: push.createdAt.toISOString(),
  }));
  return { items };
}

/** The institution's own. Throws EVALUATION_NOT_FOUND, also before the run has ended well. */
export async function openPush(platform: Platform, { institution }: InstitutionCaller, { run, purpose, part }: { readonly run: string; readonly purpose: FinancingPurpose; readonly part: number }) {
  const { state } = await visibleRun(platform, { institution }, run);
  const id: PushId = { runId: run, institutionId: institution, purpose, part };
  const row = state === "done" ? await findPush(platform.db.read, id) : undefined;
  const blob = row === undefined ? undefined : await platform.blobs.read(fileName(id, row.digest));
  if (row === undefined || blob === undefined) throw new AppError("EVALUATION_NOT_FOUND");
  return { ...blob, digest: row.digest };
}

/** Deletes what was pushed long ago: called by the clock. */
export async function sweepPushes({ db, blobs, env }: Platform): Promise<void> {
  for (const row of await oldPushes(db.read, new Date(env.now() - keptMs), sweptAtOnce)) {
    await blobs.remove(fileName(row, row.digest));
    await db.write((tx) => deletePush(tx, row));
  }
}

/** Consents that name institutions of the plan, for the evaluating enclave of a run on the basis `full`: none else needs them. Throws as `runOfGuest`. */
export async function subscribersConsents(platform: Platform, party: PartyId, job: JobId, after: number): Promise<{ next: number; consents: string[] }> {
  const { run, job: row } = await runOfGuest(platform, party, job);
  if (run.basis !== "full") return { next: after, consents: [] };
  const grantees = [...new Set(pushesOf(row).map((p) => p.institution))];
  const found = await consentsForAny(platform.db.read, grantees, after, new Date(platform.env.now()), feedPage);
  return { next: found.at(-1)?.n ?? after, consents: found.map((c) => c.jws) };
}
