// Submitting a job: check the caller and the parties, compile the plan, store both before the answer.
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson, digestOf, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema } from "../../core/names.ts";
import { endOfService } from "../../federation/live/params.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import { verifyJobSchema } from "../../federation/verify/params.ts";
import { watchJobSchema } from "../../federation/watch/params.ts";
import { jobPlanSchema, type DatasetSummary, type JobPlan, type JobRequest } from "../../federation/plan-schema.ts";
import type { JobView } from "../contract.ts";
import type { InstitutionCaller } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { isTaken, nextChange } from "../store/database.ts";
import { countOpenJobs, createJob, findByIdempotencyKey } from "../store/jobs.ts";
import { findInstitution, findParty, findPartyState, listDatasets } from "../store/parties.ts";
import { findModel } from "../store/relay.ts";
import { viewJob, wakeParties } from "./jobs.ts";

/**
 * Throws JOB_WRONG_GUEST, JOB_PARTIES, JOB_IDEMPOTENCY, JOB_TOO_MANY, PARTY_NOT_FOUND, JOB_DATASET_UNKNOWN, MODEL_NOT_FOUND, AUTH_SUSPENDED and
 * what the plan compiler throws (JOB_PARAMS for parameters that do not fit).
 */
export async function submitJob(
  platform: Platform,
  caller: InstitutionCaller,
  request: JobRequest,
  idempotencyKey: string | undefined,
): Promise<JobView> {
  if (request.guest !== caller.party) throw new AppError("JOB_WRONG_GUEST");
  const parties = [request.guest, ...request.hosts];
  if (new Set(parties).size !== parties.length) throw new AppError("JOB_PARTIES");
  const requestDigest = digestOf(request as unknown as Json);
  const before = await findSame(platform, caller, idempotencyKey, requestDigest);
  if (before !== undefined) return viewJob(platform, caller, before);
  const { db, limits } = platform;
  if ((await countOpenJobs(db.read, caller.institution)) >= limits.openJobsPerInstitution)
    throw new AppError("JOB_TOO_MANY", { limit: limits.openJobsPerInstitution });
  if (request.model !== undefined && (await findModel(db.read, request.model))?.institution !== caller.institution)
    throw new AppError("MODEL_NOT_FOUND");

  const id = jobIdSchema.parse(`job_${Buffer.from(platform.env.rng(12)).toString("hex")}`);
  const now = platform.env.now();
  const createdAt = new Date(now);
  const expiresAt = endOf(request, createdAt, limits.jobLifeMs);
  const institution = await findInstitution(db.read, caller.institution);
  const sealTo = institution?.sealTo;
  if (institution === undefined || sealTo === undefined) throw new AppError("AUTH_INVALID");
  const datasets = await datasetsOf(platform, parties);
  const plan = compile(platform, {
    request,
    job: id,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    datasets,
    sealTo,
  });
  const text = canonicalJson(plan as unknown as Json);
  const job = {
    id,
    institution: caller.institution,
    guest: request.guest,
    hosts: request.hosts,
    kind: request.kind,
    purpose: request.purpose,
    plan: text,
    planDigest: digestOf(plan as unknown as Json),
    createdAt,
    expiresAt,
    idempotencyKey,
    requestDigest,
    submitter: caller.person,
    isHeld: institution.twoPerson,
  };
  try {
    await db.write(async (tx) => {
      const change = await nextChange(tx);
      // Under the lock: nothing begins for who was suspended since the caller was let in.
      if ((await findInstitution(tx, caller.institution))?.state !== "active") throw new AppError("AUTH_SUSPENDED");
      for (const party of parties) if ((await findPartyState(tx, party)) !== "active") throw new AppError("PARTY_NOT_FOUND", { party });
      await createJob(tx, change, job);
    });
  } catch (error) {
    // The same key twice at once: the other request has won.
    const winner = isTaken(error) ? await findSame(platform, caller, idempotencyKey, requestDigest) : undefined;
    if (winner === undefined) throw error;
    return viewJob(platform, caller, winner);
  }
  platform.env.log.info("job.submitted", { job: id, kind: request.kind, guest: request.guest, hosts: request.hosts.length });
  wakeParties(platform, id, job.isHeld ? [] : parties);
  return viewJob(platform, caller, id);
}

/** A service has a term of its own. Parameters that do not fit are refused by the plan's compiler. */
function endOf(request: JobRequest, createdAt: Date, jobLifeMs: number): Date {
  const service = request.kind === "serve" ? serveJobSchema.safeParse(request.params) : request.kind === "watch" ? watchJobSchema.safeParse(request.params) : request.kind === "verify" ? verifyJobSchema.safeParse(request.params) : undefined;
  return service?.success === true ? new Date(endOfService(createdAt.toISOString(), service.data.days)) : new Date(createdAt.getTime() + jobLifeMs);
}

async function findSame(
  platform: Platform,
  caller: InstitutionCaller,
  key: string | undefined,
  requestDigest: string,
): Promise<JobId | undefined> {
  const row = key === undefined ? undefined : await findByIdempotencyKey(platform.db.read, caller.institution, key);
  if (row === undefined) return undefined;
  if (row.requestDigest !== requestDigest) throw new AppError("JOB_IDEMPOTENCY");
  return jobIdSchema.parse(row.id);
}

async function datasetsOf(platform: Platform, parties: readonly PartyId[]): Promise<Record<string, DatasetSummary>> {
  const published = new Map((await listDatasets(platform.db.read)).map((row) => [row.party, row.dataset]));
  const datasets: Record<string, DatasetSummary> = {};
  for (const party of parties) {
    const dataset = published.get(party);
    if (dataset === undefined) {
      const row = await findParty(platform.db.sql, party);
      throw new AppError(row?.state === "active" ? "JOB_DATASET_UNKNOWN" : "PARTY_NOT_FOUND", { party });
    }
    datasets[party] = dataset;
  }
  return datasets;
}

function compile(platform: Platform, input: Parameters<Platform["compilePlan"]>[0]): JobPlan {
  let plan: JobPlan;
  try {
    plan = platform.compilePlan(input);
  } catch (error) {
    // A zod error of the kind's own parameter schema.
    if (error instanceof Error && error.name === "ZodError") throw new AppError("JOB_PARAMS", {}, { cause: error });
    throw error;
  }
  const checked = jobPlanSchema.parse(plan);
  const { job, guest, hosts } = checked;
  const isAsked = job === input.job && guest === input.request.guest && canonicalJson(hosts) === canonicalJson(input.request.hosts);
  if (!isAsked) throw new AppError("PLATFORM_INTERNAL", { plan: false });
  return checked;
}
