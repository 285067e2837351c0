// A whole model as files: what the request needs to know of it, the job, and the files, which stay on the machine of the bank's enclave.
import { join } from "node:path";
import type { JobEvent } from "../api/contract.ts";
import type { PartyId } from "../core/brand.ts";
import { sha256Hex } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { readBytes, writeDurably } from "../core/files.ts";
import { partyId } from "../core/names.ts";
import { enclavePaths } from "../enclave/config.ts";
import { exportSummarySchema, type ExportSummary } from "../enclave/job/exported.ts";
import { StateDatabase } from "../enclave/store/database.ts";
import { ownersOf, type GuestOwn } from "../federation/export/guest.ts";
import type { ExportJobParams } from "../federation/export/params.ts";
import { gbdtGuestHalfSchema } from "../federation/gbdt/half.ts";
import { jobRequestSchema } from "../federation/plan-schema.ts";
import { guestHalfSchema } from "../federation/scorecard/finish.ts";
import { refuseEnd, type ApiClient } from "./api-client.ts";
import { existingFile, explained, parseJson } from "./arguments.ts";
import { openSealed, type InstitutionKey } from "./institution-key.ts";

export type Exportable = { readonly hosts: readonly PartyId[]; readonly shape: ExportJobParams["shape"] };
export type ExportRequest = Exportable & {
  readonly guest: PartyId; readonly model: string; readonly purpose: string; readonly say: (event: JobEvent) => void;
};

/** What an export of this model asks for, from the guest's own half: the owners of its features and its size. Throws JOB_MODEL_UNKNOWN, and
 *  JOB_EXPORT_KIND for a model that cannot be exported. */
export function exportable(folder: string, model: string): Exportable {
  using db = new StateDatabase(enclavePaths(folder).state);
  const row = db.get("select kind, half from models where model = ?", model);
  if (row === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
  const half: unknown = JSON.parse(String(row["half"]));
  if (row["kind"] === "crossboost-guest") throw new AppError("JOB_EXPORT_KIND");
  if (row["kind"] === "gbdt-guest") {
    const own = gbdtGuestHalfSchema.parse(half);
    const depth = Math.max(1, ...own.trees.trees.map((t) => t.cuts.length));
    return { hosts: hostsOf({ kind: "gbdt", half: own }, own.hosts.map((h) => h.party)), shape: { kind: "gbdt", trees: own.trees.trees.length, depth } };
  }
  if (row["kind"] !== "scorecard-guest") throw new AppError("JOB_MODEL_UNKNOWN");
  const own = guestHalfSchema.parse(half);
  return { hosts: hostsOf({ kind: "scorecard", half: own }, own.hosts), shape: { kind: "scorecard" } };
}

/** A model of the bank's columns alone still is one of a job: then any of its providers takes part, and tells nothing. */
function hostsOf(own: GuestOwn, all: readonly string[]): PartyId[] {
  const owners = ownersOf(own);
  return (owners.length > 0 ? owners : all.slice(0, 1)).map(partyId);
}

/** Submits the export, follows it, opens its summary. Throws the code with which the job ends: POLICY_KIND when a provider does not allow it. */
export async function requestExport(api: ApiClient, key: InstitutionKey, request: ExportRequest): Promise<ExportSummary> {
  const { guest, hosts, model, purpose, shape } = request;
  const parsed = jobRequestSchema.safeParse({ kind: "export", guest, hosts, model, purpose, params: { shape } });
  if (!parsed.success) throw new AppError("CLI_ARGUMENT", { problems: parsed.error.issues.length });
  const job = await api.submit(parsed.data);
  for await (const event of api.events(job.id)) {
    request.say(event);
    refuseEnd(event);
  }
  return exportSummarySchema.parse(parseJson(await openSealed(await api.result(job.id, "report"), key), "the opened summary"));
}

/** Copies the files from the enclave's own folder and returns their names. Throws CLI_FILE when the folder is another one, or
 *  when a file is not the one that the summary names. */
export function copyExport(folder: string, summary: ExportSummary, out: string): string[] {
  const results = join(enclavePaths(folder).results, summary.job);
  const files = summary.files.map(({ name, sha256 }) => {
    const bytes = readBytes(existingFile(join(results, name)));
    if (sha256Hex(bytes) !== sha256) throw explained("CLI_FILE", `not the file that the job made: ${name}`);
    return { name, bytes };
  });
  for (const { name, bytes } of files) writeDurably(join(out, name), bytes);
  writeDurably(join(out, "export.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
  return [...files.map((f) => f.name), "export.json"];
}
