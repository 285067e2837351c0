// Scores that rest on what was objected to: the bank's own batches in which the company was scored, from its own folder, and the job that scores it
// again. The platform is not asked: it does not know who was scored.
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { JobId, PartyId } from "../../core/brand.ts";
import { jobPlanSchema, type JobPlan, type JobRequest } from "../../federation/plan-schema.ts";
import { scoreJobSchema } from "../../federation/score/params.ts";
import type { StateDatabase } from "../store/database.ts";

export type Affected = {
  readonly job: JobId; readonly model: string | undefined; readonly hosts: readonly PartyId[]; readonly at: string;
  /** The scoring again, for `yunei score`: the company's own line of the batch, and the request. undefined when its batch is not there any more. */
  readonly again: { readonly request: Omit<JobRequest, "params">; readonly batch: string } | undefined;
};

/** results: folder of results; folder: of the enclave, with the batches in it. */
export type ScoredBatches = { readonly db: StateDatabase; readonly folder: string; readonly results: string; readonly idColumn: string };

/** Batches that scored a company with one of these providers (or any, for an objection against the score), newest first. */
export async function affectedScores(options: ScoredBatches, subject: string, provider: PartyId | undefined): Promise<Affected[]> {
  const { db, folder, results, idColumn } = options;
  const found: Affected[] = [];
  for (const row of db.all("select plan from jobs order by created_at desc")) {
    const { data: plan } = jobPlanSchema.safeParse(JSON.parse(String(row["plan"])));
    if (plan === undefined) continue; // of an earlier version
    const scores = join(results, plan.job, "scores.csv");
    if (plan.kind !== "score" || (provider !== undefined && !plan.hosts.includes(provider)) || !existsSync(scores)) continue;
    if (!isScored(await linesOf(scores, subject, "id"))) continue;
    found.push({ job: plan.job, model: plan.model, hosts: plan.hosts, at: plan.createdAt, again: await againOf(plan, folder, subject, idColumn) });
  }
  return found;
}

/** A company that was left out for want of a consent has a line without a score. */
function isScored({ header, line }: { header: string | undefined; line: string | undefined }): boolean {
  if (header === undefined || line === undefined) return false;
  return (line.split(",")[header.split(",").indexOf("points")] ?? "") !== "";
}

async function againOf(plan: JobPlan, folder: string, subject: string, idColumn: string): Promise<Affected["again"]> {
  const { batch } = scoreJobSchema.parse(plan.params);
  const path = join(folder, "batches", `${batch}.csv`);
  if (plan.model === undefined || !existsSync(path)) return undefined;
  const { header, line } = await linesOf(path, subject, idColumn);
  if (header === undefined || line === undefined) return undefined;
  return { request: { kind: "score", guest: plan.guest, hosts: plan.hosts, purpose: plan.purpose, model: plan.model }, batch: `${header}\n${line}\n` };
}

/** The header and the line of one id; ids are codes, without quotes or separators in them. */
async function linesOf(path: string, id: string, idColumn: string): Promise<{ header: string | undefined; line: string | undefined }> {
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  let header: string | undefined;
  let at = -1;
  let separator = ",";
  try {
    for await (const line of lines) {
      if (header === undefined) {
        header = line.replace(/^\uFEFF/, "");
        separator = [",", ";", "\t", "|"].find((s) => (header ?? "").split(s).map(bare).includes(idColumn)) ?? ",";
        at = header.split(separator).map(bare).indexOf(idColumn);
      } else if (at >= 0 && line.includes(id) && line.split(separator).map(bare)[at] === id) return { header, line };
    }
    return { header, line: undefined };
  } finally {
    lines.close();
  }
}

function bare(cell: string): string {
  return cell.trim().replace(/^"(.*)"$/, "$1");
}
