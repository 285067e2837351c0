// Scoring with hosts that may be away: a host that has not approved within the wait is left out, and its features score
// as missing (every score is then flagged `partial`).
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { JobEvent } from "../api/contract.ts";
import type { JobId, PartyId } from "../core/brand.ts";
import { AppError, isAppError } from "../core/errors.ts";
import { enclavePaths } from "../enclave/config.ts";
import { explanationsFile } from "../enclave/job/explain.ts";
import type { ModelShape } from "../federation/score/params.ts";
import { jobRequestSchema, type JobRequest } from "../federation/plan-schema.ts";
import { existingFile } from "./arguments.ts";
import { failureOf, refuseEnd, type ApiClient } from "./api-client.ts";

type Scoring = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; /** Absent for one that the bank brings. */ readonly model?: string | undefined; readonly purpose: string;
  readonly params: { readonly batch: string; readonly rows: number; readonly shape: ModelShape };
  /** Explanations: most reasons of a company, and hosts that tell their own part. */
  readonly explain?: { readonly reasons: number; readonly hosts: readonly PartyId[] } | undefined;
};
export type ScoreRequest = Scoring & { readonly waitSeconds: number; readonly say: (event: JobEvent) => void };

/** The job of a scoring with these of its hosts. Throws CLI_ARGUMENT. */
export function scoreRequest({ guest, purpose, model, explain, params }: Scoring, hosts: readonly PartyId[]): JobRequest {
  const here = explain && { ...explain, hosts: explain.hosts.filter((h) => hosts.includes(h)) };
  const parsed = jobRequestSchema.safeParse({ kind: "score", guest, hosts, purpose, params: { ...params, ...(here && { explain: here }) }, model });
  if (!parsed.success) throw new AppError("CLI_ARGUMENT", { problems: parsed.error.issues.length });
  return parsed.data;
}

/** Withdrawals in the middle of a batch that are lived through. */
const mostWithdrawals = 3;

/** Returns the id of the job that was done. A provider stops its part when a company withdraws in the middle, before anything leaves it: then the
 *  batch is scored once more, without that company. */
export async function scoreWithFallback(api: ApiClient, request: ScoreRequest): Promise<JobId> {
  let { hosts } = request;
  let withdrawals = 0;
  while (hosts.length > 0) {
    const job = await api.submit(scoreRequest(request, hosts));
    const away = await silentHosts(api, job.id, request);
    if (away.length === 0) {
      try {
        await followToEnd(api, job.id, request.say);
        return job.id;
      } catch (error) {
        withdrawals += 1;
        if (!isAppError(error) || error.code !== "CONSENT_WITHDRAWN" || withdrawals > mostWithdrawals) throw error;
        continue;
      }
    }
    await api.cancel(job.id);
    hosts = hosts.filter((h) => !away.includes(h));
  }
  throw new AppError("CLI_NO_HOST");
}

/** Explanations stay in the bank's own enclave folder: they are copied from there. Throws CLI_FILE when it is another one. */
export function copyExplanations(folder: string, job: string, out: string): void {
  mkdirSync(out, { recursive: true, mode: 0o700 });
  copyFileSync(existingFile(join(enclavePaths(folder).results, job, explanationsFile)), join(out, explanationsFile));
}

/** Hosts that did not approve in time; empty as soon as the job runs. */
async function silentHosts(api: ApiClient, job: string, request: ScoreRequest): Promise<PartyId[]> {
  const until = Date.now() + request.waitSeconds * 1000;
  for (;;) {
    const view = await api.job(job);
    if (view.state === "running" || view.state === "done") return [];
    if (view.failure !== null) throw failureOf(view.failure);
    if (view.state === "cancelled") throw new AppError("JOB_CANCELLED");
    if (Date.now() > until) return view.parties.filter((p) => p.role === "host" && !p.approved).map((p) => p.party);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function followToEnd(api: ApiClient, job: string, say: (event: JobEvent) => void): Promise<void> {
  for await (const event of api.events(job)) {
    say(event);
    refuseEnd(event);
  }
}
